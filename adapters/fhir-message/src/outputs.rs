//! What a Task says was done, bounded: a message may point to one resource from every output of every Task, and what is
//! made of it must not grow beyond what was sent.

use crate::received::{About, Received, Resource};
use crate::statement::{digest, words};
use adapter_contract::{Concept, OutputValue, ReportedOutput};
use adapter_fhir::json::Object;
use adapter_fhir::outputs::{Allowance, place};
use adapter_fhir::read::{concept, local_reference};
use serde_json::Value;
use std::collections::HashMap;
use uuid::Uuid;

/// Types of output that are taken over.
const OUTPUT_TYPES: [&str; 3] = ["Procedure", "Observation", "QuestionnaireResponse"];

/// Outputs of one Task, at most; the rest is named in words.
const MOST_OUTPUTS: usize = 50;
/// Outputs of all Tasks of one message, at most.
const MOST_OF_MESSAGE: usize = 500;
/// Bytes of what they point to, at most. A message of the size that the gateway takes has fewer.
const MOST_BYTES: usize = 1 << 20;

/// Characters of a resource type, at most: R4 has none as long.
const LONGEST_TYPE: usize = 64;

/// The outputs of one message.
#[derive(Debug)]
pub(crate) struct Outputs {
    allowance: Allowance,
    /// What each resource is, by its place: found out once, however often it is pointed to.
    facts: HashMap<usize, Facts>,
}

/// What is to be known of a resource that an output points to.
#[derive(Debug)]
struct Facts {
    /// Changes with what would be taken over of it.
    digest: Uuid,
    /// `Type/id`, if it has both.
    name: Option<String>,
    /// Whom it is about, if it says so.
    subject: Option<Person>,
    /// Its description, where only that is taken over.
    description: Option<String>,
}

/// Somebody that a reference means: one may be written absolutely and another relatively.
#[derive(Debug)]
struct Person {
    reference: String,
    place: Option<usize>,
    local: Option<String>,
}

/// The outputs of one Task.
#[derive(Debug)]
pub(crate) struct Told {
    /// What the Task points to, for the name of the statement: the same, whatever there was room for.
    pub(crate) digests: Vec<String>,
    /// What was done.
    pub(crate) outputs: Vec<ReportedOutput>,
}

/// A Task whose outputs are read, and what they may point to.
struct Reading<'r, 'a> {
    received: &'r Received<'a>,
    /// Whom the Task is about.
    person: Option<Person>,
    contained: HashMap<String, Resource<'a>>,
}

impl Default for Outputs {
    fn default() -> Self {
        Self { allowance: Allowance::new(MOST_OF_MESSAGE, MOST_BYTES), facts: HashMap::new() }
    }
}

impl Outputs {
    /// Reads a Task's outputs; if they are not `wanted`, only what names the statement.
    pub(crate) fn read(&mut self, received: &Received<'_>, task: &Resource<'_>, about: &About, wanted: bool) -> Told {
        let all = task.value.get("output").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let contained = if all.is_empty() { HashMap::new() } else { contained(task) };
        let request = about.request.and_then(|place| received.resources.get(place));
        let person = Person::at(received, &task.value, "/for/reference")
            .or_else(|| Person::at(received, &request?.value, "/subject/reference"));
        let reading = Reading { received, person, contained };
        let granted = if wanted { self.allowance.outputs(all.len().min(MOST_OUTPUTS)) } else { 0 };
        let mut told = Told { digests: Vec::new(), outputs: Vec::new() };
        for (number, output) in all.iter().take(MOST_OUTPUTS).enumerate() {
            if let Some(digest) = self.digest(&reading, output) {
                told.digests.push(format!("{number} {digest}"));
            }
            if number < granted {
                told.outputs.extend(self.output(&reading, output));
            }
        }
        if wanted && all.len() > granted {
            let rest = format!("{} further outputs, which are at the platform", all.len().saturating_sub(granted));
            told.outputs.push(ReportedOutput { kind: Concept::default(), value: in_words(&rest) });
        }
        told
    }

    /// What the output points to within the message, for the statement's name.
    fn digest(&mut self, reading: &Reading<'_, '_>, output: &Value) -> Option<String> {
        let resource = reading.find(output.pointer("/valueReference/reference")?.as_str()?)?;
        let facts = self.facts(reading, resource);
        let whose = if facts.is_anothers(reading) { "another's" } else { "ours" };
        Some(format!("{} {whose}", facts.digest))
    }

    /// One output. What cannot be carried is said in words, so that the GP sees that there was something.
    fn output(&mut self, reading: &Reading<'_, '_>, output: &Value) -> Option<ReportedOutput> {
        let kind = output.get("type").and_then(concept).unwrap_or_default();
        let (name, value) = output.as_object()?.iter().find(|(name, _)| name.starts_with("value"))?;
        let value = match (name.as_str(), value.as_str()) {
            ("valueCodeableConcept", _) => OutputValue::Concept(concept(value)?),
            ("valueReference", _) => self.referred(reading, value.get("reference")?.as_str()?),
            (_, Some(text)) => in_words(&words(text)?),
            _ => in_words("a value of a kind that the gateway does not carry"),
        };
        Some(ReportedOutput { kind, value })
    }

    /// What an output refers to. No address is followed: a document stays at the platform, under its name there.
    fn referred(&mut self, reading: &Reading<'_, '_>, reference: &str) -> OutputValue {
        let local = local_reference(reference.trim_end_matches("/$binary"));
        let Some(resource) = reading.find(reference) else {
            return in_words(
                &local.unwrap_or_else(|| "a resource on another server, which the gateway does not read".to_owned()),
            );
        };
        let facts = self.facts(reading, resource);
        if facts.is_anothers(reading) {
            return in_words("a resource about another person than this referral's, which was not taken over");
        }
        let name = facts.name.clone().or(local).unwrap_or_else(|| "a resource".to_owned());
        let description = facts.description.clone();
        let is_whole = is_taken_over(resource);
        let size = if is_whole { resource.text.len() } else { description.as_ref().map_or(0, String::len) };
        // Once in a message: whoever points to it again names it.
        let first = self.allowance.carries(resource.text, size);
        match description {
            _ if first && is_whole => OutputValue::Resource(resource.text.to_owned()),
            Some(description) if first => in_words(&format!("{name}, at the platform: {description}")),
            _ => in_words(&format!("{name}, at the platform")),
        }
    }

    fn facts(&mut self, reading: &Reading<'_, '_>, resource: &Resource<'_>) -> &Facts {
        self.facts.entry(place(resource.text)).or_insert_with(|| Facts::of(reading.received, resource))
    }
}

impl Facts {
    fn of(received: &Received<'_>, resource: &Resource<'_>) -> Self {
        let kind = resource.kind();
        let is_type =
            !kind.is_empty() && kind.len() <= LONGEST_TYPE && kind.bytes().all(|one| one.is_ascii_alphabetic());
        let name = is_type.then(|| resource.id().map(|id| format!("{kind}/{id}"))).flatten();
        let subject = Person::at(received, &resource.value, "/subject/reference");
        if is_taken_over(resource) {
            return Self { digest: digest(&resource.value), name, subject, description: None };
        }
        let description = resource.text("description").and_then(words);
        let said = serde_json::json!([name, description]);
        Self { digest: digest(&said), name, subject, description }
    }

    /// Whether it names another person than the Task. What names nobody is taken for the Task's.
    fn is_anothers(&self, reading: &Reading<'_, '_>) -> bool {
        self.subject.as_ref().zip(reading.person.as_ref()).is_some_and(|(theirs, ours)| !theirs.is(ours))
    }
}

impl<'a> Reading<'_, 'a> {
    /// The resource that is meant: in the Task, or in the message.
    fn find(&self, reference: &str) -> Option<&Resource<'a>> {
        let inside = reference.strip_prefix('#').and_then(|id| self.contained.get(id));
        inside.or_else(|| self.received.find(reference).map(|(_, resource)| resource))
    }
}

impl Person {
    fn at(received: &Received<'_>, value: &Value, path: &str) -> Option<Self> {
        let reference = value.pointer(path)?.as_str()?.to_owned();
        let place = received.find(&reference).map(|(place, _)| place);
        Some(Self { place, local: local_reference(&reference), reference })
    }

    fn is(&self, other: &Self) -> bool {
        match (self.place, other.place) {
            (Some(one), Some(other)) => one == other,
            _ => self.reference == other.reference || (self.local.is_some() && self.local == other.local),
        }
    }
}

fn is_taken_over(resource: &Resource<'_>) -> bool {
    OUTPUT_TYPES.contains(&resource.kind())
}

/// The resources in a Task, by their ids; of two with one id the first.
fn contained<'a>(task: &Resource<'a>) -> HashMap<String, Resource<'a>> {
    let mut contained = HashMap::new();
    for text in Object::read(task.text).map(|object| object.array("contained")).unwrap_or_default() {
        let Ok(value) = serde_json::from_str::<Value>(text) else { continue };
        let resource = Resource { text, value };
        if let Some(id) = resource.text("id").map(str::to_owned) {
            contained.entry(id).or_insert(resource);
        }
    }
    contained
}

fn in_words(words: &str) -> OutputValue {
    OutputValue::Concept(Concept { text: Some(words.to_owned()), ..Concept::default() })
}
