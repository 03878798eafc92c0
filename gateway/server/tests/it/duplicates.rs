//! Duplicate effort: the same person, need and service again, shown before anything is sent, and never more of another organisation's
//! than that it is there.

use crate::preview::previewed;
use crate::support::{FHIR_JSON, FOREIGN, GP, NEIGHBOUR, Sent, Setup, World, bundle, inside};
use gateway_core::change::{Change, Transaction};
use gateway_core::referral::Delivery;
use serde_json::{Value, json};

async fn world(section: &str) -> World {
    World::start(Setup { decided: format!("\n[duplicates]\n{section}\n"), ..Setup::default() }).await
}

fn reason(task: &Value) -> &str {
    task["statusReason"]["text"].as_str().unwrap_or_default()
}

async fn submit(world: &World, token: &str, bundle: &Value) -> Sent {
    let request = world.request(token, "POST", "/fhir").header("content-type", FHIR_JSON).body(bundle.to_string());
    let answer = world.send(request).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    Sent { response: answer.json() }
}

#[tokio::test]
async fn a_second_one_waits_with_the_name_of_the_first_and_goes_once_its_sender_has_seen_it() {
    let world = world("mode = \"hold\"").await;
    let first = submit(&world, GP, &bundle(0)).await;
    assert_eq!(first.resource("Task")["status"], "requested");
    let told = previewed(&world, &bundle(0)).await.to_string();
    assert!(told.contains("duplicate") && told.contains(&first.reference("Task")), "{told}");
    let second = submit(&world, GP, &bundle(0)).await;
    let task = second.resource("Task");
    assert_eq!(task["status"], "on-hold", "{task}");
    assert!(reason(task).contains(&first.reference("Task")), "{task}");
    let released = world.move_task(&second.path("Task"), "requested").await;
    assert_eq!((released.status.as_u16(), released.json()["status"].clone()), (200, json!("requested")));
    let id = second.resource("Task")["id"].as_str().unwrap();
    let referral = world.referrals().await.into_iter().find(|one| one.task == id).unwrap();
    assert_eq!(referral.delivery.word(), "queued");
    // Another need of the same person is no duplicate.
    let mut other = bundle(0);
    inside(&mut other, "ServiceRequest")["code"] =
        json!({ "coding": [{ "system": "https://example.org/needs", "code": "company" }], "text": "Something else" });
    let third = submit(&world, GP, &other).await;
    assert_eq!(third.resource("Task")["status"], "requested", "{}", third.resource("Task"));
    world.stop().await;
}

/// The service has acknowledged it.
async fn delivered(world: &World, sent: &Sent) {
    let id = sent.resource("Task")["id"].as_str().unwrap();
    let mut referral = world.referrals().await.into_iter().find(|one| one.task == id).unwrap();
    let gateway = &world.running.gateway;
    referral.delivery = Delivery::Delivered { at: gateway.clock.now() };
    referral.revision += 1;
    let changes = vec![Change::PutReferral(Box::new(referral))];
    gateway.commit(Transaction { checks: Vec::new(), changes }).await.unwrap();
}

#[tokio::test]
async fn what_is_held_or_was_withdrawn_before_it_was_sent_is_no_duplicate() {
    let world = world("mode = \"hold\"").await;
    let first = submit(&world, GP, &bundle(0)).await;
    assert_eq!(world.move_task(&first.path("Task"), "on-hold").await.status, 200);
    let second = submit(&world, GP, &bundle(0)).await;
    assert_eq!(second.resource("Task")["status"], "requested", "{}", second.resource("Task"));
    let third = submit(&world, GP, &bundle(0)).await;
    assert!(reason(third.resource("Task")).contains(&second.reference("Task")), "{}", third.resource("Task"));
    assert!(!reason(third.resource("Task")).contains(&first.reference("Task")), "{}", third.resource("Task"));
    world.stop().await;
}

#[tokio::test]
async fn of_another_organisations_only_that_it_is_there_is_told_and_only_where_the_tenant_decided_so() {
    for (decided, told) in [("", false), ("other-organisations = [\"pcn-a\"]", true)] {
        let world = world(&format!("mode = \"hold\"\n{decided}")).await;
        let first = submit(&world, GP, &bundle(0)).await;
        // As long as the service does not have it, there is nothing to tell of.
        let early = submit(&world, NEIGHBOUR, &bundle(0)).await;
        assert!(!reason(early.resource("Task")).contains("another organisation"), "{}", early.resource("Task"));
        delivered(&world, &first).await;
        let theirs = submit(&world, NEIGHBOUR, &bundle(0)).await;
        let task = theirs.resource("Task");
        assert_eq!(reason(task).contains("another organisation"), told, "{task}");
        assert!(!task.to_string().contains(first.resource("Task")["id"].as_str().unwrap()), "{task}");
        // Another customer learns nothing in any case.
        let foreign = submit(&world, FOREIGN, &bundle(0)).await;
        assert!(!reason(foreign.resource("Task")).contains("already"), "{}", foreign.resource("Task"));
        world.stop().await;
    }
}

#[tokio::test]
async fn where_it_is_only_told_it_goes_and_where_it_is_off_nobody_is_told() {
    for (mode, told) in [("tell", true), ("off", false)] {
        let world = world(&format!("mode = \"{mode}\"")).await;
        submit(&world, GP, &bundle(0)).await;
        assert_eq!(previewed(&world, &bundle(0)).await.to_string().contains("duplicate"), told, "{mode}");
        let second = submit(&world, GP, &bundle(0)).await;
        assert_eq!(second.resource("Task")["status"], "requested");
        let id = second.resource("Task")["id"].as_str().unwrap();
        let referral = world.referrals().await.into_iter().find(|one| one.task == id).unwrap();
        let lines = world.store().audit(&referral.id).await.unwrap();
        assert_eq!(lines.iter().any(|line| line.action == "duplicate"), told, "{mode}");
        world.stop().await;
    }
}
