//! Floods, slow callers and a full backlog: each costs whoever causes it, and nothing is half done.

use crate::support::{Answer, FHIR_JSON, GP, NEIGHBOUR, READER, REPORT_TOKEN, Setup, World, bundle};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use time::macros::datetime;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use vcse_gateway::clock::ManualClock;

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(datetime!(2026-06-15 12:00 UTC)))
}

async fn world(limits: &'static str, decided: &str, clock: &Arc<ManualClock>) -> World {
    World::start(Setup { limits, decided: decided.to_owned(), clock: clock.clone(), ..Setup::default() }).await
}

fn assert_throttled(answer: &Answer, seconds: &str) {
    assert_eq!(answer.status, 429, "{}", answer.text);
    answer.assert_refused("throttled");
    assert_eq!((answer.issues()[0].0.as_str(), answer.header("retry-after")), ("throttled", seconds));
}

#[tokio::test]
async fn who_asks_too_often_waits_alone() {
    let clock = clock();
    let world = world("requests-per-minute = 60\nburst = 3", "", &clock).await;
    for nth in 0..3 {
        world.submit(&bundle(nth)).await;
    }
    let stands = world.store().content_hash().await.unwrap();
    let refused = world.post(GP, "/fhir", bundle(3).to_string()).await;
    assert_throttled(&refused, "1");
    assert_eq!(world.store().content_hash().await.unwrap(), stands, "nothing of it is stored");
    assert_eq!(world.get(READER, "/fhir/Task").await.status, 200, "another client of the same practice goes on");
    assert_eq!(world.get("nobody", "/fhir/Task").await.status, 401, "who is unknown is told so");
    clock.advance(Duration::from_secs(1));
    world.submit(&bundle(3)).await;
    assert_throttled(&world.get(GP, "/fhir/Task").await, "1");
    world.stop().await;
}

#[tokio::test]
async fn a_customer_has_a_rate_over_all_its_clients() {
    let clock = clock();
    let tenant = "\n[[tenant]]\nid = \"pcn-a\"\nrate = { requests-per-minute = 6, burst = 4 }\n";
    let world = world("burst = 100", tenant, &clock).await;
    for client in [GP, READER, NEIGHBOUR, GP] {
        assert_eq!(world.get(client, "/fhir/Task").await.status, 200);
    }
    for client in [GP, READER, NEIGHBOUR] {
        assert_throttled(&world.get(client, "/fhir/Task").await, "10");
    }
    assert_eq!(world.get(crate::support::FOREIGN, "/fhir/Task").await.status, 200, "another customer goes on");
    clock.advance(Duration::from_secs(10));
    assert_eq!(world.get(READER, "/fhir/Task").await.status, 200);
    world.stop().await;
}

#[tokio::test]
async fn a_platform_that_floods_reports_is_told_to_wait() {
    let clock = clock();
    let setup =
        Setup { limits: "requests-per-minute = 60\nburst = 2", clock: clock.clone(), lanes: true, ..Setup::default() };
    let world = World::start(setup).await;
    let report = |token| world.post(token, "/platforms/food/reports", r#"{"resourceType":"Task"}"#);
    for _ in 0..3 {
        assert_eq!(report("wrong").await.status, 401, "who is not the platform uses nothing of its rate");
    }
    for _ in 0..2 {
        assert_eq!(report(REPORT_TOKEN).await.status, 202);
    }
    assert_throttled(&report(REPORT_TOKEN).await, "1");
    assert_eq!(world.get(GP, "/fhir/Task").await.status, 200);
    world.stop().await;
}

/// A connection on which a request of this client is begun and not ended.
async fn unfinished(world: &World, token: &str) -> TcpStream {
    let mut stream = TcpStream::connect(world.running.address).await.unwrap();
    let head = format!(
        "POST /fhir HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {token}\r\ncontent-type: {FHIR_JSON}\r\n\
         content-length: 100\r\nexpect: 100-continue\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The body is asked for once the request has its place.
    let mut line = [0; 25];
    stream.read_exact(&mut line).await.unwrap();
    assert_eq!(std::str::from_utf8(&line).unwrap(), "HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

#[tokio::test]
async fn bodies_that_never_end_hold_only_their_senders_places() {
    let clock = clock();
    let world = world("at-once = 2", "", &clock).await;
    let (first, second) = (unfinished(&world, GP).await, unfinished(&world, GP).await);
    assert_throttled(&world.get(GP, "/fhir/Task").await, "1");
    assert_eq!(world.get(READER, "/fhir/Task").await.status, 200, "others go on");
    drop(first);
    crate::support::eventually("a free place", || async {
        (world.get(GP, "/fhir/Task").await.status == 200).then_some(())
    })
    .await;
    drop(second);
    world.stop().await;
}

#[tokio::test]
async fn a_full_backlog_takes_no_referral_and_every_cancellation() {
    let clock = clock();
    let world = world("burst = 100\nbacklog = 2", "", &clock).await;
    let first = world.submit(&bundle(0)).await;
    let once = world.request(GP, "POST", "/fhir").header("content-type", FHIR_JSON).header("x-request-id", "once");
    let second = crate::support::Sent { response: world.send(once.body(bundle(1).to_string())).await.json() };
    clock.advance(Duration::from_secs(1));
    let stands = world.store().content_hash().await.unwrap();
    // Who repeats a request learns what became of it.
    let again = world.request(GP, "POST", "/fhir").header("content-type", FHIR_JSON).header("x-request-id", "once");
    assert_eq!(world.send(again.body(bundle(1).to_string())).await.status, 201);
    let refused = world.post(GP, "/fhir", bundle(2).to_string()).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "30"), "{}", refused.text);
    assert_eq!(refused.issues()[0].0, "transient");
    assert_eq!(world.store().content_hash().await.unwrap(), stands, "nothing of it is stored");
    // What stops a referral is taken however much waits.
    let withdrawn = world.change(&first.path("Consent"), |consent| consent["status"] = Value::from("inactive")).await;
    assert_eq!(withdrawn.status, 200, "{}", withdrawn.text);
    assert_eq!(world.task(&first.path("Task")).await["status"], "cancelled");
    assert_eq!(world.move_task(&second.path("Task"), "cancelled").await.status, 200);
    clock.advance(Duration::from_secs(1));
    world.submit(&bundle(2)).await;
    world.stop().await;
}

#[tokio::test]
async fn whoever_fills_the_backlog_shuts_out_nobody_else() {
    let clock = clock();
    let world = world("burst = 100\nbacklog = 8", "", &clock).await;
    // Three quarters of eight, within one look as well.
    for nth in 0..6 {
        world.submit(&bundle(nth)).await;
    }
    let refused = world.post(GP, "/fhir", bundle(6).to_string()).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "30"), "{}", refused.text);
    assert!(refused.text.contains("referrals of this customer wait"), "{}", refused.text);
    clock.advance(Duration::from_secs(1));
    assert_eq!(world.post(GP, "/fhir", bundle(6).to_string()).await.status, 503, "another look finds the same");
    let other = world.post(crate::support::FOREIGN, "/fhir", bundle(7).to_string()).await;
    assert_eq!(other.status, 201, "{}", other.text);
    world.stop().await;
}

#[tokio::test]
async fn a_head_that_does_not_come_ends_its_connection() {
    let world = World::start(Setup { limits: "head-seconds = 1\nconnections = 1", ..Setup::default() }).await;
    // Nothing at all, the beginning of what might be HTTP/2, a preface without a request, half a head.
    let preface: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    for said in [b"".as_slice(), b"P", preface, b"GET /fhir/Task HTTP/1.1\r\nhost:"] {
        let mut silent = TcpStream::connect(world.running.address).await.unwrap();
        silent.write_all(said).await.unwrap();
        // The only place is taken until then.
        let mut rest = Vec::new();
        let _ = silent.read_to_end(&mut rest).await;
        assert!(!String::from_utf8_lossy(&rest).contains("200"), "{rest:?}");
        let get = world.request(GP, "GET", "/fhir/Task").header("connection", "close");
        assert_eq!(world.send(get).await.status, 200);
    }
    world.stop().await;
}

#[tokio::test]
async fn what_is_under_way_ends_and_what_comes_later_is_refused() {
    let clock = clock();
    let world = world("burst = 100", "", &clock).await;
    let mut under_way = unfinished(&world, GP).await;
    let address = world.running.address;
    let stopping = tokio::spawn(world.stop());
    crate::support::eventually("a closed door", || async { TcpStream::connect(address).await.is_err().then_some(()) })
        .await;
    assert!(!stopping.is_finished(), "it waits for the request");
    under_way.write_all(&[b' '; 100]).await.unwrap();
    let mut answer = Vec::new();
    under_way.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("OperationOutcome"), "{answer}");
    stopping.await.unwrap();
}

#[tokio::test]
async fn who_does_not_end_holds_up_the_stop_only_for_its_time() {
    let clock = clock();
    let world = world("burst = 100", "", &clock).await;
    let under_way = unfinished(&world, GP).await;
    let address = world.running.address;
    let stopping = tokio::spawn(world.stop());
    crate::support::eventually("a closed door", || async { TcpStream::connect(address).await.is_err().then_some(()) })
        .await;
    clock.advance(Duration::from_secs(40));
    stopping.await.unwrap();
    drop(under_way);
}
