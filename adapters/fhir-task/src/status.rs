//! What a platform's words mean: the status table of `adapter.toml`, and the enrolment status that refines it.

use crate::descriptor;
use adapter_contract::TaskStatus;
use mappings::{ConceptMap, shared};
use serde_json::Value;
use std::sync::LazyLock;

/// Code system of R4's own `Task.status` codes.
pub(crate) const TASK_STATUS: &str = "http://hl7.org/fhir/task-status";

/// Business-status of a word that the table does not have.
const UNMAPPED: &str = "unmapped";

static ENROLMENT: LazyLock<ConceptMap> = LazyLock::new(|| built_in(shared::GRAVITY_ENROLMENT_STATUS));
static ENROLMENT_TASK: LazyLock<ConceptMap> = LazyLock::new(|| built_in(shared::GRAVITY_ENROLMENT_TASK_STATUS));

fn built_in(map: &str) -> ConceptMap {
    ConceptMap::load(map).expect("a shared map is part of the build, and its crate's tests load it")
}

/// A status as the gateway understands it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Meaning {
    /// `None` if the word moves nothing or is unknown.
    pub(crate) status: Option<TaskStatus>,
    /// Code of the gateway's business-status code system.
    pub(crate) business_status: String,
}

/// Looks a `Task.status` word up in the status table.
pub(crate) fn meaning(word: &str) -> Meaning {
    match descriptor().statuses.iter().find(|row| row.platform == word) {
        Some(row) => Meaning { status: row.status, business_status: row.business_status.clone() },
        None => Meaning { status: None, business_status: UNMAPPED.to_owned() },
    }
}

/// An enrolment status: value of an Observation among a Task's outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Enrolment {
    /// Business-status that it stands for.
    business_status: String,
    /// `Task.status` that it would amount to on its own.
    amounts_to: Option<TaskStatus>,
    /// The platform's words for it.
    pub(crate) display: Option<String>,
}

/// Reads an enrolment status from a resource; `None` if it is something else, withdrawn, or of an unknown code.
pub(crate) fn enrolment(resource: &Value) -> Option<Enrolment> {
    let text = |name: &str| resource.get(name).and_then(Value::as_str);
    if text("resourceType") != Some("Observation") || matches!(text("status"), Some("entered-in-error" | "cancelled")) {
        return None;
    }
    let value = resource.get("valueCodeableConcept")?;
    value.get("coding")?.as_array()?.iter().find_map(|coding| {
        let part = |name: &str| coding.get(name).and_then(Value::as_str);
        let (system, code) = (part("system")?, part("code")?);
        let business_status = ENROLMENT.translate(system, code).ok()?.code()?.to_owned();
        let amounts_to = ENROLMENT_TASK.translate(system, code).ok().and_then(|found| found.code()?.parse().ok());
        let words = value.get("text").and_then(Value::as_str).or_else(|| part("display"));
        Some(Enrolment { business_status, amounts_to, display: words.or(Some(code)).map(str::to_owned) })
    })
}

impl Meaning {
    /// Lets an enrolment status say more than the Task's own word. `Task.status` stays as the platform states it; a Task
    /// that goes on is not given an outcome yet, and one that was withdrawn keeps its reason for ending.
    pub(crate) fn refine(&mut self, enrolment: &Enrolment) {
        let Some(status) = self.status else { return };
        let outcome_too_early = !status.is_final() && enrolment.amounts_to.is_some_and(TaskStatus::is_final);
        let ended_otherwise = matches!(status, TaskStatus::Cancelled | TaskStatus::EnteredInError);
        if !outcome_too_early && !ended_otherwise {
            self.business_status.clone_from(&enrolment.business_status);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SDOH: &str = "http://hl7.org/fhir/us/sdoh-clinicalcare/CodeSystem/SDOHCC-CodeSystemTemporaryCodes";

    #[test]
    fn the_table_is_total_and_agrees_with_the_shared_map() {
        let map = ConceptMap::load(shared::GRAVITY_TASK_STATUS).expect("loads");
        for status in TaskStatus::ALL {
            let meaning = meaning(status.code());
            let listed = map.translate(TASK_STATUS, status.code()).expect("listed");
            assert_eq!(Some(meaning.business_status.as_str()), listed.code(), "{status}");
            // AD-STA-004: an adapter of the SDOH profile does not aim at `ready` or `received`.
            let target = meaning.status.expect("FHIR's own words all move something");
            assert!(!matches!(target, TaskStatus::Ready | TaskStatus::Received), "{status}");
        }
        assert_eq!(descriptor().statuses.len(), TaskStatus::ALL.len());
        assert_eq!(map.len(), TaskStatus::ALL.len());
    }

    #[test]
    fn an_unknown_word_moves_nothing() {
        assert_eq!(meaning("done"), Meaning { status: None, business_status: UNMAPPED.to_owned() });
    }

    #[test]
    fn enrolment_refines_only_where_it_fits() {
        let seen = |code: &str| {
            let coding = json!([{"system": SDOH, "code": code}]);
            enrolment(&json!({"resourceType": "Observation", "valueCodeableConcept": {"coding": coding}}))
                .expect("known")
        };
        for (status, code, business) in [
            ("completed", "enrolled", "helped"),
            ("in-progress", "enrolled", "in-support"),
            ("on-hold", "not-enrolled-on-waitlist", "waitlisted"),
            ("rejected", "no-capacity", "declined-capacity"),
            ("cancelled", "enrolled", "revoked"),
            ("entered-in-error", "enrolled", "error"),
            ("done", "enrolled", "unmapped"),
        ] {
            let mut meaning = meaning(status);
            meaning.refine(&seen(code));
            assert_eq!(meaning.business_status, business, "{status} and {code}");
        }
        let withdrawn = json!({"resourceType": "Observation", "status": "entered-in-error",
            "valueCodeableConcept": {"coding": [{"system": SDOH, "code": "enrolled"}]}});
        assert_eq!(enrolment(&withdrawn), None);
    }
}
