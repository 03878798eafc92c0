//! A platform that speaks of a referral by a name that it had there before, end to end.

use crate::support::{FHIR_JSON, GP, REPORT_TOKEN, Setup, World, bundle, eventually};
use adapter_contract::{IdempotencyKey, PlatformReferralId, TaskStatus};
use conformance_tests::platform::{FhirPlatform, PlatformConfig};
use gateway_core::accept::new_row;
use gateway_core::change::{Change, Disposition, ReportRecord, Transaction};
use gateway_core::outbox::{Errand, OutboxRow};
use gateway_core::referral::{Delivery, Former};
use serde_json::{Value, json};

/// Sends a referral, which is then known by another name and key.
async fn sent_anew(queued: bool) -> (World, FhirPlatform, String) {
    let food = FhirPlatform::start(PlatformConfig::default()).await.unwrap();
    let bases = [food.base_url(), "http://127.0.0.1:9/fhir".to_owned()];
    let world = World::start(Setup { bases, lanes: true, poll_seconds: 0, ..Setup::default() }).await;
    let sent = world.submit(&bundle(0)).await;
    let mut referral = world.delivered(&sent.path("Task")).await;
    world.outbox_idle().await;
    let gateway = &world.running.gateway;
    let former = Former {
        key: std::mem::replace(&mut referral.key, IdempotencyKey("anew".to_owned())),
        platform_referral: referral.platform_referral.take().unwrap(),
        ended: gateway.clock.now(),
    };
    referral.former.push(former);
    if queued {
        referral.delivery = Delivery::Queued;
    } else {
        referral.platform_referral = Some(PlatformReferralId("anew".to_owned()));
    }
    referral.revision += 1;
    let changes = vec![Change::PutReferral(Box::new(referral))];
    gateway.commit(Transaction { checks: Vec::new(), changes }).await.unwrap();
    (world, food, sent.path("Task"))
}

/// What the platform says of the Task that it had first.
async fn says(world: &World, food: &FhirPlatform, change: impl FnOnce(&mut Value)) {
    let mut task = food.resource("Task", &food.tasks()[0].id).unwrap();
    task["meta"]["versionId"] = json!("50");
    change(&mut task);
    let request = world.request(REPORT_TOKEN, "POST", "/platforms/food/reports");
    assert_eq!(world.send(request.header("content-type", FHIR_JSON).body(task.to_string())).await.status, 202);
}

fn calls_for_help(task: &mut Value) {
    let system = "https://vcse-gateway.example/fhir/CodeSystem/business-status";
    task["businessStatus"] = json!({ "coding": [{ "system": system, "code": "needs-more-support" }] });
}

#[tokio::test]
async fn a_call_for_help_is_an_urgent_task_also_while_it_is_sent_anew() {
    for queued in [false, true] {
        let (world, food, path) = sent_anew(queued).await;
        says(&world, &food, calls_for_help).await;
        let query = format!("/fhir/Task?part-of={}&priority=urgent", path.trim_start_matches("/fhir/"));
        let found = eventually("a follow-up", || async {
            world.get(GP, &query).await.json()["entry"].as_array().cloned().filter(|all| !all.is_empty())
        })
        .await;
        assert_eq!(found[0]["resource"]["code"]["coding"][0]["code"], "needs-more-support", "{queued}");
        assert_eq!(world.task(&path).await["status"], "requested");
        world.stop().await;
    }
}

/// A platform that only says that something changed is asked by the name that it said.
#[tokio::test]
async fn what_is_said_to_have_changed_is_read_by_its_own_name() {
    let (world, food, path) = sent_anew(false).await;
    let referral = world.referral().await;
    let old = referral.former[0].platform_referral.clone();
    assert!(food.plan(&old.0, &[("accepted", None)]));
    food.tick().await;
    let gateway = &world.running.gateway;
    let (now, schedule) = (gateway.clock.now(), &gateway.rules.schedule);
    let row = new_row(&referral, "read-old".to_owned(), Errand::Read, 0, now, schedule).unwrap();
    let changes = vec![Change::PutOutbox(Box::new(OutboxRow { former: Some(old.clone()), ..row }))];
    gateway.commit(Transaction { checks: Vec::new(), changes }).await.unwrap();
    eventually("its word", || async {
        let reports = world.store().reports(&referral.id).await.unwrap();
        let accepted =
            |one: &ReportRecord| one.report.platform_referral == old && one.report.status == Some(TaskStatus::Accepted);
        reports.iter().any(|one| accepted(one) && one.disposition != Disposition::Recorded).then_some(())
    })
    .await;
    assert_eq!(world.task(&path).await["status"], "requested");
    world.stop().await;
}

#[tokio::test]
async fn a_status_moves_nothing_and_a_person_is_told() {
    let (world, food, path) = sent_anew(false).await;
    let before = world.task(&path).await;
    says(&world, &food, |task| {
        task["status"] = json!("completed");
        // It was said after the other one had been sent.
        (task["lastModified"], task["meta"]["lastUpdated"]) =
            (json!("2099-01-01T00:00:00Z"), json!("2099-01-01T00:00:00Z"));
    })
    .await;
    let told = eventually("a person is told", || async { world.referral().await.attention }).await;
    assert!(told.contains("sent there anew"), "{told}");
    assert_eq!(world.task(&path).await["meta"]["versionId"], before["meta"]["versionId"]);
    let reports = world.store().reports(&world.referral().await.id).await.unwrap();
    let old = reports.iter().filter(|one| one.report.platform_referral.0 == food.tasks()[0].id);
    assert!(old.into_iter().any(|one| one.disposition == Disposition::Conflict), "it is kept as evidence");
    world.stop().await;
}
