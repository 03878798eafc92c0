//! A platform's Task, read as a status report.

use crate::status::{self, TASK_STATUS};
use adapter_contract::business_status::{NEEDS_MORE, SAFEGUARDING};
use adapter_contract::{
    Concept, IdempotencyKey, OutputValue, PlatformOrder, PlatformReferralId, Receipt, ReportedOutput, StatusReport,
    systems,
};
use adapter_fhir::json::Object;
use adapter_fhir::outputs::Allowance;
use adapter_fhir::read::{concept, is_id, local_reference, string};
use serde_json::Value;
use std::collections::HashMap;
use std::rc::Rc;

/// Types that the guide names for `Task.output`: only these are ever read from a platform.
const OUTPUT_TYPES: [&str; 6] = ["Procedure", "Observation", "QuestionnaireResponse", "CarePlan", "Condition", "Goal"];

/// Outputs of one Task, at most; the rest is named in words.
const MOST_OUTPUTS: usize = 100;
/// Outputs of all Tasks of one answer or report, at most.
const MOST_TOGETHER: usize = 5_000;
/// Bytes of what they point to, at most: many Tasks may point to one large resource. No answer is larger
/// (`adapter.toml`, answer-bytes), so that each resource of an answer has room once.
const MOST_BYTES: usize = 4 << 20;

/// Resources that came with the Task, by full URL and by `Type/id`, and how much of them may be carried.
#[derive(Debug)]
pub(crate) struct Known {
    resources: HashMap<String, Rc<Kept>>,
    allowance: Allowance,
}

/// A resource, and what is to be known of it: found out once, however many outputs point to it.
#[derive(Debug)]
struct Kept {
    text: String,
    /// Whom it is about, if it says so.
    subject: Option<String>,
    enrolment: Option<status::Enrolment>,
}

impl Kept {
    fn of(text: &str) -> Self {
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        let subject = value.pointer("/subject/reference").and_then(Value::as_str).map(str::to_owned);
        Self { text: text.to_owned(), subject, enrolment: status::enrolment(&value) }
    }

    /// Whether it names another subject than the person of the Task. One without a subject is taken as the Task's.
    fn is_anothers(&self, person: Option<&str>) -> bool {
        match (self.subject.as_deref(), person) {
            (Some(subject), Some(person)) => {
                // One may be written absolutely and the other relatively: the ends name the person.
                !subject.starts_with('#') && local_reference(subject) != local_reference(person)
            }
            _ => false,
        }
    }
}

impl Default for Known {
    fn default() -> Self {
        Self { resources: HashMap::new(), allowance: Allowance::new(MOST_TOGETHER, MOST_BYTES) }
    }
}

impl Known {
    /// Adds a resource under its own name and, if there is one, its full URL.
    pub(crate) fn add(&mut self, full_url: Option<&str>, resource: &str) {
        let object = Object::read(resource);
        let part = |name: &str| object.as_ref().and_then(|object| object.string(name));
        let kept = Rc::new(Kept::of(resource));
        if let Some((kind, id)) = part("resourceType").zip(part("id")) {
            self.resources.insert(format!("{kind}/{id}"), Rc::clone(&kept));
        }
        if let Some(url) = full_url {
            self.resources.insert(url.to_owned(), kept);
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
pub(crate) fn read_task(text: &str, known: &mut Known, base_url: Option<&str>) -> Result<TaskReading, &'static str> {
    let object = Object::read(text).ok_or("the Task is not a JSON object")?;
    if object.string("resourceType").as_deref() != Some("Task") {
        return Err("the resource is not a Task");
    }
    let id = object.string("id").filter(|id| is_id(id)).ok_or("the Task has no id")?;
    let word = object.string("status").ok_or("the Task has no status")?;
    let value = |name: &str| object.raw(name).and_then(|text| serde_json::from_str::<Value>(text).ok());
    let (meta, business) = (value("meta").unwrap_or_default(), value("businessStatus"));

    let all = object.array("output");
    let contained = if all.is_empty() { Vec::new() } else { object.array("contained") };
    let contained: HashMap<String, Rc<Kept>> = contained
        .into_iter()
        .filter_map(|text| Some((format!("#{}", Object::read(text)?.string("id")?), Rc::new(Kept::of(text)))))
        .collect();
    let Known { resources, allowance } = known;
    let find = |reference: &str| {
        let local = own_reference(reference, base_url);
        let found = contained.get(reference).or_else(|| resources.get(reference));
        let found = found.or_else(|| resources.get(local.as_ref()?));
        (local, found.map(Rc::as_ref))
    };
    let person = value("for").as_ref().and_then(|person| string(person, "reference"));
    // What another Task carried is carried again, as long as there is room: each is about a referral of its own.
    allowance.begin_again();
    let granted = allowance.outputs(all.len().min(MOST_OUTPUTS));
    let mut taking = Taking { allowance, unresolved: Vec::new(), enrolment: None, person: person.as_deref() };
    let mut outputs = Vec::new();
    for (number, text) in all.iter().enumerate() {
        // What is only counted is read all the same: it may say how the referral ended.
        let is_kept = number < granted;
        let output = Object::read(text).and_then(|output| taking.output(&output, &find, is_kept));
        outputs.extend(output.filter(|_| is_kept));
    }
    if all.len() > granted {
        let rest = format!("{} further outputs, which are at the platform", all.len().saturating_sub(granted));
        outputs.push(ReportedOutput { kind: Concept::default(), value: in_words(&rest) });
    }
    let Taking { unresolved, enrolment, .. } = taking;

    let mut meaning = status::meaning(&word);
    let mut words = business.as_ref().and_then(concept).and_then(|concept| concept.text.or(concept.code));
    if let Some(enrolment) = enrolment {
        meaning.refine(enrolment);
        words = words.or_else(|| enrolment.display.clone());
    }
    let why = value("statusReason");
    if let Some(declined) = why.as_ref().and_then(decline) {
        declined.clone_into(&mut meaning.business_status);
    }
    if let Some(call) = business.as_ref().and_then(call_for_help) {
        call.clone_into(&mut meaning.business_status);
    }
    let reason = why.as_ref().and_then(concept).and_then(|reason| reason.text);
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

/// The codes of a concept that are of this system.
fn codes(concept: &Value, system: &str) -> Vec<String> {
    let codings = concept.get("coding").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let ours = codings.iter().filter(|coding| string(coding, "system").as_deref() == Some(system));
    ours.filter_map(|coding| string(coding, "code")).collect()
}

/// A call for help in our own code system: whatever the status beside it, it is what the statement says.
fn call_for_help(business: &Value) -> Option<&'static str> {
    let said = codes(business, systems::BUSINESS_STATUS);
    [SAFEGUARDING, NEEDS_MORE].into_iter().find(|call| said.iter().any(|code| code == call))
}

/// Why it was declined, where the platform says it in our own code system.
fn decline(why: &Value) -> Option<&'static str> {
    codes(why, systems::DECLINE_REASON).iter().find_map(|code| match code.as_str() {
        "at-capacity" => Some("declined-capacity"),
        "not-eligible" => Some("declined-ineligible"),
        "outside-area" => Some("declined-area"),
        "needs-more" => Some("declined-needs"),
        "could-not-contact" => Some("contact-failed"),
        "person-declined" => Some("person-declined"),
        "other" => Some("declined-other"),
        _ => None,
    })
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

/// The outputs of one Task, under way.
struct Taking<'t, 'k> {
    allowance: &'t mut Allowance,
    /// `Type/id` of what can be asked for.
    unresolved: Vec<String>,
    /// The last in the Task's order stands for the newest: the guide gives no other rule.
    enrolment: Option<&'k status::Enrolment>,
    person: Option<&'t str>,
}

impl<'k> Taking<'_, 'k> {
    /// Reads one `Task.output`. What cannot be carried is said in words, so that the GP sees that there was something.
    fn output(
        &mut self,
        output: &Object<'_>,
        find: &impl Fn(&str) -> (Option<String>, Option<&'k Kept>),
        is_kept: bool,
    ) -> Option<ReportedOutput> {
        let kind = output.raw("type").and_then(|text| serde_json::from_str(text).ok()).as_ref().and_then(concept);
        let (name, text) = output.members().find(|(name, _)| name.starts_with("value"))?;
        let value: Value = serde_json::from_str(text).ok()?;
        let value = match (name, value.as_str(), string(&value, "reference")) {
            ("valueCodeableConcept", _, _) => OutputValue::Concept(concept(&value)?),
            ("valueReference", _, Some(reference)) => match find(&reference) {
                (_, Some(resource)) if resource.is_anothers(self.person) => {
                    in_words("a resource about another person than this Task, which was not taken over")
                }
                (local, Some(resource)) => {
                    self.enrolment = resource.enrolment.as_ref().or(self.enrolment);
                    if is_kept && self.allowance.carries(&resource.text, resource.text.len()) {
                        OutputValue::Resource(resource.text.clone())
                    } else {
                        in_words(&local.unwrap_or(reference))
                    }
                }
                (Some(local), None) => {
                    let is_read = OUTPUT_TYPES.iter().any(|kind| local.split('/').next() == Some(kind));
                    if is_kept && is_read && !self.unresolved.contains(&local) {
                        self.unresolved.push(local.clone());
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
}

fn in_words(words: &str) -> OutputValue {
    OutputValue::Concept(Concept { text: Some(words.to_owned()), ..Concept::default() })
}

/// `Type/id` of a reference that the platform itself can answer for: relative, or absolute below its base.
pub(crate) fn own_reference(reference: &str, base_url: Option<&str>) -> Option<String> {
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
        let report = read_task(text, &mut Known::default(), None).expect("reads").report;
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
        let read = read_task(text, &mut Known::default(), Some("https://p.example")).expect("reads");
        assert_eq!(read.unresolved, ["Procedure/3"]);
        assert_eq!(read.report.outputs.len(), 5);
        let OutputValue::Resource(kept) = &read.report.outputs[0].value else { panic!("a resource") };
        assert!(kept.contains("1.50"), "decimals stay as written");
    }

    #[test]
    fn what_many_outputs_point_to_is_carried_once_by_each_task_while_there_is_room() {
        let observation =
            serde_json::json!({"resourceType": "Observation", "id": "o", "note": [{"text": "x".repeat(1_000_000)}],
            "valueCodeableConcept": {"coding": [{"code": "enrolled",
                "system": "http://hl7.org/fhir/us/sdoh-clinicalcare/CodeSystem/SDOHCC-CodeSystemTemporaryCodes"}]}})
            .to_string();
        let mut known = Known::default();
        known.add(None, &observation);
        let outputs = vec![r#"{"valueReference":{"reference":"Observation/o"}}"#; 150].join(",");
        let text = format!(r#"{{"resourceType":"Task","id":"9","status":"completed","output":[{outputs}]}}"#);
        let mut carried = 0;
        for _ in 0..60 {
            let read = read_task(&text, &mut known, None).expect("reads");
            assert!(read.unresolved.is_empty() && read.report.outputs.len() <= MOST_OUTPUTS + 1);
            assert_eq!(read.report.business_status, "helped", "what it says counts, carried or not");
            let resources = |output: &&ReportedOutput| matches!(output.value, OutputValue::Resource(_));
            let here = read.report.outputs.iter().filter(resources).count();
            assert!(here <= 1, "once in a Task");
            carried += here;
            let Some(OutputValue::Concept(last)) = read.report.outputs.last().map(|output| &output.value) else {
                panic!("the rest in words")
            };
            assert!(
                last.text.as_deref().is_some_and(|text| text.ends_with("further outputs, which are at the platform"))
            );
        }
        assert_eq!(carried, 4, "as many as fit into the bytes of an answer");
    }
}
