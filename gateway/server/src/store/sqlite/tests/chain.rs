//! Whoever changes the file by hand, triggers or not, is found by the chain of audit, and the first line that does not hold
//! is named.

use super::open;
use crate::store::sqlite::SqliteStore;
use crate::store::suite::samples::{Shared, audit, must, write};
use crate::store::{BrokenLine, ChainFault, Store};
use gateway_core::change::{AuditRecord, Change};
use gateway_core::identity::TenantId;
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;

const LINES: u64 = 9;

async fn filled(folder: &Path) {
    let store: Shared = Arc::new(open(folder));
    for number in 1..=LINES {
        for tenant in ["north", "south"] {
            let line = AuditRecord { tenant: TenantId(tenant.to_owned()), ..audit("a", &format!("step {number}")) };
            write(&store, vec![Change::Audit(line)]).await;
        }
    }
}

/// What is found once this was done to the file: of both tenants the first line that does not hold.
async fn found_after(sql: &str) -> Vec<(String, u64, Option<BrokenLine>)> {
    let folder = tempfile::tempdir().expect("a folder");
    filled(folder.path()).await;
    let path = folder.path().join("gateway.db");
    let file = Connection::open(&path).expect("opens");
    file.execute_batch("DROP TRIGGER audit_keeps; DROP TRIGGER audit_stays; DROP INDEX audit_by_number")
        .expect("drops");
    file.execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    drop(file);
    let store = SqliteStore::open_to_read(&path).expect("opens");
    let chains = must(store.verify_audit().await);
    chains.into_iter().map(|chain| (chain.tenant.0, chain.lines, chain.broken)).collect()
}

#[tokio::test]
async fn an_untouched_file_holds() {
    let whole = |tenant: &str| (tenant.to_owned(), LINES, None);
    assert_eq!(found_after("").await, [whole("north"), whole("south")]);
}

#[tokio::test]
async fn each_edit_is_found_at_its_place() {
    let four = "tenant = 'north' AND number = 4";
    let copied = "INSERT INTO audit (tenant, number, at, actor, action, referral, detail, hash)
        SELECT tenant, number, at, actor, action, referral, detail, hash FROM audit WHERE";
    use ChainFault::{Altered, Missing, OutOfPlace};
    for (sql, number, fault) in [
        // A byte of each part.
        (format!("UPDATE audit SET detail = replace(detail, 'rule', 'rulf') WHERE {four}"), 4, Altered),
        (format!("UPDATE audit SET detail = detail || ' ' WHERE {four}"), 4, Altered),
        (format!("UPDATE audit SET detail = 'no JSON' WHERE {four}"), 4, Altered),
        (format!("UPDATE audit SET detail = CAST(x'FF' AS TEXT) WHERE {four}"), 4, Altered),
        (format!("UPDATE audit SET actor = 'client/x' WHERE {four}"), 4, Altered),
        (format!("UPDATE audit SET action = action || 'x' WHERE {four}"), 4, Altered),
        (format!("UPDATE audit SET at = at + 1 WHERE {four}"), 4, Altered),
        (format!("UPDATE audit SET referral = NULL WHERE {four}"), 4, Altered),
        (format!("UPDATE audit SET hash = zeroblob(32) WHERE {four}"), 4, Altered),
        (format!("UPDATE audit SET hash = x'00' WHERE {four}"), 4, Altered),
        // Taken out; also at the beginning, and with the rest moved up.
        (format!("DELETE FROM audit WHERE {four}"), 4, Missing),
        ("DELETE FROM audit WHERE tenant = 'north' AND number = 1".to_owned(), 1, Missing),
        (
            format!(
                "DELETE FROM audit WHERE {four}; UPDATE audit SET number = number - 1 WHERE tenant = 'north' AND number > 4"
            ),
            4,
            Altered,
        ),
        // Two that have changed places.
        ("UPDATE audit SET number = 9 - number WHERE tenant = 'north' AND number IN (4, 5)".to_owned(), 4, Altered),
        // Put in: under a number that is taken, under none, and with the rest moved down.
        (format!("{copied} tenant = 'north' AND number = 4"), 4, OutOfPlace),
        (format!("UPDATE audit SET number = -1 WHERE {four}"), 1, OutOfPlace),
        (
            format!(
                "UPDATE audit SET number = number + 1 WHERE tenant = 'north' AND number > 4; {copied} {four};
                 UPDATE audit SET number = 5 WHERE place = (SELECT max(place) FROM audit)"
            ),
            5,
            Altered,
        ),
        // Behind the end.
        (
            format!("{copied} {four}; UPDATE audit SET number = 10 WHERE place = (SELECT max(place) FROM audit)"),
            10,
            Altered,
        ),
    ] {
        let found = found_after(&sql).await;
        assert_eq!(found[0].2, Some(BrokenLine { number, fault }), "{sql}: {found:?}");
        assert_eq!(found[1], ("south".to_owned(), LINES, None), "{sql}");
    }
}

#[tokio::test]
async fn a_line_that_is_given_to_another_tenant_is_missed_and_found() {
    let found = found_after("UPDATE audit SET tenant = 'south' WHERE tenant = 'north' AND number = 4").await;
    let faults: Vec<_> = found.iter().map(|(_, _, broken)| broken.map(|line| (line.number, line.fault))).collect();
    // Of the two under number 4 of the other tenant the stranger was written first.
    assert_eq!(faults, [Some((4, ChainFault::Missing)), Some((4, ChainFault::Altered))]);
}

#[tokio::test]
async fn lines_that_are_gone_at_the_very_end_leave_a_shorter_chain_that_holds() {
    // What a hash that is kept elsewhere is for.
    let found = found_after("DELETE FROM audit WHERE tenant = 'north' AND number > 6").await;
    assert_eq!(found[0], ("north".to_owned(), 6, None));
}

#[tokio::test]
async fn a_file_opened_to_read_is_read_beside_its_writer_and_takes_no_write() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("gateway.db");
    let refusal = SqliteStore::open_to_read(&path).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(refusal.contains("no store at"), "{refusal}");
    filled(folder.path()).await;
    let writer: Shared = Arc::new(open(folder.path()));
    let reader = SqliteStore::open_to_read(&path).expect("opens");
    write(&writer, vec![Change::Audit(audit("a", "more"))]).await;
    assert_eq!(must(reader.verify_audit().await)[0].lines, LINES + 1);
    let change = gateway_core::change::Transaction { checks: vec![], changes: vec![Change::Audit(audit("a", "no"))] };
    let words = reader.commit(change).await.expect_err("refused").to_string();
    assert!(words.contains("opened for reading"), "{words}");
    let other = folder.path().join("other.db");
    Connection::open(&other).expect("opens").execute_batch("CREATE TABLE theirs (id TEXT)").expect("creates");
    assert!(SqliteStore::open_to_read(&other).is_err());
}
