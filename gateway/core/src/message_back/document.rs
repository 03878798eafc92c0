//! The message back as a FHIR document: a `Bundle` with a `Composition`, whose sections are the headings of the standard, and the scores as
//! Observations.

use super::entry::Entry;
use super::measure::Phase;
use super::observation::observations;
use super::{Facts, MessageBack};
use crate::consent::Kept;
use crate::task::derived_id;
use gateway_fhir::{Json, instant};
use serde_json::json;
use time::OffsetDateTime;

/// Code system of the sections: the headings of the standard, as this gateway names them.
pub(super) const SECTIONS: &str = "https://vcse-gateway.example/fhir/CodeSystem/message-back-section";

/// What a document is made of beside the message.
#[derive(Clone, Copy)]
pub struct Made<'a> {
    /// Names the document: the same Task in the same version has the same.
    pub task: (&'a str, u64),
    /// The Patient, as the sender stored it; for one that is contained, as it is contained.
    pub patient: &'a Json,
    /// FHIR base address of the gateway, without trailing slash.
    pub base: &'a str,
    /// When it is asked for.
    pub now: OffsetDateTime,
}

impl std::fmt::Debug for Made<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Made").field("task", &self.task).finish_non_exhaustive()
    }
}

/// The document.
#[must_use]
pub fn document(back: &MessageBack, facts: &Facts<'_>, made: &Made<'_>) -> Json {
    let id = |what: &str| derived_id(&["message-back", made.task.0, &made.task.1.to_string(), what]);
    let urn = |id: &str| format!("urn:uuid:{id}");
    let (composition, author, person) = (id("composition"), id("author"), id("patient"));
    let mut patient = made.patient.clone();
    patient.set("id", Json::string(&person));
    let subject: Json = json!({ "reference": urn(&person) }).into();
    let scores = observations(&back.scores, &subject);
    let score =
        |phase: Phase| -> Vec<&Json> { scores.iter().filter(|(of, _)| *of == phase).map(|(_, made)| made).collect() };
    let mut sections = vec![
        entries("needs", "Needs and concerns", &back.needs),
        entries("support", "Support offered", &back.support),
        entries("activities", "Activities and contacts", &back.activities),
        outcome(back),
    ];
    for (phase, code, title) in [
        (Phase::Baseline, "scores-baseline", "Scores at the beginning"),
        (Phase::FollowUp, "scores-follow-up", "Scores at the end"),
    ] {
        let told = back.scores.iter().flat_map(|score| score.readings()).filter(|(of, _)| *of == phase);
        let lines: Vec<String> = told.map(|(_, reading)| line(reading)).collect();
        if lines.is_empty() {
            continue;
        }
        let mut section = section(code, title, &lines);
        let entries =
            score(phase).into_iter().filter_map(|made| Some(json!({ "reference": urn(made.text("id")?) }).into()));
        section.set("entry", Json::Array(entries.collect()));
        sections.push(section);
    }
    if !back.unread.is_empty() {
        let lines: Vec<String> = back.unread.iter().map(|unread| unread.words.clone()).collect();
        sections.push(section("scores-other", "Other scores", &lines));
    }
    sections.push(people(back));
    let entry = |resource: &Json, id: &str| {
        let mut entry = Json::Object(vec![("fullUrl".to_owned(), Json::string(urn(id)))]);
        entry.set("resource", resource.clone());
        entry
    };
    let mut header: Json = json!({
        "resourceType": "Composition",
        "id": composition,
        "status": "final",
        "type": { "text": "Message back to GP and referrer (social prescribing)" },
        "subject": { "reference": urn(&person) },
        "date": instant::to_instant(made.now),
        "author": [{ "reference": urn(&author) }],
        "title": "Message back to GP and referrer",
        "event": [{ "detail": [{ "reference": format!("{}/Task/{}/_history/{}", made.base, made.task.0, made.task.1) }] }],
    })
    .into();
    header.set("section", Json::Array(sections));
    let mut all =
        vec![entry(&header, &composition), entry(&patient, &person), entry(&organisation(facts, &author), &author)];
    for (_, score) in &scores {
        let id = score.text("id").unwrap_or_default().to_owned();
        all.push(entry(&read_here(score, made.base), &id));
    }
    let mut bundle: Json = json!({
        "resourceType": "Bundle",
        "id": id("document"),
        "identifier": { "system": "urn:ietf:rfc:3986", "value": urn(&id("document")) },
        "type": "document",
        "timestamp": instant::to_instant(made.now),
    })
    .into();
    bundle.set("entry", Json::Array(all));
    bundle
}

/// An Observation of ours whose source is read at this gateway: in a document a bare `Observation/x` would mean nothing.
fn read_here(observation: &Json, base: &str) -> Json {
    let mut observation = observation.clone();
    let sources = observation.items("derivedFrom").iter().filter_map(|source| source.text("reference"));
    let sources = sources.map(|source| json!({ "reference": format!("{base}/{source}") }).into()).collect();
    observation.set("derivedFrom", Json::Array(sources));
    observation
}

/// Who gave the support, as it is configured.
fn organisation(facts: &Facts<'_>, id: &str) -> Json {
    let mut organisation: Json = json!({ "resourceType": "Organization", "id": id }).into();
    let recipient = facts.recipient;
    let identifiers = recipient.map(|recipient| recipient.identifiers.as_slice()).unwrap_or_default();
    if !identifiers.is_empty() {
        let identifiers = identifiers.iter().map(|(system, value)| json!({ "system": system, "value": value }).into());
        organisation.set("identifier", Json::Array(identifiers.collect()));
    }
    let name = recipient.map_or("A service whose name is not configured", |recipient| recipient.name.as_str());
    organisation.set("name", Json::string(name));
    organisation
}

fn entries(code: &str, title: &str, entries: &[Entry]) -> Json {
    let lines: Vec<String> = entries.iter().map(|entry| entry.text.clone()).collect();
    let mut section = section(code, title, &lines);
    // `Section.entry` takes resources only. Codings without one stand where R4 lets a section have them: beside the narrative.
    let coded = entries.iter().filter(|entry| !entry.codings.is_empty());
    let extensions: Vec<Json> = coded
        .map(|entry| {
            let mut extension: Json = json!({ "url": CODED_ENTRY }).into();
            extension.set("valueCodeableConcept", entry.concept());
            extension
        })
        .collect();
    if !extensions.is_empty() {
        section.set("extension", Json::Array(extensions));
    }
    section
}

/// A coded entry of a section.
const CODED_ENTRY: &str = "https://vcse-gateway.example/fhir/StructureDefinition/coded-entry";

fn outcome(back: &MessageBack) -> Json {
    let outcome = &back.outcome;
    let mut lines = vec![outcome.sentence().to_owned()];
    lines.extend(outcome.words.iter().cloned());
    match back.kept {
        Kept::All => lines.push("The person does not wish the practice to learn more than the status.".to_owned()),
        Kept::Words => {
            lines.push("The person does not wish the practice to learn more than the status and codes.".to_owned());
        }
        Kept::Nothing => {}
    }
    section("outcome", "Outcome", &lines)
}

fn people(back: &MessageBack) -> Json {
    let mut lines = Vec::new();
    lines.extend(back.service.as_ref().map(|service| format!("Service: {service}")));
    lines.extend(back.completed_by.as_ref().map(|name| format!("Person completing the record: {name}")));
    lines.extend(back.referred_on.map(|day| format!("Referral of {day}")));
    lines.extend(back.reference.as_ref().map(|reference| format!("Reference of the referral: {reference}")));
    if back.left_out > 0 {
        lines.push(format!("{} further entries are not shown here; the Task has all of them.", back.left_out));
    }
    section("contacts", "Contacts and who completed this record", &lines)
}

fn line(reading: &super::measure::Reading) -> String {
    let points = match reading.points % 100 {
        0 => (reading.points / 100).to_string(),
        part => format!("{}.{part:02}", reading.points / 100),
    };
    let (low, high) = reading.measure.scale();
    let better = if reading.measure.more_is_better() { "higher is better" } else { "lower is better" };
    let day = reading.on.map_or("on an unknown day".to_owned(), |day| format!("on {day}"));
    format!("{}: {points} {day} (scale {} to {}, {better})", reading.measure.words(), low / 100, high / 100)
}

/// A section with its lines as narrative. An empty one says so in a code (R4: a section has text, entries or a reason).
fn section(code: &str, title: &str, lines: &[String]) -> Json {
    let mut section: Json =
        json!({ "title": title, "code": { "coding": [{ "system": SECTIONS, "code": code }], "text": title } }).into();
    if lines.is_empty() {
        let reason = "http://terminology.hl7.org/CodeSystem/list-empty-reason";
        let empty = json!({ "coding": [{ "system": reason, "code": "nilknown" }], "text": "Nothing was given." });
        section.set("emptyReason", empty.into());
        return section;
    }
    let items: String = lines.iter().map(|line| format!("<li>{}</li>", escaped(line))).collect();
    let div = format!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><ul>{items}</ul></div>");
    section.set("text", json!({ "status": "generated", "div": div }).into());
    section
}

/// Text within XHTML.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("<br/>"),
            // XML 1.0 has no other control characters.
            char if char.is_control() => {}
            char => out.push(char),
        }
    }
    out
}
