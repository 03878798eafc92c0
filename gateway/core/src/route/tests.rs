//! Routing: worked decisions, and that explanations hold no patient data.

use super::*;
use gateway_fhir::Json;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use time::macros::date;

const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";

fn table() -> RouteTable {
    serde_json::from_value(json!({"routes": [
        {"name": "food", "platform": "food-bank", "recipients": [{"system": ODS, "value": "FB001"}],
         "categories": [{"code": "food-insecurity"}], "areas": ["LS1", "LS2"]},
        {"name": "friends", "platform": "befriending", "categories": [{"system": "urn:sdoh", "code": "social-connection"}],
         "age": {"min-years": 18, "max-years": 64}},
        {"name": "friends-65", "platform": "befriending", "categories": [{"code": "social-connection"}],
         "age": {"min-years": 65}},
        {"name": "debt", "platform": "advice", "recipients": [{"system": ODS, "value": "DA001"},
         {"system": "urn:service", "value": "s-1"}]},
        {"name": "north-only", "platform": "advice", "categories": [{"code": "debt"}], "tenants": ["north"]},
        {"name": "twin-a", "platform": "twin", "recipients": [{"system": ODS, "value": "TW001"}],
         "categories": [{"code": "a"}]},
        {"name": "twin-b", "platform": "twin", "recipients": [{"system": ODS, "value": "TW001"}],
         "categories": [{"code": "b"}]},
    ]}))
    .expect("the table reads")
}

static DIRECTORY: LazyLock<BTreeMap<String, Json>> = LazyLock::new(|| {
    let organization = |system, value| json!({"identifier": [{"system": system, "value": value}]});
    let found = [
        ("Organization/food", organization("http://fhir.nhs.uk/id/ods-organization-code", "FB001")),
        ("Organization/debt", organization(ODS, "DA001")),
        ("Organization/twin", organization(ODS, "TW001")),
        ("Organization/stranger", organization(ODS, "X1")),
        ("Organization/nameless", json!({"name": "Food"})),
        ("PractitionerRole/food", json!({"organization": {"reference": "Organization/food"}})),
        ("HealthcareService/debt", json!({"identifier": [{"system": "urn:service", "value": "s-1"}]})),
        ("HealthcareService/food", json!({"providedBy": {"reference": "Organization/food"}})),
        ("PractitionerRole/loop", json!({"organization": {"reference": "PractitionerRole/loop"}})),
    ];
    let typed = |(name, mut document): (&str, serde_json::Value)| {
        document["resourceType"] = json!(name.split('/').next());
        (name.to_owned(), document.into())
    };
    found.into_iter().map(typed).collect()
});

fn resolve(reference: &str) -> Option<&'static Json> {
    DIRECTORY.get(reference)
}

fn reference(to: &str) -> Value {
    if to.is_empty() { Value::Null } else { json!({"reference": to}) }
}

fn facts_of(owner: &str, performer: &str, category: &str, birth: &str, postcode: &str) -> Facts {
    let mut task = json!({"resourceType": "Task"});
    if !owner.is_empty() {
        task["owner"] = reference(owner);
    }
    let mut request = json!({"resourceType": "ServiceRequest", "category": [
        {"coding": [{"system": "urn:sdoh", "code": category}]}]});
    if !performer.is_empty() {
        request["performer"] = json!([reference(performer)]);
    }
    let mut patient = json!({"resourceType": "Patient", "address": [{"use": "old", "postalCode": "LS1 1AA"}]});
    if !birth.is_empty() {
        patient["birthDate"] = json!(birth);
    }
    if !postcode.is_empty() {
        patient["address"] = json!([{"use": "temp", "postalCode": "ZZ1 1ZZ"}, {"use": "home", "postalCode": postcode}]);
    }
    let tenant = TenantId("south".to_owned());
    facts(&tenant, &task.into(), &request.into(), &patient.into(), &resolve, date!(2026 - 06 - 15))
}

#[test]
fn decisions() {
    for (owner, performer, category, birth, postcode, expected) in [
        // By need, age and area.
        ("", "", "food-insecurity", "", "LS1 2AB", "food"),
        ("", "", "food-insecurity", "", "LS11 2AB", "No route matches."),
        ("", "", "food-insecurity", "", "", "No route matches."),
        ("", "", "social-connection", "1990-01-01", "", "friends"),
        ("", "", "social-connection", "1961-06-15", "", "friends-65"),
        ("", "", "social-connection", "1961-06-16", "", "friends"),
        ("", "", "social-connection", "1961-06", "", "No route matches."),
        ("", "", "social-connection", "1990", "", "friends"),
        ("", "", "social-connection", "2012-01-01", "", "No route matches."),
        ("", "", "social-connection", "", "", "No route matches."),
        ("", "", "debt", "", "", "No route matches."),
        ("", "", "unheard-of", "1990-01-01", "LS1 2AB", "No route matches."),
        // By name.
        ("Organization/food", "", "unheard-of", "", "", "food"),
        ("PractitionerRole/food", "", "unheard-of", "", "", "food"),
        ("HealthcareService/food", "", "unheard-of", "", "", "food"),
        ("HealthcareService/debt", "", "food-insecurity", "", "LS1 2AB", "debt"),
        ("", "Organization/debt", "food-insecurity", "", "LS1 2AB", "debt"),
        ("Organization/food", "Organization/food", "", "", "", "food"),
        ("Organization/debt", "HealthcareService/debt", "", "", "", "debt"),
        ("Organization/food", "Organization/nameless", "", "", "", "food"),
        ("Organization/stranger", "", "food-insecurity", "", "LS1 2AB", "No route matches."),
        (
            "Organization/food",
            "Organization/debt",
            "",
            "",
            "",
            "Task.owner and ServiceRequest.performer name different recipients.",
        ),
        // Named, but by nothing that identifies.
        (
            "Organization/nameless",
            "Organization/food",
            "food-insecurity",
            "",
            "LS1 2AB",
            "Task.owner is given, but no identifier of it could be found.",
        ),
        ("PractitionerRole/loop", "", "", "", "", "Task.owner is given, but no identifier of it could be found."),
        (
            "",
            "Organization/gone",
            "food-insecurity",
            "",
            "LS1 2AB",
            "ServiceRequest.performer is given, but no identifier of it could be found.",
        ),
        // One recipient with two routes.
        ("Organization/twin", "", "b", "", "", "twin-b"),
        ("Organization/twin", "", "c", "", "", "No route matches."),
        ("", "", "a", "", "", "twin-a"),
    ] {
        let facts = facts_of(owner, performer, category, birth, postcode);
        let decision = decide(&table(), &facts);
        let said = match &decision {
            RouteDecision::Chosen { route, .. } => route,
            RouteDecision::Held { why, .. } => why,
        };
        assert_eq!(said, expected, "{owner} {performer} {category} {birth} {postcode}\n{}", explain(&table(), &facts));
        assert_eq!(explain(&table(), &facts).lines().count(), 1 + table().routes.len());
    }
}

#[test]
fn several_routes_are_nobodys_choice() {
    let mut table = table();
    table.routes.retain(|route| route.name.starts_with("friends"));
    for route in &mut table.routes {
        route.age = None;
    }
    let facts = Facts {
        tenant: TenantId("south".to_owned()),
        owner: None,
        performers: None,
        categories: vec![(Some("urn:sdoh".to_owned()), "social-connection".to_owned())],
        birth_date: None,
        postcode: None,
        on: date!(2026 - 06 - 15),
    };
    let RouteDecision::Held { why, .. } = decide(&table, &facts) else { panic!("chosen") };
    assert_eq!(why, "Several routes match: friends, friends-65.");
    let RouteDecision::Held { why, .. } = decide(&RouteTable::default(), &facts) else { panic!("chosen") };
    assert_eq!(why, "No route matches.");
}

#[test]
fn explanations_tell_conditions_and_no_patient_data() {
    let facts = facts_of("", "", "social-connection", "1961-06-16", "LS9 7ZX");
    let text = explain(&table(), &facts);
    assert!(
        text.starts_with("Goes to befriending by route friends: category social-connection, age within 18-64.\n"),
        "{text}"
    );
    assert!(!format!("{facts:?}").contains("1961"));
    assert!(text.contains("friends-65 (befriending) does not match: age outside 65 and over\n"), "{text}");
    assert!(text.contains("debt (advice) does not match: taken only when it is named\n"), "{text}");
    assert!(text.contains("north-only (advice) does not match: not for this customer\n"), "{text}");
    assert!(!text.contains("1961") && !text.contains("LS9") && !text.contains("7ZX"));
}

#[test]
fn a_misspelt_condition_is_refused() {
    let read = |value: Value| serde_json::from_value::<Route>(value);
    assert!(read(json!({"name": "a", "platform": "b"})).is_ok());
    assert!(read(json!({"name": "a", "platform": "b", "area": ["LS"]})).is_err());
    assert!(read(json!({"name": "a", "platform": "b", "age": {"min_years": 3}})).is_err());
}
