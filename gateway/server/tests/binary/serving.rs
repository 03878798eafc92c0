//! `serve`: durable before it answers, one process to a store, a clean end.

use crate::support::{Place, referral, stderr, task_of, until};
use conformance_tests::platform::{Fault, FaultKind, Match};
use rustix::process::Signal;
use serde_json::Value;

/// How the GP system sees that the platform has it.
fn shows_delivery(task: &Value) -> bool {
    task["status"] == "requested" && !task["businessStatus"].is_null() && !task.to_string().contains("\"queued\"")
}

#[tokio::test]
async fn what_was_answered_with_201_is_delivered_once_though_the_process_is_killed_at_once() {
    let mut place = Place::with_file().await;
    let mut answered = Vec::new();
    for number in [0, 1, 2, 3, 5] {
        let serving = place.start().await;
        let answer = serving.post(referral(number).bundle_text()).await;
        serving.signal(Signal::KILL);
        assert_eq!(answer.status(), 201);
        answered.push((referral(number), task_of(&answer)));
    }
    let serving = place.start().await;
    for (referral, task) in &answered {
        until("the GP system sees the delivery", async || {
            let (status, task) = serving.get(task).await;
            status == 200 && shows_delivery(&task)
        })
        .await;
        assert_eq!(place.statuses(referral), ["requested"], "{}", referral.placer_id);
    }
    assert_eq!(place.platform.duplicates(), Vec::<String>::new());
    assert_eq!((place.platform.count("Task"), place.platform.count("ServiceRequest")), (5, 5));
}

#[tokio::test]
async fn sigterm_lets_what_is_under_way_end_and_exits_0() {
    let mut place = Place::with_file().await;
    let mut serving = place.start().await;
    place.platform.faults().push(Fault::new(Match::on("POST", "/fhir"), FaultKind::StallAfterStoring));
    let answer = serving.post(referral(0).bundle_text()).await;
    assert_eq!(answer.status(), 201);
    until("the request is under way", async || !place.platform.faults().struck().is_empty()).await;
    serving.signal(Signal::TERM);
    until("the log says so", async || serving.said().contains("stopping")).await;
    assert!(serving.is_running(), "an exchange is under way");
    place.platform.faults().clear();
    assert_eq!(serving.end().await.code(), Some(0), "{}", serving.said());

    // The attempt's end was stored: the next start goes on from there, and nothing is there twice.
    let serving = place.start().await;
    until("delivered", async || shows_delivery(&serving.get(&task_of(&answer)).await.1)).await;
    assert_eq!((place.platform.count("Task"), place.platform.count("ServiceRequest")), (1, 1));
}

#[tokio::test]
async fn sigterm_and_sigint_end_an_idle_gateway_with_0() {
    let mut place = Place::with_file().await;
    for signal in [Signal::TERM, Signal::INT] {
        let mut serving = place.start().await;
        serving.signal(signal);
        assert_eq!(serving.end().await.code(), Some(0), "{}", serving.said());
    }
}

#[tokio::test]
async fn a_second_process_on_the_same_store_does_not_start() {
    let mut place = Place::with_file().await;
    let first = place.start().await;
    let second = place.serve().output().unwrap();
    let words = stderr(&second);
    assert_eq!(second.status.code(), Some(3), "{words}");
    assert!(words.contains("another process") && words.contains("gateway.db"), "{words}");
    let (status, _) = first.get("metadata").await;
    assert_eq!(status, 200, "the first goes on");
}

#[tokio::test]
async fn the_platforms_token_comes_from_the_environment() {
    let mut place = Place::new("{ env = \"FOOD_BANK_TOKEN\" }").await;
    let missing = place.serve().env_remove("FOOD_BANK_TOKEN").output().unwrap();
    let words = stderr(&missing);
    assert_eq!(missing.status.code(), Some(1), "{words}");
    assert!(words.contains("food-bank") && words.contains("FOOD_BANK_TOKEN"), "{words}");

    let serving = place.start_with(&[("FOOD_BANK_TOKEN", "platform-token")]).await;
    let answer = serving.post(referral(0).bundle_text()).await;
    until("delivered", async || shows_delivery(&serving.get(&task_of(&answer)).await.1)).await;
    assert!(!serving.said().contains("platform-token"), "a secret is never shown");
}

#[tokio::test]
async fn what_the_environment_refuses_ends_with_3_and_a_wrong_configuration_with_1() {
    let place = Place::with_file().await;
    let text = std::fs::read_to_string(place.configuration()).unwrap();
    let start = |text: &str| {
        std::fs::write(place.configuration(), text).unwrap();
        place.serve().output().unwrap()
    };

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = start(&text.replace("127.0.0.1:0", &address));
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains(&address), "{}", stderr(&output));

    let output = start(&text.replace("127.0.0.1:0", "0.0.0.0:0"));
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("line 6: server.listen"), "{}", stderr(&output));

    let output = start(&text.replace("\"platform-token\"", "\"no-such-file\""));
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("no-such-file"), "{}", stderr(&output));

    std::fs::remove_file(place.configuration()).unwrap();
    let output = place.serve().output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
}

#[tokio::test]
async fn a_platform_with_referrals_on_their_way_cannot_be_taken_out_of_the_configuration() {
    let mut place = Place::with_file().await;
    place.platform.stop().await;
    let mut serving = place.start().await;
    assert_eq!(serving.post(referral(0).bundle_text()).await.status(), 201);
    serving.signal(Signal::KILL);
    serving.end().await;
    let text = std::fs::read_to_string(place.configuration()).unwrap();
    let id =
        text.lines().filter_map(|line| line.split_once("platform = \"")).find_map(|(_, rest)| rest.split_once('"'));
    let (id, _) = id.unwrap();
    std::fs::write(place.configuration(), text.replace(&format!("\"{id}\""), "\"another\"")).unwrap();
    let refused = place.serve().output().unwrap();
    let words = stderr(&refused);
    assert_eq!(refused.status.code(), Some(3), "{words}");
    assert!(words.contains(&format!("{id} (1)")) && words.contains("Put each [[platform]] back"), "{words}");
    std::fs::write(place.configuration(), text).unwrap();
    place.start().await;
}
