//! The same translation by hand over `serde_json::Value`: the whole referral becomes a tree, then the tree is asked.
//!
//! The tree is shared by all who write Rust in a hurry. Texts are borrowed from it and the platform's structs are
//! those of the typed translator, so that the tree is the only difference.

use crate::contestant::Contestant;
use crate::corpus::Document;
use crate::rules::{self, DayMonthYear, Refusal};
use crate::target::{Address, Contact, Need, Person, Referral, Referrer, Source, Target, Telecom};
use serde_json::Value;

/// Hand-written, over the tree.
#[derive(Debug)]
pub(crate) struct Tree;

impl Contestant for Tree {
    fn name(&self) -> &'static str {
        "hand-written Rust, serde_json::Value"
    }

    fn translate(&mut self, document: &Document, out: &mut Vec<u8>) -> anyhow::Result<()> {
        Ok(translate(&document.bundle, &document.key, out)?)
    }

    fn orientation(&self) -> Option<f64> {
        Some(75.0)
    }
}

fn translate(text: &str, key: &str, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let bundle: Value = serde_json::from_str(text)?;
    let parts = Parts::of(&bundle)?;
    let authored = string(parts.request, "authoredOn").ok_or(Refusal::Missing("ServiceRequest.authoredOn"))?;
    let target = Target {
        schema_version: rules::SCHEMA_VERSION,
        idempotency_key: key,
        source: Source {
            reference: identified(parts.request, rules::REFERRAL)
                .ok_or(Refusal::Missing("ServiceRequest.identifier"))?,
            made_on: rules::full_date(authored, "ServiceRequest.authoredOn")?,
        },
        person: person(&parts)?,
        referral: referral(&parts)?,
        referrer: referrer(&parts)?,
    };
    serde_json::to_writer(out, &target)?;
    Ok(())
}

/// The Bundle's resources, each with its type looked up once.
struct Parts<'a> {
    resources: Vec<(&'a str, &'a str, &'a Value)>,
    request: &'a Value,
    patient: &'a Value,
}

impl<'a> Parts<'a> {
    fn of(bundle: &'a Value) -> Result<Self, Refusal> {
        let resources: Vec<(&str, &str, &Value)> = items(bundle, "entry")
            .iter()
            .filter_map(|entry| {
                let resource = entry.get("resource")?;
                Some((string(entry, "fullUrl")?, string(resource, "resourceType")?, resource))
            })
            .collect();
        let first = |wanted: &'static str| {
            let mut all = resources.iter();
            all.find(|(_, kind, _)| *kind == wanted).map(|(_, _, it)| *it).ok_or(Refusal::Missing(wanted))
        };
        let (request, patient) = (first("ServiceRequest")?, first("Patient")?);
        Ok(Self { resources, request, patient })
    }

    fn each(&self, wanted: &'static str) -> impl Iterator<Item = &'a Value> {
        self.resources.iter().filter(move |(_, kind, _)| *kind == wanted).map(|(_, _, it)| *it)
    }

    /// What a reference under this name leads to, with its type.
    fn resolve(&self, holder: &Value) -> Option<(&'a str, &'a Value)> {
        let reference = string(holder, "reference")?;
        self.resources.iter().find(|(url, _, _)| *url == reference).map(|(_, kind, it)| (*kind, *it))
    }
}

fn person<'a>(parts: &Parts<'a>) -> Result<Person<'a>, Refusal> {
    let patient = parts.patient;
    let spoken = items(patient, "communication").iter().filter(|it| boolean(it, "preferred") == Some(true));
    let mut codings = spoken.filter_map(|it| it.get("language")).flat_map(|it| items(it, "coding"));
    let born = string(patient, "birthDate").ok_or(Refusal::Missing("Patient.birthDate"))?;
    let mut interpreters = extensions(patient, rules::INTERPRETER);
    let is_household = |it: &&Value| it.get("code").is_some_and(|code| has(code, rules::LOINC, rules::HOUSEHOLD));
    let mut households = parts.each("Observation").filter(is_household);
    let questions = parts.each("QuestionnaireResponse").flat_map(|it| items(it, "item"));
    let alone = questions.filter(|it| string(it, "linkId") == Some(rules::LIVES_ALONE));
    Ok(Person {
        nhs_number: identified(patient, rules::NHS_NUMBER).ok_or(Refusal::Missing("Patient.identifier"))?,
        full_name: full_name(patient)?,
        date_of_birth: DayMonthYear::of(born, "Patient.birthDate")?,
        gender: rules::gender(string(patient, "gender")),
        language: rules::language(codings.find_map(|it| string(it, "code"))),
        interpreter_needed: interpreters.find_map(|it| boolean(it, "valueBoolean")).unwrap_or(false),
        household_size: households.find_map(|it| it.get("valueInteger")?.as_i64()),
        lives_alone: alone.flat_map(|it| items(it, "answer")).find_map(|it| boolean(it, "valueBoolean")),
        address: address(patient),
        contact: contact(parts),
    })
}

fn full_name(patient: &Value) -> Result<String, Refusal> {
    let names = items(patient, "name");
    let official = names.iter().find(|name| string(name, "use") == Some("official"));
    let name = official.or(names.first()).ok_or(Refusal::Missing("Patient.name"))?;
    let many = |member| items(name, member).iter().filter_map(Value::as_str);
    Ok(rules::joined(many("prefix").chain(many("given")).chain(string(name, "family")), " "))
}

fn address(patient: &Value) -> Option<Address<'_>> {
    let all = items(patient, "address");
    let home = all.iter().find(|address| string(address, "use") == Some("home"));
    let address = home.or(all.first())?;
    Some(Address {
        street: rules::joined(items(address, "line").iter().filter_map(Value::as_str), ", "),
        town: string(address, "city"),
        postcode: string(address, "postalCode"),
    })
}

fn contact<'a>(parts: &Parts<'a>) -> Contact<'a> {
    let telecoms = items(parts.patient, "telecom");
    let phone = |used_for: &str| {
        let is_it = |it: &&Value| string(it, "system") == Some("phone") && string(it, "use") == Some(used_for);
        telecoms.iter().filter(is_it).find_map(|it| string(it, "value"))
    };
    let mut emails = telecoms.iter().filter(|it| string(it, "system") == Some("email"));
    let methods = extensions(parts.patient, rules::PREFERENCE).flat_map(|it| extensions(it, rules::METHOD));
    let mut codings = methods.filter_map(|it| it.get("valueCodeableConcept")).flat_map(|it| items(it, "coding"));
    let mut details = items(parts.request, "orderDetail").iter().flat_map(|it| items(it, "coding"));
    let telecom = |it: &'a Value| {
        let value = string(it, "value")?;
        Some(Telecom { kind: rules::telecom_kind(string(it, "system")), value, used_for: string(it, "use") })
    };
    Contact {
        may_contact: !details.any(|it| string(it, "code") == Some(rules::PROHIBITED)),
        phone: phone("mobile").or_else(|| phone("home")).or_else(|| phone("work")),
        email: emails.find_map(|it| string(it, "value")),
        preference: codings.find_map(|it| string(it, "code")).map(rules::preference),
        telecoms: telecoms.iter().filter_map(telecom).collect(),
    }
}

fn referral<'a>(parts: &Parts<'a>) -> Result<Referral<'a>, Refusal> {
    let request = parts.request;
    let mut categories = items(request, "category").iter().flat_map(|it| items(it, "coding"));
    let category = categories.find_map(|it| string(it, "code").filter(|_| string(it, "system") == Some(rules::SDOH)));
    let notes: Vec<&str> = items(request, "note").iter().filter_map(|it| string(it, "text")).collect();
    let restriction = parts.each("Task").find_map(|it| string(it.get("restriction")?.get("period")?, "end"));
    Ok(Referral {
        summary: request.get("code").and_then(words).ok_or(Refusal::Missing("ServiceRequest.code"))?,
        category: rules::category(category),
        priority: rules::priority(string(request, "priority"))?,
        reason: notes.first().map(|text| rules::limited(text, rules::REASON_LIMIT)),
        deadline: date(restriction, "Task.restriction.period.end")?,
        needs: needs(parts)?,
        notes,
    })
}

fn needs<'a>(parts: &Parts<'a>) -> Result<Vec<Need<'a>>, Refusal> {
    let reasons = items(parts.request, "reasonReference").iter().filter_map(|it| parts.resolve(it));
    reasons.filter(|(kind, _)| *kind == "Condition").map(|(_, condition)| need(condition)).collect()
}

fn need(condition: &Value) -> Result<Need<'_>, Refusal> {
    let code = condition.get("code");
    let mut codings = code.into_iter().flat_map(|it| items(it, "coding"));
    let snomed = codings.find_map(|it| string(it, "code").filter(|_| string(it, "system") == Some(rules::SNOMED)));
    Ok(Need {
        category: rules::problem(snomed),
        label: code.and_then(words),
        since: date(string(condition, "onsetDateTime"), "Condition.onset")?,
    })
}

/// The requester, or the organisation of the role that is the requester.
fn referrer<'a>(parts: &Parts<'a>) -> Result<Referrer<'a>, Refusal> {
    let mut found = parts.request.get("requester").and_then(|it| parts.resolve(it));
    if let Some(("PractitionerRole", role)) = found {
        found = role.get("organization").and_then(|it| parts.resolve(it));
    }
    let Some(("Organization", organisation)) = found else {
        return Err(Refusal::Missing("ServiceRequest.requester"));
    };
    Ok(Referrer {
        organisation: string(organisation, "name").ok_or(Refusal::Missing("Organization.name"))?,
        ods_code: identified(organisation, rules::ODS),
    })
}

fn string<'a>(of: &'a Value, member: &str) -> Option<&'a str> {
    of.get(member)?.as_str()
}

fn boolean(of: &Value, member: &str) -> Option<bool> {
    of.get(member)?.as_bool()
}

fn items<'a>(of: &'a Value, member: &str) -> &'a [Value] {
    of.get(member).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn date(value: Option<&str>, path: &'static str) -> Result<Option<DayMonthYear>, Refusal> {
    value.map(|date| DayMonthYear::of(date, path)).transpose()
}

fn identified<'a>(holder: &'a Value, system: &str) -> Option<&'a str> {
    let fitting = items(holder, "identifier").iter().filter(|it| string(it, "system") == Some(system));
    fitting.filter_map(|it| string(it, "value")).next()
}

fn has(concept: &Value, system: &str, code: &str) -> bool {
    items(concept, "coding").iter().any(|it| string(it, "system") == Some(system) && string(it, "code") == Some(code))
}

/// What a person calls it: the sender's own words, else the first display of a code.
fn words(concept: &Value) -> Option<&str> {
    string(concept, "text").or_else(|| items(concept, "coding").iter().find_map(|it| string(it, "display")))
}

fn extensions<'a>(of: &'a Value, url: &'static str) -> impl Iterator<Item = &'a Value> {
    items(of, "extension").iter().filter(move |it| string(it, "url") == Some(url))
}
