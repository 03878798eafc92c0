//! Rules for the chain of audit.

use super::samples::{Shared, audit, commit, must, put, referral_id, resource, write};
use crate::store::{AuditChain, AuditLine};
use gateway_core::change::{AuditRecord, Change};
use gateway_core::identity::TenantId;
use std::sync::Arc;
use tokio::task::JoinSet;

fn of(tenant: &str, action: &str) -> AuditRecord {
    AuditRecord { tenant: TenantId(tenant.to_owned()), ..audit("a", action) }
}

fn summary(chains: &[AuditChain]) -> Vec<(&str, u64, bool)> {
    chains.iter().map(|chain| (chain.tenant.0.as_str(), chain.lines, chain.broken.is_none())).collect()
}

pub(super) async fn lines_are_numbered_and_chained_for_each_tenant(store: Shared) {
    assert_eq!(must(store.verify_audit().await), []);
    let written = [("north", "one"), ("south", "one"), ("north", "two")];
    // Two of them in one transaction: they follow each other as in two.
    write(&store, written[..2].iter().map(|(tenant, action)| Change::Audit(of(tenant, action))).collect()).await;
    let before = must(store.verify_audit().await);
    write(
        &store,
        vec![Change::Audit(of("north", "two")), Change::Audit(AuditRecord { referral: None, ..of("north", "three") })],
    )
    .await;
    let chains = must(store.verify_audit().await);
    assert_eq!(summary(&chains), [("north", 3, true), ("south", 1, true)]);
    assert_eq!(before.get(1), chains.get(1), "another tenant's lines are no part of it");
    assert_ne!(before.first().map(|one| &one.last), chains.first().map(|one| &one.last));
    let lines = must(store.audit_lines(&referral_id("a")).await);
    let places: Vec<(&str, u64, &str)> =
        lines.iter().map(|line| (line.record.tenant.0.as_str(), line.number, line.record.action.as_str())).collect();
    assert_eq!(places, [("north", 1, "one"), ("south", 1, "one"), ("north", 2, "two")]);
    let north = TenantId("north".to_owned());
    assert_eq!(must(store.audit_line(&north, 2).await), Some(AuditLine { number: 2, record: of("north", "two") }));
    for number in [0, 4, u64::MAX] {
        assert_eq!(must(store.audit_line(&north, number).await), None, "{number}");
    }
    assert_eq!(must(store.audit_line(&TenantId("west".to_owned()), 1).await), None);
}

/// Many at once, some of them refused after they have written their line.
pub(super) async fn what_is_refused_leaves_no_gap(store: Shared) {
    write(&store, vec![put(resource("taken", 1, &[]))]).await;
    let mut tasks = JoinSet::new();
    for number in 0..60 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let tenant = ["north", "south", "west"][number % 3];
            let mut changes = vec![Change::Audit(of(tenant, &format!("step {number}")))];
            if number % 4 == 0 {
                changes.push(put(resource("taken", 1, &[])));
            }
            commit(&store, vec![], changes).await.is_ok()
        });
    }
    let mut kept = 0;
    while let Some(done) = tasks.join_next().await {
        kept += u64::from(must(done));
    }
    assert_eq!(kept, 45);
    assert_eq!(
        summary(&must(store.verify_audit().await)),
        [("north", 15, true), ("south", 15, true), ("west", 15, true)]
    );
}
