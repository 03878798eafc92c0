//! The status crosswalk as FHIR: the gateway's business statuses as a `CodeSystem`, and what each platform's words mean as `ConceptMap`s.
//! Made from the tables that the adapters themselves are read by, so neither can say what the other does not.

use adapter_contract::business_status::BUSINESS_STATUSES;
use adapter_contract::{Descriptor, systems};
use gateway_fhir::Json;
use serde_json::{Value, json};

/// Code system of `Task.status` (FHIR R4).
const TASK_STATUS: &str = "http://hl7.org/fhir/task-status";
/// Where our ConceptMaps have their names.
const MAPS: &str = "https://vcse-gateway.example/fhir/ConceptMap";
/// The id of the one CodeSystem.
pub const CODE_SYSTEM: &str = "business-status";

/// The codes of `Task.businessStatus`. `version` is the gateway's.
#[must_use]
pub fn code_system(version: &str) -> Json {
    let concepts: Vec<Value> =
        BUSINESS_STATUSES.iter().map(|one| json!({ "code": one.code, "definition": one.means })).collect();
    json!({
        "resourceType": "CodeSystem",
        "id": CODE_SYSTEM,
        "url": systems::BUSINESS_STATUS,
        "version": version,
        "name": "BusinessStatus",
        "title": "Business status of a social prescribing referral",
        "status": "active",
        "experimental": false,
        "description": "Where a referral is, beyond Task.status. The platform's own word stands beside each code.",
        "caseSensitive": true,
        "content": "complete",
        "count": concepts.len(),
        "concept": concepts,
    })
    .into()
}

/// What the words of one adapter's platform mean: as `Task.status`, and as business status.
#[must_use]
pub fn concept_maps(adapter: &Descriptor) -> [Json; 2] {
    let status = |row: &adapter_contract::StatusRow| match row.status {
        Some(status) => json!({ "code": status.code(), "equivalence": "wider" }),
        None => json!({ "equivalence": "unmatched", "comment": "It moves nothing." }),
    };
    let business =
        |row: &adapter_contract::StatusRow| json!({ "code": row.business_status, "equivalence": "relatedto" });
    // A word that is not listed keeps Task.status, and has a code of its own.
    let unknown = json!({ "mode": "fixed", "code": "unmapped" });
    [
        concept_map(adapter, "task-status", TASK_STATUS, &status, None),
        concept_map(adapter, CODE_SYSTEM, systems::BUSINESS_STATUS, &business, Some(unknown)),
    ]
}

fn concept_map(
    adapter: &Descriptor,
    what: &str,
    target: &str,
    row: &dyn Fn(&adapter_contract::StatusRow) -> Value,
    unmapped: Option<Value>,
) -> Json {
    let elements: Vec<Value> =
        adapter.statuses.iter().map(|one| json!({ "code": one.platform, "target": [row(one)] })).collect();
    let id = format!("{}-{what}", adapter.name);
    let mut map = json!({
        "resourceType": "ConceptMap",
        "id": id,
        "url": format!("{MAPS}/{id}"),
        "version": adapter.version,
        "name": name(&id),
        "title": format!("Status words of {}", adapter.format),
        "status": "active",
    });
    // A group without elements is none (R4, ConceptMap.group.element 1..*).
    if !elements.is_empty() {
        let mut group = json!({
            "source": systems::platform_status(&adapter.name),
            "target": target,
            "element": elements,
        });
        if let Some(unmapped) = unmapped {
            group["unmapped"] = unmapped;
        }
        map["group"] = json!([group]);
    }
    map.into()
}

/// `ticket-rt-task-status` as a name that a program could have (R4, rule cmd-0).
fn name(id: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    };
    id.split('-').map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use adapter_contract::{Capabilities, Limits, StatusRow, TaskStatus};
    use std::collections::BTreeSet;

    fn adapter(rows: &[(&str, Option<TaskStatus>, &str)]) -> Descriptor {
        let statuses = rows.iter().map(|(word, status, business)| StatusRow {
            platform: (*word).to_owned(),
            status: *status,
            business_status: (*business).to_owned(),
        });
        Descriptor {
            name: "good-neighbours".to_owned(),
            version: "1.2.0".to_owned(),
            format: "Good Neighbours API v2".to_owned(),
            capabilities: Capabilities {
                cancel: false,
                hold: false,
                look_up: false,
                poll: false,
                push: false,
                status_link: false,
                amend: adapter_contract::Amend::None,
            },
            data_needs: Vec::new(),
            accepted_losses: Vec::new(),
            limits: Limits {
                steps: 1,
                answer_seconds: 1,
                answer_bytes: 1,
                poll_seconds: 1,
                pace: adapter_contract::Pace::default(),
            },
            statuses: statuses.collect(),
        }
    }

    fn value(json: &Json) -> Value {
        serde_json::from_str(&json.to_text()).expect("it is JSON")
    }

    #[test]
    fn each_code_is_there_once_and_says_what_it_means() {
        let system = value(&code_system("0.1.0"));
        let codes: BTreeSet<_> = BUSINESS_STATUSES.iter().map(|one| one.code).collect();
        assert_eq!((codes.len(), system["count"].as_u64()), (BUSINESS_STATUSES.len(), Some(codes.len() as u64)));
        assert!(BUSINESS_STATUSES.iter().all(|one| one.means.ends_with('.')));
        assert_eq!(system["concept"][0]["code"], "queued");
    }

    #[test]
    fn a_platforms_words_are_mapped_as_its_adapter_reads_them() {
        let rows = [("TAKEN", Some(TaskStatus::InProgress), "claimed"), ("NOTED", None, "seen")];
        let [status, business] = concept_maps(&adapter(&rows)).map(|map| value(&map));
        assert_eq!(
            (&status["id"], &status["name"]),
            (&json!("good-neighbours-task-status"), &json!("GoodNeighboursTaskStatus"))
        );
        let group = &status["group"][0];
        assert_eq!(
            group["element"][0],
            json!({ "code": "TAKEN", "target": [{ "code": "in-progress", "equivalence": "wider" }] })
        );
        assert_eq!(group["element"][1]["target"][0]["equivalence"], "unmatched");
        assert_eq!(group["unmapped"], Value::Null);
        let group = &business["group"][0];
        assert_eq!(group["element"][1]["target"][0]["code"], "seen");
        assert_eq!(group["unmapped"]["code"], "unmapped");
        assert_eq!(group["source"], "https://vcse-gateway.example/fhir/CodeSystem/platform-status/good-neighbours");
        assert_eq!(value(&concept_maps(&adapter(&[]))[0])["group"], Value::Null);
    }
}
