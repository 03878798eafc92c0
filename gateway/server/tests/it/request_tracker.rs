//! The adapter `ticket-rt` against the real Request Tracker 5: what people do there with a ticket, the Task follows.
//!
//! Without Request Tracker the tests say so and pass, unless `REQUEST_TRACKER=required`.

use crate::support::{Besides, Sent, Setup, World, eventually, inside, referral_to};
use adapter_contract::{Answer, DeliveryError, FailureCode, HttpRequest, Method};
use async_trait::async_trait;
use conformance_tests::generator::Expectation;
use conformance_tests::request_tracker::{
    Account, Field, FieldKind, RequestTracker, RequestTrackerConfig, reason_to_skip,
};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::sync::OnceCell;
use vcse_gateway::gateway::Platform;
use vcse_gateway::transport::{HttpTransport, Names, Transport};

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
    world_over(tracker, account, None).await
}

async fn world_over(tracker: &RequestTracker, account: Account, transport: Option<Arc<dyn Transport>>) -> World {
    let besides = Besides {
        ods: ODS,
        adapter: "ticket-rt",
        base: tracker.base_url().split("/REST/").next().unwrap().to_owned(),
        scheme: "token",
        token: tracker.token(account).to_owned(),
        settings: "queue = \"Referrals\", requestor = \"link.workers@example.nhs.uk\"",
    };
    let besides = Some(besides);
    World::start(Setup { lanes: true, besides, notes_to: NOTES_TO, transport, ..Setup::default() }).await
}

/// Loses the answer to the first rejection, and to the first ticket after it, once Request Tracker has done what was asked.
struct Losing {
    through: HttpTransport,
    lost: Mutex<Vec<Method>>,
}

#[async_trait]
impl Transport for Losing {
    async fn send(&self, platform: &Platform, request: &HttpRequest, names: &Names) -> Result<Answer, DeliveryError> {
        let answer = self.through.send(platform, request, names).await;
        let mut lost = self.lost.lock().unwrap();
        let loses = match request.method {
            Method::Put => lost.is_empty(),
            Method::Post => lost.as_slice() == [Method::Put],
            _ => false,
        };
        if loses {
            lost.push(request.method);
            return Err(DeliveryError::new(FailureCode::NoAnswer, "No answer within the time."));
        }
        answer
    }
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

/// Changes a referral whose ticket is new, and waits for the new ticket.
async fn changed(world: &World, tracker: &RequestTracker, sent: &Sent, id: u64) -> u64 {
    let before = world.referral().await.key;
    let answer =
        world.change(&sent.path("ServiceRequest"), |request| request["code"]["text"] = json!("Debt advice")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let after = eventually("another ticket", || async {
        let referral = world.referral().await;
        (referral.key != before && referral.delivery.word() == "delivered").then_some(referral)
    })
    .await;
    assert_eq!(after.attention, None);
    let new: u64 = after.platform_referral.unwrap().0.parse().unwrap();
    // One under each key, and of these one is alive.
    assert_eq!(tracker.with_field("ReferralKey", &before.0).await.unwrap(), [id]);
    assert_eq!(tracker.with_field("ReferralKey", &after.key.0).await.unwrap(), [new]);
    assert_eq!(tracker.ticket(id).await.unwrap()["Status"], "rejected");
    let ticket = tracker.ticket(new).await.unwrap();
    assert_eq!((&ticket["Status"], &ticket["Subject"]), (&json!("new"), &json!("Debt advice")));
    new
}

#[tokio::test]
async fn a_changed_referral_closes_its_ticket_and_opens_another_under_another_key() {
    let Some(tracker) = tracker().await else { return };
    let world = world(tracker, Account::Gateway).await;
    let (sent, id) = delivered(&world, &referral(5)).await;
    changed(&world, tracker, &sent, id).await;
    assert_eq!(world.task(&sent.path("Task")).await["status"], "requested");
    world.stop().await;
}

#[tokio::test]
async fn our_own_rejection_is_not_the_organisations_where_its_answer_was_lost_and_the_new_ticket_is_not_doubled() {
    let Some(tracker) = tracker().await else { return };
    let transport = Arc::new(Losing { through: HttpTransport::new().unwrap(), lost: Mutex::default() });
    let world = world_over(tracker, Account::Gateway, Some(Arc::<Losing>::clone(&transport))).await;
    let (sent, id) = delivered(&world, &referral(6)).await;
    let new = changed(&world, tracker, &sent, id).await;
    assert_eq!(*transport.lost.lock().unwrap(), [Method::Put, Method::Post], "both answers were lost");
    // The Task follows the new ticket, and never was rejected.
    tracker.set_status(new, "open").await.unwrap();
    world.task_becomes(&sent.path("Task"), "in-progress").await;
    assert_eq!(history(&world, &sent.path("Task")).await, ["requested", "accepted", "in-progress"]);
    world.stop().await;
}

#[tokio::test]
async fn a_ticket_that_somebody_has_opened_is_left_to_them_and_a_person_is_told_to_call() {
    let Some(tracker) = tracker().await else { return };
    let world = world(tracker, Account::Gateway).await;
    let (sent, id) = delivered(&world, &referral(5)).await;
    tracker.set_status(id, "open").await.unwrap();
    let answer =
        world.change(&sent.path("ServiceRequest"), |request| request["code"]["text"] = json!("Debt advice")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let words = eventually("a person is told", || async { world.referral().await.attention }).await;
    assert!(words.contains("was not told"), "{words}");
    assert_eq!(tracker.ticket(id).await.unwrap()["Status"], "open");
    world.stop().await;
}
