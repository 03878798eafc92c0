//! Answers, where the official cases do not reach.

use std::ops::ControlFlow;

use mappings::document::Document;
use mappings::fhirpath::{
    Binding, Environment, EvaluationFault, Item, NoTrace, ResultType, Scope, System, Type, compile,
};

use crate::{PATIENT, evaluate, fhir, over, patient, root, run, with};

#[test]
fn follows_paths_and_filters() {
    for (text, answer) in [
        ("name.given", &["Anna", "Maria", "Annie", "-"][..]),
        ("Patient.name.where(use = 'official').given.first()", &["Anna"]),
        ("name.where(given = 'Annie').use", &[]),
        ("name.given.where($this = 'Annie')", &["Annie"]),
        ("name[1].given[1].hasValue()", &["false"]),
        ("name[1].given[1] = name[1].given[1]", &["true"]),
        ("name[1].given[1] = 'Anna'", &["false"]),
        ("name[1].given[1] < 'Anna'", &[]),
        ("name[1].given[1] ~ {}", &["false"]),
        ("name.given.select(hasValue())", &["true", "true", "true", "false"]),
        ("name.given.select($index)", &["0", "1", "2", "3"]),
        ("name.select(given.first())", &["Anna", "Annie"]),
        ("name.given.join('|')", &["Anna|Maria|Annie"]),
        ("deceased", &["false"]),
        ("deceased.ofType(boolean).not()", &["true"]),
        ("deceased.ofType(dateTime)", &[]),
        ("multipleBirth is boolean", &["false"]),
        ("telecom.where(system = 'sms').exists()", &["false"]),
        ("telecom.rank.first() + 1", &["3"]),
        ("birthDate.extension.value", &["1980-02-03T10:00:00Z"]),
        ("birthDate.extension('http://example.org/t').value.ofType(dateTime).first().toDate()", &["1980-02-03"]),
        ("name.given.extension.value.ofType(string)", &["y"]),
        ("extension('http://example.org/n').value.ofType(integer)", &["3"]),
        ("extension.value.ofType(string)", &["x"]),
        ("extension.value.ofType(decimal).first().toString()", &["1.50"]),
        ("extension.value.ofType(Quantity).value.first().toString()", &["10"]),
        ("extension.value.ofType(Quantity).value", &["1e1"]),
        ("extension.value.ofType(Quantity).value = 10.0", &["true"]),
        ("extension.value.ofType(decimal) = 1.5", &["true"]),
        ("name.take(1).given.skip(1)", &["Maria"]),
        ("(name[0] | name[0] | name[1]).count()", &["2"]),
        ("name[7].given", &[]),
        ("%resource.name.count() + %context.name.count()", &["4"]),
    ] {
        assert_eq!(run(text), answer, "{text}");
    }
}

#[test]
fn texts_are_counted_in_characters() {
    for (text, answer) in [
        ("'a😀é'.length()", &["3"][..]),
        ("'a😀é'.substring(1, 1)", &["😀"]),
        ("'a😀é'.indexOf('é')", &["2"]),
        ("'a😀é'.toChars()", &["a", "😀", "é"]),
        ("'abc'.substring(1, 0)", &[""]),
        ("'abc'.substring(0, 0 - 1)", &[""]),
        ("'abc'.substring(0, {})", &["abc"]),
        ("'abc'.substring({})", &[]),
        ("'abc'.substring(3)", &[]),
        ("''.substring(0)", &[]),
        ("'straße'.upper()", &["STRASSE"]),
        ("' a '.trim() & {}", &["a"]),
        ("{} & {}", &[""]),
        ("'a' + {}", &[]),
        ("'a,b,,c'.split(',')", &["a", "b", "", "c"]),
        ("''.split(',')", &[""]),
        ("{}.join(',')", &[]),
        ("'aaa'.replace('aa', 'b')", &["ba"]),
        ("'2026-01-31'.replaceMatches('(\\\\d+)-(\\\\d+)-(\\\\d+)', '$3/$2/$1')", &["31/01/2026"]),
        ("'A  b' ~ 'a\\t b'", &["true"]),
        ("'A  b' ~ 'a b'", &["false"]),
        ("'b' > 'B'", &["true"]),
    ] {
        assert_eq!(run(text), answer, "{text}");
    }
}

#[test]
fn conversions_are_exact() {
    for (text, answer) in [
        ("'+007'.toInteger()", &["7"][..]),
        ("'2147483648'.toInteger()", &[]),
        ("'-2147483648'.toInteger()", &["-2147483648"]),
        ("'1e3'.toDecimal()", &[]),
        ("'+01.50'.toDecimal()", &["1.50"]),
        ("'.5'.convertsToDecimal()", &["false"]),
        ("'N'.toBoolean()", &["false"]),
        ("'maybe'.toBoolean()", &[]),
        ("1.0.toBoolean()", &["true"]),
        ("true.toDecimal()", &["1.0"]),
        ("'2024-02-29'.toDate()", &["2024-02-29"]),
        ("'2026-02-29'.convertsToDate()", &["false"]),
        ("'2026-01-31T10:00Z'.convertsToDate()", &["false"]),
        ("'10:00:60'.convertsToTime()", &["false"]),
        ("birthDate.toDateTime()", &["1980-02-03"]),
        ("birthDate.toString().length()", &["10"]),
        ("2147483647 + 1", &[]),
        ("5 mod 0", &[]),
        ("-7 div 2", &["-3"]),
        ("-7 mod 2", &["-1"]),
        ("0.1 = 0.10", &["true"]),
        ("0.30000000000000004 > 0.3", &["true"]),
        ("1 = 1.0", &["true"]),
        ("birthDate >= @1980-02", &[]),
        ("birthDate >= @1980-01", &["true"]),
        ("birthDate = @1980-02", &[]),
    ] {
        assert_eq!(run(text), answer, "{text}");
    }
}

#[test]
fn types_and_cardinality_are_known_before_anything_is_read() {
    for (text, types, many, may_be_empty) in [
        ("name.given", &["string"][..], true, true),
        ("name.given.first()", &["string"], false, true),
        ("name.count()", &["Integer"], false, false),
        ("name.exists()", &["Boolean"], false, false),
        ("deceased", &["boolean", "dateTime"], false, true),
        ("iif(active, 'a', gender)", &["String", "code"], false, true),
        ("'a' & gender", &["String"], false, false),
        ("name.given.join()", &["String"], false, true),
        ("birthDate.toString()", &["String"], false, true),
        ("{}", &[], false, true),
        ("{} | gender", &["code"], false, true),
        ("gender | gender", &["code"], true, true),
        ("contact.name.period", &["Period"], true, true),
        ("link.other", &["Reference"], true, true),
        ("contact", &["Patient.contact"], true, true),
    ] {
        let expression = compile(text, &patient()).unwrap();
        let ResultType { types: found, many: found_many, may_be_empty: found_empty } = expression.result();
        assert_eq!(found.iter().map(Type::name).collect::<Vec<_>>(), types, "{text}");
        assert_eq!((*found_many, *found_empty), (many, may_be_empty), "{text}");
    }
    let required = compile("status", &Scope::new().context(fhir("ServiceRequest"))).unwrap();
    assert!(!required.result().may_be_empty, "a required element is there");
}

#[test]
fn a_visitor_that_has_enough_sees_no_more() {
    let document = Document::parse(PATIENT).unwrap();
    for text in [
        "name.given",
        "name.select(given.take(1))",
        "name.given | telecom.value",
        "name.given.skip(1)",
        "'a,b'.split(',')",
    ] {
        let expression = compile(text, &patient()).unwrap();
        let mut seen = 0;
        expression
            .evaluate(&Environment::default(), Some(root(&document, "Patient")), &mut NoTrace, &mut |_| {
                seen += 1;
                ControlFlow::Break(())
            })
            .unwrap();
        assert_eq!(seen, 1, "{text}");
    }
}

#[test]
fn what_one_expression_gives_another_takes_with_its_types() {
    let document = Document::parse(PATIENT).unwrap();
    for (text, then, answer) in [
        ("extension.value", "%found.ofType(Quantity).unit", &["kg"][..]),
        ("extension.value", "%found.where($this is decimal).count()", &["1"]),
        ("name.given", "%found.extension.value.ofType(string)", &["y"]),
        ("name.select(given.first() & '!')", "%found.join(' ')", &["Anna! Annie!"]),
    ] {
        let first = compile(text, &patient()).unwrap();
        let mut items = Vec::new();
        first
            .evaluate(&Environment::default(), Some(root(&document, "Patient")), &mut NoTrace, &mut |item| {
                items.push(item);
                ControlFlow::Continue(())
            })
            .unwrap();
        let scope = Scope::new().variable_of("found", first.result().clone());
        assert_eq!(with(then, &scope, &[Binding::Items(&items)]), answer, "{text} {then}");
    }
}

#[test]
fn variables_hold_texts_numbers_truths_or_nothing() {
    let scope = Scope::new()
        .variable("text", Type::text())
        .variable("number", Type::integer())
        .variable("truth", Type::boolean())
        .variable("nothing", Type::System(System::Date));
    let slots = [Binding::Text("a"), Binding::Integer(2), Binding::Boolean(true), Binding::Empty];
    assert_eq!(with("iif(%truth, %text & %number.toString(), '')", &scope, &slots), ["a2"]);
    assert_eq!(with("%nothing.exists()", &scope, &slots), ["false"]);
    assert_eq!(with("%text", &scope, &[]), [""; 0], "a slot that is missing is empty");
    let expression = compile("%truth and %number > 1", &scope).unwrap();
    assert_eq!(expression.variables(), [1, 2]);
}

#[test]
fn a_value_that_is_not_what_its_type_says_is_a_named_fault() {
    for (text, json, place) in [
        ("birthDate < @2020", r#"{"resourceType":"Patient","birthDate":"yesterday"}"#, "Patient.birthDate"),
        ("active and true", r#"{"resourceType":"Patient","active":"yes"}"#, "Patient.active"),
        (
            "multipleBirth.ofType(integer) + 1",
            r#"{"resourceType":"Patient","multipleBirthInteger":1.5}"#,
            "Patient.multipleBirthInteger",
        ),
        ("birthDate", r#"{"resourceType":"Patient","birthDate":["1980"]}"#, "Patient.birthDate"),
        ("name.family.first() & ''", r#"{"resourceType":"Patient","name":[{"family":{}}]}"#, "Patient.name[0].family"),
    ] {
        match over(text, json) {
            Err(EvaluationFault::Malformed { location, .. }) => assert_eq!(location, place),
            other => panic!("{text}: {other:?}"),
        }
    }
    let two = over("name.single()", PATIENT).unwrap_err();
    assert_eq!(two, EvaluationFault::NotSingle { operation: "single()", at: 5..11 });
    assert!(!two.to_string().contains("Example"));
    let amounts = r#"{"resourceType":"Patient","extension":[{"url":"a","valueQuantity":{"value":1,"unit":"g"}},
        {"url":"a","valueQuantity":{"value":1000,"unit":"mg"}}]}"#;
    assert!(matches!(over("extension.distinct()", amounts), Err(EvaluationFault::Quantities { .. })));
}

#[test]
fn elements_are_equal_member_by_member() {
    let names = r#"{"resourceType":"Patient","name":[{"family":"A","given":["x"]},{"given":["x"],"family":"A"},
        {"family":"A","given":["x","y"]},{"family":"A"},{"given":["x"],"family":"A","period":{"start":"2020"}},
        {"given":["x"],"family":"A","period":{"start":"2020-01"}}]}"#;
    assert_eq!(over("name[0] = name[1]", names).unwrap(), ["true"], "the order of members says nothing");
    assert_eq!(over("name[0] = name[2]", names).unwrap(), ["false"]);
    assert_eq!(over("name[0] = name[3]", names).unwrap(), ["false"]);
    assert_eq!(over("name[4] = name[5]", names).unwrap(), [""; 0], "the precision of a date leaves it open");
    assert_eq!(over("name.distinct().count()", names).unwrap(), ["5"]);
    assert_eq!(over("name[1] in name.tail()", names).unwrap(), ["true"]);
}

#[test]
fn an_evaluation_without_context_has_no_items() {
    let expression = compile("name.given", &patient()).unwrap();
    assert_eq!(evaluate(&expression, &Environment::default(), None, &mut NoTrace).unwrap(), [""; 0]);
    let item: Item<'_> = Item::Text("x".into());
    assert_eq!(item.as_integer(), None);
}
