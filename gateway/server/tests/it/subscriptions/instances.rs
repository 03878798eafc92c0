//! Two gateways over one PostgreSQL database tell a Subscription and a GP system's own server: each event once, in order, whoever looks
//! first. Without PostgreSQL or the server the test says so and passes, unless it is required.

use super::endpoint::{Endpoint, Told};
use super::subscription;
use crate::gp_server::{BASE, Practice, skips, version_in};
use crate::instances::database;
use crate::support::{GP, Setup, World, bundle, eventually};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use vcse_gateway::store::Store;
use vcse_gateway::store::postgres::PostgresStore;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_over_postgresql_lose_nothing_and_double_nothing() {
    let Some(database) = database() else { return };
    if skips() {
        return;
    }
    let mut practice = Practice::open();
    let endpoint = Endpoint::start().await;
    let keys = practice.keys("");
    let instance = async || {
        let store: Arc<dyn Store> = Arc::new(PostgresStore::open(&database).await.unwrap());
        let notify = keys.clone();
        World::start(Setup { store, notify, base_url: Some(BASE), subscribers: &[GP], ..Setup::default() }).await
    };
    let (first, second) = (instance().await, instance().await);
    let made = first.post(GP, "/fhir/Subscription", subscription(&endpoint.url, "id-only", &[]).to_string()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let path = format!("/fhir/Subscription/{}", made.json()["id"].as_str().unwrap());
    eventually("active", || async { (second.get(GP, &path).await.json()["status"] == "active").then_some(()) }).await;
    let mut tasks = Vec::new();
    for turn in 0..8 {
        let (one, other) = if turn % 2 == 0 { (&first, &second) } else { (&second, &first) };
        let task = one.submit(&bundle(turn)).await.path("Task");
        assert!(other.move_task(&task, "on-hold").await.status.is_success());
        tasks.push(task);
    }
    // One goes, and the other goes on alone.
    first.stop().await;
    for task in &tasks {
        assert!(second.move_task(task, "cancelled").await.status.is_success());
    }
    eventually("all told", || async {
        let fed = second.store().feed(1).await.unwrap().is_empty();
        (fed && second.store().next_notice().await.unwrap().is_none()).then_some(())
    })
    .await;
    // Each version is one event, and came once.
    let mut versions = BTreeMap::new();
    for task in &tasks {
        let history = second.get(GP, &format!("{task}/_history")).await.json();
        let reference = format!("{BASE}{}", task.trim_start_matches("/fhir"));
        versions.insert(reference, history["entry"].as_array().unwrap().len());
    }
    let told: Vec<Told> = endpoint.told();
    let numbers: Vec<u64> = told.iter().flat_map(Told::numbers).collect();
    let all = versions.values().sum::<usize>() as u64;
    assert_eq!(numbers, (1..=all).collect::<Vec<_>>());
    let mut events: BTreeMap<String, usize> = BTreeMap::new();
    for focus in told.iter().flat_map(Told::focuses) {
        *events.entry(focus).or_default() += 1;
    }
    assert_eq!(events, versions);
    // Each Task stands there once, as it stands here.
    let there: Vec<Value> = practice.server.stored("Task").unwrap();
    assert_eq!(there.len(), tasks.len());
    for task in &tasks {
        let here = second.task(task).await;
        let copy = there.iter().find(|copy| copy["id"] == here["id"]).unwrap();
        assert_eq!(
            (copy["status"].as_str(), version_in(copy)),
            (Some("cancelled"), here["meta"]["versionId"].as_str().unwrap())
        );
    }
    assert!(second.store().dead_notices(None, 0, 9).await.unwrap().is_empty());
    second.stop().await;
}
