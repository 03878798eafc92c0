//! What a tenant decides in the configuration, through the running gateway: who gives care, what a recipient may have at
//! most, which codes never leave, who may consent, and overrides to statutory bodies.

use crate::preview::{parts, previewed, values};
use crate::support::{Sent, Setup, World, bundle, inside, referral_to, settle};
use conformance_tests::generator::Expectation;
use conformance_tests::platform::{FhirPlatform, PlatformConfig};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use time::macros::datetime;
use vcse_gateway::clock::ManualClock;
use vcse_gateway::store::Store;
use vcse_gateway::store::memory::MemoryStore;

/// A policy of the GP's tenant for `food`.
pub(crate) fn policy(keys: &str) -> String {
    format!("\n[[policy]]\ntenant = \"pcn-a\"\nplatform = \"food\"\nnotes = \"send\"\n{keys}\n")
}

pub(crate) fn care(review: &str) -> String {
    policy(&format!(
        "class = \"direct-care\"\nlawful-basis = [\"6(1)(e)\", \"9(2)(h)\"]\n\
         direct-care = {{ approver = \"Dr A Sample\", review = {review}, \
         minimum = [\"Patient.name\", \"ServiceRequest.category\", \"ServiceRequest.code\", \"ServiceRequest.subject\", \
         \"Task\"] }}"
    ))
}

/// Tenant settings that name files of this folder.
pub(crate) fn tenant(folder: &Path, files: &[(&str, &str, &str)]) -> String {
    let mut text = "\n[[tenant]]\nid = \"pcn-a\"\n".to_owned();
    for (key, name, content) in files {
        std::fs::write(folder.join(name), content).unwrap();
        text += &format!("{key} = \"{}\"\n", folder.join(name).display());
    }
    text
}

pub(crate) async fn platform() -> FhirPlatform {
    FhirPlatform::start(PlatformConfig::default()).await.unwrap()
}

/// A gateway that delivers to this platform.
pub(crate) async fn world(food: &FhirPlatform, decided: String) -> World {
    let bases = [food.base_url(), food.base_url()];
    World::start(Setup { bases, lanes: true, decided, ..Setup::default() }).await
}

/// A referral with something of its own at the places of interest.
pub(crate) fn marked(mut bundle: Value) -> Value {
    let patient = inside(&mut bundle, "Patient");
    patient["address"] = json!([{"line": ["canaryaddress"], "postalCode": "LS1 4AP"}]);
    patient["telecom"] = json!([{"system": "phone", "value": "01134960000"}]);
    patient["name"] = json!([{"family": "Canaryname", "given": ["Test"]}]);
    // Who needs an interpreter is never lost without a word: such a referral would wait.
    patient.as_object_mut().unwrap().retain(|name, _| !matches!(name.as_str(), "communication" | "extension"));
    bundle
}

pub(crate) fn without_consent() -> Value {
    marked(referral_to("VCSE1", Expectation::NoConsent, 0).bundle)
}

fn arrived(platform: &FhirPlatform, words: &str) -> bool {
    platform.requests().iter().any(|request| request.body.contains(words))
}

fn reason(task: &Value) -> String {
    task["statusReason"]["text"].as_str().unwrap_or_default().to_owned()
}

/// The consent decision that audit holds of the arrival.
async fn audited(world: &World, sent: &Sent) -> Value {
    let task = sent.resource("Task")["id"].as_str().unwrap().to_owned();
    let referral = world.referrals().await.into_iter().find(|one| one.task == task).unwrap();
    let lines = world.store().audit(&referral.id).await.unwrap();
    lines.into_iter().find(|line| line.action == "consent-decision").unwrap().detail
}

#[tokio::test]
async fn a_recipient_that_gives_care_gets_the_minimum_without_consent_until_its_review() {
    let food = platform().await;
    let listed = world(&food, care("2999-01-01")).await;
    let sent = listed.submit(&without_consent()).await;
    listed.delivered(&sent.path("Task")).await;
    assert!(arrived(&food, "Canaryname"), "the minimum arrives");
    assert!(!arrived(&food, "canaryaddress") && !arrived(&food, "01134960000"), "and nothing else");
    let detail = audited(&listed, &sent).await;
    assert_eq!((&detail["reason"], &detail["verdict"]), (&json!("implied"), &json!("redact")));
    assert_eq!(detail["lawfulBasis"], json!(["6(1)(e)", "9(2)(h)"]));
    assert_eq!(detail["override"], Value::Null);
    // A Consent that says nothing of this recipient takes back nothing of what it was given without one.
    let mut marketing = bundle(0)["entry"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["resource"]["resourceType"] == "Consent")
        .unwrap()["resource"]
        .clone();
    marketing["patient"] = json!({"reference": sent.reference("Patient")});
    marketing["performer"] = json!([{"reference": sent.reference("Patient")}]);
    marketing["provision"]["type"] = json!("deny");
    marketing["provision"].as_object_mut().unwrap().remove("actor");
    marketing["provision"]["purpose"] =
        json!([{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HMARKT"}]);
    for member in ["id", "meta", "organization", "identifier"] {
        marketing.as_object_mut().unwrap().remove(member);
    }
    let answer = listed.post(crate::support::GP, "/fhir/Consent", marketing.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_ne!(listed.task(&sent.path("Task")).await["status"], "cancelled");
    // Nor does it stand in the way of the next referral: marketing is certainly not care.
    let next = listed.submit(&without_consent()).await;
    listed.delivered(&next.path("Task")).await;
    assert_eq!(audited(&listed, &next).await["reason"], "implied");
    listed.stop().await;

    let overdue = world(&food, care("2020-01-01")).await;
    let sent = overdue.submit(&without_consent()).await;
    assert_eq!(sent.resource("Task")["status"], "on-hold");
    settle().await;
    assert_eq!(food.tasks().len(), 2, "those of the listing that counted");
    overdue.stop().await;

    // Another tenant's listing is none of ours.
    let elsewhere = world(&food, care("2999-01-01").replace("pcn-a", "pcn-b")).await;
    assert_eq!(elsewhere.submit(&without_consent()).await.resource("Task")["status"], "on-hold");
    elsewhere.stop().await;
}

#[tokio::test]
async fn what_a_recipient_or_its_class_may_have_at_most_limits_what_consent_permits() {
    let own = policy("at-most = [\"Patient.name\", \"Patient.telecom\", \"ServiceRequest\", \"Task\"]");
    let class = "\n[[tenant]]\nid = \"pcn-a\"\nlawful-basis = [\"6(1)(a)\"]\n\
                 at-most = { ordinary = [\"Patient.name\", \"Patient.address\", \"ServiceRequest\", \"Task\"] }\n";
    for (decided, phone, address) in [
        (String::new(), true, true),
        (own.clone(), true, false),
        (class.to_owned(), false, true),
        (format!("{class}{own}"), false, false),
    ] {
        let food = platform().await;
        let world = world(&food, decided.clone()).await;
        let sent = world.submit(&marked(bundle(0))).await;
        world.delivered(&sent.path("Task")).await;
        assert!(arrived(&food, "Canaryname"), "{decided}");
        assert_eq!((arrived(&food, "01134960000"), arrived(&food, "canaryaddress")), (phone, address), "{decided}");
        let told = previewed(&world, &marked(bundle(0))).await;
        let withheld = parts(&told, "withheld");
        let one = withheld.iter().find(|one| values(one, "element") == ["Patient.address"]);
        assert_eq!(one.is_none(), address, "{decided}: {told}");
        assert!(one.is_none_or(|one| values(one, "reason") == ["not-allowed"]), "{decided}: {told}");
        let basis = audited(&world, &sent).await["lawfulBasis"].clone();
        assert_eq!(basis, if decided.contains("6(1)(a)") { json!(["6(1)(a)"]) } else { json!([]) });
        world.stop().await;
    }
}

/// An override for the person of this referral.
pub(crate) fn overriding(bundle: &mut Value, expires: &str) -> String {
    let number = inside(bundle, "Patient")["identifier"][0]["value"].as_str().unwrap().to_owned();
    format!(
        "# decided in the safeguarding meeting\n[[override]]\nid = \"sg-1\"\nplatform = \"food\"\nnhs-number = \"{number}\"\n\
         professional = \"Dr A Sample\"\nreason = \"risk of serious harm\"\nfrom = 2026-06-01T00:00:00Z\n\
         expires = {expires}\n"
    )
}

#[tokio::test]
async fn an_override_shares_with_a_statutory_body_without_consent_about_its_person_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut referral = without_consent();
    let record = overriding(&mut referral, "2999-01-01T00:00:00Z");
    let decided = tenant(folder.path(), &[("overrides", "overrides.toml", &record)]) + &policy("class = \"statutory\"");
    let food = platform().await;
    let world = world(&food, decided).await;
    let sent = world.submit(&referral).await;
    world.delivered(&sent.path("Task")).await;
    assert!(arrived(&food, "canaryaddress"), "what it needs to protect");
    let detail = audited(&world, &sent).await;
    assert_eq!((&detail["reason"], &detail["duties"]), (&json!("override"), &json!(["audit-override"])));
    assert_eq!(detail["override"], json!({"id": "sg-1", "professional": "Dr A Sample"}));
    assert!(!detail.to_string().contains("harm"), "the reason stays in its record: {detail}");
    let other = (1..20).map(|nth| referral_to("VCSE1", Expectation::NoConsent, nth).bundle);
    let mut other = other.into_iter().find(|one| one["entry"] != referral["entry"]).unwrap();
    assert!(!record.contains(inside(&mut other, "Patient")["identifier"][0]["value"].as_str().unwrap()));
    assert_eq!(world.submit(&other).await.resource("Task")["status"], "on-hold");
    world.stop().await;
}

#[tokio::test]
async fn an_override_ends_by_itself_while_the_gateway_runs() {
    let folder = tempfile::tempdir().unwrap();
    let mut referral = without_consent();
    let record = overriding(&mut referral, "2026-06-20T12:00:00Z");
    let decided = tenant(folder.path(), &[("overrides", "overrides.toml", &record)]) + &policy("class = \"statutory\"");
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let clock = Arc::new(ManualClock::at(datetime!(2026-06-20 11:59:59 UTC)));
    let setup = |bases, lanes| Setup {
        store: Arc::clone(&store),
        clock: Arc::<ManualClock>::clone(&clock),
        decided: decided.clone(),
        bases,
        lanes,
        ..Setup::default()
    };
    let quiet = World::start(setup(Setup::default().bases, false)).await;
    let sent = quiet.submit(&referral).await;
    assert_eq!(sent.resource("Task")["status"], "requested");
    assert_eq!(values(&previewed(&quiet, &referral).await, "outcome"), ["sent"]);
    clock.advance(Duration::from_secs(1));
    let told = previewed(&quiet, &referral).await;
    assert_eq!((values(&told, "outcome"), values(&told, "verdict")), (vec!["held".into()], vec!["deny".into()]));
    assert!(values(&told, "reason").contains(&"override-expired".to_owned()), "{told}");
    quiet.stop().await;
    // What was accepted in time and had not left does not leave any more.
    let food = platform().await;
    let late = World::start(setup([food.base_url(), food.base_url()], true)).await;
    let task = late.task_becomes(&sent.path("Task"), "on-hold").await;
    assert!(reason(&task).contains("not in force"), "{task}");
    assert_eq!(food.tasks().len(), 0);
    late.stop().await;
}

#[tokio::test]
async fn a_code_of_the_tenants_list_takes_its_condition_along() {
    let folder = tempfile::tempdir().unwrap();
    let list = "# licensed release\ntermination\thttps://example.org/canaries\tcanary-listed\n";
    let decided = tenant(folder.path(), &[("withheld-codes", "codes.tsv", list)]);
    let food = platform().await;
    let world = world(&food, decided).await;
    for (code, leaves) in [("canary-free", true), ("canary-listed", false)] {
        let sent = world.submit(&crate::withheld::referral(code)).await;
        world.delivered(&sent.path("Task")).await;
        assert_eq!(arrived(&food, code), leaves, "{code}");
    }
    let told = previewed(&world, &crate::withheld::referral("canary-listed")).await;
    let withheld = parts(&told, "withheld");
    let condition = withheld.iter().find(|one| values(one, "element") == ["Condition"]).expect("it is told");
    assert_eq!(values(condition, "reason"), ["withheld-group"]);
    assert_eq!(values(condition, "rule"), ["R7:code-list"]);
    world.stop().await;
}

#[tokio::test]
async fn a_child_consents_where_the_record_says_that_it_is_competent() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = bundle(0);
    inside(&mut child, "Patient")["birthDate"] = json!("2015-01-01");
    let number = inside(&mut child, "Patient")["identifier"][0]["value"].as_str().unwrap().to_owned();
    let record = format!("[[person]]\nnhs-number = \"{number}\"\nrecorded-by = \"Dr A Sample\"\ncompetent = true\n");
    let clock = Arc::new(ManualClock::at(datetime!(2026-06-20 12:00 UTC)));
    for (decided, outcome) in
        [(String::new(), "held"), (tenant(folder.path(), &[("standing", "standing.toml", &record)]), "sent")]
    {
        let clock = Arc::<ManualClock>::clone(&clock);
        let world = World::start(Setup { clock, decided, ..Setup::default() }).await;
        let told = previewed(&world, &child).await;
        assert_eq!(values(&told, "outcome"), [outcome], "{told}");
        world.stop().await;
    }
}

#[tokio::test]
async fn a_branch_has_what_its_organisation_was_permitted_only_where_the_tenant_says_so() {
    const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
    let mut named = bundle(0);
    let actor = json!({"identifier": {"system": ODS, "value": "HQ001"}});
    inside(&mut named, "Consent")["provision"]["actor"][0]["reference"] = actor;
    let branch = |inherits| {
        policy(&format!(
            "branch-of = {{ identifiers = [{{ system = \"{ODS}\", value = \"HQ001\" }}], inherits = {inherits} }}"
        ))
    };
    for (decided, outcome) in [(String::new(), "held"), (branch("false"), "held"), (branch("true"), "sent")] {
        let world = World::start(Setup { decided, ..Setup::default() }).await;
        let told = previewed(&world, &named).await;
        assert_eq!(values(&told, "outcome"), [outcome], "{told}");
        world.stop().await;
    }
}
