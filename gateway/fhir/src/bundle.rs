//! A transaction `Bundle` taken apart into its entries, in the documented shapes only (R4, http, "transaction").
//!
//! Looks at the envelope: `request`, `fullUrl`, and what they say of the resource inside. Whether a resource is valid,
//! and where its references lead, is for others. Threat H9 of the trust model.

use std::collections::HashSet;

use crate::elements;
use crate::references::{self, ReferenceForm};
use crate::{Issue, IssueCode, Json};

/// One entry that may be acted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place in `Bundle.entry`.
    pub index: usize,
    /// By which the other entries refer to it.
    pub full_url: Option<String>,
    /// `POST` or `PUT`.
    pub method: String,
    /// `Type` for `POST`, `Type/id` for `PUT`.
    pub url: String,
    /// The criteria of a conditional create, without a leading `?`. Only with `POST`.
    pub if_none_exist: Option<String>,
    /// The version that a `PUT` must find, as it was sent (`W/"3"`).
    pub if_match: Option<String>,
    /// What to store. Present for both methods.
    pub resource: Option<Json>,
}

/// The entries of a transaction.
///
/// # Errors
/// All faults of the envelope at once, each with its place: the Bundle is no transaction or has more than
/// `max_entries`; an entry lacks `request.method`, `request.url` or `resource`, or has another method than `POST` and
/// `PUT`; url, resource type and id contradict each other; `fullUrl` is not `urn:uuid:<uuid>` (for `PUT` also an
/// absolute URL that ends in the same `Type/id`), or occurs twice; two entries write the same resource; there are
/// elements of a response or a search result.
pub fn transaction(bundle: &Json, max_entries: usize) -> Result<Vec<Entry>, Vec<Issue>> {
    if bundle.text("resourceType") != Some("Bundle") {
        return Err(vec![Issue::general(IssueCode::Structure, "the document is not a Bundle")]);
    }
    if bundle.text("type") != Some("transaction") {
        let text = "only a Bundle of type transaction is taken here";
        return Err(vec![Issue::at(IssueCode::NotSupported, "Bundle.type", text)]);
    }
    let entries = match bundle.get("entry") {
        Some(Json::Array(entries)) if !entries.is_empty() => entries,
        Some(Json::Array(_)) | None => {
            return Err(vec![Issue::at(IssueCode::Required, "Bundle.entry", "a transaction needs at least one entry")]);
        }
        Some(_) => return Err(vec![Issue::at(IssueCode::Structure, "Bundle.entry", "must be an array")]),
    };
    if entries.len() > max_entries {
        let text = format!("a transaction may have at most {max_entries} entries");
        return Err(vec![Issue::at(IssueCode::TooCostly, "Bundle.entry", text)]);
    }
    let mut envelope = Envelope::default();
    let read: Vec<Entry> = entries.iter().enumerate().map(|(index, entry)| envelope.entry(index, entry)).collect();
    if envelope.faults.is_empty() { Ok(read) } else { Err(envelope.faults) }
}

/// What is known across entries while they are read.
#[derive(Default)]
struct Envelope {
    faults: Vec<Issue>,
    full_urls: HashSet<String>,
    /// The targets of `PUT`.
    targets: HashSet<String>,
}

impl Envelope {
    fn entry(&mut self, index: usize, entry: &Json) -> Entry {
        let place = format!("Bundle.entry[{index}]");
        for name in ["response", "search"] {
            if entry.get(name).is_some() {
                self.fault(IssueCode::NotSupported, format!("{place}.{name}"), "has no place in a transaction");
            }
        }
        let request = entry.get("request").unwrap_or(&Json::Null);
        for name in ["ifNoneMatch", "ifModifiedSince"] {
            if request.get(name).is_some() {
                self.fault(
                    IssueCode::NotSupported,
                    format!("{place}.request.{name}"),
                    "is not supported in a transaction",
                );
            }
        }
        let resource = entry.get("resource").filter(|resource| resource.as_object().is_some());
        if resource.is_none() {
            self.fault(IssueCode::Required, format!("{place}.resource"), "an entry needs a resource");
        }
        let full_url = self.text(entry, "fullUrl", &place);
        let request_place = format!("{place}.request");
        let method = self.required(request, "method", &request_place);
        let url = self.required(request, "url", &request_place);
        let if_none_exist = self.text(request, "ifNoneExist", &request_place);
        let if_match = self.text(request, "ifMatch", &request_place);
        match method.as_str() {
            "POST" => {
                self.post(&url, resource, &place);
                self.only_with("PUT", if_match.is_some(), format!("{place}.request.ifMatch"));
            }
            "PUT" => {
                self.put(&url, resource, &place);
                self.only_with("POST", if_none_exist.is_some(), format!("{place}.request.ifNoneExist"));
            }
            // Its absence has been told.
            "" => {}
            _ => self.fault(
                IssueCode::NotSupported,
                format!("{place}.request.method"),
                "only POST and PUT are supported",
            ),
        }
        self.full_url(full_url.as_deref(), &method, &url, &place);
        let if_none_exist = if_none_exist.map(|query| query.strip_prefix('?').unwrap_or(&query).to_owned());
        Entry { index, full_url, method, url, if_none_exist, if_match, resource: resource.cloned() }
    }

    /// `POST` to a resource type. An id in the resource is ignored, as R4 has it (http, create).
    fn post(&mut self, url: &str, resource: Option<&Json>, place: &str) {
        if url.is_empty() {
            return;
        }
        if !elements::is_resource_type(url) {
            self.fault(
                IssueCode::Value,
                format!("{place}.request.url"),
                "the url of a POST is a resource type, for example ServiceRequest",
            );
            return;
        }
        self.same_type(url, resource, place);
    }

    /// `PUT` to `Type/id`, the resource's own.
    fn put(&mut self, url: &str, resource: Option<&Json>, place: &str) {
        if url.is_empty() {
            return;
        }
        let ReferenceForm::Relative { kind, id, version: None } = references::parse(url) else {
            self.fault(
                IssueCode::Value,
                format!("{place}.request.url"),
                "the url of a PUT is Type/id, for example Task/17",
            );
            return;
        };
        self.same_type(kind, resource, place);
        if let Some(resource) = resource
            && resource.text("id") != Some(id)
        {
            self.fault(IssueCode::Value, format!("{place}.resource.id"), "must be the id in request.url");
        }
        if !self.targets.insert(url.to_owned()) {
            self.fault(
                IssueCode::Duplicate,
                format!("{place}.request.url"),
                "another entry of this transaction writes the same resource",
            );
        }
    }

    fn same_type(&mut self, kind: &str, resource: Option<&Json>, place: &str) {
        if let Some(resource) = resource
            && resource.text("resourceType") != Some(kind)
        {
            self.fault(IssueCode::Value, format!("{place}.resource"), "the resource is not of the type in request.url");
        }
    }

    fn full_url(&mut self, full_url: Option<&str>, method: &str, url: &str, place: &str) {
        let Some(full_url) = full_url else { return };
        let place = format!("{place}.fullUrl");
        let ends_in_target = match references::parse(full_url) {
            // A version would make it another thing than the target; R4 allows none (invariant bdl-8).
            ReferenceForm::Absolute { kind, id, .. } if !full_url.contains("/_history/") => {
                method == "PUT" && url.split_once('/') == Some((kind, id))
            }
            _ => false,
        };
        if !ends_in_target && !references::is_urn_uuid(full_url) {
            let text = "a fullUrl is urn:uuid:<uuid>, or for PUT an absolute URL that ends in request.url";
            self.fault(IssueCode::Value, place.clone(), text);
        }
        if !self.full_urls.insert(full_url.to_owned()) {
            self.fault(IssueCode::Duplicate, place, "another entry has the same fullUrl");
        }
    }

    fn only_with(&mut self, method: &str, present: bool, place: String) {
        if present {
            self.fault(IssueCode::NotSupported, place, &format!("is for {method} only"));
        }
    }

    /// A text that must be there; empty where it is not, which is then a fault.
    fn required(&mut self, object: &Json, name: &str, place: &str) -> String {
        if object.get(name).is_none() {
            self.fault(IssueCode::Required, format!("{place}.{name}"), "is required");
        }
        self.text(object, name, place).unwrap_or_default()
    }

    /// A text that may be there, but then not as something else, nor empty.
    fn text(&mut self, object: &Json, name: &str, place: &str) -> Option<String> {
        match object.get(name)? {
            Json::String(text) if !text.is_empty() => Some(text.clone()),
            _ => {
                self.fault(IssueCode::Structure, format!("{place}.{name}"), "must be a string that is not empty");
                None
            }
        }
    }

    fn fault(&mut self, code: IssueCode, place: String, text: &str) {
        self.faults.push(Issue::at(code, place, text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const A: &str = "urn:uuid:0a6b2e0c-6f1c-4f7e-9b43-3f1a5a0c9d11";

    fn bundle(entries: Value) -> Json {
        json!({"resourceType": "Bundle", "type": "transaction", "entry": entries}).into()
    }

    /// The places of the faults of one entry, with their codes.
    fn faults(entries: Value) -> Vec<(String, IssueCode)> {
        let faults = transaction(&bundle(entries), 100).unwrap_err();
        faults.into_iter().map(|issue| (issue.expression.unwrap_or_default(), issue.code)).collect()
    }

    fn post(full_url: &str) -> Value {
        json!({
            "fullUrl": full_url,
            "resource": {"resourceType": "Patient"},
            "request": {"method": "POST", "url": "Patient"}
        })
    }

    #[test]
    fn documented_shapes_pass() {
        let put = json!({
            "fullUrl": "https://gp.example/fhir/Task/17",
            "resource": {"resourceType": "Task", "id": "17"},
            "request": {"method": "PUT", "url": "Task/17", "ifMatch": "W/\"3\""}
        });
        let mut conditional = post(A);
        conditional["request"]["ifNoneExist"] = json!("?identifier=a|b");
        let entries = transaction(&bundle(json!([conditional, put])), 2).unwrap();
        let [first, second] = entries.as_slice() else { panic!("two entries") };
        assert_eq!(
            (first.method.as_str(), first.url.as_str(), first.full_url.as_deref()),
            ("POST", "Patient", Some(A))
        );
        assert_eq!(first.if_none_exist.as_deref(), Some("identifier=a|b"));
        assert_eq!((second.index, second.if_match.as_deref()), (1, Some("W/\"3\"")));
        assert_eq!(second.resource.as_ref().unwrap().text("id"), Some("17"));
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let other = json!({
            "fullUrl": A, "response": {"status": "200"}, "resource": {"resourceType": "Task", "id": "18"},
            "request": {"method": "PUT", "url": "Task/17", "ifNoneExist": "x=y"}
        });
        assert_eq!(
            faults(json!([post(A), other, {"request": {"method": "DELETE", "url": "Task/1"}}, {}])),
            [
                ("Bundle.entry[1].response".to_owned(), IssueCode::NotSupported),
                ("Bundle.entry[1].resource.id".to_owned(), IssueCode::Value),
                ("Bundle.entry[1].request.ifNoneExist".to_owned(), IssueCode::NotSupported),
                ("Bundle.entry[1].fullUrl".to_owned(), IssueCode::Duplicate),
                ("Bundle.entry[2].resource".to_owned(), IssueCode::Required),
                ("Bundle.entry[2].request.method".to_owned(), IssueCode::NotSupported),
                ("Bundle.entry[3].resource".to_owned(), IssueCode::Required),
                ("Bundle.entry[3].request.method".to_owned(), IssueCode::Required),
                ("Bundle.entry[3].request.url".to_owned(), IssueCode::Required),
            ]
        );
    }

    #[test]
    fn tricks_with_urls_are_refused() {
        for url in ["Patient/1", "Patient?x=y", "/Patient", "https://a/Patient", "../Patient", "Nobody"] {
            let mut entry = post(A);
            entry["request"]["url"] = json!(url);
            assert_eq!(faults(json!([entry])), [("Bundle.entry[0].request.url".to_owned(), IssueCode::Value)], "{url}");
        }
        for full_url in ["https://gp.example/Patient/1", "Patient/1", "urn:uuid:1", "urn:oid:1.2", "#a"] {
            assert_eq!(
                faults(json!([post(full_url)])),
                [("Bundle.entry[0].fullUrl".to_owned(), IssueCode::Value)],
                "{full_url}"
            );
        }
        let mut mismatch = post(A);
        mismatch["request"]["url"] = json!("Task");
        assert_eq!(faults(json!([mismatch])), [("Bundle.entry[0].resource".to_owned(), IssueCode::Value)]);
        let put = |full_url: &str| {
            json!({
                "fullUrl": full_url, "resource": {"resourceType": "Task", "id": "1"},
                "request": {"method": "PUT", "url": "Task/1"}
            })
        };
        for full_url in ["https://a/Task/2", "https://a/Patient/1", "https://a/Task/1/_history/1"] {
            assert_eq!(
                faults(json!([put(full_url)])),
                [("Bundle.entry[0].fullUrl".to_owned(), IssueCode::Value)],
                "{full_url}"
            );
        }
        assert_eq!(
            faults(json!([put("https://a/Task/1"), put("https://b/Task/1")])),
            [("Bundle.entry[1].request.url".to_owned(), IssueCode::Duplicate)]
        );
    }

    #[test]
    fn other_bundles_are_refused() {
        let entries: Vec<Value> = (0..3).map(|_| json!({})).collect();
        let issues = transaction(&bundle(json!(entries)), 2).unwrap_err();
        assert_eq!(issues.iter().map(|issue| issue.code).collect::<Vec<_>>(), [IssueCode::TooCostly]);
        for (body, code) in [
            (json!({"resourceType": "Bundle", "type": "batch", "entry": []}), IssueCode::NotSupported),
            (json!({"resourceType": "Patient"}), IssueCode::Structure),
            (json!({"resourceType": "Bundle", "type": "transaction"}), IssueCode::Required),
            (json!({"resourceType": "Bundle", "type": "transaction", "entry": {}}), IssueCode::Structure),
            (json!({"resourceType": "Bundle", "type": "transaction", "entry": [1]}), IssueCode::Required),
        ] {
            assert_eq!(transaction(&body.into(), 9).unwrap_err().first().unwrap().code, code);
        }
    }
}
