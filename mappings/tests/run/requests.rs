//! Requests: what a rule of each kind writes, and what it refuses.

use crate::hand::{Hand, member, one, plain, referral};
use mappings::program::{
    Count, DateFormat, DatePart, Each, Empty, Format, Lines, Literal, MaxLength, Mismatch, Node, Overflow, Partial,
    PathPart, Repeat, Request, Scalar, Source, TooMany, Transform, Value,
};
use mappings::run::Cause;
use serde_json::json;

/// The member `v` that a rule over a path makes of a referral.
fn made(
    text: &str,
    set: impl FnOnce(&mut Value),
    service_request: &str,
    patient: &str,
) -> Result<serde_json::Value, Cause> {
    let mut hand = Hand::new();
    let mut value = hand.value("create.body.v", text);
    set(&mut value);
    hand.submit(Format::Json, one(value));
    let made = hand.json(&referral(service_request, patient)).map_err(|refusal| refusal.cause)?;
    Ok(made.get("v").cloned().unwrap_or(json!("(left out)")))
}

fn reason(set: impl FnOnce(&mut Value), text: &str) -> Result<serde_json::Value, Cause> {
    let members = format!(r#""note":[{{"text":{}}}]"#, json!(text));
    made("%serviceRequest.note.text.first()", set, &members, "")
}

const LEFT_OUT: &str = "(left out)";

#[test]
fn a_text_is_written_as_it_stands() {
    assert_eq!(reason(|_| {}, "Lonely \"since\" March\n\u{1f600}"), Ok(json!("Lonely \"since\" March\n\u{1f600}")));
    assert_eq!(made("%patient.birthDate", |_| {}, "", r#""birthDate":"1980-02-03""#), Ok(json!("1980-02-03")));
    assert_eq!(made("%patient.active", |value| value.kind = Scalar::Boolean, "", r#""active":true"#), Ok(json!(true)));
    assert_eq!(made("%patient.active", |_| {}, "", r#""active":true"#), Ok(json!("true")));
}

#[test]
fn nothing_is_left_out_or_written_as_the_rule_says() {
    let absent = |set: fn(&mut Value)| made("%patient.birthDate", set, "", "");
    assert_eq!(absent(|_| {}), Ok(json!(LEFT_OUT)));
    assert_eq!(absent(|value| value.finish.empty = Empty::Null), Ok(json!(null)));
    assert_eq!(absent(|value| value.finish.empty = Empty::Blank), Ok(json!("")));
    assert_eq!(absent(|value| value.finish.default = Some(Literal::Integer(3))), Ok(json!(3)));
    assert_eq!(absent(|value| value.finish.required = true), Err(Cause::Missing));
    let extension = r#""_birthDate":{"extension":[{"url":"http://example.org/x","valueBoolean":true}]}"#;
    let bare = made("%patient.birthDate", |value| value.finish.required = true, "", extension);
    assert_eq!(bare, Err(Cause::Missing), "an extension is no value");
}

#[test]
fn a_limit_refuses_or_cuts() {
    let limit = |overflow: Overflow, count: Count, most: u32| {
        move |value: &mut Value| value.finish.max_length = Some(MaxLength { most, count, overflow })
    };
    let marker = || Overflow::Truncate { marker: "…".to_owned() };
    assert_eq!(reason(limit(Overflow::Refuse, Count::Characters, 4), "abcd"), Ok(json!("abcd")));
    let refused = reason(limit(Overflow::Refuse, Count::Characters, 4), "abcde");
    assert_eq!(refused, Err(Cause::TooLong { length: 5, most: 4 }));
    assert_eq!(reason(limit(marker(), Count::Characters, 4), "abcde"), Ok(json!("abc…")));
    assert_eq!(reason(limit(marker(), Count::Bytes, 6), "éééé"), Ok(json!("é…")));
    assert_eq!(reason(limit(marker(), Count::Utf16, 3), "a\u{1f600}bc"), Ok(json!("a…")));
    assert_eq!(reason(limit(marker(), Count::CharactersWithoutCr, 4), "a\r\nb\r\n"), Ok(json!("a\r\nb\r\n")));
}

#[test]
fn what_does_not_match_is_refused_or_left_out() {
    let pattern = regex::Regex::new("^[a-z]+$").unwrap();
    for (mismatch, refused) in [(Mismatch::Refuse, true), (Mismatch::Omit, false)] {
        let check = |set: &dyn Fn(&mut Value), cause: Cause| {
            let expected = if refused { Err(cause) } else { Ok(json!(LEFT_OUT)) };
            assert_eq!(reason(|value| set(value), "12"), expected);
        };
        check(&|value| value.finish.pattern = Some((pattern.clone(), mismatch)), Cause::Pattern);
        check(&|value| value.finish.one_of = Some((vec!["1".to_owned()], mismatch)), Cause::NotAllowed);
        let range = |value: &mut Value| {
            value.kind = Scalar::Integer;
            value.finish.range = Some((0, 11, mismatch));
        };
        check(&range, Cause::Range { least: 0, most: 11 });
    }
    let fits = |value: &mut Value| {
        value.kind = Scalar::Integer;
        value.finish.range = Some((0, 12, Mismatch::Refuse));
    };
    assert_eq!(reason(fits, "12"), Ok(json!(12)));
    assert_eq!(reason(|value| value.kind = Scalar::Integer, "twelve"), Err(Cause::Type("a whole number")));
}

#[test]
fn dates_are_written_in_the_platforms_pattern() {
    let slash = || DatePart::Literal("/".to_owned());
    let format = |partial| {
        move |value: &mut Value| {
            let parts = vec![DatePart::Day, slash(), DatePart::Month, slash(), DatePart::Year];
            value.kind = Scalar::Date;
            value.format = Some(DateFormat { parts, partial });
        }
    };
    let born =
        |partial, date: &str| made("%patient.birthDate", format(partial), "", &format!(r#""birthDate":"{date}""#));
    assert_eq!(born(Partial::Refuse, "1980-02-03"), Ok(json!("03/02/1980")));
    assert_eq!(born(Partial::Refuse, "1980-02"), Err(Cause::PartialDate));
    assert_eq!(born(Partial::Omit, "1980-02"), Ok(json!(LEFT_OUT)));
    assert_eq!(born(Partial::Keep, "1980-02"), Ok(json!("1980-02")));
}

#[test]
fn the_order_of_operations_is_source_format_join_transform_label_limit_encoding() {
    let set = |value: &mut Value| {
        value.join = Some(" , ".to_owned());
        value.transforms = vec![Transform::CollapseWhitespace, Transform::Upper];
        value.label = Some("Note: ".to_owned());
        value.finish.max_length = Some(MaxLength {
            most: 14,
            count: Count::Characters,
            overflow: Overflow::Truncate { marker: "…".to_owned() },
        });
        value.finish.base64 = true;
    };
    let notes = r#""note":[{"text":"a  b"},{"text":""},{"text":"ccc ddd"}]"#;
    let made = made("%serviceRequest.note.text", set, notes, "").unwrap();
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.decode(made.as_str().unwrap()).unwrap();
    assert_eq!(String::from_utf8(text).unwrap(), "Note: A B , C…", "the label counts, its case stays, 14 in all");
}

#[test]
fn a_transform_that_leaves_nothing_makes_the_field_empty() {
    let set = |value: &mut Value| {
        value.transforms = vec![Transform::DigitsOnly];
        value.finish.required = true;
    };
    assert_eq!(reason(set, "none"), Err(Cause::Missing));
}

#[test]
fn lists_have_an_item_for_each_and_limits() {
    let check = |limit, omit_empty, patient: &str| {
        let mut hand = Hand::new();
        let over = hand.path("%patient.telecom");
        let context = over.result().types[0].clone();
        let system = hand.path_from(context.clone(), "system");
        let number = hand.path_from(context, "value");
        let (kind, value) = (hand.value_of("create.body.t[].k", system), hand.value_of("create.body.t[].v", number));
        let item =
            Node::Object(vec![member("k", Node::Value(Box::new(kind))), member("v", Node::Value(Box::new(value)))]);
        let rule = hand.rule("create.body.t", Some(&over), None);
        let each = Each { rule, over, item: Box::new(item), limit, omit_empty };
        hand.submit(Format::Json, Node::Object(vec![member("t", Node::Each(each))]));
        hand.json(&referral("", patient)).map_err(|refusal| refusal.cause)
    };
    let telecom = r#""telecom":[{"system":"phone","value":"07700 900123"},{"use":"home"},{"value":"a@example.org"}]"#;
    let all = json!({"t":[{"k":"phone","v":"07700 900123"},{"v":"a@example.org"}]});
    assert_eq!(check(None, true, telecom), Ok(all.clone()), "an item without content is no item");
    assert_eq!(check(Some((3, TooMany::Refuse)), true, telecom), Ok(all));
    assert_eq!(check(Some((2, TooMany::Refuse)), true, telecom), Err(Cause::TooMany { most: 2 }));
    let first = json!({"t":[{"k":"phone","v":"07700 900123"}]});
    assert_eq!(check(Some((1, TooMany::Drop)), true, telecom), Ok(first));
    assert_eq!(check(None, true, ""), Ok(json!({})));
    assert_eq!(check(None, false, ""), Ok(json!({"t":[]})));
}

#[test]
fn choices_and_conditions_take_the_first_that_holds() {
    let urgent = |service_request: &str| {
        let mut hand = Hand::new();
        let when = hand.path("%serviceRequest.priority = 'urgent'");
        let rule = hand.rule("create.body.v", Some(&when), None);
        let constant =
            |text: &str| Node::Value(Box::new(plain(rule, Source::Constant(Literal::Text(text.to_owned())))));
        let condition = hand.path("%serviceRequest.priority.exists()");
        let choose = Node::Choose(vec![
            mappings::program::Alternative { when: Some(when), node: constant("now") },
            mappings::program::Alternative { when: None, node: constant("later") },
        ]);
        let node = Node::When { condition, node: Box::new(choose) };
        hand.submit(Format::Json, Node::Object(vec![member("v", node)]));
        hand.json(&referral(service_request, "")).unwrap()
    };
    assert_eq!(urgent(r#""priority":"urgent""#), json!({"v":"now"}));
    assert_eq!(urgent(r#""priority":"asap""#), json!({"v":"later"}));
    assert_eq!(urgent(""), json!({}));
}

#[test]
fn lines_leave_out_what_is_empty_and_are_limited_as_a_whole() {
    let mut hand = Hand::new();
    let mut reason = hand.value("create.body.v", "%serviceRequest.note.text.first()");
    reason.label = Some("Reason: ".to_owned());
    let mut born = hand.value("create.body.v", "%patient.birthDate");
    born.label = Some("Born: ".to_owned());
    let rule = hand.rule("create.body.v", None, None);
    let finish = mappings::program::Finish {
        max_length: Some(MaxLength {
            most: 20,
            count: Count::Characters,
            overflow: Overflow::Truncate { marker: "…".to_owned() },
        }),
        ..Default::default()
    };
    let lines = Lines { rule, parts: vec![reason, born], separator: "\n".to_owned(), finish };
    hand.submit(Format::Json, Node::Object(vec![member("v", Node::Lines(Box::new(lines)))]));
    let check = |sr: &str, patient: &str| hand.json(&referral(sr, patient)).unwrap();
    assert_eq!(check("", ""), json!({}));
    assert_eq!(check("", r#""birthDate":"1980""#), json!({"v":"Born: 1980"}));
    let both = check(r#""note":[{"text":"x"}]"#, r#""birthDate":"1980""#);
    assert_eq!(both, json!({"v":"Reason: x\nBorn: 1980"}));
    let cut = check(r#""note":[{"text":"xy"}]"#, r#""birthDate":"1980""#);
    assert_eq!(cut, json!({"v":"Reason: xy\nBorn: 19…"}));
}

#[test]
fn an_element_is_copied_with_its_digits_and_unknown_members() {
    let mut hand = Hand::new();
    let from = hand.path("%serviceRequest.quantity");
    let rule = hand.rule("create.body.q", Some(&from), None);
    let missing = Node::Copy { rule, from: hand.path("%serviceRequest.occurrence"), required: false };
    let copy = Node::Copy { rule, from, required: true };
    hand.submit(Format::Fhir, Node::Object(vec![member("o", missing), member("q", copy)]));
    let body = |sr: &str| hand.run(&referral(sr, "")).map(|made| String::from_utf8(made.body.unwrap()).unwrap());
    let made = body(r#""quantityQuantity":{"value":1.500,"x":[null]}"#);
    assert_eq!(made.unwrap(), r#"{"q":{"value":1.500,"x":[null]}}"#);
    assert_eq!(body("").unwrap_err().cause, Cause::Missing);
}

#[test]
fn named_expressions_settings_and_keys_are_read() {
    let mut hand = Hand::new();
    hand.variable("phones", "%patient.telecom.where(system = 'phone').value");
    hand.variable("phone", "%phones.first()");
    let parts = [
        ("phone", "%phone", Scalar::Text),
        ("account", "%settings.account", Scalar::Integer),
        ("site", "%settings.site", Scalar::Text),
        ("key", "%keys.idempotency", Scalar::Text),
        ("at", "%acceptedAt", Scalar::DateTime),
    ];
    let members = parts
        .map(|(name, text, kind)| {
            let value = Value { kind, ..hand.value(name, text) };
            member(name, Node::Value(Box::new(value)))
        })
        .into();
    hand.submit(Format::Json, Node::Object(members));
    let telecom = r#""telecom":[{"system":"email","value":"x"},{"system":"phone","value":"0113 496 0000"}]"#;
    assert_eq!(
        hand.json(&referral("", telecom)).unwrap(),
        json!({"phone":"0113 496 0000","account":7,"site":"north","key":"key-1","at":"2026-03-01T10:00:00Z"})
    );
}

#[test]
fn paths_queries_and_headers_hold_values_safely() {
    let run = |id: &str| {
        let mut hand = Hand::new();
        let expression = hand.path("%serviceRequest.id");
        let rule = hand.rule("create.path", Some(&expression), None);
        let in_path = PathPart::Value(rule, expression);
        let query = hand.value("create.query.q", "%serviceRequest.id");
        let header = hand.value("create.headers.X-Id", "%serviceRequest.id");
        hand.submit_with(Request {
            method: mappings::program::Method::Get,
            path: vec![PathPart::Literal("api/".to_owned()), in_path, PathPart::Literal("/x".to_owned())],
            query: vec![("q".to_owned(), Node::Value(Box::new(query)))],
            headers: vec![("X-Id".to_owned(), Node::Value(Box::new(header)))],
            body: None,
            repeat: Repeat::Safe,
        });
        hand.run(&referral(&format!(r#""id":{}"#, json!(id)), ""))
    };
    let made = run("a/b?&c").unwrap();
    assert_eq!((made.path.as_str(), made.query.as_str()), ("api/a%2Fb%3F%26c/x", "q=a%2Fb%3F%26c"));
    assert_eq!((made.headers, made.body), (vec![("X-Id".to_owned(), "a/b?&c".to_owned())], None));
    assert_eq!(run("..").unwrap_err().cause, Cause::Write(mappings::WriteFault::DotSegment));
    assert_eq!(run("a\r\nb").unwrap_err().cause, Cause::Write(mappings::WriteFault::Header));
    assert_eq!(run("").unwrap_err().cause, Cause::EmptyPathPart);
}

#[test]
fn other_formats_are_made_of_the_same_values() {
    let body = |format: Format| {
        let mut hand = Hand::new();
        let value = hand.value("create.body.v", "%patient.name.family.first()");
        let node = if format == Format::Text { Node::Value(Box::new(value)) } else { one(value) };
        hand.submit(format, node);
        hand.run(&referral("", r#""name":[{"family":"=O'Neil & Co"}]"#))
            .map(|made| String::from_utf8(made.body.unwrap()).unwrap())
            .unwrap()
    };
    assert_eq!(body(Format::Form), "v=%3DO%27Neil+%26+Co");
    assert_eq!(body(Format::Csv), "v\r\n'=O'Neil & Co\r\n");
    assert_eq!(body(Format::Text), "=O'Neil & Co");
    let xml = body(Format::Xml { root: "R".to_owned(), namespace: None });
    assert_eq!(xml, "<?xml version=\"1.0\" encoding=\"UTF-8\"?><R><v>=O'Neil &amp; Co</v></R>");
}

#[test]
fn a_guard_refuses_before_anything_is_made() {
    let mut hand = Hand::new();
    let when = hand.path("%serviceRequest.orderDetail.coding.where(code = 'contacting-subject-prohibited').exists()");
    let rule = hand.rule("refuse", Some(&when), None);
    hand.program.guards.push(mappings::program::Guard {
        rule,
        when,
        element: "ServiceRequest.orderDetail".to_owned(),
        unsafe_to_send: true,
        because: "The platform cannot say that the person must not be contacted.".to_owned(),
    });
    let mut value = hand.value("create.body.v", "%patient.birthDate");
    value.finish.required = true;
    hand.submit(Format::Json, one(value));
    let detail = r#""orderDetail":[{"coding":[{"code":"contacting-subject-prohibited"}]}]"#;
    let refusal = hand.run(&referral(detail, "")).unwrap_err();
    assert!(refusal.unsafe_to_send);
    assert_eq!(
        (refusal.element.as_str(), refusal.rule.as_deref()),
        ("ServiceRequest.orderDetail", Some("mapping.yaml:1"))
    );
    let refusal = hand.run(&referral("", "")).unwrap_err();
    assert_eq!((refusal.cause, refusal.unsafe_to_send), (Cause::Missing, false));
}
