//! A whole mapping, and what the compiler makes of it.

use crate::support::{FAMILIES, compiled, faults_over_base, folder, in_body, manifest, must_compile};
use mappings::class::DataClass;
use mappings::diagnostic::render_all;
use mappings::read_set::page;
use mappings::{Capabilities, Compiled, compile};

fn families() -> Compiled {
    must_compile(compiled(FAMILIES, Capabilities { poll: true, ..Capabilities::default() }))
}

/// Path, class, sent, needed.
type Row<'a> = (&'a str, DataClass, bool, bool);

fn rows(made: &Compiled) -> Vec<Row<'_>> {
    let elements = made.program.read_set.elements.iter();
    elements.map(|element| (element.path.as_str(), element.class, element.conveyed, element.needed)).collect()
}

fn over_base(fields: &str) -> Compiled {
    let text = format!("mapping: 1\nextends: base.yaml\n{}", in_body(fields));
    must_compile(compile(&folder(&[("mapping.yaml", &text)]), "mapping.yaml", &manifest(Capabilities::default())))
}

#[test]
fn a_whole_mapping_compiles() {
    let made = families();
    assert!(made.warnings.is_empty(), "{}", render_all(&[], &made.warnings));
    assert_eq!(made.program.exchanges.len(), 3);
    let target = |text: &str| made.program.rules.iter().find(|rule| rule.target == text).expect(text);
    let rule = target("submit.create.body.Born");
    assert_eq!((rule.text.as_str(), rule.class, rule.place.column), ("%patient.birthDate", DataClass::Identity, 21));
}

#[test]
fn the_read_set_is_what_the_rules_can_read_and_no_more() {
    use DataClass::{Clinical, Contact, Demographic, Identity, Safeguarding};
    let made = families();
    let expected: &[Row<'_>] = &[
        ("Patient.address.line", Contact, true, false),
        ("Patient.address.postalCode", Contact, true, false),
        ("Patient.birthDate", Identity, true, false),
        ("Patient.communication.language.text", Clinical, true, false),
        ("Patient.gender", Demographic, true, false),
        ("Patient.name.family", Identity, true, false),
        ("Patient.name.text", Identity, true, false),
        ("Patient.telecom.system", DataClass::Administrative, false, false),
        ("Patient.telecom.value", Contact, true, false),
        ("ServiceRequest.note.text", Clinical, true, false),
        ("ServiceRequest.orderDetail.coding", Safeguarding, false, false),
        ("ServiceRequest.reasonCode.text", Clinical, true, false),
    ];
    assert_eq!(rows(&made), expected);
}

#[test]
fn an_element_is_needed_where_nothing_else_could_stand_in_its_place() {
    let made = over_base(
        "A: { from: \"%patient.birthDate\", required: true, class: identity }\n\
         B: { from: \"(%patient.name.text | %patient.name.family).first()\", required: true, class: identity }\n\
         C: { from: \"%patient.gender\", required: true, when: \"%patient.active\", class: demographic }\n\
         D: { from: \"%serviceRequest.code.text\", required: true, class: clinical }",
    );
    let needed: Vec<&str> = rows(&made).iter().filter(|row| row.3).map(|row| row.0).collect();
    assert_eq!(needed, ["Patient.birthDate", "ServiceRequest.code.text"]);
    let code = rows(&made).into_iter().find(|row| row.0 == "ServiceRequest.code.text");
    assert_eq!(code.map(|row| row.1), Some(DataClass::Clinical), "the rule's class is graver than the table's");
}

#[test]
fn a_variable_brings_what_it_looks_at_and_only_what_is_taken_of_it() {
    let text =
        "variables:\n  home: \"%patient.telecom.where(use = 'home')\"\n  years: \"%patient.birthDate.toString()\"\n";
    let fields =
        in_body("A: { from: \"%home.value.first()\", class: contact }\nB: { from: \"%years\", class: identity }");
    let text = format!("mapping: 1\nextends: base.yaml\n{text}{fields}");
    let made = must_compile(compiled(&text, Capabilities::default()));
    let read: Vec<(&str, bool)> = rows(&made).iter().map(|row| (row.0, row.2)).collect();
    let expected = [("Patient.birthDate", true), ("Patient.telecom.use", false), ("Patient.telecom.value", true)];
    assert_eq!(read, expected);
}

#[test]
fn extensions_are_known_by_their_urls() {
    let interpreter = "http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired";
    let field = |class: &str| {
        format!(
            "A: {{ from: \"%patient.extension('{interpreter}').value.ofType(boolean).first()\", type: boolean, class: {class} }}"
        )
    };
    let accepted = "accepted-losses:\n  - { element: ServiceRequest.orderDetail, because: x }\n\
                    \x20 - { element: ServiceRequest.priority, because: x }\n  - { element: Task.priority, because: x }\n\
                    \x20 - { element: ServiceRequest.doNotPerform, because: x }\n\
                    \x20 - { element: Patient.communication, because: x }\n  - { element: \"Patient.deceased[x]\", because: x }\n\
                    \x20 - { element: Flag, because: x }\n";
    let text = |class: &str| format!("mapping: 1\nextends: base.yaml\n{accepted}{}", in_body(&field(class)));
    let made = must_compile(compiled(&text("demographic"), Capabilities::default()));
    let element = &made.program.read_set.elements.last().expect("the value is read");
    assert_eq!((element.path.as_str(), element.class), ("Patient.extension.valueBoolean", DataClass::Demographic));
    assert_eq!(element.urls, [interpreter]);
    let other = text("demographic").replace(interpreter, "http://example.org/other");
    let faults =
        compiled(&other, Capabilities::default()).expect_err("another extension is clinical, and the need is lost");
    let ids: Vec<&str> = faults.iter().map(|fault| fault.code.id()).collect();
    assert_eq!(ids, ["M070", "M051"], "{}", render_all(&faults, &[]));
}

#[test]
fn the_page_names_each_element_with_its_kind_and_its_fields() {
    let page = page(&families().program);
    for part in [
        "# What families is given of a referral",
        "| Patient.birthDate                   | identity     | no     | submit.create.body.Born |",
        "## Looked at, and not sent",
        "| ServiceRequest.orderDetail.coding | safeguarding   | no     | refuse[0] |",
        "- Flag: No field.",
        "- ServiceRequest.orderDetail: The platform cannot say that the person must not be contacted.",
        "Signature  ____",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    let bare = must_compile(compiled("mapping: 1\nextends: base.yaml\n", Capabilities::default()));
    assert!(mappings::read_set::page(&bare.program).contains("Nothing of the referral is sent."));
}

#[test]
fn the_base_of_all_cases_has_no_fault() {
    let (faults, _) = faults_over_base("", Capabilities::default());
    assert!(faults.is_empty(), "{}", render_all(&faults, &[]));
}

#[test]
fn a_body_that_is_an_array_has_items() {
    let text = "mapping: 1\nextends: base.yaml\nshapes:\n  Words: [ string ]\nexchanges:\n  submit:\n    - step: create\n\
                \x20     answer:\n        shape: Words\n        outcomes:\n\
                \x20         - { when: \"items.where(startsWith('Created')).exists()\", then: delivered, platform-referral: items.first() }\n";
    must_compile(compiled(text, Capabilities::default()));
    let faults =
        compiled(&text.replace("items.first()", "items"), Capabilities::default()).expect_err("several into one");
    assert_eq!(faults.iter().map(|fault| fault.code.id()).collect::<Vec<_>>(), ["M031"]);
}
