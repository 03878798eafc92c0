//! The commands that look at what is stored, while the gateway runs and after.

use crate::support::{Place, binary, referral, stderr, stdout, task_of, until};
use conformance_tests::generator::PRACTICE_ODS;
use rusqlite::Connection;
use serde_json::Value;
use std::process::Output;

fn verify(place: &Place, more: &[&str]) -> Output {
    let command = &mut binary();
    let command = command.args(["audit", "verify", "--config"]).arg(place.configuration()).args(more);
    command.current_dir(place.folder.path()).output().unwrap()
}

#[tokio::test]
async fn audit_verify_says_how_many_lines_hold_or_names_the_first_that_does_not() {
    let mut place = Place::with_file().await;
    let none = verify(&place, &[]);
    assert_eq!(none.status.code(), Some(3), "{}", stdout(&none));
    assert!(stderr(&none).contains("there is no store at"), "{}", stderr(&none));

    let serving = place.start().await;
    let answer = serving.post(referral(0).bundle_text()).await;
    let task = task_of(&answer);
    until("delivered", async || serving.get(&task).await.1["businessStatus"]["coding"][0]["code"] == "delivered").await;
    let whole = verify(&place, &[]);
    assert_eq!(whole.status.code(), Some(0), "{}{}", stdout(&whole), stderr(&whole));
    assert!(stdout(&whole).contains("lines of 1 tenants hold"), "{}", stdout(&whole));
    drop(serving);

    let file = Connection::open(place.folder.path().join("data/gateway.db")).unwrap();
    file.execute_batch("DROP TRIGGER audit_keeps; UPDATE audit SET actor = 'client/other' WHERE number = 2").unwrap();
    drop(file);
    let broken = verify(&place, &["--format", "json"]);
    assert_eq!(broken.status.code(), Some(1), "{}", stderr(&broken));
    let told: Value = serde_json::from_str(&stdout(&broken)).unwrap();
    assert_eq!(told[0]["broken"], serde_json::json!({ "line": 2, "fault": "altered" }));
    assert_eq!((told[0]["tenant"].as_str(), told[0]["lines"].as_u64()), (Some("pcn"), Some(1)));
    let broken = stdout(&verify(&place, &[]));
    assert!(broken.contains("pcn: line 2 is not as it was written"), "{broken}");
}

#[tokio::test]
async fn disclosures_are_told_as_text_as_a_page_and_as_json() {
    let mut place = Place::with_file().await;
    let serving = place.start().await;
    let sent = referral(0);
    let answer = serving.post(sent.bundle_text()).await;
    let task = task_of(&answer);
    until("delivered", async || serving.get(&task).await.1["businessStatus"]["coding"][0]["code"] == "delivered").await;
    let patient = serving.get(&task).await.1["for"]["reference"].as_str().unwrap().to_owned();
    let disclosures = |patient: &str, more: &[&str]| {
        let command = &mut binary();
        let command = command.args(["disclosures", "--config"]).arg(place.configuration());
        let command = command.args(["--patient", patient, "--organisation", PRACTICE_ODS]).args(more);
        command.current_dir(place.folder.path()).output().unwrap()
    };
    let text = disclosures(&patient, &[]);
    assert_eq!(text.status.code(), Some(0), "{}", stderr(&text));
    let text = stdout(&text);
    assert!(text.contains("food-bank Example Food Bank") && text.contains("told: name (Patient.name.family"), "{text}");
    assert!(text.contains("It arrived"), "{text}");
    let page = stdout(&disclosures(&patient, &["--format", "html"]));
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("Example Food Bank"), "{page}");
    let file = place.folder.path().join("told.json");
    let json = disclosures(&patient, &["--format", "json", "--output", file.to_str().unwrap()]);
    assert_eq!((json.status.code(), stdout(&json).as_str()), (Some(0), ""), "{}", stderr(&json));
    let told: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(told["entry"].as_array().unwrap().len(), 1);
    assert_eq!(told["entry"][0]["resource"]["resourceType"], "AuditEvent");
    // Nothing of the person is in any of it.
    let all = format!("{text}{page}{told}");
    let resources = sent.bundle["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]);
    let person = resources.into_iter().find(|resource| resource["resourceType"] == "Patient").unwrap();
    for secret in [&person["identifier"][0]["value"], &person["name"][0]["family"], &person["birthDate"]] {
        assert!(!all.contains(secret.as_str().unwrap()), "{secret}");
    }
    let nobody = disclosures("nobody", &[]);
    assert_eq!(nobody.status.code(), Some(1), "{}", stdout(&nobody));
}
