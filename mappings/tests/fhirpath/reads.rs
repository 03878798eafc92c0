//! Read-sets, and the trace of what an evaluation passed on and what it only looked at.

use std::cell::OnceCell;

use mappings::document::{Document, NodeId};
use mappings::fhirpath::{Binding, Computed, Environment, Item, Scope, Trace, Type, Use, compile};

use crate::{PATIENT, evaluate, fhir, patient, root};

fn reads(text: &str, scope: &Scope) -> (Vec<String>, Vec<String>) {
    let expression = compile(text, scope).unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
    let of = |wanted| {
        let reads = expression.reads().iter().filter(|read| read.use_ == wanted);
        reads.map(|read| read.path.clone()).collect()
    };
    (of(Use::Conveyed), of(Use::Examined))
}

#[test]
fn the_read_set_names_what_is_passed_on_and_what_is_looked_at() {
    for (text, conveyed, examined) in [
        ("name.where(use = 'official').given.first()", &["Patient.name.given"][..], &["Patient.name.use"][..]),
        ("Patient.name", &["Patient.name"], &[]),
        ("name.exists()", &[], &["Patient.name"]),
        ("iif(gender = 'male', 'M', name.family.first())", &["Patient.name.family"], &["Patient.gender"]),
        ("name.first().select(given.first() & ' ' & family)", &["Patient.name.family", "Patient.name.given"], &[]),
        ("gender.substring(0, name.family.first().length())", &["Patient.gender"], &["Patient.name.family"]),
        ("birthDate.toString().substring(0, 4)", &["Patient.birthDate"], &[]),
        (
            "birthDate.extension('u').value.ofType(boolean)",
            &["Patient.birthDate.extension.valueBoolean"],
            &["Patient.birthDate.extension.url"],
        ),
        ("deceased", &["Patient.deceasedBoolean", "Patient.deceasedDateTime"], &[]),
        ("deceased.ofType(boolean).not()", &["Patient.deceasedBoolean"], &[]),
        ("active and gender = 'male'", &[], &["Patient.active", "Patient.gender"]),
        ("telecom.select('x')", &[], &["Patient.telecom"]),
        ("telecom.value.first().replace(' ', gender)", &["Patient.gender", "Patient.telecom.value"], &[]),
        ("name.given.exclude(contact.name.given)", &["Patient.name.given"], &["Patient.contact.name.given"]),
        ("gender | gender.where($this = 'male')", &["Patient.gender"], &[]),
        ("contained.ofType(Observation).value.ofType(Quantity).value", &["Observation.valueQuantity.value"], &[]),
        (
            "generalPractitioner.resolve().ofType(Organization).name",
            &["Organization.name"],
            &["Patient.generalPractitioner.reference"],
        ),
    ] {
        let (found, looked) = reads(text, &patient());
        assert_eq!((found.as_slice(), looked.as_slice()), (&strings(conveyed)[..], &strings(examined)[..]), "{text}");
    }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn a_variable_bound_to_a_part_keeps_the_path_of_the_part() {
    let names = compile("name", &patient()).unwrap();
    let scope = Scope::new().variable_of("name", names.result().clone()).variable("other", fhir("HumanName"));
    assert_eq!(reads("%name.given", &scope).0, ["Patient.name.given"]);
    assert_eq!(reads("%other.given", &scope).0, ["HumanName.given"]);
    assert_eq!(reads("entry.resource.ofType(Patient).id", &Scope::new().context(fhir("Bundle"))).0, ["Patient.id"]);
    assert_eq!(reads("entry.resource", &Scope::new().context(fhir("Bundle"))).0, ["Bundle.entry.resource"]);
}

#[derive(Default)]
struct Seen {
    conveyed: Vec<String>,
    examined: Vec<String>,
}

impl Trace for Seen {
    fn conveyed(&mut self, doc: &Document<'_>, id: NodeId) {
        self.conveyed.push(doc.location(id));
    }

    fn examined(&mut self, doc: &Document<'_>, id: NodeId) {
        self.examined.push(doc.location(id));
    }
}

#[test]
fn the_trace_names_the_very_values() {
    for (text, conveyed, examined) in [
        ("name.where(use = 'official').given.first()", &["Patient.name[0].given[0]"][..], &["Patient.name[0].use"][..]),
        (
            "name.where(use = 'nickname').given.first()",
            &["Patient.name[1].given[0]"],
            &["Patient.name[0].use", "Patient.name[1].use"],
        ),
        ("name.exists()", &[], &["Patient.name[0]"]),
        ("telecom.count()", &[], &["Patient.telecom[0]", "Patient.telecom[1]"]),
        (
            "name.first().given.first() & ' ' & name.first().family",
            &["Patient.name[0].given[0]", "Patient.name[0].family"],
            &[],
        ),
        ("name.first().given.join(' ').upper()", &["Patient.name[0].given[0]", "Patient.name[0].given[1]"], &[]),
        (
            "name.select(given.first() & '!').where($this != 'Anna!')",
            &["Patient.name[1].given[0]"],
            &["Patient.name[0].given[0]", "Patient.name[1].given[0]"],
        ),
        ("name.family.first() + {}", &[], &[]),
        ("iif(active, 'yes', 'no')", &[], &["Patient.active"]),
        ("iif(active.not(), gender, birthDate)", &["Patient.birthDate"], &["Patient.active"]),
        ("deceased.ofType(boolean).not()", &["Patient.deceasedBoolean"], &[]),
        ("gender.startsWith('f')", &[], &["Patient.gender"]),
        (
            "name.given | name.given",
            &[
                "Patient.name[0].given[0]",
                "Patient.name[0].given[1]",
                "Patient.name[1].given[0]",
                "Patient.name[1]._given[1]",
            ],
            &[],
        ),
        ("birthDate.toString().split('-').first()", &["Patient.birthDate"], &[]),
    ] {
        let expression = compile(text, &patient()).unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
        let document = Document::parse(PATIENT).unwrap();
        let mut seen = Seen::default();
        evaluate(&expression, &Environment::default(), Some(root(&document, "Patient")), &mut seen).unwrap();
        assert_eq!((seen.conveyed, seen.examined), (strings(conveyed), strings(examined)), "{text}");
    }
}

#[test]
fn an_expression_tells_whether_it_starts_from_its_context() {
    let scope = patient().variable("other", fhir("Patient"));
    for (text, uses) in [
        ("name.given", true),
        ("%other.name.given", false),
        ("%other.name.where(use = 'official').exists()", false),
        ("%other.name.where(use = %resource.gender).exists()", true),
        ("%context.name", true),
        ("$this", true),
        ("exists()", true),
        ("where(active).name", true),
        ("iif(%other.active, %other.name, 'x')", false),
        ("%other.name.select($this.given.where($this = 'a'))", false),
        ("'a' & 'b'", false),
    ] {
        assert_eq!(compile(text, &scope).unwrap().uses_context(), uses, "{text}");
    }
}

#[test]
fn a_value_computed_earlier_keeps_what_it_was_made_of() {
    let document = Document::parse(PATIENT).unwrap();
    let gender = document.get(document.root(), "gender").unwrap();
    let scope = Scope::new().variable("word", Type::text());
    let expression = compile("%word & '!'", &scope).unwrap();
    let cell = OnceCell::new();
    let slots = [Binding::Later(&cell)];
    let environment = Environment { slots: &slots, bundle: Some(&document) };
    let ask = || {
        let mut seen = Seen::default();
        (evaluate(&expression, &environment, None, &mut seen).unwrap(), seen.conveyed)
    };
    assert_eq!(ask(), (strings(&["!"]), Vec::new()), "nothing is there before it is computed");
    cell.set(vec![Computed { item: Item::Text("FEMALE".into()), sources: vec![gender] }]).unwrap();
    assert_eq!(ask(), (strings(&["FEMALE!"]), strings(&["Patient.gender"])));
}
