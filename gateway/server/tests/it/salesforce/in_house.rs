//! A charity with an object of its own: a folder that extends the adapter, beside a copy of its mapping. The README shows it.

use super::{ODS, Org, referral};
use crate::support::{Setup, World, eventually, inside};
use conformance_tests::generator::Expectation;
use conformance_tests::salesforce::{Field, Kind, Licence, SObject};
use std::fs;
use std::path::Path;
use vcse_gateway::adapters;

/// The object, as the charity has made it.
fn object() -> SObject {
    let stages = ["New", "Waiting list", "Supported", "Closed", "Withdrawn"];
    let fields = vec![
        Field::key("GatewayKey__c"),
        Field::new("Client__c", Kind::Text, 80),
        Field::new("Born__c", Kind::Date, 0),
        Field::new("NHS_Number__c", Kind::Text, 10),
        Field::new("Phone__c", Kind::Phone, 40),
        Field::new("Needs__c", Kind::TextArea, 32_000),
        Field::new("Stage__c", Kind::Picklist, 255).with_words(true, &stages),
    ];
    SObject::new("Referral__c", "a0B", fields)
}

async fn world(org: &Org) -> World {
    let folders = tempfile::tempdir().unwrap();
    let home = folders.path().join("salesforce-in-house");
    fs::create_dir(&home).unwrap();
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let example = crate_folder.join("tests/it/salesforce/in-house");
    for file in ["adapter.toml", "mapping.yaml"] {
        fs::copy(example.join(file), home.join(file)).unwrap();
    }
    fs::copy(crate_folder.join("../../adapters/salesforce/mapping.yaml"), home.join("base.yaml")).unwrap();
    let setup = Setup {
        adapters: Some((folders.path().to_owned(), adapters::reader())),
        ..org.setup("salesforce-in-house", "external-id-field = \"GatewayKey__c\"")
    };
    World::start(setup).await
}

#[tokio::test]
async fn a_referral_becomes_a_record_of_the_charitys_own_object() {
    let org = Org::start(Licence::Core).await;
    org.org.with(|org, _| org.add_object(object()));
    let world = world(&org).await;
    let mut bundle = referral(0);
    let born = inside(&mut bundle, "Patient")["birthDate"].as_str().unwrap().to_owned();
    let sent = world.submit(&bundle).await;
    let id = world.delivered(&sent.path("Task")).await.platform_referral.unwrap().0;
    let record = org.record(&id);
    assert_eq!((record["Stage__c"].as_str(), record["Born__c"].as_str()), (Some("New"), Some(born.as_str())));
    let stage = |word: &str| {
        org.org.advance(time::Duration::seconds(1));
        assert!(org.org.with(|org, now| org.edit(&id, "Stage__c", word, now)));
    };
    stage("Waiting list");
    let task = world.task_becomes(&sent.path("Task"), "on-hold").await;
    assert_eq!(task["businessStatus"]["coding"][0]["code"], "waitlisted");
    stage("Closed");
    world.task_becomes(&sent.path("Task"), "completed").await;
    world.stop().await;
}

#[tokio::test]
async fn its_own_word_says_that_the_referrer_has_withdrawn() {
    let org = Org::start(Licence::Core).await;
    org.org.with(|org, _| org.add_object(object()));
    let world = world(&org).await;
    let bundle = crate::support::referral_to(ODS, Expectation::Delivered, 1).bundle;
    let sent = world.submit(&bundle).await;
    let id = world.delivered(&sent.path("Task")).await.platform_referral.unwrap().0;
    assert_eq!(world.move_task(&sent.path("Task"), "cancelled").await.status, 200);
    eventually("the word", || async { (org.record(&id)["Stage__c"] == "Withdrawn").then_some(()) }).await;
    world.stop().await;
}

#[tokio::test]
async fn a_field_that_the_object_does_not_have_is_told_before_anything_is_sent() {
    let org = Org::start(Licence::Core).await;
    org.org.with(|org, _| {
        let mut object = object();
        object.remove("NHS_Number__c");
        org.add_object(object);
    });
    let world = world(&org).await;
    let sent = world.submit(&referral(2)).await;
    world.task_becomes(&sent.path("Task"), "on-hold").await;
    let row = world.store().outbox(&world.referral().await.id).await.unwrap().remove(0);
    assert!(row.last_failure.unwrap().diagnostic.contains("NHS_Number__c"));
    assert_eq!(org.asked("PATCH"), [""; 0]);
    world.stop().await;
}
