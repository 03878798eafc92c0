//! The adapter `salesforce` against a simulated organisation that was written from Salesforce's publication and refuses what it
//! refuses.

mod in_house;
mod limits;
mod tokens;

use crate::support::{Besides, Sent, Setup, World, eventually, referral_to, settle};
use conformance_tests::generator::Expectation;
use conformance_tests::platform::{Fault, FaultKind, Match};
use conformance_tests::salesforce::{Field, Licence, Record, Salesforce};
use conformance_tests::simulator::{Namespace, Simulator};
use serde_json::{Value, json};
use std::sync::Arc;
use time::Duration;
use vcse_gateway::store::Store;
use vcse_gateway::store::memory::MemoryStore;

const ODS: &str = "VCSE9";
/// The organisation may have what the person was told.
const NOTES_TO: &[(&str, &str)] = &[("pcn-a", "besides")];
const SETTINGS: &str =
    "external-id-field = \"VcseReferralKey__c\", withdrawn-comment = \"The referrer has withdrawn this referral.\"";
/// A connected app with the client credentials flow.
const CREDENTIALS: &str = "oauth2 = { token-url = \"BASE/services/oauth2/token\", grant = \"client-credentials\", \
     client-id = \"3MVG9.gateway\", secret = { file = \"SECRET\" } }";
const QUERY: &str = "/services/data/v62.0/query";

struct Org {
    org: Namespace<Salesforce>,
    _simulator: Simulator<Salesforce>,
}

impl Org {
    async fn start(licence: Licence) -> Self {
        let simulator = Simulator::start(move || Salesforce::new(licence)).await.unwrap();
        Self { org: simulator.root(), _simulator: simulator }
    }

    fn setup(&self, adapter: &'static str, settings: &'static str) -> Setup {
        let besides = Besides {
            ods: ODS,
            adapter,
            base: self.org.base_url().to_owned(),
            scheme: CREDENTIALS,
            token: self.org.with(|org, _| org.app().client_secret.clone()),
            settings,
        };
        Setup { lanes: true, besides: Some(besides), notes_to: NOTES_TO, ..Setup::default() }
    }

    async fn world(&self) -> World {
        World::start(self.setup("salesforce", SETTINGS)).await
    }

    fn record(&self, id: &str) -> Record {
        self.org.with(|org, _| org.record(id)).unwrap()
    }

    /// Somebody sets the status.
    fn set(&self, id: &str, word: &str) {
        self.org.advance(Duration::seconds(1));
        assert!(self.org.with(|org, now| org.edit(id, "AuthorizationStatus", word, now)));
    }

    /// The requests so far with this method.
    fn asked(&self, method: &str) -> Vec<String> {
        let all = self.org.requests();
        all.into_iter().filter(|request| request.method == method).map(|request| request.path).collect()
    }
}

fn referral(nth: usize) -> Value {
    referral_to(ODS, Expectation::Delivered, nth).bundle
}

/// Sends a referral and waits for its delivery: the Task, and the record's id.
async fn delivered(world: &World, nth: usize) -> (Sent, String) {
    let sent = world.submit(&referral(nth)).await;
    let referral = world.delivered(&sent.path("Task")).await;
    (sent, referral.platform_referral.unwrap().0)
}

#[tokio::test]
async fn a_referral_becomes_a_record_and_every_status_comes_back() {
    let org = Org::start(Licence::PublicSector).await;
    let world = org.world().await;
    let (sent, id) = delivered(&world, 0).await;
    let key = world.referral().await.key.0;
    assert!(uuid::Uuid::parse_str(&key).is_ok(), "nothing in an address ends like the name of a file: {key}");
    let holding = org.org.with(|org, _| org.holding("Referral", "VcseReferralKey__c", &key));
    assert_eq!(holding, std::slice::from_ref(&id));
    let record = org.record(&id);
    assert_eq!(record["AuthorizationStatus"], "Submitted");
    assert!(record["Description"].as_str().unwrap().contains("Asked for: "), "{record:?}");
    let task = world.task(&sent.path("Task")).await;
    assert_eq!(task["businessStatus"]["coding"][0]["code"], "delivered");
    for (word, status, business) in [("In Review", "received", "triage"), ("Authorized", "accepted", "accepted")] {
        org.set(&id, word);
        let task = world.task_becomes(&sent.path("Task"), status).await;
        assert_eq!(task["businessStatus"]["coding"][0]["code"], business, "{word}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_rejection_ends_it_and_an_unknown_word_moves_nothing() {
    let org = Org::start(Licence::PublicSector).await;
    let world = org.world().await;
    let (sent, id) = delivered(&world, 0).await;
    org.set(&id, "In Review");
    world.task_becomes(&sent.path("Task"), "received").await;
    org.org.with(|org, _| {
        let word = ("Under discussion".to_owned(), true);
        org.object("Referral").unwrap().field("AuthorizationStatus").unwrap().words.push(word);
    });
    org.set(&id, "Under discussion");
    let task = eventually("the unknown word", || async {
        let task = world.task(&sent.path("Task")).await;
        (task["businessStatus"]["coding"][0]["code"] == "unmapped").then_some(task)
    });
    let task = task.await;
    assert_eq!(task["status"], "received");
    assert!(task["businessStatus"].to_string().contains("Under discussion"), "as it came: {task}");
    org.set(&id, "Rejected");
    let task = world.task_becomes(&sent.path("Task"), "rejected").await;
    assert_eq!(task["businessStatus"]["coding"][0]["code"], "declined-other");
    world.stop().await;
}

#[tokio::test]
async fn nothing_of_a_person_leaves_where_the_object_is_another() {
    for (licence, says) in [(Licence::ReferralMarketing, "ClientLanguage"), (Licence::Core, "no object of the name")] {
        let org = Org::start(licence).await;
        let world = org.world().await;
        let sent = world.submit(&referral(2)).await;
        let task = world.task_becomes(&sent.path("Task"), "on-hold").await;
        let reason = task["statusReason"]["text"].as_str().unwrap().to_owned();
        let row = world.store().outbox(&world.referral().await.id).await.unwrap().remove(0);
        let words = row.last_failure.unwrap().diagnostic;
        assert!(words.contains(says), "{words}");
        assert!(!reason.is_empty());
        assert_eq!(org.asked("PATCH"), [""; 0], "describe alone was asked");
        world.stop().await;
    }
}

#[tokio::test]
async fn a_field_that_is_reserved_is_named() {
    let org = Org::start(Licence::PublicSector).await;
    org.org.with(|org, _| org.object("Referral").unwrap().remove("ClientPhone"));
    let world = org.world().await;
    let sent = world.submit(&referral(3)).await;
    world.task_becomes(&sent.path("Task"), "on-hold").await;
    let row = world.store().outbox(&world.referral().await.id).await.unwrap().remove(0);
    assert!(row.last_failure.unwrap().diagnostic.contains("ClientPhone"));
    assert_eq!(org.org.with(|org, _| org.count("Referral")), 0);
    world.stop().await;
}

#[tokio::test]
async fn an_answer_that_was_lost_makes_no_second_record_and_sets_no_status_back() {
    let org = Org::start(Licence::PublicSector).await;
    // The answer is lost, and so is that of the first question whether it arrived.
    org.org.faults().push(Fault::new(Match::on("PATCH", "/"), FaultKind::ResetAfterStoring));
    org.org.faults().push(Fault::new(Match::on("GET", QUERY).times(3), FaultKind::Stall));
    let world = org.world().await;
    let sent = world.submit(&referral(4)).await;
    let id = eventually("the record", || async {
        let key = world.referrals().await.first()?.key.0.clone();
        org.org.with(|org, _| org.holding("Referral", "VcseReferralKey__c", &key)).pop()
    });
    let id = id.await;
    org.set(&id, "In Review");
    org.org.faults().clear();
    let referral = world.delivered(&sent.path("Task")).await;
    assert_eq!(referral.platform_referral.unwrap().0, id);
    world.task_becomes(&sent.path("Task"), "received").await;
    assert_eq!(org.record(&id)["AuthorizationStatus"], "In Review");
    assert_eq!((org.asked("PATCH").len(), org.org.with(|org, _| org.count("Referral"))), (1, 1));
    world.stop().await;
}

#[tokio::test]
async fn a_gateway_that_ends_after_describe_goes_on_in_the_next() {
    // Before the record was there, and after.
    for (kind, upserts) in [(FaultKind::Stall, 2), (FaultKind::StallAfterStoring, 1)] {
        let org = Org::start(Licence::PublicSector).await;
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        org.org.faults().push(Fault::new(Match::on("PATCH", "/").times(9), kind));
        let world = World::start(Setup { store: Arc::clone(&store), ..org.setup("salesforce", SETTINGS) }).await;
        let sent = world.submit(&referral(5)).await;
        eventually("the upsert", || async { (org.asked("PATCH").len() == 1).then_some(()) }).await;
        // It ends as a process does that is killed: nothing is brought to its end.
        drop(world);
        org.org.faults().clear();
        let world = World::start(Setup { store, ..org.setup("salesforce", SETTINGS) }).await;
        world.delivered(&sent.path("Task")).await;
        assert_eq!(org.org.with(|org, _| org.count("Referral")), 1);
        assert_eq!(org.asked("PATCH").len(), upserts, "what was found is not written again");
        world.stop().await;
    }
}

#[tokio::test]
async fn a_withdrawal_is_written_where_nobody_has_written() {
    let org = Org::start(Licence::PublicSector).await;
    let world = org.world().await;
    let (sent, id) = delivered(&world, 6).await;
    assert_eq!(world.move_task(&sent.path("Task"), "cancelled").await.status, 200);
    eventually("the comment", || async { org.record(&id).get("Comments").cloned() }).await;
    assert_eq!(org.record(&id)["Comments"], "The referrer has withdrawn this referral.");
    assert_eq!(org.record(&id)["AuthorizationStatus"], "Submitted", "the status is the charity's");
    world.outbox_idle().await;
    assert_eq!(world.referral().await.attention, None);
    world.stop().await;

    let org = Org::start(Licence::PublicSector).await;
    let world = org.world().await;
    let (sent, id) = delivered(&world, 6).await;
    org.org.with(|org, now| org.edit(&id, "Comments", "Rang twice.", now));
    assert_eq!(world.move_task(&sent.path("Task"), "cancelled").await.status, 200);
    world.outbox_idle().await;
    assert_eq!(org.record(&id)["Comments"], "Rang twice.");
    assert!(world.referral().await.attention.is_some(), "a person has to call");
    world.stop().await;
}

#[tokio::test]
async fn a_duplicate_rule_is_told_to_a_person() {
    let org = Org::start(Licence::PublicSector).await;
    org.org.with(|org, _| org.set_duplicate_rule(true));
    let world = org.world().await;
    delivered(&world, 7).await;
    let again = world.submit(&referral(7)).await;
    world.task_becomes(&again.path("Task"), "on-hold").await;
    let rows = eventually("the dead letter", || async {
        let all = world.referrals().await;
        let second = all.iter().find(|referral| again.path("Task").ends_with(&referral.task))?;
        let row = world.store().outbox(&second.id).await.unwrap().pop()?;
        row.last_failure
    });
    assert!(rows.await.diagnostic.contains("duplicate rule"));
    assert_eq!(org.org.with(|org, _| org.count("Referral")), 1);
    world.stop().await;
}

#[tokio::test]
async fn a_record_that_is_locked_is_written_in_a_moment() {
    let org = Org::start(Licence::PublicSector).await;
    org.org.with(|org, _| org.lock(1));
    let world = org.world().await;
    delivered(&world, 8).await;
    assert_eq!(org.asked("PATCH").len(), 2);
    world.stop().await;
}

#[tokio::test]
async fn changes_are_found_page_by_page_and_no_link_is_followed() {
    let org = Org::start(Licence::PublicSector).await;
    org.org.with(|org, _| {
        org.set_page(1);
        org.set_link_prefix("https://elsewhere.example");
    });
    let world = org.world().await;
    let (one, first) = delivered(&world, 9).await;
    let (other, second) = delivered(&world, 10).await;
    // In the same second, as far as the platform tells.
    org.set(&first, "In Review");
    assert!(org.org.with(|org, now| org.edit(&second, "AuthorizationStatus", "Authorized", now)));
    world.task_becomes(&one.path("Task"), "received").await;
    world.task_becomes(&other.path("Task"), "accepted").await;
    assert!(org.asked("GET").iter().all(|path| !path.contains("/query/")), "each page is a query");
    world.stop().await;
}

#[tokio::test]
async fn a_change_that_becomes_visible_late_is_found() {
    let org = Org::start(Licence::PublicSector).await;
    let world = org.world().await;
    let (one, first) = delivered(&world, 11).await;
    let (other, second) = delivered(&world, 12).await;
    org.org.advance(Duration::seconds(20));
    let began = org.org.now();
    org.set(&first, "In Review");
    world.task_becomes(&one.path("Task"), "received").await;
    // Its transaction had begun before, and its time is earlier than that of what was seen.
    assert!(org.org.with(|org, _| org.edit(&second, "AuthorizationStatus", "Authorized", began)));
    world.task_becomes(&other.path("Task"), "accepted").await;
    world.stop().await;
}

#[tokio::test]
async fn a_mandatory_field_of_the_organisations_own_is_told_to_a_person() {
    let org = Org::start(Licence::PublicSector).await;
    org.org.with(|org, _| {
        let ward = Field { required: true, ..Field::new("Ward__c", conformance_tests::salesforce::Kind::Text, 40) };
        org.object("Referral").unwrap().fields.push(ward);
    });
    let world = org.world().await;
    let sent = world.submit(&referral(13)).await;
    world.task_becomes(&sent.path("Task"), "on-hold").await;
    settle().await;
    let row = world.store().outbox(&world.referral().await.id).await.unwrap().remove(0);
    assert!(row.last_failure.unwrap().diagnostic.contains("mandatory field"));
    assert_eq!(json!(org.org.with(|org, _| org.count("Referral"))), json!(0));
    world.stop().await;
}
