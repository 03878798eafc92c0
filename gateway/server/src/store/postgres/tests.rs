//! The engine for several instances against the suite, the model, broken connections, and forgotten tenants.

mod broken;
mod copied;
mod instances;
mod lanes;
mod security;

use super::PostgresStore;
use crate::gateway::Secret;
use crate::store::{Store, differential, suite};
use conformance_tests::postgres::{PostgresServer, reason_to_skip};
use std::sync::Arc;

/// The server of this test run, or why there is none, aloud.
#[expect(clippy::print_stderr, reason = "a test that did not run says so")]
pub(in crate::store) fn server() -> Option<&'static PostgresServer> {
    if let Some(missing) = reason_to_skip().expect("PostgreSQL is required") {
        eprintln!("SKIPPED: {missing}");
        return None;
    }
    Some(PostgresServer::shared().expect("PostgreSQL starts"))
}

/// A new database: its address.
fn database(server: &PostgresServer) -> Secret {
    Secret::new(server.database().expect("a database"))
}

async fn open(url: &Secret) -> PostgresStore {
    PostgresStore::open(url).await.expect("opens")
}

/// A store in a new database.
pub(in crate::store) async fn fresh(server: &PostgresServer) -> PostgresStore {
    open(&database(server)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_every_rule() {
    let Some(server) = server() else { return };
    suite::run_all(|| async { Arc::new(fresh(server).await) as Arc<dyn Store> }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_histories_end_alike() {
    let Some(server) = server() else { return };
    for seed in 0..3 {
        differential::history(seed, 120, &fresh(server).await).await;
    }
}
