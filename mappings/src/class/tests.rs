//! The table is well formed, names real elements, and answers as the rows say.

use super::*;

fn lines() -> Vec<Vec<&'static str>> {
    let text = include_str!("../../tables/classes.tsv");
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(|l| l.split('\t').collect()).collect()
}

#[test]
fn every_row_has_five_known_cells_and_names_an_element_of_r4() {
    let mut before = "";
    for cells in lines() {
        let [element, class, grade, safety, harmless] = cells.as_slice() else { panic!("{cells:?}") };
        let datatype = !gateway_fhir_elements::is_resource_type(element.split(['.', '(']).next().unwrap());
        assert!(DataClass::named(class).is_some() || (*class == "-" && datatype), "{element}: {class}");
        assert!(Grade::named(grade).is_some(), "{element}: {grade}");
        assert!(matches!(*safety, "yes" | "-") && !harmless.is_empty(), "{element}");
        if !element.starts_with("Extension(*") {
            let bare = element.split('(').next().unwrap();
            assert!(!bare.contains('.') || elements::find_or_choice(bare), "{element} is no element of R4");
        }
        let key = element.split('(').next().unwrap();
        assert!(before.split('.').next() <= key.split('.').next(), "{element} stands out of order, after {before}");
        before = key;
    }
}

#[test]
fn the_longest_row_decides_and_datatypes_have_rows_of_their_own() {
    for (path, class, grade) in [
        ("Patient.name.family", DataClass::Identity, Grade::Notable),
        ("Patient.name.use", DataClass::Administrative, Grade::Informational),
        ("Patient.identifier.value", DataClass::Identity, Grade::Notable),
        ("Patient.identifier.system", DataClass::Administrative, Grade::Informational),
        ("Patient.telecom.value", DataClass::Contact, Grade::Notable),
        ("Patient.contact.name.text", DataClass::ThirdParty, Grade::Notable),
        ("Patient.deceasedDateTime", DataClass::Clinical, Grade::Unsafe),
        ("ServiceRequest.reasonCode.coding.display", DataClass::Clinical, Grade::Informational),
        ("ServiceRequest.reasonCode.coding.code", DataClass::Clinical, Grade::Notable),
        ("ServiceRequest.subject.reference", DataClass::Administrative, Grade::Informational),
        ("Observation.valueQuantity.system", DataClass::Administrative, Grade::Informational),
        ("Patient.extension(http://example.org/Safeguarding-note)", DataClass::Safeguarding, Grade::Unsafe),
        ("Patient.extension(http://example.org/other)", DataClass::Clinical, Grade::Notable),
        ("Patient.extension", DataClass::Clinical, Grade::Notable),
        ("Basic.code", DataClass::Clinical, Grade::Notable),
    ] {
        assert_eq!((class_of(path), grade_of(path)), (class, grade), "{path}");
    }
}

#[test]
fn the_whole_of_an_element_is_as_grave_as_the_gravest_in_it() {
    for (path, class) in [
        ("Patient.name", DataClass::Identity),
        ("Patient", DataClass::ThirdParty),
        ("ServiceRequest", DataClass::Safeguarding),
        ("ServiceRequest.code", DataClass::Need),
        ("Patient.extension", DataClass::Clinical),
    ] {
        assert_eq!(gravest_within(path), class, "{path}");
    }
}

#[test]
fn safety_content_is_known_and_some_of_its_values_do_no_harm() {
    for path in
        ["ServiceRequest.orderDetail", "ServiceRequest.priority", "Task.priority", "Patient.communication", "Flag"]
    {
        assert!(safety_elements().contains(&path) && is_safety(path), "{path}");
    }
    assert!(is_safety("Patient.extension(http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired)"));
    assert!(is_safety("Patient.deceasedBoolean") && !is_safety("Patient.birthDate"));
    assert!(is_harmless("ServiceRequest.priority", "routine") && !is_harmless("ServiceRequest.priority", "urgent"));
    assert!(is_harmless("Patient.communication.language.coding.code", "en"));
    assert!(covers("Patient.deceased[x]", "Patient.deceasedBoolean") && covers("Patient.name", "Patient.name.given"));
    assert!(!covers("Patient.name", "Patient.names") && !covers("Patient.deceased", "Patient.deceasedBoolean"));
}
