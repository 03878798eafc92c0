//! Connections that break: nothing is lost, nothing is done twice.

use super::{database, open, server};
use crate::store::postgres::PostgresStore;
use crate::store::suite::samples;
use crate::store::{CommitError, Store};
use conformance_tests::postgres::PostgresServer;
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

/// A transaction that, done twice, would show: nothing in it is checked.
fn unchecked(id: &str) -> Transaction {
    let changes = vec![Change::Received(samples::received(id)), Change::Audit(samples::audit("r", "accept"))];
    Transaction { checks: Vec::new(), changes }
}

async fn applied(store: &PostgresStore) -> (usize, u64) {
    let received = store.received(samples::at(1_000), 100).await.expect("reads").len();
    let lines = store.verify_audit().await.expect("reads").iter().map(|chain| chain.lines).sum();
    (received, lines)
}

/// The connection ends in the middle of the commit, and the server rolls back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_broke_off_is_done_again() {
    let Some(server) = server() else { return };
    let url = database(server);
    let store = open(&url).await;
    let once = "CREATE SEQUENCE ends; GRANT ALL ON ends TO gateway;
        CREATE FUNCTION end_once() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$BEGIN
            IF nextval('ends') <= 2 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; RETURN NULL; END$$;
        CREATE CONSTRAINT TRIGGER ends_once AFTER INSERT ON received DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION end_once()";
    server.psql(url.reveal(), once).expect("makes the trigger");
    store.commit(unchecked("q")).await.expect("commits at the third try");
    assert_eq!(server.psql(url.reveal(), "SELECT last_value FROM ends").expect("reads"), "3");
    assert_eq!(applied(&store).await, (1, 1));
}

/// The connection ends after the commit and before its answer: the server waits for a standby that does not exist.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_was_lost_is_not_done_again() {
    if server().is_none() {
        return;
    }
    // Of its own: the setting is for all databases of a server.
    let server = Arc::new(PostgresServer::start().expect("starts"));
    let url = database(&server);
    let store = Arc::new(open(&url).await);
    server.psql("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'nobody'").expect("sets");
    server.psql("postgres", "SELECT pg_reload_conf()").expect("reloads");
    let shown = "SELECT current_setting('synchronous_standby_names')";
    while server.psql("postgres", shown).expect("reads") != "nobody" {}
    let committing = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.commit(unchecked("q")).await }
    });
    let ending = tokio::task::spawn_blocking({
        let server = Arc::clone(&server);
        move || {
            let waiting = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
            while server.psql("postgres", waiting).expect("ends it") == "0" {}
        }
    });
    committing.await.expect("runs").expect("was committed");
    ending.await.expect("ends");
    server.psql("postgres", "ALTER SYSTEM RESET synchronous_standby_names").expect("resets");
    server.psql("postgres", "SELECT pg_reload_conf()").expect("reloads");
    assert_eq!(applied(&store).await, (1, 1), "once");
    store.commit(unchecked("later")).await.expect("goes on");
    assert_eq!(applied(&store).await, (2, 2));
    store.close().await;
}
