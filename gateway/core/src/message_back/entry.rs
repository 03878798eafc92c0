//! Needs, support and activities as entries: codings that may be passed on, and words.

use super::Facts;
use crate::consent::Kept;
use gateway_codes::SNOMED_CT;
use gateway_fhir::Json;

/// Characters of one entry's words.
const WORDS: usize = 2_000;

/// One entry: what it is in words, and codings that stand for it.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// In words; never empty.
    pub text: String,
    /// Codings, as FHIR writes them.
    pub codings: Vec<Json>,
    /// `Type/id` of the stored resource that it is from, if from one.
    pub from: Option<String>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Entry").field("codings", &self.codings.len()).finish_non_exhaustive()
    }
}

impl Entry {
    /// As FHIR's `CodeableConcept`.
    #[must_use]
    pub fn concept(&self) -> Json {
        let mut concept = Json::Object(Vec::new());
        if !self.codings.is_empty() {
            concept.set("coding", Json::Array(self.codings.clone()));
        }
        concept.set("text", Json::string(&self.text));
        concept
    }
}

/// Whose words and codes something is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// The sender's: repeated as they were written.
    Sender,
    /// The service's: what the person keeps from the sender is left out, and SNOMED CT is passed on where it is confirmed.
    Service(Kept),
}

/// Why the person was referred: the reasons, else the categories.
pub(super) fn needs(facts: &Facts<'_>) -> Vec<Entry> {
    let request = facts.service_request;
    let coded = request.items("reasonCode").iter().filter_map(|reason| entry(reason, By::Sender));
    let referred = request.items("reasonReference").iter().filter_map(|reference| of_reference(facts, reference));
    let needs = distinct(coded.chain(referred));
    if needs.is_empty() {
        return distinct(request.items("category").iter().filter_map(|category| entry(category, By::Sender)));
    }
    needs
}

/// What was asked for.
pub(super) fn support(facts: &Facts<'_>) -> Vec<Entry> {
    let request = facts.service_request;
    let details = request.items("orderDetail").iter();
    distinct(request.get("code").into_iter().chain(details).filter_map(|concept| entry(concept, By::Sender)))
}

/// What a reason refers to, by its code; else as the reference displays it.
fn of_reference(facts: &Facts<'_>, reference: &Json) -> Option<Entry> {
    let literal = reference.text("reference");
    let code = literal.and_then(|literal| (facts.lookup)(literal)).and_then(|found| found.get("code"));
    let found = code.and_then(|code| entry(code, By::Sender)).or_else(|| {
        let text = words(reference.text("display")?)?;
        Some(Entry { text, codings: Vec::new(), from: None })
    })?;
    Some(Entry { from: literal.map(str::to_owned), ..found })
}

/// What the service gave back: activities, and words on the outcome. What the person keeps is in neither.
pub(super) fn outputs(facts: &Facts<'_>) -> (Vec<Entry>, Vec<String>) {
    let (mut activities, mut outcome) = (Vec::new(), Vec::new());
    if facts.kept == Kept::All {
        return (activities, outcome);
    }
    let by = By::Service(facts.kept);
    for output in facts.task.items("output") {
        let kind = output.get("type");
        let is_outcome =
            kind.and_then(|kind| kind.text("text")).is_some_and(|text| text.trim().eq_ignore_ascii_case("outcome"));
        let found = match (output.get("valueCodeableConcept"), output.get("valueReference")) {
            (Some(concept), _) => entry(concept, by),
            (None, Some(reference)) => activity(facts, reference, by),
            (None, None) => output.text("valueString").filter(|_| facts.kept == Kept::Nothing).and_then(plain),
        };
        let Some(mut found) = found else { continue };
        if is_outcome {
            outcome.push(found.text);
            continue;
        }
        // "Stage: Visits" says more than "Visits"; of a kind that is a mere code nobody is the wiser.
        let label = kind.and_then(|kind| kind.text("text")).filter(|_| facts.kept == Kept::Nothing).and_then(words);
        if let Some(label) = label.filter(|_| found.from.is_none()) {
            found.text = format!("{label}: {}", found.text);
        }
        activities.push(found);
    }
    (distinct(activities.into_iter()), outcome)
}

/// A resource that the service gave: a Procedure by its code, an Observation that is no score by code and value, answers as such.
fn activity(facts: &Facts<'_>, reference: &Json, by: By) -> Option<Entry> {
    let literal = reference.text("reference")?;
    let document = (facts.lookup)(literal)?;
    let status = document.text("status");
    if matches!(status, Some("entered-in-error" | "cancelled" | "not-done")) {
        return None;
    }
    let from = Some(literal.to_owned());
    match document.text("resourceType")? {
        "Procedure" => Some(Entry { from, ..entry(document.get("code")?, by)? }),
        "Observation" => {
            if super::measure::is_score(document) {
                return None;
            }
            let what = entry(document.get("code")?, by)?;
            let value = document.get("valueCodeableConcept").and_then(|value| entry(value, by))?;
            Some(Entry { text: format!("{}: {}", what.text, value.text), codings: value.codings, from })
        }
        "QuestionnaireResponse" => {
            Some(Entry { text: "Answers to a questionnaire".to_owned(), codings: Vec::new(), from })
        }
        _ => None,
    }
}

/// Who completed the record: the performer of what was done, where the service names one in words.
pub(super) fn completed_by(facts: &Facts<'_>) -> Option<String> {
    if facts.kept != Kept::Nothing {
        return None;
    }
    let outputs = facts.task.items("output").iter().rev();
    let mut named = outputs.filter(|output| {
        let kind = output.get("type").and_then(|kind| kind.text("text")).unwrap_or_default();
        ["completed by", "person completing", "worker"].iter().any(|word| kind.trim().eq_ignore_ascii_case(word))
    });
    let concept = named.next()?.get("valueCodeableConcept")?;
    words(concept.text("text")?)
}

/// What the sender calls the referral: the first identifier that is not an address.
pub(super) fn reference(request: &Json) -> Option<String> {
    let values = request.items("identifier").iter().filter_map(|identifier| identifier.text("value"));
    values.filter_map(words).find(|value| value.chars().count() <= 100)
}

fn plain(text: &str) -> Option<Entry> {
    Some(Entry { text: words(text)?, codings: Vec::new(), from: None })
}

/// A `CodeableConcept` as an entry; `None` if nothing of it may be told.
fn entry(concept: &Json, by: By) -> Option<Entry> {
    let codings: Vec<Json> = concept.items("coding").iter().filter_map(|coding| passed_on(coding, by)).collect();
    let display = |coding: &Json| coding.text("display").and_then(words);
    let own = concept.text("text").and_then(words);
    let displays = || concept.items("coding").iter().find_map(display);
    let code = || codings.iter().find_map(|coding| display(coding).or_else(|| coding.text("code").and_then(words)));
    let text = match by {
        By::Service(Kept::Words | Kept::All) => code(),
        By::Sender | By::Service(Kept::Nothing) => own.or_else(displays).or_else(code),
    }?;
    Some(Entry { text, codings, from: None })
}

/// A coding that may stand in the message. A code of no system is a word.
fn passed_on(coding: &Json, by: By) -> Option<Json> {
    let (system, code) = (coding.text("system")?, coding.text("code")?);
    match by {
        By::Sender => Some(coding.clone()),
        By::Service(_) if system == SNOMED_CT => confirmed(code),
        By::Service(kept) => {
            let mut coding = coding.clone();
            for name in ["extension", "userSelected"] {
                coding.remove(name);
            }
            // A display is the service's words, unless the person keeps none.
            if kept != Kept::Nothing {
                coding.remove("display");
            }
            Some(coding)
        }
    }
}

/// The coding of a SNOMED CT concept that a public source confirms, with its published term.
pub(super) fn confirmed(code: &str) -> Option<Json> {
    let row = gateway_codes::table().ok()?.into_iter().find(|row| row.code == code)?;
    let mut coding = Json::Object(Vec::new());
    coding.set("system", Json::string(SNOMED_CT));
    coding.set("code", Json::string(row.code));
    coding.set("display", Json::string(row.display));
    Some(coding)
}

/// Without outer blanks and control characters, at most so long; `None` if nothing is left.
pub(super) fn words(text: &str) -> Option<String> {
    let seen: String = text.chars().filter(|c| !c.is_control() || *c == '\n').take(WORDS).collect();
    let seen = seen.trim();
    (!seen.is_empty()).then(|| seen.to_owned())
}

fn distinct(entries: impl Iterator<Item = Entry>) -> Vec<Entry> {
    let mut found: Vec<Entry> = Vec::new();
    for entry in entries {
        if !found.iter().any(|known| known.text == entry.text && known.codings == entry.codings) {
            found.push(entry);
        }
    }
    found
}
