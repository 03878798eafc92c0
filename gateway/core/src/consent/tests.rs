//! `consent-rules/1` as a table of cases, and what holds for all Consents. Case ids are those of consent-cases.csv.

use super::*;
use gateway_fhir::identifiers::{NHS_NUMBER, ODS_CODE};
use proptest::prelude::*;
use serde_json::{Value, json};
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-06-15 12:00 UTC);

/// The fixture C: active, root permit, actor B, purpose COC, the year 2026, by the patient.
fn c() -> Value {
    json!({
        "resourceType": "Consent", "status": "active",
        "scope": {"coding": [{"code": "patient-privacy"}]},
        "patient": {"reference": "Patient/p"}, "performer": [{"reference": "Patient/p"}],
        "provision": {
            "type": "permit", "period": {"start": "2026-01-01", "end": "2026-12-31"},
            "actor": [actor("Organization/b")],
            "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "COC"}],
        },
    })
}

fn actor(to: &str) -> Value {
    json!({"role": {"coding": [{"code": "PRCP"}]}, "reference": {"reference": to}})
}

/// C with changes: a path (`provision.type`) and what stands there then; `null` takes it away.
fn but(changes: &[(&str, Value)]) -> Value {
    let mut consent = c();
    for (path, value) in changes {
        let (parents, last) = path.rsplit_once('.').map_or((None, *path), |(parents, last)| (Some(parents), last));
        let mut place = &mut consent;
        for step in parents.into_iter().flat_map(|parents| parents.split('.')) {
            place = &mut place[step];
        }
        if value.is_null() {
            place.as_object_mut().unwrap().remove(last);
        } else {
            place[last] = value.clone();
        }
    }
    consent
}

fn deny(to: Option<&str>) -> Value {
    let actors = to.map_or(Value::Null, |to| json!([actor(to)]));
    but(&[("provision.type", json!("deny")), ("provision.actor", actors)])
}

fn directory(reference: &str) -> Option<Json> {
    let organisation = |system: &str, value: &str| {
        Some(json!({"resourceType": "Organization", "identifier": [{"system": system, "value": value}]}).into())
    };
    match reference {
        "Organization/b" => organisation("http://fhir.nhs.uk/id/ods-organization-code", "B001"),
        "Organization/b2" => organisation(ODS_CODE, "B002"),
        "Organization/d" => organisation(ODS_CODE, "D001"),
        "Organization/charity" => organisation("urn:charity", "123"),
        "Group/all" => Some(json!({"resourceType": "Group"}).into()),
        _ => None,
    }
}

fn patient() -> Value {
    json!({"resourceType": "Patient", "id": "p", "birthDate": "1986-01-01"})
}

fn asked_of(consents: &[Value], patient: &Value, now: OffsetDateTime) -> Decision {
    let consents: Vec<ConsentDocument> = consents
        .iter()
        .enumerate()
        .map(|(place, consent)| ConsentDocument {
            id: consent["id"].as_str().map_or(format!("c{place}"), str::to_owned),
            version: consent["meta"]["versionId"].as_str().map_or(1, |version| version.parse().unwrap()),
            document: consent.clone().into(),
        })
        .collect();
    asked(&consents, patient, now)
}

fn asked(consents: &[ConsentDocument], patient: &Value, now: OffsetDateTime) -> Decision {
    let recipient = Recipient {
        platform: PlatformId("befriending".to_owned()),
        name: "Befriending".to_owned(),
        identifiers: vec![(ODS_CODE.to_owned(), "B001".to_owned())],
    };
    decide(&Question {
        stage: Stage::Attempt,
        consents,
        directory: &directory,
        policy: &Policy::default(),
        subject: Subject {
            references: vec!["Patient/p".to_owned(), "Patient/p-old".to_owned()],
            nhs_number: Some("9990000018"),
            patient: &patient.clone().into(),
        },
        recipient: &recipient,
        purpose: "COC",
        now,
    })
}

fn check(rows: Vec<(&str, Vec<Value>, &str)>) {
    for (case, consents, expected) in rows {
        let decision = asked_of(&consents, &patient(), NOW);
        assert_eq!(decision.reason.code(), expected, "{case}: {decision:?}");
        assert_eq!(decision.verdict == Verdict::Permit, expected == "permitted", "{case}");
        assert_eq!(decision.rules, "consent-rules/1");
        assert!(!decision.rule_path.is_empty() && decision.reason.words().ends_with('.'), "{case}");
    }
}

#[test]
fn whose_and_whether_active() {
    check(vec![
        ("C01 nothing on record", vec![], "no-consent"),
        ("C02", vec![c()], "permitted"),
        ("C07 draft", vec![but(&[("status", json!("draft"))])], "status"),
        ("C07 proposed", vec![but(&[("status", json!("proposed"))])], "status"),
        ("entered in error", vec![but(&[("status", json!("entered-in-error"))])], "status"),
        ("no status", vec![but(&[("status", Value::Null)])], "status"),
        ("C09 inactive", vec![but(&[("status", json!("inactive"))])], "withdrawn"),
        ("C22 withdrawn, then new", vec![but(&[("status", json!("inactive"))]), c()], "permitted"),
        ("another person", vec![but(&[("patient.reference", json!("Patient/q"))])], "no-consent"),
        ("nobody's", vec![but(&[("patient", Value::Null)])], "no-consent"),
        ("an older resource of the person", vec![but(&[("patient.reference", json!("Patient/p-old"))])], "permitted"),
        (
            "by NHS number",
            vec![but(&[("patient", json!({"identifier": {"system": NHS_NUMBER, "value": "999 000 0018"}}))])],
            "permitted",
        ),
    ]);
    let both = json!({"reference": "Patient/p", "identifier": {"system": NHS_NUMBER, "value": "9990000026"}});
    check(vec![
        ("contradictory, permits", vec![but(&[("patient", both.clone())])], "patient"),
        ("contradictory, refuses", vec![but(&[("patient", both), ("provision.type", json!("deny"))]), c()], "conflict"),
    ]);
}

#[test]
fn base() {
    let rule = |code: &str| json!({"coding": [{"code": code}]});
    check(vec![
        ("C28 in part: a refusal of everybody", vec![deny(None)], "refused"),
        ("C05 a refusal that names it", vec![deny(Some("Organization/b"))], "refused"),
        ("a refusal of another alone", vec![deny(Some("Organization/d"))], "other-recipient"),
        ("C23 permit and deny", vec![c(), deny(Some("Organization/b"))], "conflict"),
        ("C25 the other order", vec![deny(Some("Organization/b")), c()], "conflict"),
        ("C26 deny D + C", vec![deny(Some("Organization/d")), c()], "permitted"),
        ("deny of nobody known + C", vec![deny(Some("Organization/gone")), c()], "conflict"),
        ("deny of a party in another system + C", vec![deny(Some("Organization/charity")), c()], "conflict"),
        ("deny of a group + C", vec![deny(Some("Group/all")), c()], "conflict"),
        ("deny of a relative + C", vec![deny(Some("RelatedPerson/r")), c()], "permitted"),
        (
            "retired refusal + C",
            vec![but(&[("provision.type", json!("deny")), ("status", json!("inactive"))]), c()],
            "permitted",
        ),
        (
            "only a retired refusal",
            vec![but(&[("provision.type", json!("deny")), ("status", json!("inactive"))])],
            "status",
        ),
        (
            "C35 deny with OPTIN",
            vec![but(&[("provision.type", json!("deny")), ("policyRule", rule("OPTIN"))])],
            "ambiguous-base",
        ),
        ("permit with OPTOUT", vec![but(&[("policyRule", rule("OPTOUT"))])], "ambiguous-base"),
        ("permit with OPTIN", vec![but(&[("policyRule", rule("OPTIN"))])], "permitted"),
        ("OPTIN alone", vec![but(&[("provision.type", Value::Null), ("policyRule", rule("OPTIN"))])], "permitted"),
        ("OPTOUT alone", vec![but(&[("provision.type", Value::Null), ("policyRule", rule("OPTOUT"))])], "refused"),
        ("neither", vec![but(&[("provision.type", Value::Null)])], "ambiguous-base"),
        (
            "C37 OPTIN, no provision",
            vec![but(&[("provision", Value::Null), ("policyRule", rule("OPTIN"))])],
            "no-recipient",
        ),
        (
            "OPTOUT, no provision + C",
            vec![but(&[("provision", Value::Null), ("policyRule", rule("OPTOUT"))]), c()],
            "conflict",
        ),
        (
            "refusal for research alone + C",
            vec![but(&[("provision.type", json!("deny")), ("provision.purpose", json!([{"code": "HRESCH"}]))]), c()],
            "permitted",
        ),
        (
            "refusal for treatment + C",
            vec![but(&[("provision.type", json!("deny")), ("provision.purpose", json!([{"code": "TREAT"}]))]), c()],
            "conflict",
        ),
        (
            "refusal of one class of data + C",
            vec![but(&[("provision.type", json!("deny")), ("provision.class", json!([{"code": "x"}]))]), c()],
            "conflict",
        ),
        (
            "unverified refusal + C",
            vec![but(&[("provision.type", json!("deny")), ("verification", json!([{"verified": false}]))]), c()],
            "conflict",
        ),
    ]);
}

#[test]
fn what_stands_in_the_way_of_a_permit() {
    check(vec![
        ("C49 modifier", vec![but(&[("modifierExtension", json!([{"url": "urn:x"}]))])], "modifier"),
        ("modifier within", vec![but(&[("provision.modifierExtension", json!([{"url": "urn:x"}]))]), c()], "modifier"),
        ("implicit rules", vec![but(&[("implicitRules", json!("urn:x"))])], "modifier"),
        (
            "modifier on another's permit + C",
            vec![
                but(&[("modifierExtension", json!([{}])), ("provision.actor", json!([actor("Organization/d")]))]),
                c(),
            ],
            "permitted",
        ),
        (
            "extension",
            vec![but(&[("extension", json!([{"url": "urn:x"}])), ("provision.extension", json!([{"url": "urn:x"}]))])],
            "permitted",
        ),
        ("scope", vec![but(&[("scope", json!({"coding": [{"code": "treatment"}]}))])], "scope"),
        (
            "research refusal + C",
            vec![but(&[("scope", json!({"coding": [{"code": "research"}]})), ("provision.type", json!("deny"))]), c()],
            "permitted",
        ),
        ("verified", vec![but(&[("verification", json!([{"verified": true}]))])], "permitted"),
        (
            "not verified",
            vec![but(&[("verification", json!([{"verified": true}, {"verified": false}]))])],
            "unverified",
        ),
        (
            "C54 link worker performs",
            vec![but(&[("performer", json!([{"reference": "PractitionerRole/lw"}]))])],
            "performer",
        ),
        ("no performer", vec![but(&[("performer", Value::Null)])], "permitted"),
        ("purpose", vec![but(&[("provision.purpose", json!([{"code": "TREAT"}]))])], "purpose"),
        ("C39 purposes", vec![but(&[("provision.purpose", json!([{"code": "TREAT"}, {"code": "COC"}]))])], "permitted"),
        ("any purpose", vec![but(&[("provision.purpose", Value::Null)])], "permitted"),
        (
            "purpose of another system",
            vec![but(&[("provision.purpose", json!([{"system": "urn:x", "code": "COC"}]))])],
            "purpose",
        ),
        ("purpose that is no list", vec![but(&[("provision.purpose", json!({"code": "TREAT"}))])], "not-understood"),
    ]);
}

#[test]
fn provisions_within() {
    let inner = |kind: &str, to: &str| json!([{"type": kind, "actor": [actor(to)]}]);
    check(vec![
        ("nested deny of us", vec![but(&[("provision.provision", inner("deny", "Organization/b"))]), c()], "conflict"),
        ("nested deny of D", vec![but(&[("provision.provision", inner("deny", "Organization/d"))])], "not-understood"),
        (
            "nested deny of D + C",
            vec![but(&[("provision.provision", inner("deny", "Organization/d"))]), c()],
            "permitted",
        ),
        ("nested without type", vec![but(&[("provision.provision", json!([{}]))]), c()], "conflict"),
        (
            "C31 nested permit",
            vec![but(&[("provision.actor", Value::Null), ("provision.provision", inner("permit", "Organization/b"))])],
            "no-recipient",
        ),
        (
            "nested permit within ours",
            vec![but(&[("provision.provision", inner("permit", "Organization/b"))])],
            "not-understood",
        ),
        (
            "C29 deep deny",
            vec![but(&[("provision.provision", json!([{"type": "permit", "provision": [{"type": "deny"}]}]))]), c()],
            "conflict",
        ),
        (
            "D's permit with an exception + C",
            vec![
                but(&[
                    ("provision.actor", json!([actor("Organization/d")])),
                    ("provision.provision", json!([{"type": "deny"}])),
                ]),
                c(),
            ],
            "permitted",
        ),
    ]);
}

#[test]
fn limits_that_are_not_evaluated() {
    for element in ["action", "securityLabel", "class", "code", "dataPeriod", "data", "unheard-of", "_type"] {
        let decision = asked_of(&[but(&[(&format!("provision.{element}"), json!([{"code": "x"}]))])], &patient(), NOW);
        assert_eq!(decision.reason.code(), "not-understood", "{element}");
        assert_eq!(decision.reason.words().contains(element), !matches!(element, "unheard-of" | "_type"), "{element}");
    }
}

#[test]
fn who_is_named() {
    let named = |actors: Value| vec![but(&[("provision.actor", actors)])];
    let by = |system: &str, value: &str| json!({"reference": {"identifier": {"system": system, "value": value}}});
    let both = |to: &str, value: &str| json!([{"reference": {"reference": to, "identifier": {"system": ODS_CODE, "value": value}}}]);
    let mut contained = but(&[("provision.actor", json!([actor("#o")]))]);
    contained["contained"] =
        json!([{"resourceType": "Organization", "id": "o", "identifier": [{"system": ODS_CODE, "value": "B001"}]}]);
    check(vec![
        ("nobody", vec![but(&[("provision.actor", Value::Null)])], "no-recipient"),
        ("D", named(json!([actor("Organization/d")])), "other-recipient"),
        ("D and B", named(json!([actor("Organization/d"), actor("Organization/b")])), "permitted"),
        ("C42 the parent of our branch is not we", named(json!([actor("Organization/b2")])), "other-recipient"),
        ("by identifier", named(json!([by(ODS_CODE, "B001")])), "permitted"),
        ("by an identifier of another system", named(json!([by("urn:x", "B001")])), "other-recipient"),
        ("unresolvable", named(json!([actor("Organization/gone")])), "other-recipient"),
        ("unresolvable, but identified", named(both("Organization/gone", "B001")), "permitted"),
        ("both ways", named(both("Organization/b", "B001")), "permitted"),
        ("contradictory", named(both("Organization/d", "B001")), "other-recipient"),
        ("contradictory the other way", named(both("Organization/b", "D001")), "other-recipient"),
        ("C43 in part: a group", named(json!([actor("Group/all")])), "other-recipient"),
        ("contained", vec![contained], "permitted"),
        ("without reference", named(json!([{"role": {"text": "B"}}])), "other-recipient"),
        (
            "C45 custodian",
            named(json!([{"role": {"coding": [{"code": "CST"}]}, "reference": {"reference": "Organization/b"}}])),
            "role",
        ),
        ("no role", named(json!([{"reference": {"reference": "Organization/b"}}])), "permitted"),
    ]);
}

#[test]
fn periods() {
    let during = |start: Value, end: Value| {
        but(&[("provision.period", json!({})), ("provision.period.start", start), ("provision.period.end", end)])
    };
    for (start, end, now, expected) in [
        (json!("2026-01-01"), json!("2026-06-15"), datetime!(2026-06-15 22:59 UTC), "permitted"),
        (json!("2026-01-01"), json!("2026-06-15"), datetime!(2026-06-15 23:00 UTC), "expired"),
        (Value::Null, json!("2026"), datetime!(2026-12-31 22:59 UTC), "permitted"),
        (Value::Null, json!("2026-06"), datetime!(2026-07-01 0:00 UTC), "expired"),
        (Value::Null, json!("2026-06-15T12:00:00+01:00"), datetime!(2026-06-15 11:00 UTC), "permitted"),
        (Value::Null, json!("2026-06-15T12:00:00+01:00"), datetime!(2026-06-15 11:00:01 UTC), "expired"),
        (json!("2026-06-15"), Value::Null, datetime!(2026-06-15 0:00 UTC), "permitted"),
        (json!("2026-06-15"), Value::Null, datetime!(2026-06-14 23:59:59 UTC), "not-yet"),
        (json!("2026-07"), json!("2026-05"), NOW, "expired"),
        (json!("soon"), Value::Null, NOW, "not-understood"),
        (Value::Null, json!(2027), NOW, "not-understood"),
    ] {
        let decision = asked_of(&[during(start.clone(), end.clone())], &patient(), now);
        assert_eq!(decision.reason.code(), expected, "{start} {end} {now}");
        // A refusal of the same period is in force whenever the permit would be, and in doubt.
        let mut refusal = during(start, end);
        refusal["provision"]["type"] = json!("deny");
        if matches!(expected, "permitted" | "not-understood") {
            assert_eq!(asked_of(&[refusal, c()], &patient(), now).reason.code(), "conflict");
        }
    }
    assert_eq!(asked_of(&[during(Value::Null, Value::Null)], &patient(), NOW).verdict, Verdict::Permit);
    let mut refusal = during(json!("2026-06-15"), json!("2026-06-15"));
    refusal["provision"]["type"] = json!("deny");
    for (now, expected) in [
        (datetime!(2026-06-14 22:59 UTC), "permitted"),
        (datetime!(2026-06-14 23:00 UTC), "conflict"),
        (datetime!(2026-06-15 23:59 UTC), "conflict"),
        (datetime!(2026-06-16 0:00 UTC), "permitted"),
    ] {
        assert_eq!(asked_of(&[refusal.clone(), c()], &patient(), now).reason.code(), expected, "{now}");
    }
}

#[test]
fn the_person() {
    for (change, expected) in [
        (json!({"deceasedBoolean": false}), "permitted"),
        (json!({"deceasedBoolean": true}), "deceased"),
        (json!({"deceasedDateTime": "2026-06-14"}), "deceased"),
        (json!({"_deceasedDateTime": {"extension": []}}), "deceased"),
        (json!({"meta": {"security": [{"code": "R"}]}}), "restricted-patient"),
        (
            json!({"meta": {"security": [{"code": "N"}, {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "V"}]}}),
            "restricted-patient",
        ),
        (json!({"meta": {"security": [{"system": "urn:colours", "code": "R"}]}}), "permitted"),
        (json!({"birthDate": "2010-06-15"}), "permitted"),
        (json!({"birthDate": "2010-06-16"}), "performer-age"),
        (json!({"birthDate": "2010"}), "performer-age"),
    ] {
        let mut patient = patient();
        for (name, value) in change.as_object().unwrap() {
            patient[name] = value.clone();
        }
        assert_eq!(asked_of(&[c()], &patient, NOW).reason.code(), expected, "{change}");
    }
}

#[test]
fn decisions_name_what_decided() {
    let decision = asked_of(&[c(), deny(Some("Organization/b"))], &patient(), NOW);
    assert_eq!(decision.decisive, Some(("c1".to_owned(), 1)));
    assert_eq!(decision.consents, [("c0".to_owned(), 1), ("c1".to_owned(), 1)]);
    assert_eq!(decision.rule_path, ["R2:status", "R3:base", "R6:conflict"]);
    let permit = asked_of(&[c()], &patient(), NOW);
    assert_eq!(permit.rule_path.first().map(String::as_str), Some("R2:status"));
    assert!(permit.rule_path.contains(&"R12:actor".to_owned()));
    // An older version does not undo a withdrawal.
    let version = |version: &str, status: &str| {
        but(&[("id", json!("c")), ("meta", json!({"versionId": version})), ("status", json!(status))])
    };
    assert_eq!(
        asked_of(&[version("2", "inactive"), version("1", "active")], &patient(), NOW).reason.code(),
        "withdrawn"
    );
}

fn any_consent() -> impl Strategy<Value = Value> {
    let kind = prop_oneof![3 => Just(json!("permit")), 1 => Just(json!("deny")), 1 => Just(Value::Null)];
    let status = prop_oneof![4 => Just("active"), 1 => Just("inactive"), 1 => Just("draft")];
    let to = prop_oneof![4 => Just(Some("Organization/b")), 1 => Just(Some("Organization/d")), 1 => Just(Some("Organization/gone")), 1 => Just(None)];
    let end = prop_oneof![4 => Just("2026-12-31"), 1 => Just("2026-06-14"), 1 => Just("never")];
    let extra = prop_oneof![
        6 => Just(("id", json!("x"))),
        1 => Just(("provision.class", json!([{"code": "x"}]))),
        1 => Just(("provision.provision", json!([{"type": "deny"}]))),
        1 => Just(("modifierExtension", json!([{"url": "urn:x"}]))),
        1 => Just(("verification", json!([{"verified": false}]))),
        1 => Just(("policyRule", json!({"coding": [{"code": "OPTOUT"}]}))),
        1 => Just(("provision.purpose", json!([{"code": "HRESCH"}]))),
        1 => Just(("patient.reference", json!("Patient/q"))),
    ];
    (kind, status, to, end, extra).prop_map(|(kind, status, to, end, (path, value))| {
        let actors = to.map_or(Value::Null, |to| json!([actor(to)]));
        let mut consent = but(&[
            ("provision.type", kind),
            ("status", json!(status)),
            ("provision.actor", actors),
            ("provision.period.end", json!(end)),
            (path, value),
        ]);
        consent.as_object_mut().unwrap().remove("id");
        consent
    })
}

/// Each with its own id, as they come out of the store.
fn stored(consents: Vec<Value>) -> Vec<ConsentDocument> {
    let named = consents.into_iter().enumerate();
    named.map(|(place, one)| ConsentDocument { id: format!("c{place}"), version: 1, document: one.into() }).collect()
}

proptest! {
    #[test]
    fn order_never_matters(
        (first, second) in proptest::collection::vec(any_consent(), 0..5)
            .prop_flat_map(|all| { let all = stored(all); (Just(all.clone()), Just(all).prop_shuffle()) }),
    ) {
        prop_assert_eq!(asked(&first, &patient(), NOW), asked(&second, &patient(), NOW));
    }

    #[test]
    fn a_refusal_is_never_outvoted(
        others in proptest::collection::vec(any_consent(), 0..5),
        to in prop_oneof![Just(None), Just(Some("Organization/b")), Just(Some("Organization/gone"))],
    ) {
        let mut all = others;
        all.push(deny(to));
        prop_assert_eq!(asked(&stored(all), &patient(), NOW).verdict, Verdict::Deny);
    }

    #[test]
    fn adding_what_does_not_permit_never_yields_a_permit(
        others in proptest::collection::vec(any_consent(), 0..5),
        one in any_consent(),
    ) {
        let before = asked(&stored(others.clone()), &patient(), NOW).verdict;
        let alone = asked(&stored(vec![one.clone()]), &patient(), NOW).verdict;
        let mut all = others;
        all.push(one);
        if before == Verdict::Deny && alone == Verdict::Deny {
            prop_assert_eq!(asked(&stored(all), &patient(), NOW).verdict, Verdict::Deny);
        }
    }

    #[test]
    fn without_consents_or_with_an_unknown_element_nothing_is_permitted(
        others in proptest::collection::vec(any_consent(), 0..5),
        element in "[a-zA-Z]{1,12}",
    ) {
        prop_assume!(!["id", "type", "period", "actor", "purpose", "extension"].contains(&element.as_str()));
        prop_assert_eq!(asked(&[], &patient(), NOW).verdict, Verdict::Deny);
        let limited: Vec<Value> = others
            .into_iter()
            .map(|mut consent| { consent["provision"][&element] = json!("x"); consent })
            .collect();
        prop_assert_eq!(asked(&stored(limited), &patient(), NOW).verdict, Verdict::Deny);
    }
}
