//! What stands on the other server: the resource as its sender reads it here, with names that mean something there.
//!
//! A literal reference means a resource of the server that holds it. `Patient/7` of ours could be another person there, so none of our
//! literals is written there: each becomes a reference by identifier (R4, references, 2.3.0.2), the business identifier of what it means.
//! What a platform answered travels inside of the Task (`contained`), for the other server has it nowhere else.

use super::mark::Mark;
use crate::align::shown_task;
use crate::consent::Kept;
use gateway_fhir::Json;
use gateway_fhir::identifiers::{NHS_NUMBER, ODS_CODE, same_system};
use gateway_fhir::instant;
use gateway_fhir::references::{ReferenceForm, parse};
use serde_json::json;
use std::collections::BTreeSet;

/// System of an identifier that is an address (R4, identifier registry).
const URI: &str = "urn:ietf:rfc:3986";

/// What a copy is made of.
pub struct Source<'a> {
    /// `Task` or `ServiceRequest`.
    pub document: &'a Json,
    /// Its version here.
    pub version: u64,
    /// FHIR base address of the gateway, without the last slash: what is named after it is named as it can be read here.
    pub base_url: &'a str,
    /// What a reference of it means.
    pub related: &'a dyn Fn(&str) -> Option<&'a Json>,
    /// What the person keeps from the sender of what the platform says, as it is decided now.
    pub kept: Kept,
    /// The ServiceRequest of a Task: our reference to it, and its id on the other server where it stands there.
    pub focus: Option<(&'a str, &'a str)>,
}

/// A resource as it is to stand on the other server.
#[derive(Debug, Clone, PartialEq)]
pub struct Copy {
    /// Its type.
    pub kind: String,
    /// Its id here, under which it is also written there where that server lets us choose.
    pub id: String,
    /// System and value by which it is found there.
    pub identifier: (String, String),
    /// What it says of itself.
    pub mark: Mark,
    /// The resource, its mark on it; without `id`.
    pub resource: Json,
}

/// The copy of a resource; `None` if it is none that the gateway stored.
#[must_use]
pub fn copy(source: &Source<'_>) -> Option<Copy> {
    let (kind, id) = (source.document.text("resourceType")?.to_owned(), source.document.text("id")?.to_owned());
    let mut resource = if kind == "Task" { shown_task(source.document, source.kept) } else { source.document.clone() };
    resource.remove("id");
    let meta = resource.remove("meta");
    contain_outputs(&mut resource, source);
    by_identifier(&mut resource, source);
    let identifier = (URI.to_owned(), format!("{}/{kind}/{id}", source.base_url));
    let mut identifiers = resource.items("identifier").to_vec();
    identifiers.push(json!({ "system": identifier.0, "value": identifier.1 }).into());
    resource.set("identifier", Json::Array(identifiers));
    let at = meta.as_ref().and_then(|meta| instant::parse(meta.text("lastUpdated")?)).map(|at| at.earliest);
    let mark = Mark::of(&resource, source.version, at);
    mark.put_on(&mut resource);
    // Versions and times are the other server's; profiles and labels are the resource's own.
    let own = |meta: Json| {
        let kept = ["profile", "security", "tag"].into_iter();
        kept.filter_map(|name| Some((name.to_owned(), meta.get(name)?.clone()))).collect::<Vec<_>>()
    };
    let meta = meta.map(own).unwrap_or_default();
    if !meta.is_empty() {
        resource.set("meta", Json::Object(meta));
    }
    Some(Copy { kind, id, identifier, mark, resource })
}

/// What outputs refer to comes into the Task.
fn contain_outputs(task: &mut Json, source: &Source<'_>) {
    let mut contained = task.items("contained").to_vec();
    let mut taken: BTreeSet<String> = contained.iter().filter_map(|one| one.text("id")).map(str::to_owned).collect();
    let mut outputs = task.items("output").to_vec();
    for output in &mut outputs {
        let Some(reference) = output.get_mut("valueReference") else { continue };
        let Some(literal) = reference.text("reference").map(str::to_owned) else { continue };
        let ReferenceForm::Relative { id, .. } = parse(&literal) else { continue };
        let Some(resource) = (source.related)(&literal) else { continue };
        if taken.insert(id.to_owned()) {
            let mut resource = crate::align::shown_output(resource, source.kept);
            resource.remove("meta");
            // A contained resource contains none (R4, rule dom-2); what it does refer to inside is of no use without it.
            resource.remove("contained");
            contained.push(resource);
        }
        reference.set("reference", Json::string(format!("#{id}")));
    }
    if !outputs.is_empty() {
        task.set("output", Json::Array(outputs));
    }
    if !contained.is_empty() {
        task.set("contained", Json::Array(contained));
    }
}

/// Our literals become identifiers. The nesting is that of a document which passed the door.
fn by_identifier(value: &mut Json, source: &Source<'_>) {
    match value {
        Json::Array(items) => items.iter_mut().for_each(|item| by_identifier(item, source)),
        Json::Object(_) => {
            if let Some(literal) = value.text("reference").map(str::to_owned) {
                name(value, &literal, source);
            }
            if let Json::Object(members) = value {
                members.iter_mut().for_each(|(_, member)| by_identifier(member, source));
            }
        }
        _ => {}
    }
}

fn name(reference: &mut Json, literal: &str, source: &Source<'_>) {
    let (kind, id) = match parse(literal) {
        ReferenceForm::Relative { kind, id, .. } => (kind, id),
        ReferenceForm::Absolute { base, kind, id } if base == source.base_url => (kind, id),
        // Inside of the resource, or the sender's own address for something elsewhere.
        _ => return,
    };
    let own = format!("{kind}/{id}");
    match source.focus {
        Some((ours, theirs)) if ours == own => {
            reference.set("reference", Json::string(format!("ServiceRequest/{theirs}")));
        }
        _ => {
            reference.remove("reference");
        }
    }
    reference.set("type", Json::string(kind));
    if reference.get("identifier").is_none() {
        let known = (source.related)(&own).and_then(business_identifier);
        let named =
            known.unwrap_or_else(|| json!({ "system": URI, "value": format!("{}/{own}", source.base_url) }).into());
        reference.set("identifier", named);
    }
}

/// The identifier by which others know it: that of the NHS before any other.
fn business_identifier(resource: &Json) -> Option<Json> {
    let whole = |one: &&Json| one.text("system").is_some() && one.text("value").is_some();
    let all = || resource.items("identifier").iter().filter(whole);
    let of = |system: &str| all().find(|one| one.text("system").is_some_and(|own| same_system(own, system)));
    let found = of(NHS_NUMBER).or_else(|| of(ODS_CODE)).or_else(|| all().next())?;
    Some(json!({ "system": found.text("system"), "value": found.text("value") }).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway_fhir::{references, validate};

    const BASE: &str = "https://gateway.example/fhir";

    fn related(reference: &str) -> Option<&'static Json> {
        let leak = |value: serde_json::Value| -> Option<&'static Json> { Some(Box::leak(Box::new(value.into()))) };
        match reference {
            "Patient/p" => leak(json!({ "resourceType": "Patient", "id": "p", "identifier": [
                { "system": "urn:hospital", "value": "9" },
                { "system": NHS_NUMBER, "value": "9990000018", "use": "official" }] })),
            "Organization/o" => leak(json!({ "resourceType": "Organization", "id": "o", "name": "x" })),
            "Observation/w" => leak(json!({ "resourceType": "Observation", "id": "w", "meta": { "versionId": "1" },
                "status": "final", "code": { "coding": [{ "system": "urn:s", "code": "c" }], "text": "mood" },
                "subject": { "reference": "Patient/p" }, "note": [{ "text": "better" }] })),
            _ => None,
        }
    }

    fn task() -> Json {
        json!({
            "resourceType": "Task", "id": "t", "status": "completed", "intent": "order",
            "meta": { "versionId": "4", "lastUpdated": "2026-06-15T12:00:00Z", "source": "urn:x", "profile": ["http://p"] },
            "identifier": [{ "system": "urn:gp", "value": "k" }],
            "focus": { "reference": "ServiceRequest/s" }, "for": { "reference": "Patient/p", "display": "A Person" },
            "requester": { "reference": "Organization/o" }, "owner": { "identifier": { "system": ODS_CODE, "value": "VCSE1" } },
            "partOf": [{ "reference": "https://gateway.example/fhir/Task/old" }],
            "businessStatus": { "coding": [{ "system": "urn:b", "code": "helped" }], "text": "all good" },
            "output": [
                { "type": { "text": "score" }, "valueReference": { "reference": "Observation/w" } },
                { "type": { "coding": [{ "system": "urn:s", "code": "o" }] }, "valueCodeableConcept": { "text": "fed" } }],
        })
        .into()
    }

    fn made(kept: Kept) -> Copy {
        let task: &'static Json = Box::leak(Box::new(task()));
        let focus = Some(("ServiceRequest/s", "theirs-1"));
        let source = Source { document: task, version: 4, base_url: BASE, related: &related, kept, focus };
        copy(&source).expect("a copy")
    }

    #[test]
    fn a_copy_is_valid_and_names_nothing_that_the_other_server_would_look_for_in_itself() {
        let copy = made(Kept::Nothing);
        let mut whole = copy.resource.clone();
        whole.set("id", Json::string("t"));
        assert_eq!(validate::resource(&whole), []);
        let foreign = |literal: &&str| !literal.starts_with('#') && *literal != "ServiceRequest/theirs-1";
        assert_eq!(references::literals(&copy.resource).find(foreign), None, "{}", copy.resource.to_text());
        let value = copy.resource.to_value();
        assert_eq!(
            value["for"],
            json!({ "display": "A Person", "type": "Patient",
            "identifier": { "system": NHS_NUMBER, "value": "9990000018" } })
        );
        assert_eq!(
            value["focus"],
            json!({ "reference": "ServiceRequest/theirs-1", "type": "ServiceRequest",
            "identifier": { "system": URI, "value": format!("{BASE}/ServiceRequest/s") } })
        );
        // What has no identifier of its own, and what is not known, is named as it can be read here.
        assert_eq!(value["requester"]["identifier"]["value"], format!("{BASE}/Organization/o"));
        assert_eq!(value["partOf"][0]["identifier"]["value"], format!("{BASE}/Task/old"));
        assert_eq!(value["output"][0]["valueReference"]["reference"], "#w");
        assert_eq!(value["contained"][0]["subject"]["identifier"]["value"], "9990000018");
        assert_eq!(value["meta"], json!({ "profile": ["http://p"] }));
        assert_eq!(value["identifier"][1], json!({ "system": URI, "value": format!("{BASE}/Task/t") }));
        assert_eq!(Mark::intact(&copy.resource), Some(copy.mark));
    }

    #[test]
    fn what_the_person_keeps_from_the_practice_is_not_in_it() {
        let all = made(Kept::All).resource.to_text();
        for word in ["helped", "all good", "fed", "mood", "\"c\"", "contained", "output"] {
            assert!(!all.contains(word), "{word} is in {all}");
        }
        assert!(all.contains("outcome-withheld") && all.contains("completed"));
        let words = made(Kept::Words).resource.to_text();
        for word in ["all good", "fed", "mood", "better"] {
            assert!(!words.contains(word), "{word} is in {words}");
        }
        assert!(words.contains("helped") && words.contains("\"c\""));
    }

    #[test]
    fn the_same_makes_the_same_and_another_consent_another_mark() {
        assert_eq!(made(Kept::Nothing), made(Kept::Nothing));
        assert_ne!(made(Kept::Nothing).mark, made(Kept::All).mark);
    }
}
