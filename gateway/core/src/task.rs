//! Edits of a stored resource: stamping `id` and `meta`, and the gateway's own moves of a Task.
//!
//! What the sender wrote stays as it was written; only the elements that a move owns are touched.

pub mod decline;

use adapter_contract::{Concept, TaskStatus, systems};
use gateway_fhir::{Json, instant};
use serde_json::json;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

/// `meta.source` of a version that names its author begins so.
pub const AUTHOR: &str = "https://vcse-gateway.example/fhir/author#";

/// Writes `id`, `meta.versionId`, `meta.lastUpdated` and the version's author into a resource; other `meta` members stay,
/// and so does a `meta.source` of the sender's own.
pub fn stamp(document: &mut Json, id: &str, version: u64, updated: OffsetDateTime, author: &str) {
    document.remove("id");
    let mut meta = document.remove("meta").unwrap_or(Json::Object(Vec::new()));
    meta.set("versionId", Json::string(version.to_string()));
    meta.set("lastUpdated", Json::string(instant::to_instant(updated)));
    let senders_own =
        author.starts_with("client/") && meta.text("source").is_some_and(|source| !source.starts_with(AUTHOR));
    if !senders_own {
        meta.set("source", Json::string(format!("{AUTHOR}{author}")));
    }
    if let Json::Object(members) = document {
        let after_type = members.iter().position(|(name, _)| name == "resourceType").map_or(0, |place| place + 1);
        members.insert(after_type, ("id".to_owned(), Json::string(id)));
        members.insert(after_type + 1, ("meta".to_owned(), meta));
    }
}

/// One move of a Task, as the gateway writes it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TaskMove {
    /// The new status; absent = it stays.
    pub status: Option<TaskStatus>,
    /// Code of the gateway's business-status code system; absent = cleared.
    pub business_status: Option<String>,
    /// The platform's own word, kept beside ours.
    pub platform_word: Option<Concept>,
    /// `statusReason.text`; absent = cleared. It applies to the new status only.
    pub reason: Option<String>,
    /// `Task.output` in full; absent = as it is.
    pub outputs: Option<Vec<Json>>,
}

/// The Task after this move; not yet stamped.
#[must_use]
pub fn moved(task: &Json, step: &TaskMove, at: OffsetDateTime) -> Json {
    let mut task = task.clone();
    if let Some(status) = step.status {
        task.set("status", Json::string(status.code()));
        task.remove("_status");
    }
    match &step.reason {
        Some(words) => {
            let codings = decline::coding(step);
            let coded = json!({ "coding": codings, "text": words });
            task.set("statusReason", if codings.is_some() { coded } else { json!({ "text": words }) }.into());
        }
        None => {
            task.remove("statusReason");
        }
    }
    match &step.business_status {
        Some(code) => task.set("businessStatus", business_status(code, step.platform_word.as_ref())),
        None => {
            task.remove("businessStatus");
        }
    }
    if let Some(outputs) = &step.outputs
        && !outputs.is_empty()
    {
        task.set("output", Json::Array(outputs.clone()));
    }
    task.set("lastModified", Json::string(instant::to_instant(at)));
    task.remove("_lastModified");
    task
}

/// The Task with a new `lastModified` and nothing else changed; not yet stamped.
#[must_use]
pub fn touched(task: &Json, at: OffsetDateTime) -> Json {
    let mut task = task.clone();
    task.set("lastModified", Json::string(instant::to_instant(at)));
    task.remove("_lastModified");
    task
}

/// What says of a Task that it has ended, and of the person nothing: its names, its status, and why.
const OF_THE_END: [&str; 7] = ["resourceType", "id", "meta", "identifier", "status", "intent", "statusReason"];

/// A Task that has ended, without what it says of the person. `code` stays where it is a code and no free text.
#[must_use]
pub fn ended(task: &Json) -> Json {
    let is_coded = |coding: &Json| {
        let mut members = coding.as_object().unwrap_or_default().iter();
        members.all(|(name, _)| matches!(name.as_str(), "system" | "version" | "code"))
    };
    let is_free = |name: &str, value: &Json| {
        let only_codings = value.as_object().unwrap_or_default().iter().all(|(member, _)| member == "coding");
        name == "code" && only_codings && value.items("coding").iter().all(is_coded)
    };
    let members = task.as_object().unwrap_or_default().iter();
    Json::Object(members.filter(|(n, v)| OF_THE_END.contains(&n.as_str()) || is_free(n, v)).cloned().collect())
}

/// Makes a Task whole that somebody proposes who was shown only [`ended`] of it: what was not shown and is not there is as
/// it is stored.
pub fn filled(proposed: &mut Json, stored: &Json) {
    let shown = ended(stored);
    for (name, value) in stored.as_object().unwrap_or_default() {
        if shown.get(name).is_none() && proposed.get(name).is_none() {
            proposed.set(name, value.clone());
        }
    }
}

fn business_status(code: &str, word: Option<&Concept>) -> Json {
    let mut codings = vec![json!({ "system": systems::BUSINESS_STATUS, "code": code })];
    let mut text = None;
    if let Some(word) = word {
        if let (Some(system), Some(code)) = (&word.system, &word.code) {
            codings.push(json!({ "system": system, "code": code }));
        }
        text = word.text.clone().or_else(|| word.code.clone());
    }
    let mut concept = json!({ "coding": codings });
    if let (Some(text), Some(concept)) = (text, concept.as_object_mut()) {
        concept.insert("text".to_owned(), json!(text));
    }
    concept.into()
}

/// A FHIR `CodeableConcept` of a platform's word.
#[must_use]
pub fn codeable_concept(word: &Concept) -> Json {
    let mut concept = Json::Object(Vec::new());
    if word.system.is_some() || word.code.is_some() {
        let mut coding = Json::Object(Vec::new());
        if let Some(system) = &word.system {
            coding.set("system", Json::string(system));
        }
        if let Some(code) = &word.code {
            coding.set("code", Json::string(code));
        }
        concept.set("coding", Json::Array(vec![coding]));
    }
    if let Some(text) = word.text.as_ref().or(word.code.as_ref()) {
        concept.set("text", Json::string(text));
    }
    concept
}

/// A FHIR id that is a function of these parts, in the form of a UUID (version 8, RFC 9562 section 5.8).
#[must_use]
pub fn derived_id(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    let mut bytes = [0_u8; 16];
    for (slot, byte) in bytes.iter_mut().zip(hasher.finalize()) {
        *slot = byte;
    }
    let hex = |from: usize, to: usize| -> String {
        bytes.iter().enumerate().skip(from).take(to - from).fold(String::new(), |mut text, (place, byte)| {
            let byte = match place {
                6 => (byte & 0x0f) | 0x80,
                8 => (byte & 0x3f) | 0x80,
                _ => *byte,
            };
            text.push_str(&format!("{byte:02x}"));
            text
        })
    };
    format!("{}-{}-{}-{}-{}", hex(0, 4), hex(4, 6), hex(6, 8), hex(8, 10), hex(10, 16))
}

/// The Task's present status; `None` only if the document is not a Task that the gateway accepted.
#[must_use]
pub fn status(task: &Json) -> Option<TaskStatus> {
    task.text("status")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn stamping_keeps_what_the_sender_wrote_in_meta() {
        let mut task: Json =
            json!({ "resourceType": "Task", "meta": { "profile": ["http://p"], "versionId": "9" }, "status": "requested" })
                .into();
        stamp(&mut task, "a", 2, datetime!(2026-06-15 12:00:00.5 UTC), "gateway");
        assert_eq!(
            task.to_text(),
            "{\"resourceType\":\"Task\",\"id\":\"a\",\"meta\":{\"profile\":[\"http://p\"],\"versionId\":\"2\",\
             \"lastUpdated\":\"2026-06-15T12:00:00.500Z\",\
             \"source\":\"https://vcse-gateway.example/fhir/author#gateway\"},\"status\":\"requested\"}"
        );
    }

    #[test]
    fn of_an_ended_task_its_names_and_its_end_are_left() {
        let task = |code: serde_json::Value| -> Json {
            json!({ "resourceType": "Task", "id": "a", "meta": { "versionId": "3" }, "identifier": [{ "value": "k" }],
                "status": "cancelled", "statusReason": { "text": "over" }, "intent": "order", "code": code,
                "description": "x", "for": { "reference": "Patient/p" }, "note": [{ "text": "x" }],
                "restriction": { "period": { "end": "2026" } }, "input": [{ "valueString": "x" }] })
            .into()
        };
        let coded = task(json!({ "coding": [{ "system": "http://s", "code": "fulfill" }] }));
        let names = |task: &Json| task.as_object().unwrap().iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let all = ["resourceType", "id", "meta", "identifier", "status", "statusReason", "intent", "code"];
        assert_eq!(names(&ended(&coded)), all);
        for words in [json!({ "text": "x" }), json!({ "coding": [{ "code": "fulfill", "display": "x" }] })] {
            assert_eq!(names(&ended(&task(words))), all[..7]);
        }
        // What comes back is the whole again, with what was changed of it.
        let mut back = ended(&coded);
        back.set("note", json!([{ "text": "stopped" }]).into());
        filled(&mut back, &coded);
        assert_eq!(names(&back).len(), names(&coded).len());
        assert_eq!((back.get("input"), back.get("for")), (coded.get("input"), coded.get("for")));
        assert_eq!(back.items("note").first().and_then(|note| note.text("text")), Some("stopped"));
    }

    #[test]
    fn a_move_clears_the_reason_and_business_status_of_the_last_one() {
        let task: Json = json!({ "resourceType": "Task", "status": "on-hold", "statusReason": { "text": "x" },
            "businessStatus": { "text": "y" }, "note": [{ "text": "kept" }] })
        .into();
        let step = TaskMove { status: Some(TaskStatus::Requested), ..TaskMove::default() };
        let after = moved(&task, &step, datetime!(2026-06-15 12:00 UTC));
        assert_eq!(after.get("statusReason"), None);
        assert_eq!(after.get("businessStatus"), None);
        assert_eq!(after.text("status"), Some("requested"));
        assert!(after.get("note").is_some());
    }
}
