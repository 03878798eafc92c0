//! The adapter `charitylog` against a simulator that was written from the published pages and refuses what they refuse.

use crate::own_credentials::{OwnCredentials, Place, assert_nowhere};
use crate::support::{OPERATOR, Setup, World, eventually, inside, referral_to, settle};
use conformance_tests::charitylog::{Answers, Charitylog, CharitylogConfig};
use conformance_tests::generator::Expectation;
use conformance_tests::platform::{Fault, FaultKind, Match};
use conformance_tests::simulator::{Namespace, Simulator};
use serde_json::{Value, json};
use std::path::Path;
use time::Duration;

const ODS: &str = "VCSE10";
const SETTINGS: &str = "org-type-id = \"7\", project = \"8\", poll-projects = \"7;8\", poll-from = \"2026-06-01\"";

const SECRETS: &[(Place, &str, &str)] = &[
    (Place::Header, "Source", "source-key-of-tests"),
    (Place::Header, "Org", "org-key-of-tests"),
    (Place::Header, "User", "user-key-of-tests"),
];

async fn scene() -> (World, Namespace<Charitylog>, Simulator<Charitylog>) {
    scene_with("charitylog", None).await
}

/// With this adapter, of this folder of adapters.
async fn scene_with(adapter: &str, adapters: Option<&Path>) -> (World, Namespace<Charitylog>, Simulator<Charitylog>) {
    let simulator = Simulator::start(|| Charitylog::new(CharitylogConfig::default())).await.unwrap();
    let root = simulator.root();
    let folder = tempfile::tempdir().unwrap();
    let base = root.base_url();
    let besides = OwnCredentials { ods: ODS, adapter, base, settings: SETTINGS, secrets: SECRETS };
    let decided = besides.sections(folder.path());
    let adapters = adapters.map(|folder| (folder.to_owned(), vcse_gateway::adapters::reader()));
    (World::start(Setup { lanes: true, decided, adapters, ..Setup::default() }).await, root, simulator)
}

fn referral(nth: usize) -> Value {
    referral_to(ODS, Expectation::Delivered, nth).bundle
}

fn business(task: &Value) -> &str {
    task["businessStatus"]["coding"][0]["code"].as_str().unwrap_or_default()
}

/// Waits until the Task of this path says this.
async fn says(world: &World, path: &str, word: &str) -> Value {
    eventually(&format!("{path} {word}"), || async {
        let task = world.task(path).await;
        (business(&task) == word).then_some(task)
    })
    .await
}

/// Sends a referral and has it imported: the path of its Task, and the case.
async fn imported(world: &World, platform: &Namespace<Charitylog>, nth: usize) -> (String, i64) {
    let path = world.submit(&referral(nth)).await.path("Task");
    world.delivered(&path).await;
    says(world, &path, "staged").await;
    let case = platform.with(|charity, now| {
        let staged = charity.staged()[0].id;
        charity.import(staged, 8, now).unwrap()
    });
    world.task_becomes(&path, "received").await;
    (path, case)
}

fn rounds(platform: &Namespace<Charitylog>) -> Vec<String> {
    let asked = platform.requests();
    asked.iter().filter(|request| request.path.contains("date_active")).map(|request| request.path.clone()).collect()
}

#[tokio::test]
async fn a_referral_is_staged_imported_opened_and_completed_and_the_task_follows() {
    let (world, platform, _simulator) = scene().await;
    let sent = world.submit(&referral(0)).await;
    let kept = world.delivered(&sent.path("Task")).await;
    let task = says(&world, &sent.path("Task"), "staged").await;
    assert_eq!(task["status"], "requested");
    let staged = platform.with(|charity, _| charity.staged().to_vec());
    let [one] = staged.as_slice() else { panic!("one is staged: {staged:?}") };
    assert_eq!((one.members["external_id"].as_str(), one.members["project"].as_str()), (kept.key.0.as_str(), "8"));
    assert!(one.members["description"].starts_with(&format!("Reference: {}\n", kept.key.0)));
    settle().await;
    assert_eq!(business(&world.task(&sent.path("Task")).await), "staged", "nobody has imported it");

    let case = platform.with(|charity, now| charity.import(one.id, 8, now).unwrap());
    let task = world.task_becomes(&sent.path("Task"), "received").await;
    assert_eq!(business(&task), "triage");
    assert!(platform.with(|charity, now| charity.contact(case, "First Appointment Booked", now)));
    let task = world.task_becomes(&sent.path("Task"), "in-progress").await;
    assert_eq!(business(&task), "in-support");
    assert!(task["output"].to_string().contains("First Appointment Booked"), "{}", task["output"]);
    assert!(platform.with(|charity, now| charity.contact(case, "Closed - Complete", now)));
    let task = world.task_becomes(&sent.path("Task"), "completed").await;
    assert_eq!((business(&task), &task["businessStatus"]["text"]), ("outcome-recorded", &json!("Closed - Complete")));
    world.stop().await;
}

#[tokio::test]
async fn each_documented_end_is_an_end_and_the_stage_is_its_reason() {
    let (world, platform, _simulator) = scene().await;
    for (nth, stage, status, word) in [
        (1, "Closed - No Answer", "failed", "contact-failed"),
        (2, "Closed - Client Declined", "cancelled", "person-declined"),
        (3, "Closed - Client moved away", "failed", "not-helped"),
    ] {
        let (path, case) = imported(&world, &platform, nth).await;
        assert!(platform.with(|charity, now| charity.contact(case, stage, now)));
        let task = world.task_becomes(&path, status).await;
        assert_eq!((business(&task), &task["statusReason"]["text"]), (word, &json!(stage)));
    }
    world.stop().await;
}

#[tokio::test]
async fn stages_and_statuses_of_the_charitys_own_move_nothing_and_are_kept() {
    let (world, platform, _simulator) = scene().await;
    let (path, case) = imported(&world, &platform, 4).await;
    for stage in ["Awaiting panel", "Closed - Referred Onward"] {
        let before = world.store().reports(&world.referral().await.id).await.unwrap().len();
        assert!(platform.with(|charity, now| charity.contact(case, stage, now)));
        let reports = eventually(stage, || async {
            let reports = world.store().reports(&world.referral().await.id).await.unwrap();
            (reports.len() > before).then_some(reports)
        });
        let reports = reports.await;
        assert!(reports.iter().any(|record| record.report.business_status == "unmapped"), "{reports:?}");
        settle().await;
        assert_eq!(world.task(&path).await["status"], "received", "{stage}");
    }
    world.stop().await;
}

#[tokio::test]
async fn days_overlap_and_what_is_read_again_is_said_once() {
    let (world, platform, _simulator) = scene().await;
    let (path, case) = imported(&world, &platform, 5).await;
    let from = |path: &String| path.split("date_active/").nth(1).unwrap().split(',').next().unwrap().to_owned();
    assert!(rounds(&platform).iter().all(|round| from(round) == "2026-06-01"), "all on the first day");
    platform.advance(Duration::days(3));
    eventually("a round of the next day", || async {
        rounds(&platform).last().filter(|round| from(round) == "2026-06-15").cloned()
    })
    .await;
    // Between two rounds of one day, and seen by the next.
    assert!(platform.with(|charity, now| charity.contact(case, "First Appointment Booked", now)));
    world.task_becomes(&path, "in-progress").await;
    platform.advance(Duration::days(1));
    eventually("a round of the day after", || async {
        rounds(&platform).last().filter(|round| from(round) == "2026-06-18").cloned()
    })
    .await;
    let reports = world.store().reports(&world.referral().await.id).await.unwrap();
    let events: Vec<&str> = reports.iter().map(|record| record.report.event.as_str()).collect();
    assert_eq!(events.len(), 3, "staged, pending and open, each once however often they were read: {events:?}");
    world.stop().await;
}

#[tokio::test]
async fn cases_of_people_whom_we_did_not_refer_are_not_taken_up() {
    let (world, platform, _simulator) = scene().await;
    platform.with(|charity, now| {
        charity.open(1, None, 8, now);
        charity.open(2, Some("CRM-17".to_owned()), 7, now);
    });
    let (path, _) = imported(&world, &platform, 6).await;
    let reports = world.store().reports(&world.referral().await.id).await.unwrap();
    assert_eq!(reports.len(), 2);
    for round in rounds(&platform) {
        assert!(round.contains("/field/id;client_external_id;stage;status"), "no more is asked for: {round}");
    }
    assert_eq!(world.task(&path).await["status"], "received");
    world.stop().await;
}

#[tokio::test]
async fn an_answer_that_was_lost_is_put_in_front_of_a_person_and_nothing_is_staged_twice() {
    let (world, platform, _simulator) = scene().await;
    platform.faults().push(Fault::new(Match::on("PUT", "/external_referral"), FaultKind::ResetAfterStoring));
    let sent = world.submit(&referral(0)).await;
    world.delivery_becomes(&sent.path("Task"), "dead-letter").await;
    settle().await;
    assert_eq!(platform.with(|charity, _| charity.staged().len()), 1);
    assert_nowhere(&world, "besides", SECRETS).await;
    // The case that staff make of it proves that it arrived.
    platform.with(|charity, now| charity.import(charity.staged()[0].id, 8, now).unwrap());
    world.task_becomes(&sent.path("Task"), "received").await;
    assert_eq!(world.referral().await.delivery.word(), "delivered");
    world.stop().await;
}

#[tokio::test]
async fn after_a_person_has_asked_it_is_staged() {
    let (world, platform, _simulator) = scene().await;
    platform.faults().push(Fault::new(Match::on("PUT", "/external_referral"), FaultKind::ResetBeforeStoring));
    let sent = world.submit(&referral(1)).await;
    world.delivery_becomes(&sent.path("Task"), "dead-letter").await;
    let task = json!({ "name": "task", "valueReference": { "reference": sent.reference("Task") } });
    let parameters = json!([task, { "name": "asked", "valueInteger": 1 }]);
    let body = json!({ "resourceType": "Parameters", "parameter": parameters }).to_string();
    assert_eq!(world.post(OPERATOR, "/fhir/Task/$redrive", body).await.status, 200);
    world.delivered(&sent.path("Task")).await;
    assert_eq!(platform.with(|charity, _| charity.staged().len()), 1);
    world.stop().await;
}

#[tokio::test]
async fn every_form_of_the_id_is_believed_and_a_page_is_not() {
    let (world, platform, _simulator) = scene().await;
    for (nth, answers) in [(2, Answers::Records), (3, Answers::Ids)] {
        platform.with(|charity, _| charity.set_up(|config| config.answers = answers));
        let sent = world.submit(&referral(nth)).await;
        world.delivered(&sent.path("Task")).await;
    }
    platform.faults().push(Fault::new(Match::on("PUT", "/external_referral"), FaultKind::HtmlPage));
    let sent = world.submit(&referral(4)).await;
    let dead = world.delivery_becomes(&sent.path("Task"), "dead-letter").await;
    assert!(format!("{:?}", dead.delivery).contains("may lie in the staging area"), "{:?}", dead.delivery);
    world.stop().await;
}

#[tokio::test]
async fn what_the_platform_refuses_is_a_dead_letter_and_a_busy_one_is_asked_again() {
    let (world, platform, _simulator) = scene().await;
    let busy = FaultKind::Status { status: 503, retry_after: Some(1) };
    platform.faults().push(Fault::new(Match::on("PUT", "/external_referral"), busy));
    let sent = world.submit(&referral(5)).await;
    world.delivered(&sent.path("Task")).await;
    assert_eq!(platform.with(|charity, _| charity.staged().len()), 1);
    platform.with(|charity, _| charity.set_up(|config| config.types = vec![1]));
    let sent = world.submit(&referral(6)).await;
    world.delivery_becomes(&sent.path("Task"), "dead-letter").await;
    assert_eq!(platform.with(|charity, _| charity.staged().len()), 1, "nothing was staged");
    world.stop().await;
}

#[tokio::test]
async fn signs_and_line_ends_arrive_as_they_were_written() {
    let (world, platform, _simulator) = scene().await;
    let mut bundle = referral(0);
    inside(&mut bundle, "ServiceRequest")["code"]["text"] = json!("Food & \"company\" + 50% =\nBMI <18; Zoë \u{1F600}");
    let sent = world.submit(&bundle).await;
    world.delivered(&sent.path("Task")).await;
    let words = platform.with(|charity, _| charity.staged()[0].members["description"].clone());
    assert!(words.contains("Asked for: Food & \"company\" + 50% =\nBMI <18; Zoë \u{1F600}"), "{words}");
    world.stop().await;
}

/// The folder of the README's example: what a charity with words of its own would write.
fn extended(folder: &Path) {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../adapters/charitylog");
    let read = |name: &str| std::fs::read_to_string(shipped.join(name)).unwrap();
    let readme = read("README.md");
    let example = readme.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap().to_owned();
    let own = folder.join("charitylog-leeds");
    std::fs::create_dir_all(own.join("concept-maps")).unwrap();
    let manifest = read("adapter.toml").replacen("name = \"charitylog\"", "name = \"charitylog-leeds\"", 1);
    let own_word = manifest.replace("platform = \"Open\"", "platform = \"Parked\"");
    let projects = json!({
        "resourceType": "ConceptMap", "url": "https://charity.example/ConceptMap/projects", "status": "active",
        "group": [{
            "source": "http://hl7.org/fhir/us/sdoh-clinicalcare/CodeSystem/SDOHCC-CodeSystemTemporaryCodes",
            "target": "urn:charity:projects",
            "element": [{ "code": "food-insecurity", "target": [{ "code": "7", "equivalence": "equivalent" }] }],
        }],
    });
    for (name, text) in [
        ("adapter.toml", own_word),
        ("mapping.yaml", example),
        ("base.yaml", read("mapping.yaml")),
        ("concept-maps/priority.json", read("concept-maps/priority.json")),
        ("concept-maps/projects.json", projects.to_string()),
    ] {
        std::fs::write(own.join(name), text).unwrap();
    }
}

#[tokio::test]
async fn a_folder_that_extends_this_one_has_the_charitys_verb_projects_and_words() {
    let folder = tempfile::tempdir().unwrap();
    extended(folder.path());
    let (world, platform, _simulator) = scene_with("charitylog-leeds", Some(folder.path())).await;
    platform.with(|charity, _| charity.set_up(|config| config.verb = "POST".to_owned()));
    let mut projects = Vec::new();
    for (nth, code) in [(0, "food-insecurity"), (1, "transportation-insecurity")] {
        let mut bundle = referral(nth);
        let system = "http://hl7.org/fhir/us/sdoh-clinicalcare/CodeSystem/SDOHCC-CodeSystemTemporaryCodes";
        let category = json!([{ "coding": [{ "system": system, "code": code, "display": "Kind of help" }] }]);
        inside(&mut bundle, "ServiceRequest")["category"] = category;
        let path = world.submit(&bundle).await.path("Task");
        world.delivered(&path).await;
        let staged = platform.with(|charity, _| charity.staged().last().unwrap().clone());
        projects.push(staged.members["project"].clone());
        let case = platform.with(|charity, now| charity.import(staged.id, 7, now).unwrap());
        world.task_becomes(&path, "received").await;
        assert!(platform.with(|charity, now| charity.contact(case, "Awaiting panel", now)));
        let task = world.task_becomes(&path, "in-progress").await;
        assert_eq!(task["businessStatus"]["text"], "Parked");
    }
    assert_eq!(projects, ["7", "8"], "by the kind of help; the project of triage for others");
    world.stop().await;
}
