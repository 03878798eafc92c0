//! The platform without a server, against a gateway of the size of a test.

use conformance_tests::direct_light::{DirectLightClient, DirectLightConfig, DirectLightError};
use serde_json::json;
use time::macros::datetime;

use crate::support::{Gateway, gateway};

fn client(base: &str) -> DirectLightClient {
    let config = DirectLightConfig {
        fhir_base: base.to_owned(),
        token: "light-token".to_owned(),
        seed: 3,
        start: datetime!(2026-06-15 12:00 UTC),
        count: 50,
    };
    DirectLightClient::new(config).unwrap()
}

fn request(stub: &Gateway, id: &str) {
    let fields = [
        ("status", json!("requested")),
        ("focus", json!({ "reference": "ServiceRequest/s1" })),
        ("for", json!({ "reference": "Patient/p1" })),
    ];
    stub.lock().unwrap().set(id, &fields);
}

#[tokio::test]
async fn it_takes_up_what_is_requested_and_brings_it_to_an_end() {
    let (base, stub) = gateway().await;
    for n in 0..30 {
        request(&stub, &format!("t{n}"));
    }
    let client = client(&base);
    let first = client.step().await.unwrap();
    assert_eq!((first.taken, first.refused), (30, 0));
    for _ in 0..12 {
        client.step().await.unwrap();
    }
    assert!(client.settled());
    let stub = stub.lock().unwrap();
    for held in client.tasks() {
        assert_eq!(stub.tasks[&held.id]["status"], held.status.as_str());
        assert_eq!((&held.patient["id"], &held.service_request["id"]), (&json!("p1"), &json!("s1")));
    }
    let completed = stub.tasks.values().filter(|task| task["status"] == "completed");
    assert!(completed.into_iter().all(|task| task["output"].is_array()));
    assert!(stub.seen.iter().all(|(_, headers, _)| headers["authorization"] == "Bearer light-token"));
}

#[tokio::test]
async fn a_plan_can_follow_the_senders_identifier_whatever_the_task_is_called() {
    let mut ends = Vec::new();
    for run in ["a", "b"] {
        let (base, stub) = gateway().await;
        for n in 0..30 {
            request(&stub, &format!("{run}{n:02}"));
            let focus = json!({ "reference": format!("ServiceRequest/s{n}") });
            stub.lock().unwrap().set(&format!("{run}{n:02}"), &[("focus", focus)]);
        }
        let client = client(&base).living_by("https://sender.example/Id/referral");
        for _ in 0..13 {
            client.step().await.unwrap();
        }
        ends.push(client.tasks().into_iter().map(|task| task.status).collect::<Vec<_>>());
    }
    assert_eq!(ends[0], ends[1]);
    assert!(ends[0].iter().any(|status| *status != ends[0][0]), "they do not all end alike");
}

#[tokio::test]
async fn a_conflict_is_read_again_and_a_cancelled_task_left_alone() {
    let (base, stub) = gateway().await;
    request(&stub, "t1");
    let client = client(&base);
    client.step().await.unwrap();
    stub.lock().unwrap().interfere = Some("cancelled");
    let mut conflicts = 0;
    for _ in 0..6 {
        conflicts += client.step().await.unwrap().conflicts;
    }
    assert_eq!((conflicts, client.tasks()[0].status.as_str()), (1, "cancelled"));
    assert_eq!(stub.lock().unwrap().tasks["t1"]["status"], "cancelled");
}

#[tokio::test]
async fn a_gateway_that_refuses_is_an_error() {
    let (base, stub) = gateway().await;
    stub.lock().unwrap().fail_first = vec![401];
    assert!(matches!(client(&base).step().await, Err(DirectLightError::Refused { status: 401, .. })));
}

/// A demo runs the doubles as tasks of a many-threaded runtime.
#[tokio::test]
async fn the_doubles_can_be_spawned() {
    fn spawnable<T: Send>(_: &T) {}
    let (base, _stub) = gateway().await;
    let (light, platform) = (client(&base), crate::support::platform().await);
    let gp = crate::gp::gp(&base);
    let referral = crate::gp::generator().referral(0);
    spawnable(&light.step());
    spawnable(&platform.tick());
    spawnable(&platform.restart());
    spawnable(&(gp.submit(&referral), gp.poll(), gp.cancel(&base), gp.task("t1")));
    spawnable(&std::sync::Arc::new((light, platform, gp)));
}
