//! Files become one transaction Bundle. What a sender would post passes as it stands; other Bundles and single resources
//! are put together, and whatever had to be left out or assumed for that is said.

use gateway_core::ingest::STORED;
use gateway_core::task::derived_id;
use gateway_fhir::Json;
use gateway_fhir::references::is_urn_uuid;
use std::collections::{BTreeMap, BTreeSet};

/// A transaction, and what was done to have one.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) bundle: Json,
    /// For people; element paths and types only.
    pub(super) notes: Vec<String>,
}

/// One resource with the name that others may call it by.
struct Part {
    url: String,
    resource: Json,
}

/// Puts the documents together.
///
/// # Errors
/// What is neither a Bundle nor a resource.
pub(super) fn gather(documents: Vec<Json>) -> Result<Gathered, String> {
    if let [one] = documents.as_slice()
        && one.text("resourceType") == Some("Bundle")
        && one.text("type") == Some("transaction")
    {
        return Ok(Gathered { bundle: one.clone(), notes: Vec::new() });
    }
    let mut notes = Vec::new();
    let mut parts: Vec<Part> = Vec::new();
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut left: BTreeSet<String> = BTreeSet::new();
    for document in documents {
        for (full_url, resource) in resources(document)? {
            let kind = resource.text("resourceType").unwrap_or_default().to_owned();
            if !STORED.contains(&kind.as_str()) {
                left.insert(kind);
                continue;
            }
            let id = resource.text("id").map(|id| format!("{kind}/{id}"));
            let number = parts.len().to_string();
            let own = full_url.clone().filter(|url| is_urn_uuid(url));
            let made = || format!("urn:uuid:{}", derived_id(&["translate", id.as_deref().unwrap_or(&number)]));
            let url = own.unwrap_or_else(made);
            if parts.iter().any(|part| part.url == url) {
                notes.push(format!("{kind}: comes twice; the first is taken"));
                continue;
            }
            names.extend(full_url.into_iter().chain(id).map(|name| (name, url.clone())));
            parts.push(Part { url, resource });
        }
    }
    if !left.is_empty() {
        let kinds: Vec<String> = left.into_iter().collect();
        notes.push(format!("{}: not stored by the gateway, left out", kinds.join(", ")));
    }
    let mut gone = BTreeSet::new();
    for part in &mut parts {
        let kind = part.resource.text("resourceType").unwrap_or_default().to_owned();
        point(&mut part.resource, &kind, &names, &mut gone);
    }
    notes.extend(gone.into_iter().map(|path| format!("{path}: refers to nothing in the files, left out")));
    assume_task(&mut parts, &mut notes);
    Ok(Gathered { bundle: transaction(parts), notes })
}

fn resources(document: Json) -> Result<Vec<(Option<String>, Json)>, String> {
    match document.text("resourceType") {
        Some("Bundle") => {
            let entries = document.items("entry").iter().filter_map(|entry| {
                let url = entry.text("fullUrl").map(str::to_owned);
                Some((url, entry.get("resource")?.clone()))
            });
            Ok(entries.collect())
        }
        Some(_) => Ok(vec![(None, document)]),
        None => Err("neither a Bundle nor a resource: it has no resourceType".to_owned()),
    }
}

/// Points references at the parts; those that lead elsewhere go, with the elements of which nothing is left.
fn point(value: &mut Json, path: &str, names: &BTreeMap<String, String>, gone: &mut BTreeSet<String>) {
    match value {
        Json::Array(items) => {
            items.iter_mut().for_each(|item| point(item, path, names, gone));
            items.retain(|item| !is_empty(item));
        }
        Json::Object(members) => {
            members.retain_mut(|(name, inner)| {
                let below = format!("{path}.{name}");
                match inner {
                    Json::String(literal) if name == "reference" && !literal.starts_with('#') => {
                        match target(literal, names) {
                            Some(url) => literal.clone_from(url),
                            None => {
                                gone.insert(path.to_owned());
                                return false;
                            }
                        }
                    }
                    _ => point(inner, &below, names, gone),
                }
                !is_empty(inner)
            });
            if matches!(members.as_slice(), [(name, _)] if name == "type") && gone.contains(path) {
                members.clear();
            }
        }
        _ => {}
    }
}

/// By full URL, or by the `Type/id` that an address ends in.
fn target<'n>(literal: &str, names: &'n BTreeMap<String, String>) -> Option<&'n String> {
    let literal = literal.split_once("/_history/").map_or(literal, |(literal, _)| literal);
    names.get(literal).or_else(|| {
        let mut ends = literal.rsplitn(3, '/');
        let (id, kind) = (ends.next()?, ends.next()?);
        names.get(&format!("{kind}/{id}"))
    })
}

fn is_empty(value: &Json) -> bool {
    match value {
        Json::Array(items) => items.is_empty(),
        Json::Object(members) => members.is_empty(),
        _ => false,
    }
}

/// Creating the Task starts the work; a file that holds only the request is translated as if one were sent with it.
fn assume_task(parts: &mut Vec<Part>, notes: &mut Vec<String>) {
    let is = |part: &Part, kind: &str| part.resource.text("resourceType") == Some(kind);
    if parts.iter().any(|part| is(part, "Task")) {
        return;
    }
    let mut made = Vec::new();
    for part in parts.iter().filter(|part| is(part, "ServiceRequest")) {
        let reference = |url: &str| Json::Object(vec![("reference".to_owned(), Json::string(url))]);
        let mut task = Json::Object(vec![
            ("resourceType".to_owned(), Json::string("Task")),
            ("status".to_owned(), Json::string("requested")),
            ("intent".to_owned(), Json::string("order")),
            ("focus".to_owned(), reference(&part.url)),
        ]);
        for (from, to) in [("subject", "for"), ("authoredOn", "authoredOn"), ("requester", "requester")] {
            if let Some(value) = part.resource.get(from) {
                task.set(to, value.clone());
            }
        }
        made.push(Part { url: format!("urn:uuid:{}", derived_id(&["translate", "task", &part.url])), resource: task });
        notes.push("Task: there is none in the files; a plain one is assumed".to_owned());
    }
    parts.extend(made);
}

fn transaction(parts: Vec<Part>) -> Json {
    let entries = parts.into_iter().map(|part| {
        let kind = part.resource.text("resourceType").unwrap_or_default().to_owned();
        let request = vec![("method".to_owned(), Json::string("POST")), ("url".to_owned(), Json::String(kind))];
        Json::Object(vec![
            ("fullUrl".to_owned(), Json::String(part.url)),
            ("resource".to_owned(), part.resource),
            ("request".to_owned(), Json::Object(request)),
        ])
    });
    Json::Object(vec![
        ("resourceType".to_owned(), Json::string("Bundle")),
        ("type".to_owned(), Json::string("transaction")),
        ("entry".to_owned(), Json::Array(entries.collect())),
    ])
}

#[cfg(test)]
mod tests {
    use super::gather;
    use gateway_fhir::Json;
    use gateway_fhir::door::{DoorLimits, admit};
    use serde_json::{Value, json};

    fn document(value: &Value) -> Json {
        admit(value.to_string().as_bytes(), &DoorLimits::default()).unwrap()
    }

    #[test]
    fn a_transaction_passes_as_it_stands() {
        let sent = document(&json!({"resourceType": "Bundle", "type": "transaction", "entry": [{"fullUrl": "x"}]}));
        let gathered = gather(vec![sent.clone()]).unwrap();
        assert_eq!((gathered.bundle, gathered.notes), (sent, vec![]));
    }

    #[test]
    fn single_resources_are_put_together_and_what_is_missing_is_said() {
        let request = document(&json!({
            "resourceType": "ServiceRequest", "id": "r", "subject": {"reference": "https://gp.example/fhir/Patient/p"},
            "requester": {"reference": "Practitioner/none"},
            "reasonReference": [{"reference": "Condition/none", "type": "Condition"}],
        }));
        let patient = document(&json!({"resourceType": "Patient", "id": "p"}));
        let header = document(&json!({"resourceType": "Bundle", "type": "message", "entry": [
            {"fullUrl": "urn:uuid:c5957fdd-097b-409d-a406-49c52ceef2cd", "resource": {"resourceType": "MessageHeader"}},
            {"fullUrl": "https://gp.example/fhir/Patient/p", "resource": {"resourceType": "Patient", "id": "p"}}]}));
        let gathered = gather(vec![request, patient, header]).unwrap();
        let bundle = gathered.bundle.to_value();
        let entries = bundle["entry"].as_array().unwrap();
        let kinds: Vec<&Value> = entries.iter().map(|entry| &entry["request"]["url"]).collect();
        assert_eq!(kinds, ["ServiceRequest", "Patient", "Task"]);
        assert_eq!(entries[0]["resource"]["subject"]["reference"], entries[1]["fullUrl"]);
        assert_eq!(entries[2]["resource"]["focus"]["reference"], entries[0]["fullUrl"]);
        assert_eq!(entries[2]["resource"]["for"]["reference"], entries[1]["fullUrl"]);
        assert!(entries[0]["resource"].get("requester").is_none());
        assert!(entries[0]["resource"].get("reasonReference").is_none());
        let notes = gathered.notes.join("\n");
        for words in [
            "Patient: comes twice",
            "MessageHeader: not stored",
            "ServiceRequest.reasonReference: refers to nothing",
            "ServiceRequest.requester: refers to nothing",
            "Task: there is none",
        ] {
            assert!(notes.contains(words), "{words}: {notes}");
        }
        assert!(gather(vec![document(&json!({"a": 1}))]).unwrap_err().contains("resourceType"));
    }
}
