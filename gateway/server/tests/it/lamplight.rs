//! The adapter `lamplight` against a simulator that was written from the published API and refuses what it refuses.

use crate::own_credentials::{OwnCredentials, Place, assert_nowhere};
use crate::support::{GP, OPERATOR, Sent, Setup, World, eventually, inside, referral_to, settle};
use conformance_tests::generator::Expectation;
use conformance_tests::lamplight::{IdForm, Lamplight, LamplightConfig};
use conformance_tests::platform::{Fault, FaultKind, Match};
use conformance_tests::simulator::{Namespace, Simulator};
use serde_json::{Value, json};
use std::sync::Arc;
use vcse_gateway::store::memory::MemoryStore;

const ODS: &str = "VCSE9";
const SECRETS: &[(Place, &str, &str)] =
    &[(Place::Query, "lampid", "12"), (Place::Query, "project", "4"), (Place::Query, "key", "lamplight-key-of-tests")];

async fn platform() -> (Simulator<Lamplight>, Namespace<Lamplight>) {
    let simulator = Simulator::start(|| Lamplight::new(LamplightConfig::default())).await.unwrap();
    let root = simulator.root();
    (simulator, root)
}

async fn world(platform: &Namespace<Lamplight>, settings: &str, store: &Arc<MemoryStore>) -> World {
    let folder = tempfile::tempdir().unwrap();
    let base = platform.base_url();
    let besides = OwnCredentials { ods: ODS, adapter: "lamplight", base, settings, secrets: SECRETS };
    let decided = besides.sections(folder.path());
    World::start(Setup { lanes: true, decided, store: Arc::clone(store) as _, ..Setup::default() }).await
}

async fn scene(settings: &str) -> (World, Namespace<Lamplight>, Simulator<Lamplight>) {
    let (simulator, root) = platform().await;
    (world(&root, settings, &Arc::new(MemoryStore::new())).await, root, simulator)
}

fn referral(nth: usize) -> Value {
    referral_to(ODS, Expectation::Delivered, nth).bundle
}

/// How many people of the role `user`, contacts and referrals there are.
fn there(platform: &Namespace<Lamplight>) -> (usize, usize, usize) {
    platform.with(|lamplight, _| {
        (lamplight.of_role("user").len(), lamplight.of_role("contact").len(), lamplight.referrals().len())
    })
}

fn calls(platform: &Namespace<Lamplight>, path: &str) -> usize {
    platform.requests().iter().filter(|request| request.path.starts_with(path)).count()
}

async fn dead(world: &World, sent: &Sent) -> Value {
    world.delivery_becomes(&sent.path("Task"), "dead-letter").await;
    world.task(&sent.path("Task")).await
}

fn reason(task: &Value) -> &str {
    task["statusReason"]["text"].as_str().unwrap_or_default()
}

/// The operator has asked the organisation after so many attempts, and it has nothing.
async fn redrive(world: &World, sent: &Sent, asked: Option<u32>) {
    let task = json!({ "name": "task", "valueReference": { "reference": sent.reference("Task") } });
    let asked = asked.map(|attempts| json!({ "name": "asked", "valueInteger": attempts }));
    let parameters: Vec<Value> = std::iter::once(task).chain(asked).collect();
    let body = json!({ "resourceType": "Parameters", "parameter": parameters });
    let answer = world.post(OPERATOR, "/fhir/Task/$redrive", body.to_string()).await;
    assert!(answer.status == 200 && answer.text.contains("\"redriven\",\"valueUnsignedInt\":1"), "{}", answer.text);
}

#[tokio::test]
async fn a_referral_is_added_and_the_task_says_that_nobody_will_tell() {
    let (world, platform, _simulator) = scene("workarea-id = \"22\"").await;
    let sent = world.submit(&referral(0)).await;
    let kept = world.delivered(&sent.path("Task")).await;
    let task = eventually("what the acknowledgement says", || async {
        let task = world.task(&sent.path("Task")).await;
        (task["businessStatus"]["coding"][0]["code"] == "sent-unmonitored").then_some(task)
    });
    let task = task.await;
    assert_eq!((&task["status"], reason(&task).contains("Ask the organisation.")), (&json!("requested"), true));
    assert_eq!((kept.answer_due, there(&platform)), (None, (1, 1, 1)));
    platform.with(|lamplight, _| {
        let (person, added) = (lamplight.of_role("user")[0], &lamplight.referrals()[0]);
        assert_eq!((added.attendee, added.workarea), (person.id, Some(22)));
        assert_eq!(added.referrer, Some(lamplight.of_role("contact")[0].id));
        assert!(added.reason.starts_with(&format!("Reference: {}\n", kept.key.0)), "{}", added.reason);
        assert_eq!(kept.platform_referral.as_ref().map(|name| name.0.clone()), Some(added.id.to_string()));
    });
    assert_eq!(world.move_task(&sent.path("Task"), "cancelled").await.status, 200);
    world.outbox_idle().await;
    let attention = world.referral().await.attention.unwrap_or_default();
    assert!(!attention.is_empty(), "somebody has to tell the organisation");
    world.stop().await;
}

#[tokio::test]
async fn with_a_referrer_configured_no_contact_is_made_and_ids_may_come_in_each_form() {
    let (simulator, root) = platform().await;
    let team = root.with(|lamplight, _| lamplight.make("contact", &[("surname", "Link worker team")]));
    assert_eq!(team, 651);
    let world = world(&root, "referrer-id = \"651\"", &Arc::new(MemoryStore::new())).await;
    for (nth, form) in [IdForm::Bare, IdForm::Record, IdForm::List].into_iter().enumerate() {
        root.with(|lamplight, _| lamplight.set_up(|config| (config.person_id, config.referral_id) = (form, form)));
        let sent = world.submit(&referral(nth)).await;
        world.delivered(&sent.path("Task")).await;
    }
    assert_eq!(there(&root), (3, 1, 3));
    assert!(root.with(|lamplight, _| lamplight.referrals().iter().all(|added| added.referrer == Some(team))));
    world.stop().await;
    simulator.stop().await;
}

#[tokio::test]
async fn no_places_left_is_a_no_of_the_organisation() {
    let (world, platform, _simulator) = scene("").await;
    platform.with(|lamplight, _| lamplight.set_up(|config| config.places = Some(0)));
    let sent = world.submit(&referral(1)).await;
    let task = world.task_becomes(&sent.path("Task"), "rejected").await;
    assert_eq!(task["businessStatus"]["coding"][0]["code"], "declined-capacity");
    assert!(reason(&task).contains("no places left"), "{}", reason(&task));
    world.stop().await;
}

#[tokio::test]
async fn what_the_charity_has_not_switched_on_is_a_dead_letter_that_goes_on_where_it_stood() {
    let (world, platform, _simulator) = scene("").await;
    platform.with(|lamplight, _| lamplight.set_up(|config| config.referrals = false));
    let sent = world.submit(&referral(2)).await;
    let task = dead(&world, &sent).await;
    assert!(reason(&task).contains("the API may not add referrals"), "{}", reason(&task));
    assert_eq!((&task["status"], there(&platform)), (&json!("on-hold"), (1, 1, 0)));
    platform.with(|lamplight, _| lamplight.set_up(|config| config.referrals = true));
    redrive(&world, &sent, None).await;
    world.delivered(&sent.path("Task")).await;
    assert_eq!(there(&platform), (1, 1, 1), "neither person nor contact was added again");
    world.stop().await;
}

#[tokio::test]
async fn a_custom_field_that_is_not_there_keeps_a_part() {
    let (world, platform, _simulator) = scene("send-date-of-birth = \"true\"").await;
    let sent = world.submit(&referral(3)).await;
    let task = dead(&world, &sent).await;
    assert!(reason(&task).contains("error 1058") && reason(&task).contains("kept only a part"), "{}", reason(&task));
    assert_eq!(there(&platform), (1, 0, 0), "nothing goes on after a part");
    world.stop().await;
}

#[tokio::test]
async fn a_busy_platform_is_asked_again_for_the_call_that_it_did_not_take() {
    let (world, platform, _simulator) = scene("").await;
    let busy = FaultKind::Status { status: 503, retry_after: Some(1) };
    for path in ["/people/add/role/user", "/people/add/role/contact", "/referral/add"] {
        platform.faults().push(Fault::new(Match::on("POST", path), busy.clone()));
    }
    let sent = world.submit(&referral(4)).await;
    world.delivered(&sent.path("Task")).await;
    assert_eq!((there(&platform), platform.requests().len()), ((1, 1, 1), 6), "each call twice, each kept once");
    world.stop().await;
}

#[tokio::test]
async fn an_answer_that_was_lost_is_put_in_front_of_a_person_and_nothing_is_sent_again() {
    for (nth, path, expected) in [
        (5, "/people/add/role/user", (1, 0, 0)),
        (6, "/people/add/role/contact", (1, 1, 0)),
        (7, "/referral/add", (1, 1, 1)),
    ] {
        let (world, platform, _simulator) = scene("").await;
        platform.faults().push(Fault::new(Match::on("POST", path), FaultKind::ResetAfterStoring));
        let sent = world.submit(&referral(nth)).await;
        let task = dead(&world, &sent).await;
        assert!(reason(&task).contains("Nobody knows whether it arrived"), "{path}: {}", reason(&task));
        settle().await;
        assert_eq!((calls(&platform, path), there(&platform)), (1, expected), "{path}");
        assert_nowhere(&world, "besides", SECRETS).await;
        world.stop().await;
    }
}

#[tokio::test]
async fn after_a_person_has_asked_only_the_call_in_doubt_is_made_again() {
    let (world, platform, _simulator) = scene("").await;
    platform.faults().push(Fault::new(Match::on("POST", "/referral/add"), FaultKind::ResetBeforeStoring));
    let sent = world.submit(&referral(8)).await;
    dead(&world, &sent).await;
    assert_eq!(there(&platform), (1, 1, 0));
    redrive(&world, &sent, Some(1)).await;
    world.delivered(&sent.path("Task")).await;
    assert_eq!(there(&platform), (1, 1, 1));
    world.stop().await;
}

#[tokio::test]
async fn a_process_that_ends_between_two_calls_goes_on_with_the_second() {
    let (_simulator, root) = platform().await;
    let store = Arc::new(MemoryStore::new());
    let busy = FaultKind::Status { status: 503, retry_after: None };
    root.faults().push(Fault::new(Match::on("POST", "/referral/add").times(u32::MAX), busy));
    let first = world(&root, "", &store).await;
    let sent = first.submit(&referral(9)).await;
    eventually("the third call", || async { (calls(&root, "/referral/add") > 0).then_some(()) }).await;
    first.stop().await;
    root.faults().clear();
    let second = world(&root, "", &store).await;
    second.delivered(&sent.path("Task")).await;
    assert_eq!(there(&root), (1, 1, 1), "the ids that the platform gave were kept");
    second.stop().await;
}

#[tokio::test]
async fn a_profile_that_was_removed_meanwhile_is_said_in_words() {
    let (world, platform, _simulator) = scene("").await;
    let busy = FaultKind::Status { status: 503, retry_after: Some(2) };
    platform.faults().push(Fault::new(Match::on("POST", "/referral/add"), busy));
    let sent = world.submit(&referral(10)).await;
    eventually("the third call", || async { (calls(&platform, "/referral/add") > 0).then_some(()) }).await;
    assert!(platform.with(|lamplight, _| lamplight.of_role("user")[0].id.min(651) == 651 && lamplight.remove(651)));
    let task = dead(&world, &sent).await;
    assert!(reason(&task).contains("error 1024 or 1086"), "{}", reason(&task));
    assert_eq!(platform.with(|lamplight, _| lamplight.messages().len()), 1);
    world.stop().await;
}

#[tokio::test]
async fn mark_up_is_taken_out_and_told_and_what_looks_like_a_tag_is_held_before_anything_is_sent() {
    let (world, platform, _simulator) = scene("").await;
    let mut bundle = referral(11);
    inside(&mut bundle, "ServiceRequest")["code"]["text"] = json!("<p>Food <b>parcel</b>, BMI <18</p>");
    let sent = world.submit(&bundle).await;
    world.delivered(&sent.path("Task")).await;
    let words = platform.with(|lamplight, _| lamplight.referrals()[0].reason.clone());
    assert!(words.contains("Asked for: Food parcel, BMI < 18"), "{words}");
    let task = world.task(&sent.path("Task")).await;
    let told = task["extension"][0]["extension"].as_array().unwrap().iter().find(|one| one["url"] == "report").cloned();
    let report = told.unwrap()["valueReference"]["reference"].as_str().unwrap().to_owned();
    let report = world.task(&format!("/fhir/{report}")).await.to_string();
    assert!(report.contains("altered"), "the sender is told: {report}");
    let before = platform.requests().len();
    let mut bundle = referral(12);
    inside(&mut bundle, "ServiceRequest")["code"]["text"] = json!("Food <and company");
    let answer = world.post(GP, "/fhir", bundle.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    settle().await;
    assert_eq!(platform.requests().len(), before, "the third call would have been refused, so the first is not made");
    world.stop().await;
}
