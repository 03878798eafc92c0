//! Invented people: the one who is referred and the one who refers.
//!
//! Names come from many origins and, where the person writes them so, in their own script, because a gateway that
//! was only ever shown ASCII will meet the rest in its first week.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};

use super::{Scene, places};
use crate::fhir::NHS_NUMBER;

/// Family, given names for women and for men, language tag, name as the person writes it.
struct Origin {
    family: &'static [&'static str],
    women: &'static [&'static str],
    men: &'static [&'static str],
    language: Option<(&'static str, &'static str)>,
}

const ORIGINS: &[Origin] = &[
    Origin {
        family: &["Ashworth", "Pickering", "O'Connor", "Smith-Barlow", "Fairweather", "McAllister"],
        women: &["Margaret", "Doreen", "Chloe", "Niamh", "Hannah"],
        men: &["Trevor", "Callum", "Stanley", "Jack", "Lewis"],
        language: None,
    },
    Origin {
        family: &["Llywelyn", "ap Rhys", "Prydderch", "Gwynfryn"],
        women: &["Siân", "Angharad", "Llinos"],
        men: &["Gruffudd", "Iestyn", "Siôn"],
        language: Some(("cy", "Cymraeg")),
    },
    Origin {
        family: &["الحسن", "منصور", "الخطيب"],
        women: &["فاطمة", "ليلى", "نور"],
        men: &["عمر", "يوسف", "خالد"],
        language: Some(("ar", "العربية")),
    },
    Origin {
        family: &["陳", "李", "黃"],
        women: &["美玲", "淑芬", "曉雯"],
        men: &["志明", "家豪", "偉文"],
        language: Some(("zh-Hant", "中文")),
    },
    Origin {
        family: &["Wiśniewska-Żak", "Kowalczyk", "Łukasik"],
        women: &["Małgorzata", "Agnieszka", "Zofia"],
        men: &["Paweł", "Stanisław", "Michał"],
        language: Some(("pl", "polski")),
    },
    Origin {
        family: &["قریشی", "ملک", "بھٹی"],
        women: &["عائشہ", "صائمہ", "رخسانہ"],
        men: &["عمران", "طارق", "زاہد"],
        language: Some(("ur", "اردو")),
    },
    Origin {
        family: &["Adeyemi", "Okonkwo", "Warsame", "Begum", "Patel", "Nguyễn", "D'Souza"],
        women: &["Folasade", "Hodan", "Shirin", "Priya", "Thị Hoa"],
        men: &["Chukwuemeka", "Abdirahman", "Rajesh", "Minh", "Anthony"],
        language: None,
    },
];

/// A well-formed NHS number of the 999 range, which is never given to a person.
pub fn nhs_number(rng: &mut impl Rng) -> String {
    loop {
        let nine = format!("999{:06}", rng.random_range(0..1_000_000));
        if let Some(check) = check_digit(&nine) {
            return format!("{nine}{check}");
        }
    }
}

/// True for ten digits of which the last is the modulus 11 check digit of the others.
pub fn nhs_number_is_valid(number: &str) -> bool {
    let well_formed = number.len() == 10 && number.bytes().all(|byte| byte.is_ascii_digit());
    let last = number.bytes().next_back().map(|byte| u32::from(byte.wrapping_sub(b'0')));
    well_formed && number.get(..9).and_then(check_digit) == last
}

/// The check digit, or nothing where the number may not be issued (the sum would ask for a ten).
fn check_digit(nine: &str) -> Option<u32> {
    let sum: u32 = nine.bytes().zip((2..=10u32).rev()).map(|(byte, weight)| u32::from(byte - b'0') * weight).sum();
    match 11 - sum % 11 {
        10 => None,
        11 => Some(0),
        digit => Some(digit),
    }
}

/// The Patient: NHS number, name and birth date always, a way to reach them always, the rest as records are.
pub(super) fn patient(rng: &mut StdRng, practice: &str) -> Value {
    let origin = ORIGINS.choose(rng).expect("the list of origins is not empty");
    let woman = rng.random_bool(0.55);
    let mut patient = json!({
        "resourceType": "Patient",
        "identifier": [nhs_identifier(rng)],
        "active": true,
        "name": [name(origin, woman, rng)],
    });
    let home = places::home(rng);
    let by_phone = rng.random_bool(0.85);
    if by_phone {
        patient["telecom"] = telecom(&home.landline, rng);
    }
    if rng.random_bool(0.9) {
        patient["gender"] = Value::from(if woman { "female" } else { "male" });
    }
    let born =
        format!("{}-{:02}-{:02}", rng.random_range(1934..2007), rng.random_range(1..13), rng.random_range(1..29));
    patient["birthDate"] = Value::from(born);
    if !by_phone || rng.random_bool(0.8) {
        patient["address"] = json!([home.address]);
    }
    if let Some((tag, words)) = origin.language {
        speak(&mut patient, tag, words, rng.random_bool(0.6));
    }
    if rng.random_bool(0.7) {
        patient["generalPractitioner"] = json!([{ "reference": practice }]);
    }
    patient
}

fn nhs_identifier(rng: &mut StdRng) -> Value {
    let mut identifier = json!({ "use": "official", "system": NHS_NUMBER, "value": nhs_number(rng) });
    if rng.random_bool(0.6) {
        let base = "https://fhir.hl7.org.uk";
        identifier["extension"] = json!([{
            "url": format!("{base}/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus"),
            "valueCodeableConcept": { "coding": [{
                "system": format!("{base}/CodeSystem/UKCore-NHSNumberVerificationStatus"),
                "code": "number-present-and-verified",
                "display": "Number present and verified",
            }] },
        }]);
    }
    identifier
}

fn name(origin: &Origin, woman: bool, rng: &mut StdRng) -> Value {
    let given_names = if woman { origin.women } else { origin.men };
    let mut given: Vec<&str> = given_names.choose(rng).copied().into_iter().collect();
    if rng.random_bool(0.2) {
        given.extend(given_names.choose(rng).copied());
    }
    let mut name = json!({ "use": "official", "family": origin.family.choose(rng), "given": given });
    if rng.random_bool(0.5) {
        name["prefix"] = json!([if woman { "Ms" } else { "Mr" }]);
    }
    name
}

fn telecom(landline: &str, rng: &mut StdRng) -> Value {
    let mobile = format!("07700 900{:03}", rng.random_range(0..1000));
    let mut points = vec![json!({ "system": "phone", "value": mobile, "use": "mobile", "rank": 1 })];
    if rng.random_bool(0.4) {
        points.push(json!({ "system": "phone", "value": landline, "use": "home" }));
    }
    if rng.random_bool(0.4) {
        let address = format!("person{}@mail.example", rng.random_range(1000..9999));
        points.push(json!({ "system": "email", "value": address }));
    }
    Value::Array(points)
}

fn speak(patient: &mut Value, tag: &str, words: &str, interpreter: bool) {
    patient["communication"] = json!([{
        "language": { "coding": [{ "system": "urn:ietf:bcp:47", "code": tag }], "text": words },
        "preferred": true,
    }]);
    if interpreter {
        let url = "http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired";
        patient["extension"] = json!([{ "url": url, "valueBoolean": true }]);
    }
}

/// Adds who refers, and gives the address: a link worker with a role, or the practice as such.
pub(super) fn referrer(scene: &mut Scene) -> String {
    if !scene.sometimes(0.7) {
        return scene.practice.clone();
    }
    let origin = ORIGINS.choose(&mut scene.rng).expect("the list of origins is not empty");
    let woman = scene.sometimes(0.5);
    let user = format!("5555{:08}", scene.rng.random_range(0..100_000_000));
    let practitioner = json!({
        "resourceType": "Practitioner",
        "identifier": [{ "system": "https://fhir.nhs.uk/Id/sds-user-id", "value": user }],
        "name": [name(origin, woman, &mut scene.rng)],
    });
    let practitioner = scene.add(practitioner);
    let words = if scene.sometimes(0.7) { "Social prescribing link worker" } else { "General practitioner" };
    let role = json!({
        "resourceType": "PractitionerRole",
        "active": true,
        "practitioner": { "reference": practitioner },
        "organization": { "reference": scene.practice },
        "code": [{ "text": words }],
        "telecom": [{ "system": "phone", "value": "01632 960042", "use": "work" }],
    });
    scene.add(role)
}
