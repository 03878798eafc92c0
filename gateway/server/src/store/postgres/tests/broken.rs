//! Connections that break: nothing is lost, nothing is done twice.

use super::{database, open, server};
use crate::store::suite::samples;
use crate::store::{CommitError, Store};
use gateway_core::change::{Change, Check, CheckFailure, Transaction};
use std::sync::Arc;

/// Ends every connection of the gateway to this database.
const KILL: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'vcse-gateway'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_ended_loses_nothing() {
    let Some(server) = server() else { return };
    let url = database(server);
    let store = Arc::new(open(&url).await);
    let mut writing = tokio::task::JoinSet::new();
    let (done, mut progress) = tokio::sync::mpsc::channel(480);
    for task in 0..8 {
        let (store, done) = (Arc::clone(&store), done.clone());
        writing.spawn(async move {
            let mut acknowledged = Vec::new();
            for number in 0..60 {
                let id = format!("q{task}-{number}");
                let (tenant, client) = (samples::answer(&id).tenant, samples::answer(&id).client);
                let transaction = Transaction {
                    checks: vec![Check::Unseen { tenant, client, request_id: id.clone() }],
                    changes: vec![
                        Change::RememberAnswer(samples::answer(&id)),
                        Change::Received(samples::received(&id)),
                        Change::Audit(samples::audit(&id, "accept")),
                    ],
                };
                match store.commit(transaction).await {
                    Ok(()) => {
                        acknowledged.push(id);
                        done.send(()).await.expect("somebody counts");
                    }
                    // A second application of the same transaction would be refused as seen: it must not come to that.
                    Err(CommitError::Refused(CheckFailure::Seen(_))) => panic!("{id} was applied twice"),
                    Err(error) => panic!("{id}: {error}"),
                }
            }
            acknowledged
        });
    }
    drop(done);
    // Each time something was done, so that no batch meets its end more often than it is tried.
    let killing = tokio::task::spawn_blocking(move || {
        let (mut since, mut ended) = (0, 0);
        while progress.blocking_recv().is_some() {
            since += 1;
            if since == 20 {
                since = 0;
                ended += server.psql(url.reveal(), KILL).expect("ends them").parse::<u32>().expect("a number");
            }
        }
        ended
    });
    let mut acknowledged = Vec::new();
    while let Some(ended) = writing.join_next().await {
        acknowledged.extend(ended.expect("writes"));
    }
    assert!(killing.await.expect("ends") > 0, "some were ended");
    assert_eq!(acknowledged.len(), 480);
    let later = samples::at(1_000);
    let received = store.received(later, 10_000).await.expect("reads");
    assert_eq!(received.len(), 480, "each once");
    let places: Vec<u64> = received.iter().map(|(place, _)| *place).collect();
    assert_eq!(places.iter().max(), Some(&480), "no place was left out");
    let [chain] = store.verify_audit().await.expect("reads").try_into().expect("one tenant");
    assert_eq!((chain.lines, chain.broken), (480, None), "and no line of audit");
}
