//! A platform's Task, read as a status report.

use crate::status::{self, TASK_STATUS};
use adapter_contract::{
    Concept, IdempotencyKey, OutputValue, PlatformOrder, PlatformReferralId, Receipt, ReportedOutput, StatusReport,
    systems,
};
use adapter_fhir::json::Object;
use adapter_fhir::read::{concept, is_id, local_reference, string};
use serde_json::Value;
use std::collections::HashMap;

/// Types that the guide names for `Task.output`: only these are ever read from a platform.
const OUTPUT_TYPES: [&str; 6] = ["Procedure", "Observation", "QuestionnaireResponse", "CarePlan", "Condition", "Goal"];

/// Resources that came with the Task, by full URL and by `Type/id`.
#[derive(Debug, Default)]
pub(crate) struct Known(HashMap<String, String>);

impl Known {
    /// Adds a resource under its own name and, if there is one, its full URL.
    pub(crate) fn add(&mut self, full_url: Option<&str>, resource: &str) {
        let object = Object::read(resource);
        let part = |name: &str| object.as_ref().and_then(|object| object.string(name));
        if let Some((kind, id)) = part("resourceType").zip(part("id")) {
            self.0.insert(format!("{kind}/{id}"), resource.to_owned());
        }
        if let Some(url) = full_url {
            self.0.insert(url.to_owned(), resource.to_owned());
        }
    }
}

/// A Task, read.
#[derive(Debug)]
pub(crate) struct TaskReading {
    /// What it says.
    pub(crate) report: StatusReport,
    /// `Type/id` of outputs that did not come with it but can be asked for.
    pub(crate) unresolved: Vec<String>,
}

impl TaskReading {
    /// The statement as an acknowledgement carries it. If outputs are still to be asked for it says nothing of any, and it
    /// is a statement of its own: the complete one of the same version must not be taken for its repetition. (The
    /// parenthesis sorts before every event of a complete statement.)
    pub(crate) fn into_report(self) -> StatusReport {
        let mut report = self.report;
        if !self.unresolved.is_empty() {
            report.outputs.clear();
            report.event = format!("(outputs to come) {}", report.event);
        }
        report
    }

    /// The acknowledgement that this Task is.
    pub(crate) fn into_receipt(self) -> Receipt {
        let report = self.into_report();
        Receipt { platform_referral: report.platform_referral.clone(), reports: vec![report] }
    }
}

/// Reads a Task. `base_url` is the platform's; where it is unknown (a webhook), an absolute reference counts as the
/// platform's, because it is only used to ask that platform again.
///
/// # Errors
/// What is missing, in words without a value.
pub(crate) fn read_task(text: &str, known: &Known, base_url: Option<&str>) -> Result<TaskReading, &'static str> {
    let object = Object::read(text).ok_or("the Task is not a JSON object")?;
    if object.string("resourceType").as_deref() != Some("Task") {
        return Err("the resource is not a Task");
    }
    let id = object.string("id").filter(|id| is_id(id)).ok_or("the Task has no id")?;
    let word = object.string("status").ok_or("the Task has no status")?;
    let value = |name: &str| object.raw(name).and_then(|text| serde_json::from_str::<Value>(text).ok());
    let (meta, business) = (value("meta").unwrap_or_default(), value("businessStatus"));

    let contained: HashMap<String, &str> = object
        .array("contained")
        .into_iter()
        .filter_map(|text| Some((format!("#{}", Object::read(text)?.string("id")?), text)))
        .collect();
    let mut unresolved = Vec::new();
    let find = |reference: &str| {
        let local = own_reference(reference, base_url);
        let found = contained.get(reference).copied().or_else(|| known.0.get(reference).map(String::as_str));
        let found = found.or_else(|| known.0.get(local.as_ref()?).map(String::as_str));
        (local, found)
    };
    let person = value("for").as_ref().and_then(|person| string(person, "reference"));
    let outputs = object
        .array("output")
        .into_iter()
        .filter_map(|text| output(&Object::read(text)?, &find, &mut unresolved, person.as_deref()))
        .collect::<Vec<_>>();

    let mut meaning = status::meaning(&word);
    let mut words = business.as_ref().and_then(concept).and_then(|concept| concept.text.or(concept.code));
    // The last in the Task's order stands for the newest: the guide gives no other rule.
    if let Some(enrolment) = outputs.iter().rev().find_map(enrolment) {
        meaning.refine(&enrolment);
        words = words.or(enrolment.display);
    }
    let reason = value("statusReason").as_ref().and_then(concept).and_then(|reason| reason.text);
    let report = StatusReport {
        event: event(&id, &word, &meta, object.string("lastModified").as_deref()),
        order: PlatformOrder {
            version: meta.get("versionId").and_then(Value::as_str).and_then(|version| version.parse().ok()),
            instant: string(&meta, "lastUpdated").or_else(|| object.string("lastModified")),
        },
        platform_referral: PlatformReferralId(id),
        key: key(&object),
        platform_status: Concept { system: Some(TASK_STATUS.to_owned()), code: Some(word), text: words },
        status: meaning.status,
        business_status: meaning.business_status,
        reason,
        outputs,
    };
    Ok(TaskReading { report, unresolved })
}

/// Our key among a Task's identifiers.
pub(crate) fn key(task: &Object<'_>) -> Option<IdempotencyKey> {
    task.array("identifier").into_iter().find_map(|text| {
        let identifier = Object::read(text)?;
        (identifier.string("system").as_deref() == Some(systems::REFERRAL_KEY))
            .then(|| identifier.string("value").map(IdempotencyKey))?
    })
}

/// The same version of the same Task is the same statement; without versions, the same state at the same time.
fn event(id: &str, word: &str, meta: &Value, modified: Option<&str>) -> String {
    match meta.get("versionId").and_then(Value::as_str) {
        Some(version) => format!("Task/{id}/_history/{version}"),
        None => {
            let instant = meta.get("lastUpdated").and_then(Value::as_str).or(modified).unwrap_or("-");
            format!("Task/{id}/{word}/{instant}")
        }
    }
}

/// Reads one `Task.output`. What cannot be carried is said in words, so that the GP sees that there was something.
fn output<'k>(
    output: &Object<'_>,
    find: &impl Fn(&str) -> (Option<String>, Option<&'k str>),
    unresolved: &mut Vec<String>,
    person: Option<&str>,
) -> Option<ReportedOutput> {
    let kind = output.raw("type").and_then(|text| serde_json::from_str(text).ok()).as_ref().and_then(concept);
    let (name, text) = output.members().find(|(name, _)| name.starts_with("value"))?;
    let value: Value = serde_json::from_str(text).ok()?;
    let in_words = |words: &str| OutputValue::Concept(Concept { text: Some(words.to_owned()), ..Concept::default() });
    let value = match (name, value.as_str(), string(&value, "reference")) {
        ("valueCodeableConcept", _, _) => OutputValue::Concept(concept(&value)?),
        ("valueReference", _, Some(reference)) => match find(&reference) {
            (_, Some(resource)) if is_anothers(resource, person) => {
                in_words("a resource about another person than this Task, which was not taken over")
            }
            (_, Some(resource)) => OutputValue::Resource(resource.to_owned()),
            (Some(local), None) => {
                if OUTPUT_TYPES.iter().any(|kind| local.split('/').next() == Some(kind)) && !unresolved.contains(&local)
                {
                    unresolved.push(local.clone());
                }
                in_words(&local)
            }
            (None, None) => in_words("a resource on another server, which the gateway does not read"),
        },
        (_, Some(words), _) => in_words(words),
        _ => in_words("a value of a kind that the gateway does not carry"),
    };
    Some(ReportedOutput { kind: kind.unwrap_or_default(), value })
}

/// Whether a resource names another subject than the person of the Task. One without a subject is taken as the Task's.
fn is_anothers(resource: &str, person: Option<&str>) -> bool {
    let subject = serde_json::from_str::<Value>(resource)
        .ok()
        .and_then(|resource| resource.pointer("/subject/reference").and_then(Value::as_str).map(str::to_owned));
    match (subject, person) {
        (Some(subject), Some(person)) => {
            // One may be written absolutely and the other relatively: the ends name the person.
            !subject.starts_with('#') && local_reference(&subject) != local_reference(person)
        }
        _ => false,
    }
}

fn enrolment(output: &ReportedOutput) -> Option<status::Enrolment> {
    match &output.value {
        OutputValue::Resource(text) => status::enrolment(&serde_json::from_str(text).ok()?),
        OutputValue::Concept(_) => None,
    }
}

/// `Type/id` of a reference that the platform itself can answer for: relative, or absolute below its base.
fn own_reference(reference: &str, base_url: Option<&str>) -> Option<String> {
    let absolute = reference.starts_with("https://") || reference.starts_with("http://");
    let foreign = match base_url {
        Some(base) if absolute => reference.strip_prefix(base).is_none_or(|rest| !rest.starts_with('/')),
        _ => !absolute && reference.contains(':'),
    };
    if foreign { None } else { local_reference(reference) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_cut_to_type_and_id_or_refused() {
        for (reference, cut) in [
            ("Task/9", Some("Task/9")),
            ("https://p.example/fhir/Task/9/_history/2", Some("Task/9")),
            ("Task/..", None),
            ("9", None),
            ("urn:uuid:1", None),
            ("task/9", None),
            ("Task/9?x=1", None),
        ] {
            assert_eq!(local_reference(reference).as_deref(), cut, "{reference}");
        }
        let base = Some("https://p.example/fhir");
        assert_eq!(own_reference("https://p.example/fhir/Observation/1", base).as_deref(), Some("Observation/1"));
        assert_eq!(own_reference("https://p.example/fhir2/Observation/1", base), None);
        assert_eq!(own_reference("https://elsewhere.example/fhir/Observation/1", base), None);
    }

    #[test]
    fn a_task_without_version_is_named_by_state_and_time() {
        let text = r#"{"resourceType":"Task","id":"9","status":"accepted","lastModified":"2026-11-22T10:00:00Z"}"#;
        let report = read_task(text, &Known::default(), None).expect("reads").report;
        assert_eq!(report.event, "Task/9/accepted/2026-11-22T10:00:00Z");
        assert_eq!(report.order, PlatformOrder { version: None, instant: Some("2026-11-22T10:00:00Z".to_owned()) });
    }

    #[test]
    fn outputs_keep_their_text_and_what_cannot_be_carried_is_said() {
        let text = r##"{"resourceType":"Task","id":"9","status":"completed","contained":[
              {"resourceType":"Observation","id":"o","valueQuantity":{"value":1.50}}],"output":[
              {"type":{"text":"a"},"valueReference":{"reference":"#o"}},
              {"type":{"text":"b"},"valueReference":{"reference":"https://elsewhere.example/Observation/2"}},
              {"type":{"text":"c"},"valueReference":{"reference":"Procedure/3"}},
              {"type":{"text":"d"},"valueCodeableConcept":{"text":"Food parcel"}},
              {"type":{"text":"e"},"valueAttachment":{"title":"x"}}]}"##;
        let read = read_task(text, &Known::default(), Some("https://p.example")).expect("reads");
        assert_eq!(read.unresolved, ["Procedure/3"]);
        assert_eq!(read.report.outputs.len(), 5);
        let OutputValue::Resource(kept) = &read.report.outputs[0].value else { panic!("a resource") };
        assert!(kept.contains("1.50"), "decimals stay as written");
    }
}
