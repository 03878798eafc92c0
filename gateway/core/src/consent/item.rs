//! The data that would leave, as items that a consent can speak of: the elements of ServiceRequest, Patient and Task one
//! by one, every other resource as a whole.
//!
//! An item knows labels, codes, dates and references, as the sender wrote them; it never holds a name or a value. A label
//! deep inside an element counts for the whole of it.

use super::labels::{self, Code};
use super::period::{Stretch, read_date, read_period};
use super::whereabouts;
use super::words::{self, Words};
use gateway_fhir::Json;
use std::collections::{BTreeMap, BTreeSet};

/// HL7 *Data Segmentation for Privacy* 1.0.0: a label on one element.
const INLINE_LABEL: &str = "http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-inline-sec-label";

/// Resources of which each element is an item of its own.
const SPLIT: [&str; 3] = ["ServiceRequest", "Patient", "Task"];

/// Members that say nothing of the person, or that never leave (`minimise`).
const FRAME: [&str; 7] = ["resourceType", "id", "meta", "text", "contained", "implicitRules", "language"];

/// Resources that do not speak of anybody's health.
pub(super) const ADMINISTRATIVE: [&str; 9] = [
    "Patient",
    "Organization",
    "Practitioner",
    "PractitionerRole",
    "Location",
    "HealthcareService",
    "RelatedPerson",
    "CareTeam",
    "Group",
];

/// Elements of ServiceRequest and Task that do not either.
pub(super) const ADMINISTRATIVE_ELEMENTS: [&str; 22] = [
    "identifier",
    "status",
    "intent",
    "priority",
    "doNotPerform",
    "subject",
    "requester",
    "performer",
    "authoredOn",
    "focus",
    "for",
    "owner",
    "lastModified",
    "executionPeriod",
    "basedOn",
    "partOf",
    "restriction",
    "groupIdentifier",
    "requisition",
    "statusReason",
    "businessStatus",
    "encounter",
];

/// Elements that date what a resource records.
const DATES: [&str; 15] = [
    "effectiveDateTime",
    "effectivePeriod",
    "effectiveInstant",
    "onsetDateTime",
    "onsetPeriod",
    "recordedDate",
    "occurrenceDateTime",
    "occurrencePeriod",
    "performedDateTime",
    "performedPeriod",
    "authoredOn",
    "authored",
    "issued",
    "date",
    "created",
];

/// Elements that say who wrote a resource.
pub(super) const AUTHORS: [&str; 6] = ["author", "asserter", "recorder", "requester", "performer", "source"];

/// One thing that would leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// `Type/id` of the resource.
    pub resource: String,
    /// Element path (`Patient.address`), or the type alone for a whole resource.
    pub path: String,
    pub(super) facts: Facts,
}

/// In what form an outcome may be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// By a code.
    Code,
    /// In words that no code stands for.
    Words,
}

/// What a consent can ask of an item.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Where it stands on the scale of Confidentiality.
    pub(super) level: u8,
    /// Other labels: system, code.
    pub(super) labels: Vec<(String, String)>,
    /// Profiles, and codings of `category` and `type`.
    pub(super) classes: Vec<(String, String)>,
    /// All other codings, concept by concept.
    pub(super) concepts: Vec<Vec<(String, String)>>,
    /// It has words that no code stands for.
    pub(super) free_text: bool,
    /// Its own dates; `None` for one that cannot be read.
    pub(super) dates: Vec<Option<Stretch>>,
    /// What its resource refers to, and who wrote that.
    pub(super) refers_to: Vec<String>,
    pub(super) authors: Vec<String>,
    /// It may speak of health.
    pub(super) clinical: bool,
    /// Paths within it at which words stand that no code says, and other records are named.
    pub(super) words: BTreeSet<String>,
    /// Paths within it at which somebody wrote words.
    pub(super) written: BTreeMap<String, Words>,
    /// It holds an identifier of the person that is no NHS number.
    pub(super) foreign_identifier: bool,
    /// It is an outcome that has not come yet: of such nothing is known but the form.
    pub(super) outcome: Option<Form>,
}

impl Item {
    /// What a platform may tell in this form, before it has told anything.
    #[must_use]
    pub fn outcome(form: Form) -> Self {
        let facts = Facts { level: labels::NORMAL, clinical: true, outcome: Some(form), ..Facts::default() };
        Self { resource: "Task/".to_owned(), path: "Task.output".to_owned(), facts }
    }

    /// The resource's type.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.path.split('.').next().unwrap_or_default()
    }

    /// The element's name, if this is an element.
    pub(super) fn element(&self) -> Option<&str> {
        self.path.split('.').nth(1)
    }

    /// All its codes, of class and of content.
    pub(super) fn codes(&self) -> impl Iterator<Item = Code<'_>> {
        let concepts = self.facts.concepts.iter().flatten();
        concepts.chain(&self.facts.classes).map(|(system, code)| (system.as_str(), code.as_str()))
    }
}

/// The items of these resources, in order. A resource without type or id is one item all the same.
#[must_use]
pub fn items<'a>(resources: impl IntoIterator<Item = &'a Json>) -> Vec<Item> {
    let mut all = Vec::new();
    for resource in resources {
        let kind = resource.text("resourceType").unwrap_or_default();
        let name = format!("{kind}/{}", resource.text("id").unwrap_or_default());
        let whole = of_resource(resource, kind);
        if !SPLIT.contains(&kind) {
            let mut facts = whole;
            for (member, value) in content(resource) {
                facts.read(member, value);
                words::find(kind, member.trim_start_matches('_'), value, &mut facts.written);
            }
            all.push(Item { resource: name, path: kind.to_owned(), facts });
            continue;
        }
        let first = all.len();
        for (member, value) in content(resource) {
            let element = member.trim_start_matches('_');
            let path = format!("{kind}.{element}");
            let place = all.iter().skip(first).position(|item: &Item| item.path == path);
            let index = place.map_or_else(
                || {
                    let clinical = kind != "Patient" && !ADMINISTRATIVE_ELEMENTS.contains(&element);
                    let facts = Facts { clinical, ..whole.clone() };
                    all.push(Item { resource: name.clone(), path, facts });
                    all.len() - 1
                },
                |place| first + place,
            );
            if let Some(item) = all.get_mut(index) {
                item.facts.read(element, value);
                words::find(kind, element, value, &mut item.facts.written);
                whereabouts::words(&item.path, value, &mut item.facts.words);
                item.facts.foreign_identifier |= whereabouts::has_foreign_identifier(&item.path, value);
            }
        }
    }
    all
}

/// The items of a whole referral: ServiceRequest, Patient, Task, and whatever these lead to, without an end: what is not
/// looked at could leave unjudged. Other Patients are left out, because they never leave.
#[must_use]
pub fn referral_items<'l>(
    service_request: &Json,
    patient: &Json,
    task: &Json,
    lookup: &dyn Fn(&str) -> Option<&'l Json>,
) -> Vec<Item> {
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut found: Vec<&Json> = Vec::new();
    let mut wanted = Vec::new();
    for resource in [service_request, patient, task] {
        let part = |member| resource.text(member).unwrap_or_default();
        known.insert(format!("{}/{}", part("resourceType"), part("id")));
        refers_to(resource, &mut wanted);
    }
    while let Some(reference) = wanted.pop() {
        let is_new = !reference.starts_with("Patient/") && known.insert(reference.clone());
        if is_new && let Some(resource) = lookup(&reference) {
            refers_to(resource, &mut wanted);
            found.push(resource);
        }
    }
    items([service_request, patient, task].into_iter().chain(found))
}

fn content(resource: &Json) -> impl Iterator<Item = (&str, &Json)> {
    let members = resource.as_object().unwrap_or_default().iter();
    members.map(|(name, value)| (name.as_str(), value)).filter(|(name, _)| !FRAME.contains(name))
}

/// What holds for each element of a resource: its labels, profiles, dates and authors.
fn of_resource(resource: &Json, kind: &str) -> Facts {
    let mut facts = Facts { level: labels::NORMAL, clinical: !ADMINISTRATIVE.contains(&kind), ..Facts::default() };
    if let Some(meta) = resource.get("meta") {
        let (mut level, security) = (None, meta.items("security"));
        for label in security.iter().filter_map(labels::code) {
            if labels::is_confidentiality(label) {
                level = level.max(Some(labels::level(label.1)));
            } else {
                facts.labels.push(owned(label));
            }
        }
        facts.level = level.unwrap_or(labels::NORMAL);
        let profiles = meta.items("profile").iter().filter_map(Json::as_str);
        facts.classes.extend(profiles.map(|profile| (String::new(), profile.to_owned())));
    }
    for (member, value) in content(resource) {
        refers_to(value, &mut facts.refers_to);
        if DATES.contains(&member) {
            facts.dates.push(value.as_str().map_or_else(|| read_period(value), read_date));
        }
        if AUTHORS.contains(&member) {
            facts.authors.extend(references(value));
        }
        if is_class(member) {
            concepts(value).flatten().for_each(|coding| facts.classes.push(owned(coding)));
        }
    }
    facts
}

impl Facts {
    /// Adds what one element of the resource says.
    fn read(&mut self, element: &str, value: &Json) {
        let before = self.concepts.len();
        self.read_value(element, value);
        if is_class(element) {
            self.concepts.truncate(before);
        }
    }

    fn read_value(&mut self, name: &str, value: &Json) {
        match value {
            Json::Array(items) => items.iter().for_each(|item| self.read_value(name, item)),
            Json::Object(members) => self.read_object(name, value, members),
            Json::String(_) if is_free_text(name) => self.free_text = true,
            _ => {}
        }
    }

    fn read_object(&mut self, name: &str, value: &Json, members: &[(String, Json)]) {
        if value.text("url") == Some(INLINE_LABEL) {
            self.label(value.get("valueCoding"));
            return;
        }
        let codings: Vec<(String, String)> = value.items("coding").iter().filter_map(labels::code).map(owned).collect();
        let is_coded = !codings.is_empty();
        if is_coded {
            self.concepts.push(codings);
        } else if name != "coding" && value.get("value").is_none() {
            // A Coding by itself; what has a value beside its code is a Quantity.
            self.concepts.extend(labels::code(value).map(|coding| vec![owned(coding)]));
        }
        for (member, inner) in members {
            // The text of a concept that has a code says what the code says.
            if !(is_coded && member == "text") {
                self.read_value(member.trim_start_matches('_'), inner);
            }
        }
    }

    /// A label on an element can only raise what the resource has.
    fn label(&mut self, coding: Option<&Json>) {
        match coding.and_then(labels::code) {
            Some(label) if labels::is_confidentiality(label) => self.level = self.level.max(labels::level(label.1)),
            Some(label) => self.labels.push(owned(label)),
            // A label that cannot be read may be any.
            None => self.level = labels::level(""),
        }
    }
}

/// Elements that say of what class a resource is.
fn is_class(element: &str) -> bool {
    matches!(element, "category" | "type")
}

/// Elements that hold words.
fn is_free_text(name: &str) -> bool {
    matches!(name, "text" | "description" | "comment" | "patientInstruction" | "valueString" | "valueMarkdown")
}

/// The elements of a list, or what stands in its place.
fn list(value: &Json) -> &[Json] {
    value.as_array().unwrap_or(std::slice::from_ref(value))
}

fn concepts(value: &Json) -> impl Iterator<Item = Vec<Code<'_>>> {
    list(value).iter().map(|concept| concept.items("coding").iter().filter_map(labels::code).collect())
}

/// All references within, to whatever depth.
pub(super) fn refers_to(value: &Json, found: &mut Vec<String>) {
    match value {
        Json::Array(items) => items.iter().for_each(|item| refers_to(item, found)),
        Json::Object(members) => {
            found.extend(value.text("reference").map(|literal| without_version(literal).to_owned()));
            members.iter().for_each(|(_, inner)| refers_to(inner, found));
        }
        _ => {}
    }
}

fn references(value: &Json) -> Vec<String> {
    let literals =
        list(value).iter().filter_map(|one| one.text("reference").or_else(|| one.get("actor")?.text("reference")));
    literals.map(|literal| without_version(literal).to_owned()).collect()
}

/// A reference to one version names the resource.
pub(super) fn without_version(literal: &str) -> &str {
    literal.split_once("/_history/").map_or(literal, |(resource, _)| resource)
}

fn owned((system, code): Code<'_>) -> (String, String) {
    (system.to_owned(), code.to_owned())
}
