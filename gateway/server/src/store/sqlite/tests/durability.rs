//! What was acknowledged is there: after closing, after a crash, after a full disk.

use super::open;
use crate::store::sqlite::{SqliteOptions, SqliteStore};
use crate::store::suite::samples::{Shared, audit, commit, home, key, must, put, resource, write};
use crate::store::{CommitError, Store, StoreError};
use gateway_core::change::{Change, Transaction};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rusqlite::Connection;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Text that does not compress.
fn noise(seed: u64, length: usize) -> String {
    StdRng::seed_from_u64(seed).sample_iter(rand::distr::Alphanumeric).take(length).map(char::from).collect()
}

async fn fill(store: &Shared, from: u32, to: u32) {
    let mut tasks = JoinSet::new();
    for number in from..to {
        let store = Arc::clone(store);
        tasks.spawn(async move {
            let id = format!("r{number}");
            let changes = vec![put(resource(&id, 1, &[("status", "ready")])), Change::Audit(audit(&id, "accept"))];
            must(commit(&store, vec![], changes).await);
        });
    }
    while let Some(result) = tasks.join_next().await {
        must(result);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn committed_changes_survive_closing_and_a_crash() {
    let folder = tempfile::tempdir().expect("a folder");
    let store: Shared = Arc::new(open(folder.path()));
    fill(&store, 0, 100).await;
    let first = must(store.content_hash().await);
    drop(store);

    let store: Shared = Arc::new(open(folder.path()));
    assert_eq!(must(store.content_hash().await), first);
    fill(&store, 100, 300).await;
    let second = must(store.content_hash().await);
    // The process dies: what it leaves is the file and the log; the log's index is made again.
    let crashed = tempfile::tempdir().expect("a folder");
    for name in ["gateway.db", "gateway.db-wal"] {
        std::fs::copy(folder.path().join(name), crashed.path().join(name)).expect("copies");
    }
    let log = std::fs::metadata(crashed.path().join("gateway.db-wal")).expect("a log").len();
    assert!(log > 0, "the test shows nothing if the log is empty");
    let revived: Shared = Arc::new(open(crashed.path()));
    assert_eq!(must(revived.content_hash().await), second);
    let chains = must(revived.verify_audit().await);
    assert_eq!(chains.iter().map(|chain| (chain.lines, chain.broken)).collect::<Vec<_>>(), [(300, None)]);
    write(&revived, vec![put(resource("after", 1, &[]))]).await;
}

#[tokio::test]
async fn one_process_writes_and_the_next_may_after_it_closes() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let path = folder.path().join("gateway.db");
    let refusal = SqliteStore::open(&path).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(refusal.contains("another process holds"), "{refusal}");
    store.close();
    let closed = store.commit(Transaction::default()).await;
    assert!(matches!(closed, Err(CommitError::Store(StoreError::Closed))));
    assert_eq!(must(store.resource(&key(&home(), "a"), None).await), None, "reads go on");
    let next = open(folder.path());
    must(next.commit(Transaction::default()).await);
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_for_this_user_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let store: Shared = Arc::new(open(folder.path()));
    fill(&store, 0, 1).await;
    for entry in std::fs::read_dir(folder.path()).expect("lists") {
        let entry = entry.expect("an entry");
        let mode = entry.metadata().expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", entry.file_name());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_writes_and_reads_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("gateway.db");
    let options = SqliteOptions { max_pages: Some(120), ..SqliteOptions::default() };
    let store: Shared = Arc::new(SqliteStore::open_with(&path, options).expect("opens"));
    fill(&store, 0, 5).await;
    let mut tasks = JoinSet::new();
    for number in 0..40 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let id = format!("big{number}");
            let mut big = resource(&id, 1, &[("status", "ready")]);
            big.body = noise(number, 40_000);
            (id, commit(&store, vec![], vec![Change::Audit(audit("a", "big")), put(big)]).await)
        });
    }
    let mut full = 0;
    while let Some(result) = tasks.join_next().await {
        let (id, result) = must(result);
        let there = must(store.resource(&key(&home(), &id), None).await).is_some();
        assert_eq!(there, result.is_ok(), "{id}");
        match result {
            Ok(()) => {}
            Err(CommitError::Store(StoreError::Full)) => full += 1,
            Err(error) => panic!("another failure: {error}"),
        }
    }
    assert!(full > 0, "the disk was never full");
    assert!(must(store.resource(&key(&home(), "r0"), None).await).is_some());
    // With room again, writes go on.
    drop(store);
    let store: Shared = Arc::new(SqliteStore::open(&path).expect("opens"));
    fill(&store, 5, 50).await;
}

#[tokio::test]
async fn audit_and_versions_cannot_be_rewritten_by_hand() {
    let folder = tempfile::tempdir().expect("a folder");
    let store: Shared = Arc::new(open(folder.path()));
    fill(&store, 0, 1).await;
    drop(store);
    let file = Connection::open(folder.path().join("gateway.db")).expect("opens");
    for sql in [
        "UPDATE audit SET action = 'other'",
        "DELETE FROM audit",
        "UPDATE resource_version SET body = x'00'",
        "DELETE FROM resource_version",
    ] {
        let error = file.execute(sql, []).expect_err("refused").to_string();
        assert!(error.contains("never"), "{sql}: {error}");
    }
}

#[test]
fn the_engine_has_no_known_loss() {
    // 3.7.0 to 3.51.2 could lose commits when a checkpoint met a log reset.
    assert!(rusqlite::version_number() >= 3_051_003, "SQLite {}", rusqlite::version());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_folded_while_the_store_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let store: Shared = Arc::new(open(folder.path()));
    // Five times as many bytes as the log may hold while nothing waits.
    for number in 0..800 {
        let mut big = resource(&format!("big{number}"), 1, &[]);
        big.body = noise(number, 100_000);
        write(&store, vec![put(big)]).await;
    }
    let log = std::fs::metadata(folder.path().join("gateway.db-wal")).expect("a log").len();
    assert!(log < 24 * 1024 * 1024, "the log has {log} bytes");
}
