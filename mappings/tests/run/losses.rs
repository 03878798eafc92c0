//! The loss report and the explanation over mappings put together by hand.

use crate::hand::{Hand, gender_map, inputs, member, one, plain, referral};
use mappings::account::{Account, Loss, LossReason};
use mappings::class::Grade;
use mappings::document::Document;
use mappings::explain::Values;
use mappings::program::{
    AcceptedLoss, CodeRule, Count, ExchangeName, Format, Lines, Literal, MaxLength, Mismatch, Node, Overflow, Scalar,
    Source, Transform, Unmapped, Value,
};
use mappings::run::{Scratch, request_explained};

fn explained(hand: &Hand, document: &Document<'_>) -> Account {
    let made = request_explained(&hand.program, ExchangeName::Submit, 0, &inputs(document), &mut Scratch::default());
    made.unwrap().1
}

fn losses(hand: &Hand, text: &str) -> Vec<Loss> {
    let document = Document::parse(text).unwrap();
    let account = explained(hand, &document);
    account.losses(&hand.program, &document, &mut Scratch::default()).in_words(&hand.program)
}

/// Element, reason, grade, count.
fn brief(losses: &[Loss]) -> Vec<(&str, LossReason, Grade, u32)> {
    losses.iter().map(|loss| (loss.element.as_str(), loss.reason, loss.grade, loss.count)).collect()
}

/// The losses of a mapping with one rule, without those of Task.
fn of_rule(text: &str, set: impl FnOnce(&mut Value), sr: &str, patient: &str) -> Vec<Loss> {
    let mut hand = Hand::new();
    let mut value = hand.value("create.body.v", text);
    set(&mut value);
    hand.submit(Format::Json, one(value));
    let mut found = losses(&hand, &referral(sr, patient));
    found.retain(|loss| !loss.element.starts_with("Task"));
    found
}

const NAME: &str = r#""name":[{"family":"Example","given":["Anna"]}]"#;

#[test]
fn what_no_rule_reads_is_named_with_its_grade() {
    let patient = format!(
        r#"{NAME},"id":"x","birthDate":"1980-02-03","gender":"female","meta":{{"versionId":"1","profile":["p"],"security":[{{"code":"R"}}]}}"#
    );
    let found = of_rule("%patient.name.family.first()", |_| {}, r#""priority":"urgent""#, &patient);
    assert_eq!(
        brief(&found),
        [
            ("ServiceRequest.priority", LossReason::NoField, Grade::Unsafe, 1),
            ("Patient.name.given", LossReason::NoField, Grade::Notable, 1),
            ("Patient.birthDate", LossReason::NoField, Grade::Notable, 1),
            ("Patient.gender", LossReason::NoField, Grade::Notable, 1),
            ("Patient.meta.security", LossReason::NoField, Grade::Informational, 1),
        ]
    );
}

#[test]
fn a_name_is_the_same_with_underscore_or_escapes_and_no_run_of_underscores_is_too_long() {
    let run = "_".repeat(100_000);
    let patient = format!(
        r#"{NAME},"birthDate":"1980-02-03","_birthDate":{{"extension":[{{"url":"u","valueString":"v"}}]}},"birth\u0044ate":"1980","\u005fid":{{"x":1}},"{run}":1"#
    );
    let found = of_rule("%patient.name.family.first()", |_| {}, "", &patient);
    let found: Vec<_> = brief(&found).into_iter().map(|(element, _, _, count)| (element, count)).collect();
    let odd = format!("Patient.{}", "_".repeat(run.len() - 1));
    assert_eq!(found, [("Patient.name.given", 1), ("Patient.birthDate", 3), (odd.as_str(), 1)]);
}

#[test]
fn what_a_rule_did_not_take_is_told_from_what_no_rule_reads() {
    let patient =
        r#""telecom":[{"system":"phone","value":"1"},{"system":"email","value":"2"},{"system":"phone","value":"3"}]"#;
    let found = of_rule("%patient.telecom.where(system = 'phone').value.first()", |_| {}, "", patient);
    assert_eq!(brief(&found), [("Patient.telecom", LossReason::NotChosen, Grade::Notable, 2)]);
    let two = r#""name":[{"use":"official","family":"A"},{"use":"old","family":"B"}]"#;
    let found = of_rule("%patient.name.where(use = 'official').family", |value| value.join = Some(" ".into()), "", two);
    assert_eq!(brief(&found), [("Patient.name", LossReason::NotChosen, Grade::Notable, 1)]);
}

#[test]
fn harmless_values_are_informational_and_others_unsafe() {
    let grade = |sr: &str, patient: &str| {
        let found = of_rule("%patient.name.family.first()", |_| {}, sr, &format!("{NAME}{patient}"));
        found.iter().map(|loss| loss.grade).max()
    };
    assert_eq!(grade(r#""priority":"routine""#, ""), Some(Grade::Notable), "the given name");
    assert_eq!(grade(r#""priority":"stat""#, ""), Some(Grade::Unsafe));
    let speaks = |code: &str| {
        format!(r#","communication":[{{"language":{{"coding":[{{"system":"s","code":"{code}"}}]}},"preferred":true}}]"#)
    };
    assert_eq!(grade("", &speaks("en")), Some(Grade::Notable));
    assert_eq!(grade("", &speaks("pl")), Some(Grade::Unsafe));
    let extension = |url: &str| format!(r#","contact":[{{"extension":[{{"url":"{url}","valueString":"x"}}]}}]"#);
    assert_eq!(grade("", &extension("http://example.org/other")), Some(Grade::Notable));
    assert_eq!(
        grade("", &extension("http://example.org/safeguarding")),
        Some(Grade::Unsafe),
        "inside what is lost whole"
    );
}

#[test]
fn an_accepted_loss_has_the_authors_words_and_grade() {
    let mut hand = Hand::new();
    let value = hand.value("create.body.v", "%patient.name.family.first()");
    hand.submit(Format::Json, one(value));
    hand.program.accepted_losses.push(AcceptedLoss {
        element: "ServiceRequest.priority".to_owned(),
        because: "All referrals are seen within two days.".to_owned(),
        grade: Grade::Notable,
    });
    let found = losses(&hand, &referral(r#""priority":"urgent""#, NAME));
    let priority = found.iter().find(|loss| loss.element == "ServiceRequest.priority").unwrap();
    assert_eq!(priority.grade, Grade::Notable);
    assert_eq!(priority.because.as_deref(), Some("All referrals are seen within two days."));
    let harmless = losses(&hand, &referral(r#""priority":"routine""#, NAME));
    let priority = harmless.iter().find(|loss| loss.element == "ServiceRequest.priority").unwrap();
    assert_eq!(priority.grade, Grade::Informational, "accepting does not make a harmless loss graver");
}

#[test]
fn a_cut_says_how_much() {
    let cut = |value: &mut Value| {
        value.finish.max_length = Some(MaxLength {
            most: 8,
            count: Count::Characters,
            overflow: Overflow::Truncate { marker: "…".to_owned() },
        });
    };
    let found = of_rule("%serviceRequest.note.text.first()", cut, r#""note":[{"text":"Lonely since March"}]"#, "");
    assert_eq!(brief(&found), [("ServiceRequest.note.text", LossReason::Truncated, Grade::Notable, 1)]);
    assert_eq!(found[0].detail.as_deref(), Some("cut from 18 to 7 characters"));
    assert_eq!(found[0].rule.as_deref(), Some("mapping.yaml:1"));
}

#[test]
fn lines_that_lie_behind_a_cut_are_named_one_by_one() {
    let mut hand = Hand::new();
    let parts = ["%serviceRequest.note.text.first()", "%patient.birthDate", "%patient.gender"]
        .map(|text| hand.value("create.body.v", text))
        .into();
    let rule = hand.rule("create.body.v", None, None);
    let finish = mappings::program::Finish {
        max_length: Some(MaxLength {
            most: 12,
            count: Count::Characters,
            overflow: Overflow::Truncate { marker: "…".to_owned() },
        }),
        ..Default::default()
    };
    let lines = Lines { rule, parts, separator: "\n".to_owned(), finish };
    hand.submit(Format::Json, Node::Object(vec![member("v", Node::Lines(Box::new(lines)))]));
    let text = referral(r#""note":[{"text":"help"}]"#, r#""birthDate":"1980-02-03","gender":"female""#);
    assert_eq!(hand.json(&text).unwrap(), serde_json::json!({"v":"help\n1980-0…"}));
    let found = losses(&hand, &text);
    let cut: Vec<_> = found.iter().filter(|loss| loss.reason == LossReason::Truncated).collect();
    assert_eq!(
        cut.iter().map(|loss| (loss.element.as_str(), loss.detail.as_deref().unwrap())).collect::<Vec<_>>(),
        [("Patient.birthDate", "cut from 10 to 6 characters"), ("Patient.gender", "cut from 6 to 0 characters")]
    );
}

#[test]
fn codes_without_a_row_and_wider_codes_are_told() {
    let map = |unmapped: Unmapped| {
        move |value: &mut Value| {
            value.map = Some(CodeRule {
                name: "gender".to_owned(),
                map: gender_map(),
                system: Some("http://hl7.org/fhir/administrative-gender".to_owned()),
                unmapped,
            });
        }
    };
    let gender = |code: &str| format!(r#""gender":"{code}""#);
    let found = |unmapped, code: &str| of_rule("%patient.gender", map(unmapped), "", &gender(code));
    assert_eq!(brief(&found(Unmapped::Refuse, "female")), []);
    let wider = found(Unmapped::Refuse, "other");
    assert_eq!(brief(&wider), [("Patient.gender", LossReason::CodeWidened, Grade::Notable, 1)]);
    assert_eq!(wider[0].detail.as_deref(), Some("row 2 of group 0: the target is wider than the source"));
    let unmapped = [("Patient.gender", LossReason::CodeUnmapped, Grade::Notable, 1)];
    assert_eq!(brief(&found(Unmapped::Omit, "unknown")), unmapped);
    assert_eq!(brief(&found(Unmapped::Code("X".to_owned()), "unknown")), unmapped);
    assert_eq!(brief(&found(Unmapped::Keep, "unknown")), []);
}

#[test]
fn a_concepts_own_words_are_lost_but_what_stands_beside_its_code_is_not() {
    let mut hand = Hand::new();
    let mut value = hand.value("create.body.v", "%patient.maritalStatus");
    value.map =
        Some(CodeRule { name: "gender".to_owned(), map: gender_map(), system: None, unmapped: Unmapped::Refuse });
    hand.submit(Format::Json, one(value));
    let concept = r#""maritalStatus":{"coding":[{"system":"http://example.org/x","code":"1"},
        {"system":"http://hl7.org/fhir/administrative-gender","code":"male","display":"Male"}],"text":"a man"}"#;
    let text = referral("", concept);
    assert_eq!(hand.json(&text).unwrap(), serde_json::json!({"v":"M"}));
    let mut found = losses(&hand, &text);
    found.retain(|loss| loss.element.starts_with("Patient"));
    assert_eq!(brief(&found), [("Patient.maritalStatus.text", LossReason::NotChosen, Grade::Informational, 1)]);
}

#[test]
fn a_constant_that_stands_for_an_element_replaces_what_the_referral_says() {
    let mut hand = Hand::new();
    let rule = hand.rule("create.body.Urgency", None, Some("ServiceRequest.priority"));
    let constant = plain(rule, Source::Constant(Literal::Text("Routine".to_owned())));
    hand.submit(Format::Json, one(constant));
    let found = losses(&hand, &referral(r#""priority":"urgent""#, ""));
    let expected = ("ServiceRequest.priority", LossReason::Replaced, Grade::Unsafe, 1);
    assert_eq!(brief(&found)[0], expected);
    assert_eq!(found[0].rule.as_deref(), Some("mapping.yaml:1"));
    let nothing = losses(&hand, &referral("", ""));
    assert!(nothing.iter().all(|loss| loss.reason != LossReason::Replaced), "nothing was there to be replaced");
}

#[test]
fn what_did_not_fit_defaults_and_changed_text_are_told() {
    let omit = |value: &mut Value| {
        value.finish.pattern = Some((regex::Regex::new("^[0-9]+$").unwrap(), Mismatch::Omit));
    };
    let found = of_rule("%patient.birthDate", omit, "", r#""birthDate":"1980-02-03""#);
    assert_eq!(brief(&found), [("Patient.birthDate", LossReason::DidNotFit, Grade::Notable, 1)]);
    let default = |value: &mut Value| value.finish.default = Some(Literal::Text("none".to_owned()));
    let found = of_rule("%patient.birthDate", default, "", "");
    assert_eq!(brief(&found), [("Patient.birthDate", LossReason::Defaulted, Grade::Informational, 1)]);
    let plain = |value: &mut Value| value.transforms = vec![Transform::StripHtml, Transform::Trim];
    let found = of_rule("%serviceRequest.note.text.first()", plain, r#""note":[{"text":"<b>x</b> "}]"#, "");
    let details: Vec<_> = found.iter().map(|loss| (loss.reason, loss.detail.as_deref().unwrap())).collect();
    assert_eq!(details, [(LossReason::Altered, "7 characters removed"), (LossReason::Altered, "1 characters removed")]);
    let day = |value: &mut Value| value.kind = Scalar::Date;
    let found = of_rule("%serviceRequest.authoredOn", day, r#""authoredOn":"2026-03-01T10:00:00Z""#, "");
    assert_eq!(found[0].detail.as_deref(), Some("the time of day is left out"));
}

#[test]
fn a_named_expression_conveys_what_is_used_of_it_and_no_more() {
    let mut hand = Hand::new();
    hand.variable("phones", "%patient.telecom.where(system = 'phone').value");
    hand.variable("whole", "%patient.name.first().given.first() & ' ' & %patient.name.first().family");
    let phone = hand.value("create.body.p", "%phones.first()");
    let yes = hand.value("create.body.y", "iif(%whole.exists(), 'yes', 'no')");
    let node = Node::Object(vec![member("p", Node::Value(Box::new(phone))), member("y", Node::Value(Box::new(yes)))]);
    hand.submit(Format::Json, node);
    let text = referral(
        "",
        &format!(r#"{NAME},"telecom":[{{"system":"phone","value":"1"}},{{"system":"phone","value":"2"}}]"#),
    );
    let document = Document::parse(&text).unwrap();
    let account = explained(&hand, &document);
    let lines = account.explain(&hand.program, &document, b"key", Values::Hidden);
    assert_eq!(lines[0].sources, ["Patient.telecom[0].value"]);
    assert!(lines[1].sources.is_empty(), "that a name exists is not the name: {:?}", lines[1]);
    let found = losses(&hand, &text);
    assert!(found.iter().any(|loss| loss.element == "Patient.telecom" && loss.count == 1), "{found:?}");
}

#[test]
fn steps_of_a_submit_are_added_up() {
    let mut hand = Hand::new();
    let first = hand.value("one.body.v", "%patient.birthDate");
    hand.submit(Format::Json, one(first));
    let second = hand.value("two.body.v", "%patient.gender");
    hand.submit(Format::Json, one(second));
    let text = referral("", r#""birthDate":"1980-02-03","gender":"female""#);
    let document = Document::parse(&text).unwrap();
    let scratch = &mut Scratch::default();
    let mut account = explained(&hand, &document);
    let alone = account.losses(&hand.program, &document, scratch).in_words(&hand.program);
    assert!(alone.iter().any(|loss| loss.element == "Patient.gender"));
    let (_, more) = request_explained(&hand.program, ExchangeName::Submit, 1, &inputs(&document), scratch).unwrap();
    account.merge(&more);
    let both = account.losses(&hand.program, &document, scratch).in_words(&hand.program);
    assert!(both.iter().all(|loss| !loss.element.starts_with("Patient")), "{both:?}");
    let lines = account.explain(&hand.program, &document, b"key", Values::Revealed);
    let seen: Vec<_> = lines.iter().map(|line| (line.target.as_str(), line.value.as_str())).collect();
    assert_eq!(seen, [("one.body.v", "1980-02-03"), ("two.body.v", "female")]);
}

#[test]
fn an_explanation_shows_no_value_unless_asked() {
    let mut hand = Hand::new();
    let mut value = hand.value("create.body.v", "%patient.name.family.first()");
    value.transforms = vec![Transform::Upper];
    hand.submit(Format::Json, one(value));
    let text = referral("", r#""name":[{"family":"Zebedee"}]"#);
    let document = Document::parse(&text).unwrap();
    let account = explained(&hand, &document);
    let lines = |key: &[u8], values| account.explain(&hand.program, &document, key, values);
    let hidden = &lines(b"key", Values::Hidden)[0];
    assert_eq!((hidden.value.as_str(), hidden.rule.as_str()), ("", "mapping.yaml:1"));
    assert_eq!(hidden.sources, ["Patient.name[0].family"]);
    assert_eq!(hidden.steps, ["upper case"]);
    let revealed = &lines(b"key", Values::Revealed)[0];
    assert_eq!(revealed.value, "ZEBEDEE");
    for text in [format!("{revealed:?}"), serde_json::to_string(revealed).unwrap(), format!("{account:?}")] {
        assert!(!text.to_uppercase().contains("ZEBEDEE"), "{text}");
    }
    assert_eq!(hidden.hash.len(), 16);
    assert_ne!(hidden.hash, lines(b"another", Values::Hidden)[0].hash);
}
