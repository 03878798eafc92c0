//! The adapter `ticket-rt` against the real Request Tracker 5: what people do there with a ticket, the Task follows.
//!
//! Without Request Tracker the tests say so and pass, unless `REQUEST_TRACKER=required`.

use crate::support::{Besides, Sent, Setup, World, eventually, inside, referral_to};
use conformance_tests::generator::Expectation;
use conformance_tests::request_tracker::{
    Account, Field, FieldKind, RequestTracker, RequestTrackerConfig, reason_to_skip,
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

const ODS: &str = "VCSE8";
/// The organisation may have the notes that become attachments.
const NOTES_TO: &[(&str, &str)] = &[("pcn-a", "besides")];
/// The custom fields that the adapter's README asks for.
const FIELDS: [&str; 10] = [
    "ReferralKey",
    "Urgency",
    "Answer by",
    "Person",
    "NHS number",
    "Date of birth",
    "Gender",
    "Telephone",
    "E-mail",
    "Address",
];

/// The instance of all tests, made by the first; it ends with this process. None without Request Tracker.
#[expect(clippy::print_stderr, reason = "a test that does not run must say so")]
async fn tracker() -> Option<&'static RequestTracker> {
    static TRACKER: OnceCell<Option<RequestTracker>> = OnceCell::const_new();
    let tracker = TRACKER.get_or_init(|| async {
        if let Some(missing) = reason_to_skip().unwrap_or_else(|missing| panic!("{missing}")) {
            eprintln!("SKIPPED: {missing}");
            return None;
        }
        let field = |name: &&str| Field { name: (*name).to_owned(), kind: FieldKind::Text };
        let config =
            RequestTrackerConfig { fields: FIELDS.iter().map(field).collect(), ..RequestTrackerConfig::default() };
        Some(RequestTracker::start(config).await.unwrap())
    });
    tracker.await.as_ref()
}

async fn world(tracker: &RequestTracker, account: Account) -> World {
    let besides = Besides {
        ods: ODS,
        adapter: "ticket-rt",
        base: tracker.base_url().split("/REST/").next().unwrap().to_owned(),
        scheme: "token",
        token: tracker.token(account).to_owned(),
        settings: "queue = \"Referrals\", requestor = \"link.workers@example.nhs.uk\"",
    };
    World::start(Setup { lanes: true, besides: Some(besides), notes_to: NOTES_TO, ..Setup::default() }).await
}

fn referral(nth: usize) -> Value {
    referral_to(ODS, Expectation::Delivered, nth).bundle
}

/// Sends a referral and waits for its ticket.
async fn delivered(world: &World, bundle: &Value) -> (Sent, u64) {
    let sent = world.submit(bundle).await;
    let referral = world.delivered(&sent.path("Task")).await;
    (sent, referral.platform_referral.unwrap().0.parse().unwrap())
}

fn field<'a>(ticket: &'a Value, name: &str) -> &'a Value {
    let fields = ticket["CustomFields"].as_array().unwrap();
    &fields.iter().find(|one| one["name"] == name).unwrap()["values"][0]
}

/// Statuses of all versions of the Task, oldest first, without repetitions.
async fn history(world: &World, task: &str) -> Vec<String> {
    let bundle = world.task(&format!("{task}/_history")).await;
    let mut statuses: Vec<String> = bundle["entry"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|entry| entry["resource"]["status"].as_str().unwrap().to_owned())
        .collect();
    statuses.dedup();
    statuses
}

#[tokio::test]
async fn a_ticket_is_opened_stalled_and_resolved_and_the_task_follows_each_step() {
    let Some(tracker) = tracker().await else { return };
    let world = world(tracker, Account::Gateway).await;
    let mut bundle = referral(0);
    inside(&mut bundle, "Patient")["birthDate"] = json!("1957-04-03");
    let (sent, id) = delivered(&world, &bundle).await;
    let key = world.referral().await.key.0;
    assert_eq!(tracker.with_field("ReferralKey", &key).await.unwrap(), [id]);
    let ticket = tracker.ticket(id).await.unwrap();
    assert_eq!((&ticket["Status"], field(&ticket, "Date of birth")), (&json!("new"), &json!("03/04/1957")));
    let family = inside(&mut bundle, "Patient")["name"][0]["family"].as_str().unwrap().to_owned();
    assert!(field(&ticket, "Person").as_str().unwrap().contains(&family));
    assert!(!ticket["Subject"].as_str().unwrap().contains(&family), "subjects stand in mails");

    let task = sent.path("Task");
    for (there, here, business) in [
        ("open", "in-progress", "in-support"),
        ("stalled", "on-hold", "on-hold"),
        ("open", "in-progress", "in-support"),
        ("resolved", "completed", "outcome-recorded"),
    ] {
        tracker.set_status(id, there).await.unwrap();
        let seen = world.task_becomes(&task, here).await;
        assert_eq!(seen["businessStatus"]["coding"][0]["code"], business, "{there}");
    }
    world.stop().await;
}

#[tokio::test]
async fn steps_between_two_polls_are_replayed_one_by_one() {
    let Some(tracker) = tracker().await else { return };
    let world = world(tracker, Account::Gateway).await;
    let (sent, id) = delivered(&world, &referral(1)).await;
    for status in ["open", "stalled", "resolved"] {
        tracker.set_status(id, status).await.unwrap();
    }
    world.task_becomes(&sent.path("Task"), "completed").await;
    assert_eq!(
        history(&world, &sent.path("Task")).await,
        ["requested", "accepted", "in-progress", "on-hold", "completed"],
        "no step is passed over, and what Request Tracker has no word for is inferred"
    );
    world.stop().await;
}

#[tokio::test]
async fn a_withdrawal_rejects_the_ticket() {
    let Some(tracker) = tracker().await else { return };
    let world = world(tracker, Account::Gateway).await;
    let (sent, id) = delivered(&world, &referral(2)).await;
    assert_eq!(world.move_task(&sent.path("Task"), "cancelled").await.status, 200);
    eventually("the rejection", || async {
        let ticket = tracker.ticket(id).await.unwrap();
        (ticket["Status"] == "rejected").then_some(())
    })
    .await;
    assert_eq!(world.task(&sent.path("Task")).await["status"], "cancelled");
    world.stop().await;
}

#[tokio::test]
async fn a_subject_is_cut_with_a_mark_before_request_tracker_cuts_it_without() {
    let Some(tracker) = tracker().await else { return };
    let world = world(tracker, Account::Gateway).await;
    let mut bundle = referral(3);
    inside(&mut bundle, "ServiceRequest")["code"]["text"] = json!("\u{e9}".repeat(150));
    let (_, id) = delivered(&world, &bundle).await;
    let subject = tracker.ticket(id).await.unwrap()["Subject"].as_str().unwrap().to_owned();
    assert!(subject.ends_with(" [...]") && subject.len() <= 200, "{subject}");
    world.stop().await;
}

#[tokio::test]
async fn a_ticket_without_its_fields_is_put_in_front_of_a_person() {
    let Some(tracker) = tracker().await else { return };
    // An account that may make tickets, and whose custom fields Request Tracker drops with 201.
    let world = world(tracker, Account::Newcomer).await;
    let sent = world.submit(&referral(4)).await;
    let task = world.task_becomes(&sent.path("Task"), "on-hold").await;
    let reason = task["statusReason"]["text"].as_str().unwrap();
    assert!(reason.contains("without its custom fields"), "{reason}");
    world.stop().await;
}

#[tokio::test]
async fn a_changed_referral_leaves_its_ticket_and_a_person_is_told_to_call() {
    let Some(tracker) = tracker().await else { return };
    let world = world(tracker, Account::Gateway).await;
    let (sent, id) = delivered(&world, &referral(5)).await;
    let before = tracker.ticket(id).await.unwrap();
    let answer =
        world.change(&sent.path("ServiceRequest"), |request| request["code"]["text"] = json!("Debt advice")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let words = eventually("a person is told", || async { world.referral().await.attention }).await;
    assert!(words.contains("was not told"), "{words}");
    let after = tracker.ticket(id).await.unwrap();
    assert_eq!((&after["Status"], &after["Subject"]), (&before["Status"], &before["Subject"]));
    world.stop().await;
}
