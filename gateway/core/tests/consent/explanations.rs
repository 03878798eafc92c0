//! What a decision says of itself: which of several Consents explains it, by which rules it fell, and what led to a deny.

use crate::columns::read;
use gateway_core::consent::{Decision, Verdict};

fn decided(consents: &str, question: &str) -> Decision {
    read(consents, question).decide()
}

#[test]
fn of_several_silent_consents_the_most_useful_explains() {
    let (expired, draft, other) = ("C id=e end=2026-06-01", "C id=d status=draft", "C id=o actor=[@D]");
    for order in [[expired, draft, other], [other, draft, expired], [draft, expired, other]] {
        let decision = decided(&order.join(" ; "), "to=B");
        assert_eq!(decision.reason.code(), "expired", "{order:?}");
        assert_eq!(decision.decisive, Some(("e".to_owned(), 1)));
        assert_eq!(decision.consents.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["d", "e", "o"]);
    }
}

#[test]
fn of_equal_ones_the_first_by_name_explains() {
    for order in ["C id=a type=deny ; C id=b type=deny", "C id=b type=deny ; C id=a type=deny"] {
        assert_eq!(decided(order, "to=B").decisive, Some(("a".to_owned(), 1)), "{order}");
    }
    for order in ["C id=a ; C id=b", "C id=b ; C id=a"] {
        assert_eq!(decided(order, "to=B").decisive, Some(("a".to_owned(), 1)), "{order}");
    }
}

#[test]
fn items_that_different_consents_deny_are_explained_by_the_most_useful() {
    // Neither reaches anything: one has run out, the other speaks of other data.
    for order in
        ["C id=a class=[$type:Goal] ; C id=b end=2026-06-01", "C id=b end=2026-06-01 ; C id=a class=[$type:Goal]"]
    {
        let decision = decided(order, "only=plain,mh");
        assert_eq!((decision.reason.code(), decision.decisive), ("expired", Some(("b".to_owned(), 1))), "{order}");
    }
    // One item is refused, the other only not spoken of: the refusal explains the whole.
    let both = "C id=a class=[$type:Goal] ; C id=z type=deny class=[$type:Condition]";
    for items in ["only=plain,mh", "only=mh,plain"] {
        let decision = decided(both, items);
        assert_eq!((decision.reason.code(), decision.decisive), ("refused", Some(("z".to_owned(), 1))), "{items}");
    }
    // Of two Consents that permit different items the first by name.
    let apart = "C id=b class=[$type:Condition] ; C id=a class=[$type:Observation]";
    for items in ["only=plain,mh", "only=mh,plain"] {
        assert_eq!(decided(apart, items).decisive, Some(("a".to_owned(), 1)), "{items}");
    }
}

#[test]
fn the_rules_that_were_passed_are_told() {
    let over = "to=L override=L,Dr-Sample,risk,2026-06-01T00:00:00Z,2026-06-30T00:00:00Z";
    let needed = r#"patient={"address":[{"extension":[{"url":"http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-inline-sec-label","valueCoding":$conf:R}]}]} needs=Patient.address"#;
    for (consents, question, path) in [
        ("none", "to=B", "R1:default"),
        ("none", "to=H", "R1:direct-care"),
        ("none", over, "R8:override"),
        ("none", "to=L override=L,,risk,2026-06-01T00:00:00Z,2026-06-30T00:00:00Z", "R8:override"),
        ("C", r#"patient={"deceasedBoolean":true}"#, "R13:deceased"),
        ("C", r#"patient={"meta":{"security":[$conf:R]}}"#, "R7:restricted-patient"),
        ("C", needed, "R7:needed-field"),
        ("C in=[{\"type\":\"deny\",\"class\":[$type:Patient]}]", "to=B", "R7:empty"),
        ("C", r#"request={"note":[{"text":"x"}]} reads=ServiceRequest.note"#, "R7:notes"),
        ("C actor=[@K]", "to=K with=plain review-code=steps", "R7:review-code"),
        ("C", "to=B", "R2:status R3:base R4:elements R5:nesting R2:scope R2:verification R9:performer R12:actor"),
        ("C status=inactive", "to=B", "R2:status"),
        ("C tenant=g2", "to=B", "R2:status R2:tenant"),
        ("C modifierExtension=[{}]", "to=B", "R2:status R2:modifier"),
        ("C scope=&none:research", "to=B", "R2:status R2:scope"),
        ("C scope=&none:treatment", "to=B", "R2:status R2:scope"),
        ("C verification=[{\"verified\":false}]", "to=B", "R2:status R2:verification"),
        ("C surprise=1", "to=B", "R2:status R2:valid"),
        ("C type=deny", "to=B", "R2:status R3:base"),
        ("C type=deny ; C", "to=B", "R2:status R3:base R6:conflict"),
        ("C in=[{\"type\":\"deny\"}]", "to=B", "R2:status R5:nested"),
        ("C in=[{\"type\":\"permit\",\"actor\":[@D]}]", "to=B", "R2:status R5:narrowing"),
        ("C actor=[@D]", "to=B", "R2:status R12:actor"),
        ("C -actor", "to=B", "R2:status R12:actor"),
        ("C -provision rule=OPTIN", "to=B", "R2:status R12:actor"),
        ("C end=2026-06-01", "to=B", "R2:status R4:period"),
        ("C purpose=[$why:TREAT]", "to=B", "R2:status R4:purpose"),
        ("C action=[&do:use]", "to=B", "R2:status R4:action"),
        ("C provision.surprise=1", "to=B", "R2:status R4:elements"),
        ("C class=[$type:Goal]", "to=B", "R2:status R4:data"),
        ("C performer=[]", "to=B", "R2:status R9:performer"),
        // The first doubt of a provision explains it.
        ("C actor=[@D] end=2026-06-01 purpose=[$why:TREAT]", "to=B", "R2:status R12:actor"),
        ("C end=2026-06-01 purpose=[$why:TREAT] action=[&do:use]", "to=B", "R2:status R4:period"),
    ] {
        let decision = decided(consents, question);
        assert_eq!(decision.rule_path.join(" "), path, "{consents} / {question}");
    }
    assert_eq!(Decision::indeterminate().rule_path, ["R10:indeterminate"]);
}

#[test]
fn a_deny_names_the_items_that_led_to_it() {
    for (consents, question, place) in [
        ("none", "to=H needs=Patient.address", "Patient.address"),
        ("C", "with=hidden needs=Observation.code", "Observation"),
        ("C in=[{\"type\":\"deny\",\"class\":[$type:Patient]}]", "to=B", "Patient.name"),
        ("C", r#"request={"note":[{"text":"x"}]} reads=ServiceRequest.note"#, "ServiceRequest.note"),
        ("none", r#"to=H request={"note":[{"text":"x"}]} reads=ServiceRequest.note"#, "ServiceRequest.note"),
    ] {
        let decision = decided(consents, question);
        assert_eq!(decision.verdict, Verdict::Deny, "{consents}");
        assert!(decision.withheld.iter().any(|one| one.path == place), "{consents}: {:?}", decision.withheld);
    }
    assert!(decided("C type=deny", "to=B").withheld.is_empty(), "a refusal of everything needs no list");
}

#[test]
fn each_withheld_item_has_its_rule_and_its_consent() {
    let found = |consents: &str, question: &str, place: &str| {
        let withheld = decided(consents, question).withheld;
        let one = withheld.into_iter().find(|one| one.resource == place || one.path == place);
        one.map(|one| (one.rule, one.consent.map(|(id, _)| id)))
    };
    let by = |rule: &'static str, consent: Option<&str>| Some((rule, consent.map(str::to_owned)));
    assert_eq!(found("C", "with=hidden", "Observation/hidden"), by("R7:label", None));
    assert_eq!(found("C", "with=billing", "Observation/billing"), by("R7:purpose-label", None));
    assert_eq!(found("C", "with=hiv withhold=hiv", "Condition/hiv"), by("R7:code-list", None));
    assert_eq!(found("C", "with=hiv withhold=hiv", "ServiceRequest.category.text"), by("R7:hint", None));
    assert_eq!(found("C", "at-most=ServiceRequest,Task,Patient.name", "Patient.address"), by("R7:allow-list", None));
    assert_eq!(found("none", "to=H", "Patient.address"), by("R1:minimum", None));
    assert_eq!(found("none", "to=H with=hidden", "Observation/hidden"), by("R7:label", None));
    assert_eq!(found("none", "to=H with=hidden", "ServiceRequest.category.text"), by("R7:hint", None));
    assert_eq!(found("none", "to=H with=plain", "ServiceRequest.category.text"), None);
    let except = "C id=x in=[{\"type\":\"deny\",\"class\":[$type:Condition]}]";
    assert_eq!(found(except, "with=mh", "Condition/mh"), by("R5:nested", Some("x")));
    assert_eq!(
        found("C id=x class=[$type:Goal,$type:Observation]", "only=plain,mh", "Condition/mh"),
        by("R4:data", Some("x"))
    );
    // Of two reasons at one place the first in the order of the rules stands.
    let twice = found("C", "with=hidden at-most=ServiceRequest,Task,Patient", "Observation/hidden");
    assert_eq!(twice, by("R7:label", None));
}

#[test]
fn a_refusal_of_a_sensitivity_does_not_reach_what_is_administrative() {
    let decision = decided(r#"C in=[{"type":"deny","securityLabel":[$act:MH]}]"#, "to=B");
    let withheld: Vec<&str> = decision.withheld.iter().map(|one| one.path.as_str()).collect();
    assert!(withheld.contains(&"ServiceRequest.code"), "{withheld:?}");
    for administrative in ["ServiceRequest.status", "ServiceRequest.intent", "Patient.name"] {
        assert!(!withheld.contains(&administrative), "{administrative}: {withheld:?}");
    }
}

#[test]
fn a_permit_by_override_says_whose_it_is() {
    let question = "to=L override=L,Dr-Sample,risk-of-harm,2026-06-01T00:00:00Z,2026-06-30T00:00:00Z";
    let overriding = decided("none", question).overriding.expect("an override");
    assert_eq!(overriding.professional, "Dr-Sample");
    assert_eq!(decided("C", "to=B").overriding, None);
}

#[test]
fn a_wait_for_free_text_names_it_and_the_setting_that_would_let_it_go() {
    let words = |text: &str| {
        let question = format!("request={{\"reasonCode\":[{text}]}} reads=ServiceRequest.reasonCode");
        decided("C", &question).words(&str::to_owned)
    };
    let alone = words(r#"{"text":"words"}"#);
    assert!(alone.contains("ServiceRequest.reasonCode") && alone.contains("notes = \"send\""), "{alone}");
    let beside = words(r#"{"coding":[{"system":"urn:codes","code":"x"}],"text":"words"}"#);
    assert!(beside.contains("ServiceRequest.reasonCode") && beside.contains("notes = \"labels\""), "{beside}");
    // What else does not go is no free text that waits.
    let more = r#"to=H request={"note":[{"text":"words"}]} reads=ServiceRequest.note at-most=ServiceRequest.code,ServiceRequest.note,Patient,Task"#;
    let more = decided("none", more);
    assert!(more.withheld.iter().any(|one| one.path == "ServiceRequest.category"), "{more:?}");
    let told = more.words(&str::to_owned);
    assert!(told.contains("ServiceRequest.note.") && !told.contains("ServiceRequest.category"), "{told}");
    for other in [decided("C type=deny", "to=B"), decided("C", "to=B")] {
        assert!(!other.words(&str::to_owned).contains("free text"), "{other:?}");
    }
}
