//! The embedded engine against the suite, the model, crashes, full disks and its own query plans.

mod backup;
mod chain;
mod durability;
mod plans;
mod traces;

use super::SqliteStore;
use crate::store::{Store, differential, suite};
use std::path::Path;
use std::sync::{Arc, Mutex};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_every_rule() {
    let folders = Mutex::new(Vec::new());
    suite::run_all(|| async {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(folder.path());
        folders.lock().expect("not poisoned").push(folder);
        Arc::new(store) as Arc<dyn Store>
    })
    .await;
}

#[tokio::test]
async fn random_histories_end_alike() {
    for seed in 0..4 {
        let folder = tempfile::tempdir().expect("a folder");
        differential::history(seed, 200, &open(folder.path())).await;
    }
}

fn open(folder: &Path) -> SqliteStore {
    SqliteStore::open(&folder.join("gateway.db")).expect("opens")
}
