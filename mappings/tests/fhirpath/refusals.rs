//! Refusals: each with its place, and with a mend where there is one.

use mappings::fhirpath::{Scope, compile};

use crate::{fhir, refusal};

/// An expression, the part that is at fault, a word of the problem, a word of the mend.
const REFUSED: &[(&str, &str, &str, &str)] = &[
    ("name.familly", "familly", "no element", "family?"),
    ("name.family.first().uper()", "uper", "no function", "upper()?"),
    ("name.given & 'x'", "name.given", "takes one item", "first()"),
    ("valueQuantity", "valueQuantity", "no element", ""),
    ("deceasedBoolean", "deceasedBoolean", "no element", "deceased.ofType(boolean)"),
    ("generalPractitioner.name", "name", "no element", "resolve()"),
    ("contained.name", "name", "no element", "ofType(Patient)"),
    ("name.where(use)", "use", "true or false", "exists()"),
    ("name.where(given.exists()", "", "must stand", ""),
    ("name..given", ".", "a name must stand", ""),
    ("gender = 1", "gender = 1", "never equal", "toString()"),
    ("birthDate > 'a'", "birthDate > 'a'", "no order", ""),
    ("extension.value = 'a'", "extension.value", "as a whole", "ofType()"),
    ("name.period = 1 'a'", "1 'a'", "quantities", ""),
    ("gender as Quantity", "gender as Quantity", "nothing here is a Quantity", ""),
    ("gender.ofType(string)", "gender.ofType(string)", "disagree", ""),
    ("id is string", "id is string", "disagree", ""),
    ("gender.ofType(Quantiti)", "Quantiti", "no type", "Quantity?"),
    ("%patiant.name", "%patiant", "not declared", ""),
    ("name.given.matches('a')", "name.given", "takes one item", "first()"),
    ("gender.matches(gender)", "gender", "in the expression itself", ""),
    ("gender.matches('(?=a)')", "'(?=a)'", "look-around", "dialects"),
    ("gender.matches('(a')", "'(a'", "regular expression", ""),
    ("'2147483648'.toInteger() + 2147483648", "2147483648", "32 bits", ""),
    ("@2026-02-30 = birthDate", "@2026-02-30", "calendar", ""),
    ("name.repeat(given)", "repeat", "recursion", ""),
    ("now() > birthDate", "now", "no clock", "%variable"),
    ("'abc", "'abc", "does not end", "'"),
    ("\"abc\"", "\"", "single quotes", "'text'"),
    ("name.take(count())", "count()", "whole number", ""),
    ("name.first(1)", "name.first(1)", "does not take 1", "first()"),
    ("gender.iif(true, 1)", "iif", "alone", "select"),
    (
        "managingOrganization.resolve() = managingOrganization.resolve()",
        "managingOrganization.resolve()",
        "as a whole",
        "id",
    ),
    ("gender.resolve()", "gender.resolve()", "follows a Reference", ""),
    ("$index", "$index", "only inside", ""),
    ("name.given.toInteger()", "name.given", "takes one item", ""),
    ("birthDate.toInteger()", "birthDate.toInteger()", "never converts", ""),
    ("1.5 ~ 1.50", "1.5", "~ takes", "="),
];

#[test]
fn each_fault_has_its_place_and_its_mend() {
    for (text, part, problem, mend) in REFUSED {
        let faults = refusal(text);
        let fault = &faults[0];
        let at = text.get(fault.at.clone()).unwrap();
        assert!(part.is_empty() || at == *part, "{text}: at {at:?}, {fault:?}");
        assert!(fault.problem.contains(problem), "{text}: {fault:?}");
        assert!(fault.mend.as_deref().unwrap_or_default().contains(mend), "{text}: {fault:?}");
    }
}

#[test]
fn all_faults_are_told_at_once_and_in_order() {
    let faults = refusal("name.familly.first() = telecom.vaule.first() and (gander = 'x' or birthDate.length() > 3)");
    let mends: Vec<_> = faults.iter().map(|fault| fault.mend.clone().unwrap_or_default()).collect();
    assert_eq!(mends[..3], ["family?", "value?", "gender?"]);
    assert_eq!(faults.len(), 4, "{faults:#?}");
}

#[test]
fn a_path_needs_something_to_start_from() {
    let scope = Scope::new().variable("patient", fhir("Patient"));
    let fault = compile("patient.name", &scope).unwrap_err().remove(0);
    assert_eq!((fault.at, fault.mend.as_deref()), (0..7, Some("write %patient")));
    let fault = compile("%resource", &Scope::new().context(fhir("HumanName"))).unwrap_err().remove(0);
    assert!(fault.problem.contains("HumanName"));
}
