//! The measure: the translation as a careful developer writes it in Rust, over borrowed serde structs.
//!
//! One pass over the text keeps what is needed, one function builds the platform's structs from it, one call writes
//! them. No mapping, explanation or loss report: what is lost here is lost silently.

mod kept;
mod model;
mod sought;

use crate::contestant::Contestant;
use crate::corpus::Document;
use crate::rules::{self, DayMonthYear, Refusal};
use crate::target::{Address, Contact, Need, Person, Referral, Referrer, Source, Target, Telecom};
use kept::Kept;
use model::{Bundle, Concept, Condition, Organization, Parts, Patient, ServiceRequest, Text, text};

/// Hand-written, typed.
#[derive(Debug)]
pub(crate) struct Typed;

impl Contestant for Typed {
    fn name(&self) -> &'static str {
        "hand-written Rust, typed serde"
    }

    fn translate(&mut self, document: &Document, out: &mut Vec<u8>) -> anyhow::Result<()> {
        Ok(translate(&document.bundle, &document.key, out)?)
    }

    fn orientation(&self) -> Option<f64> {
        Some(20.0)
    }
}

fn translate(json: &str, key: &str, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let Bundle { entry: Kept { kept: parts } } = serde_json::from_str(json)?;
    let request = parts.request.as_deref().ok_or(Refusal::Missing("ServiceRequest"))?;
    let patient = parts.patient.as_deref().ok_or(Refusal::Missing("Patient"))?;
    let authored = required(&request.authored_on, "ServiceRequest.authoredOn")?;
    let target = Target {
        schema_version: rules::SCHEMA_VERSION,
        idempotency_key: key,
        source: Source {
            reference: required(&request.identifier.kept.first, "ServiceRequest.identifier")?,
            made_on: rules::full_date(authored, "ServiceRequest.authoredOn")?,
        },
        person: Person {
            nhs_number: required(&patient.identifier.kept.first, "Patient.identifier")?,
            full_name: full_name(patient)?,
            date_of_birth: DayMonthYear::of(required(&patient.birth_date, "Patient.birthDate")?, "Patient.birthDate")?,
            gender: rules::gender(text(&patient.gender)),
            language: rules::language(text(&patient.communication.kept.first)),
            interpreter_needed: patient.extension.kept.interpreter.unwrap_or(false),
            household_size: parts.household_size,
            lives_alone: parts.lives_alone,
            address: patient.address.kept.first.as_ref().map(|address| Address {
                street: rules::joined(address.line.iter().map(Text::get), ", "),
                town: text(&address.city),
                postcode: text(&address.postal_code),
            }),
            contact: contact(patient, !request.order_detail.kept.any),
        },
        referral: referral(&parts, request)?,
        referrer: referrer(&parts, request)?,
    };
    serde_json::to_writer(out, &target)?;
    Ok(())
}

fn full_name(patient: &Patient<'_>) -> Result<String, Refusal> {
    let name = patient.name.kept.first.as_ref().ok_or(Refusal::Missing("Patient.name"))?;
    Ok(rules::joined(name.prefix.iter().chain(&name.given).chain(&name.family).map(Text::get), " "))
}

fn contact<'a>(patient: &'a Patient<'_>, may_contact: bool) -> Contact<'a> {
    let of = |system: &'static str| patient.telecom.iter().filter(move |it| text(&it.system) == Some(system));
    let phone =
        |used_for: &str| of("phone").filter(|it| text(&it.used_for) == Some(used_for)).find_map(|it| text(&it.value));
    let telecoms = patient.telecom.iter().filter_map(|it| {
        let value = text(&it.value)?;
        Some(Telecom { kind: rules::telecom_kind(text(&it.system)), value, used_for: text(&it.used_for) })
    });
    Contact {
        may_contact,
        phone: phone("mobile").or_else(|| phone("home")).or_else(|| phone("work")),
        email: of("email").find_map(|it| text(&it.value)),
        preference: text(&patient.extension.kept.method).map(rules::preference),
        telecoms: telecoms.collect(),
    }
}

fn referral<'a>(parts: &'a Parts<'_>, request: &'a ServiceRequest<'_>) -> Result<Referral<'a>, Refusal> {
    let notes: Vec<&str> = request.note.iter().filter_map(|it| text(&it.text)).collect();
    Ok(Referral {
        summary: request.code.as_ref().and_then(words).ok_or(Refusal::Missing("ServiceRequest.code"))?,
        category: rules::category(text(&request.category.kept.first)),
        priority: rules::priority(text(&request.priority))?,
        reason: notes.first().map(|text| rules::limited(text, rules::REASON_LIMIT)),
        deadline: date(text(&parts.deadline), "Task.restriction.period.end")?,
        needs: request
            .reason_reference
            .iter()
            .filter_map(|it| resolve(&parts.conditions, text(&it.reference)?))
            .map(need)
            .collect::<Result<_, _>>()?,
        notes,
    })
}

fn need<'a>(condition: &'a Condition<'_>) -> Result<Need<'a>, Refusal> {
    let code = condition.code.as_ref();
    Ok(Need {
        category: rules::problem(code.and_then(|code| text(&code.coding.kept.snomed))),
        label: code.and_then(words),
        since: date(text(&condition.onset_date_time), "Condition.onset")?,
    })
}

fn referrer<'a>(parts: &'a Parts<'_>, request: &ServiceRequest<'_>) -> Result<Referrer<'a>, Refusal> {
    let organisation = organisation(parts, request).ok_or(Refusal::Missing("ServiceRequest.requester"))?;
    Ok(Referrer {
        organisation: required(&organisation.name, "Organization.name")?,
        ods_code: text(&organisation.identifier.kept.first),
    })
}

/// The requester, or the organisation of the role that is the requester.
fn organisation<'a, 'b>(parts: &'a Parts<'b>, request: &ServiceRequest<'_>) -> Option<&'a Organization<'b>> {
    let requester = text(&request.requester.as_ref()?.reference)?;
    let address = match resolve(&parts.roles, requester) {
        Some(role) => text(&role.organization.as_ref()?.reference)?,
        None => requester,
    };
    resolve(&parts.organizations, address)
}

/// A Bundle holds about ten resources: to look through them costs less than to make an index.
fn resolve<'a, T>(among: &'a [(Text<'_>, T)], reference: &str) -> Option<&'a T> {
    among.iter().find(|(address, _)| address.get() == reference).map(|(_, resource)| resource)
}

/// What a person calls it: the sender's own words, else the first display of a code.
fn words<'a>(concept: &'a Concept<'_>) -> Option<&'a str> {
    text(&concept.text).or_else(|| text(&concept.coding.kept.display))
}

fn required<'a>(value: &'a Option<Text<'_>>, path: &'static str) -> Result<&'a str, Refusal> {
    text(value).ok_or(Refusal::Missing(path))
}

fn date(value: Option<&str>, path: &'static str) -> Result<Option<DayMonthYear>, Refusal> {
    value.map(|date| DayMonthYear::of(date, path)).transpose()
}
