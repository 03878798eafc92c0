//! GP, gateway and platform are compared, on demand and every night; what differs is repaired the ordinary way, or put in front of a
//! person, and a second comparison finds nothing more to do.

use crate::support::{
    Answer, FHIR_JSON, FOREIGN_OPERATOR, GOVERNANCE, GP, OPERATOR, REPORT_TOKEN, Sent, Setup, World, assert_valid,
    bundle, eventually, referral_to, settle,
};
use conformance_tests::generator::Expectation;
use conformance_tests::platform::{Fault, FaultKind, FhirPlatform, Match, PlatformConfig};
use gateway_core::identity::PlatformId;
use gateway_core::outbox::Errand;
use gateway_core::reconcile::GONE;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use time::macros::datetime;
use vcse_gateway::clock::ManualClock;
use vcse_gateway::store::Store;
use vcse_gateway::store::memory::MemoryStore;

const REFUSED: FaultKind = FaultKind::Status { status: 401, retry_after: None };

/// A gateway that neither polls nor hears of anything, so that whatever a platform does is lost.
async fn deaf() -> (World, FhirPlatform, FhirPlatform) {
    let food = FhirPlatform::start(PlatformConfig { seed: 3, ..PlatformConfig::default() }).await.unwrap();
    let befriending = FhirPlatform::start(PlatformConfig { seed: 4, ..PlatformConfig::default() }).await.unwrap();
    let bases = [food.base_url(), befriending.base_url()];
    let world = World::start(Setup { bases, lanes: true, poll_seconds: 0, ..Setup::default() }).await;
    (world, food, befriending)
}

async fn reconcile(world: &World, token: &str, parameters: Value) -> Answer {
    let body = json!({ "resourceType": "Parameters", "parameter": parameters });
    world.post(token, "/fhir/Task/$reconcile", body.to_string()).await
}

fn dry() -> Value {
    json!([{ "name": "dry-run", "valueBoolean": true }])
}

fn count(answer: &Answer, name: &str) -> u64 {
    let body = answer.json();
    let parameters = body["parameter"].as_array().unwrap_or_else(|| panic!("{}", answer.text));
    parameters.iter().find(|one| one["name"] == name).unwrap()["valueUnsignedInt"].as_u64().unwrap()
}

/// Compared, repaired, raised, known, not asked.
fn counts(answer: &Answer) -> [u64; 5] {
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_valid("the answer", &answer.text);
    ["compared", "repaired", "raised", "known", "not-asked"].map(|name| count(answer, name))
}

async fn sent_to(
    world: &World,
    platform: &FhirPlatform,
    ods: &str,
    nth: usize,
    plan: &[(&'static str, Option<&str>)],
) -> Sent {
    let sent = world.submit(&referral_to(ods, Expectation::Delivered, nth).bundle).await;
    let name = world.delivered(&sent.path("Task")).await.platform_referral.unwrap().0;
    assert!(platform.plan(&name, plan));
    sent
}

#[tokio::test]
async fn what_was_lost_is_found_first_in_a_dry_run_then_repaired_and_then_there_is_nothing() {
    let (world, food, befriending) = deaf().await;
    let ends = sent_to(&world, &food, "VCSE1", 0, &[("accepted", None), ("completed", None)]).await;
    let declined = sent_to(&world, &befriending, "VCSE2", 1, &[("rejected", Some("Outside our area"))]).await;
    let quiet = sent_to(&world, &food, "VCSE1", 2, &[]).await;
    for _ in 0..3 {
        food.tick().await;
        befriending.tick().await;
    }
    world.outbox_idle().await;
    let hash = world.store().content_hash().await.unwrap();
    let found = reconcile(&world, OPERATOR, dry()).await;
    assert_eq!(counts(&found), [3, 2, 0, 0, 0], "{}", found.text);
    assert!(found.text.contains("status-differs"), "{}", found.text);
    assert_eq!(world.store().content_hash().await.unwrap(), hash, "a dry run changes nothing");

    let one = reconcile(&world, OPERATOR, json!([{ "name": "platform", "valueCode": "befriending" }])).await;
    assert_eq!(counts(&one), [1, 1, 0, 0, 0]);
    let task = world.task_becomes(&declined.path("Task"), "rejected").await;
    assert_eq!(task["statusReason"]["text"], "Outside our area");
    assert_eq!(world.task(&ends.path("Task")).await["status"], "requested", "the other platform was not asked");
    let rest = reconcile(&world, OPERATOR, json!([])).await;
    assert_eq!(counts(&rest), [2, 1, 0, 0, 0], "who has ended everywhere is not asked about: {}", rest.text);
    world.task_becomes(&ends.path("Task"), "completed").await;
    world.outbox_idle().await;
    assert_eq!(world.task(&quiet.path("Task")).await["status"], "requested");

    let hash = world.store().content_hash().await.unwrap();
    let again = reconcile(&world, OPERATOR, json!([])).await;
    assert_eq!(counts(&again)[1..], [0, 0, 0, 0], "{}", again.text);
    assert_eq!(world.store().content_hash().await.unwrap(), hash, "nothing differs, nothing is written");
    world.stop().await;
}

#[tokio::test]
async fn what_a_platform_has_lost_is_looked_up_and_sent_again_or_put_in_front_of_a_person() {
    let (world, food, _befriending) = deaf().await;
    let unseen = sent_to(&world, &food, "VCSE1", 0, &[]).await;
    let begun =
        sent_to(&world, &food, "VCSE1", 1, &[("accepted", None), ("in-progress", None), ("completed", None)]).await;
    food.tick().await;
    assert_eq!(counts(&reconcile(&world, OPERATOR, json!([])).await)[1], 1);
    world.task_becomes(&begun.path("Task"), "accepted").await;
    world.outbox_idle().await;
    food.reset();

    let lost = reconcile(&world, OPERATOR, json!([])).await;
    assert_eq!(counts(&lost), [2, 1, 1, 0, 0], "{}", lost.text);
    eventually("sent again", || async { (food.tasks().len() == 1).then_some(()) }).await;
    let referral = world.delivered(&unseen.path("Task")).await;
    world.outbox_idle().await;
    assert_eq!((food.tasks().len(), food.duplicates().len()), (1, 0));
    assert_eq!(referral.platform_referral.unwrap().0, food.tasks()[0].id);
    let rows = world.store().outbox(&referral.id).await.unwrap();
    assert_eq!(rows.iter().filter(|row| row.errand == Errand::Submit).count(), 2);
    // Consent was decided anew, and what left is on record a second time.
    let audit = world.store().audit(&referral.id).await.unwrap();
    assert_eq!(audit.iter().filter(|line| line.action == "disclose").count(), 2, "{audit:?}");
    assert!(audit.iter().any(|line| line.action == "reconcile" && line.actor == "client/operator"));

    let told = world.task(&begun.path("Task")).await;
    assert_eq!((&told["status"], &told["statusReason"]["text"]), (&json!("accepted"), &json!(GONE)));
    let hash = world.store().content_hash().await.unwrap();
    let again = reconcile(&world, OPERATOR, json!([])).await;
    assert_eq!(counts(&again), [2, 0, 0, 1, 0], "{}", again.text);
    assert_eq!(world.store().content_hash().await.unwrap(), hash, "a person is told once");
    world.stop().await;
}

/// Nothing is sent again on a guess: here a search finds what a read did not.
#[tokio::test]
async fn what_is_there_after_all_is_not_sent_again() {
    let (world, food, _befriending) = deaf().await;
    let sent = sent_to(&world, &food, "VCSE1", 0, &[]).await;
    let name = world.referral().await.platform_referral.unwrap().0;
    let missing = FaultKind::Status { status: 404, retry_after: None };
    food.faults().push(Fault::new(Match::on("GET", &format!("/fhir/Task/{name}")).times(u32::MAX), missing));
    let answer = reconcile(&world, OPERATOR, json!([])).await;
    assert_eq!(counts(&answer), [1, 0, 0, 0, 0], "{}", answer.text);
    world.outbox_idle().await;
    assert_eq!((food.tasks().len(), world.task(&sent.path("Task")).await["status"].as_str()), (1, Some("requested")));
    world.stop().await;
}

#[tokio::test]
async fn a_dead_letter_that_arrived_is_found_there_and_goes_on() {
    let (world, food, befriending) = deaf().await;
    befriending.faults().push(Fault::new(Match::on("POST", "/fhir/Task"), FaultKind::ResetAfterStoring));
    befriending.faults().push(Fault::new(Match::on("GET", "/fhir/Task").times(u32::MAX), REFUSED));
    let sent = world.submit(&referral_to("VCSE2", Expectation::Delivered, 0).bundle).await;
    world.delivery_becomes(&sent.path("Task"), "dead-letter").await;
    // And one of which nothing ever left.
    food.faults().push(Fault::new(Match::on("POST", "/fhir/Task"), REFUSED));
    let unsent = world.submit(&bundle(1)).await;
    world.delivery_becomes(&unsent.path("Task"), "dead-letter").await;
    befriending.faults().clear();
    let answer = reconcile(&world, OPERATOR, json!([])).await;
    assert_eq!(count(&answer, "repaired"), 1, "{}", answer.text);
    assert!(answer.text.contains("missing-here"), "{}", answer.text);
    world.delivered(&sent.path("Task")).await;
    world.task_becomes(&sent.path("Task"), "requested").await;
    world.outbox_idle().await;
    assert_eq!((befriending.tasks().len(), befriending.duplicates().len(), food.tasks().len()), (1, 0, 0));
    assert_eq!(world.task(&unsent.path("Task")).await["status"], "on-hold");
    world.stop().await;
}

#[tokio::test]
async fn only_an_operator_of_the_customer_compares_page_by_page_and_what_cannot_be_asked_is_said() {
    let (world, food, _befriending) = deaf().await;
    for nth in 0..3 {
        sent_to(&world, &food, "VCSE1", nth, &[("accepted", None)]).await;
    }
    food.tick().await;
    world.outbox_idle().await;
    let hash = world.store().content_hash().await.unwrap();
    for token in [GP, GOVERNANCE] {
        assert_eq!(reconcile(&world, token, json!([])).await.status, 403, "{token}");
    }
    let foreign = reconcile(&world, FOREIGN_OPERATOR, json!([])).await;
    assert_eq!(counts(&foreign), [0, 0, 0, 0, 0], "another customer's are as if they were not there");
    for (case, parameters) in [
        ("no such platform", json!([{ "name": "platform", "valueCode": "nobody" }])),
        ("a platform as text", json!([{ "name": "platform", "valueString": "food" }])),
        ("no place", json!([{ "name": "after", "valueString": "9:x" }])),
        ("a place as number", json!([{ "name": "after", "valueInteger": 1 }])),
        ("too many", json!([{ "name": "limit", "valueInteger": 101 }])),
        ("none", json!([{ "name": "limit", "valueInteger": 0 }])),
        ("a dry run as text", json!([{ "name": "dry-run", "valueString": "true" }])),
        ("unknown", json!([{ "name": "quickly", "valueBoolean": true }])),
    ] {
        let answer = reconcile(&world, OPERATOR, parameters).await;
        answer.assert_refused(case);
        assert_eq!(answer.status, 400, "{case}");
    }
    food.faults().push(Fault::new(Match::on("GET", "/fhir/Task").times(u32::MAX), REFUSED));
    let refused = reconcile(&world, OPERATOR, json!([])).await;
    assert_eq!(counts(&refused), [3, 0, 0, 0, 3], "{}", refused.text);
    assert_eq!(world.store().content_hash().await.unwrap(), hash);
    food.faults().clear();

    let (mut after, mut sizes): (Option<Value>, Vec<u64>) = (None, Vec::new());
    for _ in 0..10 {
        let mut parameters = vec![json!({ "name": "limit", "valueInteger": 2 })];
        parameters.extend(after.take().map(|after| json!({ "name": "after", "valueString": after })));
        let page = reconcile(&world, OPERATOR, Value::from(parameters)).await;
        sizes.push(counts(&page)[1]);
        let body = page.json();
        let next = body["parameter"].as_array().unwrap().iter().find(|one| one["name"] == "next-after").cloned();
        let Some(next) = next else { break };
        after = Some(next["valueString"].clone());
    }
    // A place that another customer was given says nothing of whether it is one.
    let mine = world.referrals().await.remove(0).id.0;
    let after = |id: &str| json!([{ "name": "after", "valueString": format!("0:{id}") }]);
    let theirs = reconcile(&world, FOREIGN_OPERATOR, after(&mine)).await;
    let nobodys = reconcile(&world, FOREIGN_OPERATOR, after("00000000-0000-4000-8000-000000000000")).await;
    assert_eq!((theirs.status.as_u16(), &theirs.text), (400, &nobodys.text));
    assert_eq!(sizes, [2, 1]);
    world.stop().await;
}

struct Night {
    food: FhirPlatform,
    clock: Arc<ManualClock>,
    store: Arc<dyn Store>,
}

impl Night {
    async fn new() -> Self {
        let food = FhirPlatform::start(PlatformConfig { seed: 5, ..PlatformConfig::default() }).await.unwrap();
        let clock = Arc::new(ManualClock::at(datetime!(2026-06-20 20:00 UTC)));
        Self { food, clock, store: Arc::new(MemoryStore::new()) }
    }

    async fn gateway(&self) -> World {
        let setup = Setup {
            store: Arc::clone(&self.store),
            bases: [self.food.base_url(), "http://127.0.0.1:9/fhir".to_owned()],
            lanes: true,
            clock: Arc::<ManualClock>::clone(&self.clock),
            poll_seconds: 0,
            reconcile_at: "02:30",
            ..Setup::default()
        };
        World::start(setup).await
    }

    /// Lets time pass in small steps until this holds.
    async fn until<F: Future<Output = bool>>(&self, what: &str, holds: impl Fn() -> F) {
        for _ in 0..400 {
            if holds().await {
                return;
            }
            self.clock.advance(Duration::from_secs(1));
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
        }
        eventually(what, || async { holds().await.then_some(()) }).await;
    }
}

/// How many Tasks show that the platform has accepted.
async fn shown(world: &World) -> usize {
    world.referrals().await.iter().filter(|one| one.task_status.code() == "accepted").count()
}

#[tokio::test]
async fn every_night_at_half_past_two_in_london_differences_are_repaired_also_across_a_restart() {
    let night = Night::new().await;
    let world = night.gateway().await;
    let mut tasks = Vec::new();
    for nth in 0..14 {
        tasks.push(
            sent_to(&world, &night.food, "VCSE1", nth, &[("accepted", None), ("in-progress", None)]).await.path("Task"),
        );
    }
    night.food.tick().await;
    // London is an hour ahead of UTC in June: 02:30 there is 01:30.
    night.clock.advance(Duration::from_secs(5 * 3_600 + 29 * 60));
    settle().await;
    for task in &tasks {
        assert_eq!(world.task(task).await["status"], "requested", "not before its time");
    }
    let asked_before = night.food.requests().len();
    night.clock.advance(Duration::from_secs(60));
    // The process ends in the middle of it.
    night.until("a part of it", || async { shown(&world).await >= 1 }).await;
    world.stop().await;
    let world = night.gateway().await;
    night.until("the rest", || async { shown(&world).await == tasks.len() }).await;
    let reached =
        |world: &World| world.running.gateway.platform(&PlatformId("food".to_owned())).unwrap().pace.state().night;
    night.until("the end", || async { reached(&world).is_some_and(|night| night.at.is_none()) }).await;
    let reads = night.food.requests().len() - asked_before;
    assert!(reads < 2 * tasks.len(), "it went on where it was: {reads} requests for {} referrals", tasks.len());

    // Nothing more before the next night.
    night.food.tick().await;
    night.clock.advance(Duration::from_secs(3_600));
    settle().await;
    assert_eq!(shown(&world).await, tasks.len());
    night.clock.advance(Duration::from_secs(23 * 3_600));
    night
        .until("the next night", || async {
            world.referrals().await.iter().all(|one| one.task_status.code() == "in-progress")
        })
        .await;
    world.stop().await;
}

async fn report(world: &World, platform: &str, body: String) -> u16 {
    let path = format!("/platforms/{platform}/reports");
    let post = world.request(REPORT_TOKEN, "POST", &path).header("content-type", FHIR_JSON).body(body);
    world.send(post).await.status.as_u16()
}

/// Another platform's name or key, and one malformed statement among good ones.
#[tokio::test]
async fn a_platform_moves_nothing_of_anothers_and_a_bad_statement_stops_none_behind_it() {
    let (world, food, befriending) = deaf().await;
    let others = sent_to(&world, &befriending, "VCSE2", 0, &[]).await;
    let own = sent_to(&world, &food, "VCSE1", 1, &[]).await;
    world.outbox_idle().await;
    let referrals = world.referrals().await;
    let theirs = referrals.iter().find(|one| one.platform == Some(PlatformId("befriending".to_owned()))).unwrap();
    let ours = referrals.iter().find(|one| one.platform == Some(PlatformId("food".to_owned()))).unwrap();
    let mut stolen = befriending.resource("Task", &theirs.platform_referral.as_ref().unwrap().0).unwrap();
    stolen["status"] = json!("completed");
    // `food` names the other's Task by its name and by our key.
    assert_eq!(report(&world, "food", stolen.to_string()).await, 202);
    let mut good = food.resource("Task", &ours.platform_referral.as_ref().unwrap().0).unwrap();
    good["status"] = json!("accepted");
    good["meta"]["versionId"] = json!("7");
    let mut bad = good.clone();
    bad["status"] = json!(["accepted"]);
    for body in [bad.to_string(), "{\"resourceType\":\"Task\"".to_owned(), good.to_string()] {
        assert_eq!(report(&world, "food", body).await, 202);
    }
    world.task_becomes(&own.path("Task"), "accepted").await;
    eventually("all reports read", || async {
        world.store().unread_reports(1).await.unwrap().is_empty().then_some(())
    })
    .await;
    world.outbox_idle().await;
    settle().await;
    assert_eq!(world.task(&others.path("Task")).await["status"], "requested");
    assert!(world.store().reports(&theirs.id).await.unwrap().iter().all(|one| one.platform.0 == "befriending"));
    // It is parked as one of `food`, whatever key it names.
    let parked = world.store().parked(datetime!(9999-01-01 0:00 UTC), 10).await.unwrap();
    assert!(parked.iter().any(|one| one.platform.0 == "food"), "{parked:?}");
    world.stop().await;
}

/// A statement that came before its referral was known is applied in the night at the latest.
#[tokio::test]
async fn a_parked_statement_is_applied_once_its_referral_is_known() {
    let night = Night::new().await;
    let world = night.gateway().await;
    let sent = sent_to(&world, &night.food, "VCSE1", 0, &[("accepted", None)]).await;
    night.food.tick().await;
    let referral = world.referral().await;
    let name = referral.platform_referral.clone().unwrap();
    // As if it had come when nobody knew the name: parked, under it.
    let task = night.food.resource("Task", &name.0).unwrap();
    let adapter = world.running.gateway.platform(&PlatformId("food".to_owned())).unwrap().adapter.clone();
    let body = task.to_string();
    let source = adapter_contract::ReportSource::Webhook;
    let read =
        adapter.read_report(&adapter_contract::Report { source, content_type: None, body: body.as_bytes() }).unwrap();
    let adapter_contract::Reading::Status(report) = read[0].clone() else { panic!("{read:?}") };
    let record = gateway_core::change::ReportRecord {
        id: "parked".to_owned(),
        platform: PlatformId("food".to_owned()),
        referral: None,
        source,
        received: datetime!(2026-06-20 19:00 UTC),
        report,
        disposition: gateway_core::change::Disposition::Parked,
    };
    let changes = vec![gateway_core::change::Change::RecordReport(Box::new(record))];
    let transaction = gateway_core::change::Transaction { checks: Vec::new(), changes };
    world.store().commit(transaction).await.unwrap();
    // The platform says nothing more of it, so that nothing but the parked statement can be the reason.
    night.food.faults().push(Fault::new(Match::on("GET", "/fhir/Task").times(u32::MAX), REFUSED));
    night.clock.advance(Duration::from_secs(6 * 3_600));
    night.until("it is applied", || async { world.referral().await.task_status.code() == "accepted" }).await;
    assert_eq!(world.task(&sent.path("Task")).await["status"], "accepted");
    world.stop().await;
}
