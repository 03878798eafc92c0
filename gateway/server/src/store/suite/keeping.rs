//! Rules for answers, cursors, audit, and for transactions as a whole.

use super::samples::{
    Shared, account, adapter, answer, at, attempts, audit, claim, commit, erasure, errand, fed, home, key, link, must,
    notice, platform, put, put_account, put_errand, put_link, put_notice, put_referral, query, raw_report, received,
    record, referral, referral_id, refused, report, resource, session, subject, token, write,
};
use adapter_contract::Cursor;
use gateway_core::change::{AuditRecord, Change, Check, CheckFailure, Disposition, Removed, StoredAnswer, Transaction};
use gateway_core::identity::{ClientId, TenantId};
use gateway_core::outbox::Attempt;
use gateway_core::referral::{Delivery, Referral};
use gateway_core::resource::ResourceVersion;
use gateway_core::subject::Domain;
use std::collections::BTreeSet;
use time::{Duration, UtcOffset};
use tokio::task::JoinSet;

fn unseen(request_id: &str) -> Check {
    let (tenant, client) = (TenantId("north".to_owned()), ClientId("gp".to_owned()));
    Check::Unseen { tenant, client, request_id: request_id.to_owned() }
}

pub(super) async fn answers_are_kept_for_one_client(store: Shared) {
    let kept = StoredAnswer { etag: Some("W/\"1\"".to_owned()), ..answer("q1") };
    must(commit(&store, vec![unseen("q1")], vec![Change::RememberAnswer(kept.clone())]).await);
    let failure = refused(&store, vec![unseen("q1")], vec![Change::RememberAnswer(answer("q1"))]).await;
    assert_eq!(failure, CheckFailure::Seen(Box::new(kept.clone())));
    must(commit(&store, vec![unseen("q2"), unseen("Q1")], vec![]).await);
    let ask = async |tenant: &str, client: &str, request_id: &str| {
        must(store.answer(&TenantId(tenant.to_owned()), &ClientId(client.to_owned()), request_id).await)
    };
    assert_eq!(ask("north", "gp", "q1").await, Some(kept));
    for (tenant, client, request_id) in [("south", "gp", "q1"), ("north", "other", "q1"), ("north", "gp", "q2")] {
        assert_eq!(ask(tenant, client, request_id).await, None, "{tenant} {client} {request_id}");
    }
    let newer = StoredAnswer { status: 200, location: None, ..answer("q1") };
    write(&store, vec![Change::RememberAnswer(newer.clone())]).await;
    assert_eq!(ask("north", "gp", "q1").await, Some(newer), "unchecked, the newest stands");
}

pub(super) async fn cursors_and_audit_are_kept(store: Shared) {
    let here = platform("food-bank");
    assert_eq!(must(store.cursor(&here).await), None);
    for word in ["1", "2"] {
        let cursor = Cursor(word.to_owned());
        write(&store, vec![Change::PutCursor { platform: here.clone(), cursor: cursor.clone() }]).await;
        assert_eq!(must(store.cursor(&here).await), Some(cursor));
    }
    assert_eq!(must(store.cursor(&platform("walks")).await), None);
    assert_eq!(must(store.latest_time().await), None);
    // In the order in which they were written, whatever their times.
    let lines = [("a", "accept", 9), ("b", "accept", 1), ("a", "deliver", 5), ("a", "accept", 9)];
    for (referral, action, seconds) in lines {
        write(&store, vec![Change::Audit(AuditRecord { at: at(seconds), ..audit(referral, action) })]).await;
    }
    write(&store, vec![Change::Audit(AuditRecord { referral: None, ..audit("a", "start") })]).await;
    let kept = must(store.audit(&referral_id("a")).await);
    assert_eq!(kept.iter().map(|line| line.action.as_str()).collect::<Vec<_>>(), ["accept", "deliver", "accept"]);
    assert_eq!(kept.get(1), Some(&AuditRecord { at: at(5), ..audit("a", "deliver") }));
    assert_eq!(must(store.audit(&referral_id("c")).await), []);
    // The latest time, not that of the latest line.
    assert_eq!(must(store.latest_time().await), Some(at(9)));
}

/// One of every change, on a store that has seen none of them.
fn every_change() -> Vec<Change> {
    let attempt = Attempt {
        outbox: "a-1".to_owned(),
        number: 1,
        started: at(0),
        finished: None,
        outcome: None,
        failure: None,
        adapter: Some(adapter()),
    };
    vec![
        Change::Received(received("q1")),
        put(resource("a", 1, &[("identifier", "x|1")])),
        put(resource("a", 2, &[("identifier", "x|1")])),
        put_referral(referral("a", 1)),
        put_referral(referral("a", 2)),
        put_errand(errand("a", 1, 0)),
        put_errand(errand("a", 1, 5)),
        Change::PutAttempt(attempt.clone()),
        Change::PutAttempt(Attempt { outcome: Some("transient".to_owned()), ..attempt }),
        Change::ReceiveReport(raw_report("1")),
        Change::ReportRead { id: "1".to_owned(), fault: None, about: vec![] },
        Change::ReportRead { id: "1".to_owned(), fault: Some("no".to_owned()), about: vec![referral_id("a")] },
        record(report("1", "fb-1", "e1")),
        Change::DisposeReport { id: "1".to_owned(), disposition: Disposition::Late },
        put_link(link("a", "a", 50)),
        put_link(link("a", "a", 50).closed()),
        put_link(link("b", "a", 50)),
        Change::Remove(vec![Removed::Link("a".to_owned())]),
        fed("a", 1),
        fed("b", 1),
        Change::Remove(vec![Removed::Fed(1)]),
        put_notice(notice("a", 1, 5)),
        put_notice(notice("b", 1, 5)),
        put_notice(notice("b", 1, 5).begun(at(9))),
        Change::Remove(vec![Removed::Notice(notice("a", 1, 5).id)]),
        put_account(account("anna", 1)),
        put_account(account("anna", 1).disabled(true)),
        Change::PutSignIn(session("browser", "anna", 0)),
        Change::PutSignIn(attempts("tries", 1, 0)),
        Change::Remove(vec![Removed::SignIn("browser".to_owned())]),
        Change::PutCursor { platform: platform("food-bank"), cursor: Cursor("1".to_owned()) },
        Change::PutCursor { platform: platform("food-bank"), cursor: Cursor("2".to_owned()) },
        Change::RememberAnswer(answer("q1")),
        Change::Audit(audit("a", "accept")),
        Change::Audit(audit("a", "accept")),
        Change::Remove(vec![Removed::Report("1".to_owned())]),
        Change::Remove(vec![Removed::Received(1)]),
        Change::Erase { subject: subject("p", Domain::Record), erasure: erasure(9) },
    ]
}

pub(super) async fn a_failing_check_changes_nothing(store: Shared) {
    let seed = vec![
        put(resource("seed", 1, &[("identifier", "seed|1")])),
        Change::RememberAnswer(answer("seed")),
        put_errand(errand("seed", 1, 0)),
    ];
    write(&store, seed).await;
    let leased = must(store.claim(claim("food-bank", 0, 1)).await);
    assert_eq!(leased.len(), 1);
    let hash = must(store.content_hash().await);
    let (kind, outbox) = ("Task".to_owned(), "seed-1".to_owned());
    let failing = [
        unseen("seed"),
        Check::NoMatch { compartment: home(), kind, tokens: vec![token("identifier", "seed|1")] },
        Check::LeaseHeld { outbox: outbox.clone(), fence: 2 },
        Check::NotLeased { outbox, fence: 1 },
        Check::VersionIs { key: key(&home(), "seed"), version: 2 },
    ];
    for check in failing {
        // The first that fails is named, also after one that holds.
        refused(&store, vec![unseen("other"), check.clone()], every_change()).await;
        assert_eq!(must(store.content_hash().await), hash, "{check:?}");
    }
    let checks = vec![Check::VersionIs { key: key(&home(), "seed"), version: 1 }, unseen("seed")];
    assert!(matches!(refused(&store, checks, vec![]).await, CheckFailure::Seen(_)));
    // None of it was written: all of it can be.
    write(&store, every_change()).await;
}

pub(super) async fn a_failing_change_undoes_the_ones_before_it(store: Shared) {
    let hash = must(store.content_hash().await);
    for bad in [put(resource("b", 2, &[])), put_referral(referral("b", 3))] {
        let mut changes = every_change();
        changes.push(bad);
        changes.push(Change::Audit(audit("a", "never")));
        refused(&store, vec![], changes).await;
        assert_eq!(must(store.content_hash().await), hash);
    }
    assert_eq!(must(store.search(&query(&[&[("identifier", "x|1")]])).await).rows, []);
    assert_eq!(must(store.next_due(&[platform("food-bank")]).await), None);
    assert_eq!(must(store.audit(&referral_id("a")).await), []);
    write(&store, every_change()).await;
    // A refused creation leaves no gap that a reader could take for a missing row.
    let place = must(store.search(&query(&[])).await).up_to;
    assert_eq!(place, 1);
}

pub(super) async fn transactions_that_wait_together_fail_alone(store: Shared) {
    let mut tasks = JoinSet::new();
    for number in 0..60_u64 {
        let store = Shared::clone(&store);
        tasks.spawn(async move {
            let id = format!("r{number}");
            // Every third is refused after it has written.
            let version = if number.is_multiple_of(3) { 2 } else { 1 };
            let changes = vec![Change::Audit(audit(&id, "accept")), put(resource(&id, version, &[]))];
            (id, store.commit(Transaction { checks: vec![], changes }).await.is_ok())
        });
    }
    let mut accepted = 0;
    while let Some(result) = tasks.join_next().await {
        let (id, ok) = must(result);
        let lines = must(store.audit(&referral_id(&id)).await).len();
        let there = must(store.resource(&key(&home(), &id), None).await).is_some();
        assert_eq!((lines, there), (usize::from(ok), ok), "{id}");
        accepted += usize::from(ok);
    }
    assert_eq!(accepted, 40);
}

pub(super) async fn every_change_shows_in_the_hash(store: Shared, twin: Shared) {
    let mut seen = BTreeSet::from([must(store.content_hash().await)]);
    for change in every_change() {
        let what = format!("{change:?}");
        write(&store, vec![change]).await;
        assert!(seen.insert(must(store.content_hash().await)), "not in the hash: {what}");
    }
    // Reads change nothing; the way in which the same contents came to be does not count.
    write(&twin, every_change()).await;
    assert_eq!(must(store.content_hash().await), must(twin.content_hash().await));
    let first = must(store.claim(claim("food-bank", 10, 1)).await);
    assert!(seen.insert(must(store.content_hash().await)), "a claim shows");
    assert_eq!(must(twin.claim(claim("food-bank", 10, 1)).await), first);
    assert_eq!(must(store.content_hash().await), must(twin.content_hash().await));
}

pub(super) async fn times_are_kept_to_the_microsecond(store: Shared) {
    let offset = must(UtcOffset::from_hms(1, 0, 0));
    let fine = (at(0) + Duration::nanoseconds(1_234_567)).to_offset(offset);
    let kept = at(0) + Duration::microseconds(1_234);
    let delivered = Delivery::Delivered { at: fine };
    let changes = vec![
        put(ResourceVersion { updated: fine, ..resource("a", 1, &[]) }),
        put_referral(Referral { accepted_at: fine, delivery: delivered, ..referral("a", 1) }),
        Change::Audit(AuditRecord { at: fine, ..audit("a", "accept") }),
    ];
    write(&store, changes).await;
    let read = must(store.resource(&key(&home(), "a"), None).await).map(|row| row.updated);
    assert_eq!(read.map(|at| (at, at.offset())), Some((kept, UtcOffset::UTC)));
    let row = must(store.referral(&referral_id("a")).await);
    assert_eq!(row.map(|row| (row.accepted_at, row.delivery)), Some((kept, Delivery::Delivered { at: kept })));
    assert_eq!(must(store.audit(&referral_id("a")).await).first().map(|line| line.at), Some(kept));
}
