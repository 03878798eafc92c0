//! `translate` with a configuration: what it shows changes with the consent, and each withheld element has its reason.

use crate::support::{run, stderr, stdout};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Output;

const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";

/// One platform; `more` is what tenants decide, and other clients.
fn configuration(more: &str) -> String {
    format!(
        r#"server = {{ listen = "127.0.0.1:8080", data = "unused" }}
route = [{{ name = "food", platform = "food-bank", recipients = [{{ system = "{ODS}", value = "VCSE1" }}] }}]
[[client]]
id = "gp"
tenant = "pcn"
organisation = "A82001"
token-sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
roles = ["referrer"]
[[platform]]
id = "food-bank"
name = "Example Food Bank"
adapter = "fhir-task"
base-url = "http://127.0.0.1:9090/fhir"
identifiers = [{{ system = "{ODS}", value = "VCSE1" }}]
settings = {{ requester-ods = "X26", requester-name = "Example PCN" }}
{more}
"#
    )
}

const OTHER_CLIENT: &str = r#"[[client]]
id = "other"
tenant = "other-pcn"
organisation = "A82002"
token-sha256 = "0000000000000000000000000000000000000000000000000000000000000001"
roles = ["referrer"]
"#;

/// A Consent of this kind that names the food bank, with more members in its provision.
fn consent(kind: &str, more: &Value) -> Value {
    let mut consent = json!({
        "resourceType": "Consent", "id": "c", "status": "active", "dateTime": "2026-01-02",
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IDSCL"}]}],
        "policyRule": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
            "code": if kind == "permit" { "OPTIN" } else { "OPTOUT" }}]},
        "patient": {"reference": "Patient/p"}, "performer": [{"reference": "Patient/p"}],
        "sourceAttachment": {"title": "form"},
        "provision": {"type": kind, "actor": [{"role": {"coding": [
            {"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "PRCP"}]},
            "reference": {"identifier": {"system": ODS, "value": "VCSE1"}}}]},
    });
    for (name, value) in more.as_object().unwrap() {
        consent["provision"][name] = value.clone();
    }
    consent
}

/// Translates a referral with an Observation under this Consent.
fn translated(folder: &Path, decided: Option<&str>, consent: Option<Value>, more: &[&str]) -> Output {
    let coded =
        |code: &str| json!({"coding": [{"system": "https://example.org/codes", "code": code, "display": "A thing"}]});
    let request = json!({
        "resourceType": "ServiceRequest", "id": "r", "status": "active", "intent": "order", "code": coded("1"),
        "subject": {"reference": "Patient/p"}, "authoredOn": "2026-01-02T09:00:00Z", "requester": {"display": "Dr Example"},
        "supportingInfo": [{"reference": "Observation/o"}], "reasonCode": [{"text": "canaryreason"}],
    });
    let observation = json!({"resourceType": "Observation", "id": "o", "status": "final", "code": coded("2"),
        "subject": {"reference": "Patient/p"}, "valueInteger": 4711});
    let patient = json!({"resourceType": "Patient", "id": "p", "name": [{"family": "Example"}], "birthDate": "1980-01-01",
        "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018"}]});
    let mut arguments: Vec<String> = ["translate", "--adapter", "fhir-task"].map(str::to_owned).to_vec();
    for (name, resource) in [("r", Some(request)), ("o", Some(observation)), ("p", Some(patient)), ("c", consent)] {
        let Some(resource) = resource else { continue };
        let file = folder.join(format!("{name}.json"));
        fs::write(&file, resource.to_string()).unwrap();
        arguments.push(file.to_str().unwrap().to_owned());
    }
    match decided {
        Some(decided) => {
            let file = folder.join("gateway.toml");
            fs::write(&file, configuration(decided)).unwrap();
            arguments.extend(["--config", file.to_str().unwrap(), "--platform", "food-bank"].map(str::to_owned));
        }
        None => {
            arguments.extend(["-s", "requester-ods=X26", "-s", "requester-name=Example PCN"].map(str::to_owned));
        }
    }
    arguments.extend(more.iter().map(|one| (*one).to_owned()));
    run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

const SEND: &str = "[[policy]]\ntenant = \"pcn\"\nplatform = \"food-bank\"\nnotes = \"send\"\n";

#[test]
fn the_request_changes_with_the_consent() {
    let folder = tempfile::tempdir().unwrap();
    let said = |decided: Option<&str>, consent: Option<Value>, code: i32| {
        let output = translated(folder.path(), decided, consent, &[]);
        assert_eq!(output.status.code(), Some(code), "{}{}", stdout(&output), stderr(&output));
        stdout(&output)
    };
    let text = said(Some(SEND), Some(consent("permit", &json!({}))), 0);
    assert!(text.contains("Consent: permit; ") && text.contains("4711") && text.contains("canaryreason"), "{text}");

    let class = json!([{"system": "http://hl7.org/fhir/resource-types", "code": "Observation"}]);
    let narrower = json!({"provision": [{"type": "deny", "class": class}]});
    let text = said(Some(SEND), Some(consent("permit", &narrower)), 0);
    assert!(text.contains("Consent: redact; ") && text.contains("Request 1"), "{text}");
    assert!(text.contains("withheld Observation: ") && text.contains("[R5:nested]"), "{text}");
    assert!(text.contains("withheld ServiceRequest.reasonCode.text: its words could give away"), "{text}");
    assert!(!text.contains("4711") && !text.contains("canaryreason"), "{text}");

    let text = said(Some(SEND), Some(consent("deny", &json!({}))), 1);
    assert!(
        text.contains("Consent: deny; a Consent of the patient refuses it.") && text.contains("[R3:base]"),
        "{text}"
    );
    assert!(text.contains("Nothing is sent.") && !text.contains("Request 1") && !text.contains("4711"), "{text}");
    assert!(said(Some(SEND), None, 1).contains("there is no Consent of the patient on record"));

    // The tenant's policy is part of it.
    let text = said(Some(""), Some(consent("permit", &json!({}))), 1);
    assert!(text.contains("withheld ServiceRequest.reasonCode.text: it has free text"), "{text}");
    assert!(text.contains("notes = \"send\"") && !text.contains("canaryreason"), "{text}");
    let list = SEND.to_owned() + "at-most = [\"Patient\", \"ServiceRequest\", \"Task\"]\n";
    let text = said(Some(&list), Some(consent("permit", &json!({}))), 0);
    assert!(text.contains("withheld Observation: this recipient may not have it. [R7:allow-list]"), "{text}");

    // Nobody said for whom.
    let text = said(None, Some(consent("deny", &json!({}))), 0);
    assert!(text.contains("Consent was not decided") && text.contains("--config and --platform"), "{text}");
    assert!(text.contains("Request 1"), "{text}");
}

#[test]
fn the_same_stands_in_the_json() {
    let folder = tempfile::tempdir().unwrap();
    let told = |decided: Option<&str>, consent: Option<Value>| -> Value {
        let output = translated(folder.path(), decided, consent, &["--format", "json"]);
        let all: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)));
        all["translations"][0].clone()
    };
    let list = SEND.to_owned() + "at-most = [\"Patient\", \"ServiceRequest\", \"Task\"]\n";
    let one = told(Some(&list), Some(consent("permit", &json!({}))));
    assert_eq!((&one["consent"]["decided"], &one["consent"]["verdict"]), (&json!(true), &json!("redact")));
    let words = "this recipient may not have it.";
    let expected =
        json!([{"element": "Observation", "reason": "not-allowed", "words": words, "rule": "R7:allow-list"}]);
    assert_eq!(one["consent"]["withheld"], expected);
    assert!(one["requests"].is_array() && !one["requests"].to_string().contains("4711"), "{one}");
    let one = told(Some(SEND), Some(consent("deny", &json!({}))));
    assert_eq!((&one["consent"]["verdict"], &one["consent"]["reason"]), (&json!("deny"), &json!("refused")));
    assert!(one.get("requests").is_none() && one["refused"].is_string(), "{one}");
    let one = told(None, None);
    assert_eq!(one["consent"]["decided"], json!(false));
    assert!(one["consent"]["because"].as_str().unwrap().contains("--platform") && one["requests"].is_array(), "{one}");
}

#[test]
fn of_several_customers_one_has_to_be_named() {
    let folder = tempfile::tempdir().unwrap();
    let decided = OTHER_CLIENT.to_owned() + SEND;
    let permit = || Some(consent("permit", &json!({})));
    let output = translated(folder.path(), Some(&decided), permit(), &[]);
    assert_eq!(output.status.code(), Some(2), "{}", stdout(&output));
    assert!(stderr(&output).contains("--tenant") && stderr(&output).contains("other-pcn"), "{}", stderr(&output));
    let output = translated(folder.path(), Some(&decided), permit(), &["--tenant", "nobody"]);
    assert_eq!(output.status.code(), Some(2), "{}", stdout(&output));
    assert_eq!(translated(folder.path(), Some(&decided), permit(), &["--tenant", "pcn"]).status.code(), Some(0));
    // What one customer has decided says nothing of the other's.
    let output = translated(folder.path(), Some(&decided), permit(), &["--tenant", "other-pcn"]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
}
