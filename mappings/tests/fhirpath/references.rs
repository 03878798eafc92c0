//! `resolve()`: what a reference means inside a Bundle, and what means nothing.

use mappings::document::Document;
use mappings::fhirpath::{Environment, NoTrace, Scope, compile};

use crate::{evaluate, fhir, root};

fn bundle(reference: &str) -> String {
    let entry = |url: &str, resource: &str| format!(r#"{{"fullUrl":"{url}","resource":{resource}}}"#);
    let request = format!(
        r##"{{"resourceType":"ServiceRequest","id":"s","contained":[{{"resourceType":"Patient","id":"c","gender":"other",
        "link":[{{"other":{{"reference":"#d"}}}}]}},{{"resourceType":"Patient","id":"d","gender":"unknown"}}],
        "subject":{{"reference":"{reference}"}}}}"##
    );
    let patient = |id: &str, gender: &str| format!(r#"{{"resourceType":"Patient","id":"{id}","gender":"{gender}"}}"#);
    let entries = [
        entry("https://a.example.org/fhir/ServiceRequest/s", &request),
        entry("urn:uuid:1", &patient("p1", "female")),
        entry("https://a.example.org/fhir/Patient/p2", &patient("p2", "male")),
        entry("https://b.example.org/fhir/Patient/p2", &patient("p2", "other")),
        entry("https://b.example.org/fhir/Patient/p3", &patient("p3", "male")),
        entry("urn:uuid:2", &patient("twice", "male")),
        entry("urn:uuid:3", &patient("twice", "female")),
        entry("urn:uuid:4", r#"{"resourceType":"Organization","id":"o","name":"n"}"#),
        entry("urn:uuid:5", r#"{"resourceType":"Group","id":"g","name":"group"}"#),
    ];
    format!(r#"{{"resourceType":"Bundle","entry":[{}]}}"#, entries.join(","))
}

fn ask(reference: &str, text: &str) -> Vec<String> {
    let json = bundle(reference);
    let document = Document::parse(&json).unwrap();
    let scope = Scope::new().context(fhir("Bundle"));
    let expression = compile(text, &scope).unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
    let environment = Environment { slots: &[], bundle: Some(&document) };
    evaluate(&expression, &environment, Some(root(&document, "Bundle")), &mut NoTrace).unwrap()
}

#[test]
fn a_reference_finds_the_one_resource_that_it_means() {
    let gender = "entry.resource.ofType(ServiceRequest).subject.resolve().ofType(Patient).gender";
    for (reference, found) in [
        ("urn:uuid:1", &["female"][..]),
        ("Patient/p1", &["female"]),
        ("Patient/p2", &["male"]),
        ("Patient/p3", &["male"]),
        ("https://b.example.org/fhir/Patient/p2", &["other"]),
        ("https://b.example.org/fhir/Patient/p2/_history/3", &["other"]),
        ("#c", &["other"]),
        ("Patient/twice", &[]),
        ("https://c.example.org/fhir/Patient/p2", &[]),
        ("Patient/p9", &[]),
        ("urn:uuid:9", &[]),
        ("urn:uuid:4", &[]),
        ("Organization/o", &[]),
        ("#", &[]),
        ("#x", &[]),
        ("Patient", &[]),
        ("", &[]),
    ] {
        assert_eq!(ask(reference, gender), found, "{reference}");
    }
}

#[test]
fn a_resolved_resource_is_one_of_the_allowed_types() {
    let subject = "entry.resource.ofType(ServiceRequest).subject.resolve()";
    assert_eq!(ask("urn:uuid:5", &format!("{subject}.name")), ["group"], "Group.name is a string");
    assert_eq!(ask("urn:uuid:5", &format!("{subject}.ofType(Patient)")), [""; 0]);
    assert_eq!(ask("urn:uuid:1", &format!("{subject}.where($this is Patient).exists()")), ["true"]);
    let scope = Scope::new().context(fhir("ServiceRequest"));
    let fault = compile("subject.resolve().ofType(Organization)", &scope).unwrap_err().remove(0);
    assert!(fault.problem.contains("nothing here is a Organization"), "{fault:?}");
}

#[test]
fn a_contained_resource_refers_to_its_neighbours() {
    let text =
        "entry.resource.ofType(ServiceRequest).contained.ofType(Patient).link.other.resolve().ofType(Patient).gender";
    assert_eq!(ask("urn:uuid:1", text), ["unknown"]);
}

#[test]
fn without_a_bundle_only_contained_resources_resolve() {
    let json = r##"{"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"o","name":"n"}],
        "managingOrganization":{"reference":"#o"},"generalPractitioner":[{"reference":"Organization/o"}]}"##;
    let document = Document::parse(json).unwrap();
    for (text, found) in [
        ("managingOrganization.resolve().name", &["n"][..]),
        ("generalPractitioner.resolve().ofType(Organization).name", &[]),
    ] {
        let expression = compile(text, &crate::patient()).unwrap();
        let answer = evaluate(&expression, &Environment::default(), Some(root(&document, "Patient")), &mut NoTrace);
        assert_eq!(answer.unwrap(), found, "{text}");
    }
}
