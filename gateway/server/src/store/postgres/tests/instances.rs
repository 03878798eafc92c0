//! Several instances over one database.

use super::{database, open, server};
use crate::store::suite::samples;
use crate::store::{CommitError, Store};
use gateway_core::change::{Change, Check, CheckFailure, Transaction};
use std::collections::BTreeSet;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_of_several_instances_share_no_row() {
    let Some(server) = server() else { return };
    let url = database(server);
    let stores = [open(&url).await, open(&url).await, open(&url).await].map(Arc::new);
    let changes = (0..200).map(|row| samples::put_errand(samples::errand(&format!("r{row}"), 1, 0))).collect();
    stores[0].commit(Transaction { checks: Vec::new(), changes }).await.expect("commits");
    let mut claiming = tokio::task::JoinSet::new();
    for store in stores.iter().cycle().take(9) {
        let store = Arc::clone(store);
        claiming.spawn(async move {
            let mut mine = Vec::new();
            // One that finds every due row locked finds nothing, and looks again.
            while store.next_due(&[samples::platform("food-bank")]).await.expect("reads") < Some(samples::at(5)) {
                let claimed = store.claim(samples::claim("food-bank", 5, 3)).await.expect("claims");
                mine.extend(claimed.into_iter().map(|claimed| (claimed.row.id, claimed.row.fence)));
            }
            mine
        });
    }
    let mut claimed = Vec::new();
    while let Some(mine) = claiming.join_next().await {
        claimed.extend(mine.expect("claims"));
    }
    assert_eq!(claimed.len(), 200);
    assert!(claimed.iter().all(|(_, fence)| *fence == 1), "none was claimed twice");
    assert_eq!(claimed.into_iter().collect::<BTreeSet<_>>().len(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_outlives_the_start_of_another_instance() {
    let Some(server) = server() else { return };
    let url = database(server);
    let first = open(&url).await;
    let changes = vec![samples::put_errand(samples::errand("r", 1, 0))];
    first.commit(Transaction { checks: Vec::new(), changes }).await.expect("commits");
    assert_eq!(first.claim(samples::claim("food-bank", 5, 1)).await.expect("claims").len(), 1);
    let second = open(&url).await;
    assert!(second.claim(samples::claim("food-bank", 6, 1)).await.expect("claims").is_empty(), "its holder lives");
    first.close().await;
    let claimed = second.claim(samples::claim("food-bank", 66, 1)).await.expect("claims");
    assert!(claimed[0].interrupted && claimed[0].row.fence == 2, "after its end the other takes over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_wake_each_other_also_after_a_broken_connection() {
    let Some(server) = server() else { return };
    let url = database(server);
    let (first, second) = (open(&url).await, open(&url).await);
    let mut heard = second.wakes().expect("instances wake each other");
    // Said once it listens.
    heard.wait_for(|wakes| wakes.outbox > 0).await.expect("listens");
    let before = *heard.borrow_and_update();
    let put =
        |id: &str| Transaction { checks: Vec::new(), changes: vec![samples::put_errand(samples::errand(id, 1, 0))] };
    first.commit(put("a")).await.expect("commits");
    let after = *heard.wait_for(|wakes| wakes.outbox > before.outbox).await.expect("hears");
    assert_eq!(after.reports, before.reports, "only what was said");
    first
        .commit(Transaction { checks: Vec::new(), changes: vec![Change::ReceiveReport(samples::raw_report("w"))] })
        .await
        .expect("commits");
    heard.wait_for(|wakes| wakes.reports > after.reports).await.expect("hears");
    // What it commits itself it does not hear: its own bells are rung already.
    let before = *heard.borrow_and_update();
    second.commit(put("own")).await.expect("commits");
    first
        .commit(Transaction { checks: Vec::new(), changes: vec![Change::ReceiveReport(samples::raw_report("x"))] })
        .await
        .expect("commits");
    let after = *heard.wait_for(|wakes| wakes.reports > before.reports).await.expect("hears");
    assert_eq!(after.outbox, before.outbox);
    let broken = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND query LIKE 'LISTEN%'";
    let before = *heard.borrow_and_update();
    assert_eq!(server.psql(url.reveal(), broken).expect("ends them"), "2");
    heard.wait_for(|wakes| wakes.reports > before.reports).await.expect("counts everything as heard");
    let before = *heard.borrow_and_update();
    first.commit(put("b")).await.expect("commits");
    heard.wait_for(|wakes| wakes.outbox > before.outbox).await.expect("hears again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_that_start_together_make_one_schema() {
    let Some(server) = server() else { return };
    let url = database(server);
    let (first, second, third) = tokio::join!(open(&url), open(&url), open(&url));
    let hash = first.content_hash().await.expect("hashes");
    assert_eq!(second.content_hash().await.expect("hashes"), hash);
    assert_eq!(third.content_hash().await.expect("hashes"), hash);
}

/// Sixteen at once over three instances, round after round: `CREATE_ROUNDS` says how many; 50 are a short share of 2,000.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identical_conditional_creates_make_exactly_one() {
    let Some(server) = server() else { return };
    let rounds = std::env::var("CREATE_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(50);
    let url = database(server);
    let stores = [open(&url).await, open(&url).await, open(&url).await].map(Arc::new);
    for round in 0..rounds {
        let mut creating = tokio::task::JoinSet::new();
        for (number, store) in stores.iter().cycle().take(16).cloned().enumerate() {
            let value = format!("round-{round}");
            let check = Check::NoMatch {
                compartment: samples::home(),
                kind: "Task".to_owned(),
                tokens: vec![samples::token("identifier", &value)],
            };
            let resource = samples::resource(&format!("t{round}-{number}"), 1, &[("identifier", &value)]);
            let changes = vec![Change::PutResource(resource), Change::Audit(samples::audit("r", "accept"))];
            creating.spawn(async move { store.commit(Transaction { checks: vec![check], changes }).await });
        }
        let mut created = 0;
        while let Some(outcome) = creating.join_next().await {
            match outcome.expect("commits") {
                Ok(()) => created += 1,
                Err(CommitError::Refused(CheckFailure::Matches(found))) => assert_eq!(found.len(), 1, "round {round}"),
                Err(error) => panic!("round {round}: {error}"),
            }
        }
        assert_eq!(created, 1, "round {round}");
    }
    let [chain] = stores[0].verify_audit().await.expect("reads").try_into().expect("one tenant");
    assert_eq!((chain.lines, chain.broken), (rounds, None), "no gap for what was refused");
    let mut query = samples::query(&[]);
    query.limit = 1;
    assert_eq!(stores[1].search(&query).await.expect("finds").total, Some(rounds));
}
