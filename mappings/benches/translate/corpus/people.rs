//! The Patient of a synthetic referral: invented, with a 999 NHS number and telephone numbers kept for drama.
//!
//! Several names, telecoms and addresses, in varying order, so that "the official one" and "the home one" must be sought.

use super::random::Random;
use super::words;
use serde_json::{Value, json};

/// The system of NHS numbers.
pub(crate) const NHS_NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";
const UK_CORE: &str = "https://fhir.hl7.org.uk";
const INTERPRETER: &str = "http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired";

/// The Patient.
pub(crate) fn patient(random: &mut Random, practice: &str) -> Value {
    let mut patient = json!({ "resourceType": "Patient" });
    let extensions = extensions(random);
    if !extensions.is_empty() {
        patient["extension"] = Value::Array(extensions);
    }
    patient["identifier"] = identifiers(random);
    patient["active"] = Value::Bool(true);
    patient["name"] = names(random);
    let telecoms = telecoms(random);
    if !telecoms.is_empty() {
        patient["telecom"] = Value::Array(telecoms);
    }
    if random.sometimes(92) {
        patient["gender"] = Value::from(random.pick(&["female", "female", "male", "male", "other", "unknown"]));
    }
    patient["birthDate"] = Value::from(date(random, 1934, 2006));
    if random.sometimes(15) {
        // A sibling of a primitive: it has the same name but for the underscore, and no value of its own.
        patient["_birthDate"] = json!({ "extension": [{
            "url": "http://hl7.org/fhir/StructureDefinition/patient-birthTime",
            "valueDateTime": format!("{}T04:15:00Z", patient["birthDate"].as_str().unwrap_or_default()),
        }]});
    }
    let addresses = addresses(random);
    if !addresses.is_empty() {
        patient["address"] = Value::Array(addresses);
    }
    if random.sometimes(20) {
        patient["maritalStatus"] = json!({ "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "code": "W", "display": "Widowed",
        }]});
    }
    if random.sometimes(25) {
        patient["contact"] = contact(random);
    }
    if random.sometimes(60) {
        patient["communication"] = communication(random);
    }
    patient["generalPractitioner"] = json!([{ "reference": practice }]);
    patient
}

/// A full date between the first day of `from` and the 28th of December of `to`.
pub(crate) fn date(random: &mut Random, from: u64, to: u64) -> String {
    format!("{}-{:02}-{:02}", random.between(from, to), random.between(1, 12), random.between(1, 28))
}

/// A well-formed NHS number of the 999 range, which is never given to a person.
fn nhs_number(random: &mut Random) -> String {
    loop {
        let nine = format!("999{:06}", random.below(1_000_000));
        let sum: u32 = nine.bytes().zip((2..=10u32).rev()).map(|(byte, weight)| u32::from(byte - b'0') * weight).sum();
        match 11 - sum % 11 {
            // The sum asks for a ten: such a number is not issued.
            10 => {}
            11 => return format!("{nine}0"),
            digit => return format!("{nine}{digit}"),
        }
    }
}

fn identifiers(random: &mut Random) -> Value {
    let mut nhs = json!({ "use": "official", "system": NHS_NUMBER, "value": nhs_number(random) });
    if random.sometimes(50) {
        nhs["extension"] = json!([{
            "url": format!("{UK_CORE}/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus"),
            "valueCodeableConcept": { "coding": [{
                "system": format!("{UK_CORE}/CodeSystem/UKCore-NHSNumberVerificationStatus"),
                "code": "number-present-and-verified",
                "display": "Number present and verified",
            }]},
        }]);
    }
    let local = json!({
        "use": "usual", "system": "https://gp.example/Id/patient", "value": format!("P{}", random.below(1_000_000)),
    });
    match random.below(3) {
        0 => json!([nhs]),
        1 => json!([nhs, local]),
        _ => json!([local, nhs]),
    }
}

fn names(random: &mut Random) -> Value {
    let (family, given, short) = random.pick(words::NAMES);
    let mut official = json!({ "use": "official", "family": family, "given": given });
    if random.sometimes(50) {
        official["prefix"] = json!([random.pick(&["Mr", "Mrs", "Ms", "Dr", "Mx"])]);
    }
    let nickname = json!({ "use": "nickname", "given": [short] });
    match random.below(5) {
        0 => json!([nickname, official]),
        1 => json!([official, nickname]),
        2 => {
            let mut maiden = json!({ "use": "maiden", "family": random.pick(words::NAMES).0 });
            maiden["period"] = json!({ "end": date(random, 1960, 1999) });
            json!([maiden, official])
        }
        // Nobody said what the name is for.
        3 => json!([{ "family": family, "given": given, "text": format!("{} {family}", given[0]) }]),
        _ => json!([official]),
    }
}

/// A mobile number that Ofcom keeps for drama.
pub(crate) fn mobile(random: &mut Random) -> String {
    format!("07700 900{:03}", random.below(1000))
}

/// A Leeds number that Ofcom keeps for drama.
pub(crate) fn landline(random: &mut Random) -> String {
    format!("0113 496 0{:03}", random.below(1000))
}

fn telecoms(random: &mut Random) -> Vec<Value> {
    let mut points = Vec::new();
    if random.sometimes(15) {
        points.push(json!({ "system": "phone", "value": landline(random), "use": "old" }));
    }
    if random.sometimes(55) {
        points.push(json!({ "system": "phone", "value": landline(random), "use": "home" }));
    }
    if random.sometimes(65) {
        points.push(json!({ "system": "phone", "value": mobile(random), "use": "mobile", "rank": 1 }));
    }
    if random.sometimes(50) {
        let address = format!("person{}@mail.example", random.between(1000, 9999));
        points.push(json!({ "system": "email", "value": address }));
    }
    if random.sometimes(15) {
        points.push(json!({ "system": "phone", "value": landline(random), "use": "work" }));
    }
    if random.sometimes(10) {
        let start = date(random, 2020, 2025);
        let point = json!({ "system": "sms", "value": mobile(random), "use": "mobile", "period": { "start": start } });
        points.push(point);
    }
    if random.sometimes(5) {
        points.push(json!({ "system": "pager", "value": format!("PAGER-{}", random.below(1000)) }));
    }
    points
}

fn address(random: &mut Random, kind: &str) -> Value {
    let (town, county, area) = random.pick(words::TOWNS);
    let mut lines = vec![format!("{} {}", random.between(1, 180), random.pick(words::STREETS))];
    if random.sometimes(30) {
        lines.insert(0, format!("Flat {}", random.between(1, 40)));
    }
    if random.sometimes(15) {
        lines.push("c/o the \"Old Dairy\"".to_owned());
    }
    let mut address = json!({ "use": kind, "type": "physical", "line": lines });
    if random.sometimes(95) {
        address["city"] = Value::from(town);
    }
    if random.sometimes(60) {
        address["district"] = Value::from(county);
    }
    if random.sometimes(97) {
        let inward =
            format!("{}{}{}", random.between(1, 9), random.pick(&['A', 'B', 'D']), random.pick(&['X', 'Y', 'Z']));
        address["postalCode"] = Value::from(format!("{area}{} {inward}", random.between(1, 17)));
    }
    address
}

fn addresses(random: &mut Random) -> Vec<Value> {
    match random.below(20) {
        0 => Vec::new(),
        1..=3 => vec![address(random, "temp")],
        4..=6 => vec![address(random, "old"), address(random, "home")],
        _ => vec![address(random, "home")],
    }
}

fn contact(random: &mut Random) -> Value {
    let (family, given, _) = random.pick(words::NAMES);
    json!([{
        "relationship": [{ "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/v2-0131", "code": "N", "display": "Next-of-Kin",
        }]}],
        "name": { "family": family, "given": given },
        "telecom": [{ "system": "phone", "value": mobile(random) }],
    }])
}

fn communication(random: &mut Random) -> Value {
    let language = |(tag, name): (&str, &str)| json!({ "coding": [{ "system": "urn:ietf:bcp:47", "code": tag, "display": name }] });
    let spoken = language(random.pick(words::LANGUAGES));
    match random.below(4) {
        0 => json!([{ "language": language(("en", "English")) }, { "language": spoken, "preferred": true }]),
        1 => json!([{ "language": spoken }]),
        _ => json!([{ "language": spoken, "preferred": true }]),
    }
}

/// Whether an interpreter is needed, how the person prefers to be reached, and two that no platform field is for.
fn extensions(random: &mut Random) -> Vec<Value> {
    let mut extensions = Vec::new();
    if random.sometimes(30) {
        extensions.push(json!({
            "url": format!("{UK_CORE}/StructureDefinition/Extension-UKCore-EthnicCategory"),
            "valueCodeableConcept": { "coding": [{
                "system": format!("{UK_CORE}/CodeSystem/UKCore-EthnicCategory"),
                "code": random.pick(&["A", "H", "N", "Z"]),
            }]},
        }));
    }
    if random.sometimes(30) {
        extensions.push(json!({ "url": INTERPRETER, "valueBoolean": random.sometimes(70) }));
    }
    if random.sometimes(40) {
        let coding = |system: &str, code: &str, display: &str| json!({ "coding": [{ "system": format!("{UK_CORE}/CodeSystem/{system}"), "code": code, "display": display }] });
        let (code, display) = random.pick(&[
            ("1", "Letter"),
            ("2", "Visit"),
            ("3", "Telephone"),
            ("4", "E-mail"),
            ("5", "Minicom (Textphone)"),
            ("7", "Sign language"),
        ]);
        let mut parts = Vec::new();
        if random.sometimes(30) {
            let format = coding("UKCore-PreferredWrittenCommunicationFormat", "12", "Braille");
            parts.push(json!({ "url": "PreferredWrittenCommunicationFormat", "valueCodeableConcept": format }));
        }
        let method = coding("UKCore-PreferredContactMethod", code, display);
        parts.push(json!({ "url": "PreferredContactMethod", "valueCodeableConcept": method }));
        extensions.push(json!({
            "url": format!("{UK_CORE}/StructureDefinition/Extension-UKCore-ContactPreference"),
            "extension": parts,
        }));
    }
    extensions
}
