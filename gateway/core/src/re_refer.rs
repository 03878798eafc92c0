//! Re-refer: the same person and need, another service. The new ServiceRequest `replaces` the old one and the new Task is `partOf` the old
//! one, so that the history stays in one piece; what the old ones say of their own way is left with them. The submission that is made
//! here goes the way of any other: consent, route and losses are decided for the new recipient.

use crate::ingest::{Draft, Submission, Write};
use crate::route::Recipient;
use gateway_fhir::{Json, instant};
use serde_json::json;
use time::OffsetDateTime;

/// What the extensions of the gateway's own begin with: they tell of the old way.
const OURS: &str = "https://vcse-gateway.example/";

/// What of a Task belongs to its own way.
const OF_TASK: [&str; 14] = [
    "id",
    "text",
    "identifier",
    "status",
    "_status",
    "statusReason",
    "businessStatus",
    "executionPeriod",
    "output",
    "note",
    "partOf",
    "focus",
    "owner",
    "lastModified",
];

/// The same of a ServiceRequest.
const OF_REQUEST: [&str; 8] =
    ["id", "text", "identifier", "status", "_status", "replaces", "performer", "performerType"];

/// What is referred again.
#[derive(Debug, Clone, Copy)]
pub struct Old<'a> {
    /// Id and document of the Task.
    pub task: (&'a str, &'a Json),
    /// Id and document of its ServiceRequest.
    pub service_request: (&'a str, &'a Json),
}

/// The submission of the same to another recipient; `name` is one that nothing else has, by which its parts refer to each other.
#[must_use]
pub fn again(old: &Old<'_>, to: &Recipient, name: &str, now: OffsetDateTime) -> Submission {
    let recipient = || Json::from(json!({ "identifier": { "system": to.system, "value": to.value } }));
    let url = format!("urn:uuid:{name}");
    let mut request = rest(old.service_request.1, &OF_REQUEST);
    request.set("status", Json::string("active"));
    request.set("replaces", reference("ServiceRequest", old.service_request.0));
    request.set("performer", Json::Array(vec![recipient()]));
    request.set("authoredOn", Json::string(instant::to_instant(now)));
    let mut task = rest(old.task.1, &OF_TASK);
    task.set("status", Json::string("requested"));
    task.set("partOf", reference("Task", old.task.0));
    task.set("focus", json!({ "reference": url }).into());
    task.set("owner", recipient());
    task.set("authoredOn", Json::string(instant::to_instant(now)));
    let draft = |place: usize, kind: &str, full_url: Option<String>, document| Draft {
        place: format!("Bundle.entry[{place}].resource"),
        full_url,
        kind: kind.to_owned(),
        sent_id: None,
        write: Write::Create,
        if_none_exist: None,
        document,
    };
    Submission { drafts: vec![draft(0, "ServiceRequest", Some(url), request), draft(1, "Task", None, task)] }
}

fn reference(kind: &str, id: &str) -> Json {
    let one = Json::from(json!({ "reference": format!("{kind}/{id}") }));
    Json::Array(vec![one])
}

/// The document without these elements and without what the gateway wrote; its security labels stay.
fn rest(document: &Json, without: &[&str]) -> Json {
    let members = document.as_object().unwrap_or_default().iter();
    let mut rest = Json::Object(members.filter(|(name, _)| !without.contains(&name.as_str())).cloned().collect());
    if let Some(meta) = rest.remove("meta") {
        let kept = ["security", "profile", "tag"];
        let members = meta.as_object().unwrap_or_default().iter();
        let meta: Vec<_> = members.filter(|(name, _)| kept.contains(&name.as_str())).cloned().collect();
        if !meta.is_empty() {
            rest.set("meta", Json::Object(meta));
        }
    }
    let extensions: Vec<Json> = rest.items("extension").iter().filter(|one| !is_ours(one)).cloned().collect();
    if extensions.is_empty() {
        rest.remove("extension");
    } else {
        rest.set("extension", Json::Array(extensions));
    }
    rest
}

fn is_ours(extension: &Json) -> bool {
    extension.text("url").is_some_and(|url| url.starts_with(OURS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn the_same_need_goes_to_another_service_and_keeps_its_history() {
        let security = json!([{ "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R" }]);
        let task: Json = json!({ "resourceType": "Task", "id": "old-task", "meta": { "versionId": "7", "security": security },
            "extension": [{ "url": "https://vcse-gateway.example/fhir/StructureDefinition/work-item" }, { "url": "http://own", "valueCode": "x" }],
            "status": "rejected", "statusReason": { "text": "full" }, "businessStatus": { "text": "declined" }, "intent": "order",
            "priority": "urgent", "focus": { "reference": "ServiceRequest/old" }, "for": { "reference": "Patient/p" },
            "requester": { "reference": "PractitionerRole/gp" }, "owner": { "reference": "Organization/food" },
            "note": [{ "text": "said" }], "output": [{ "valueString": "x" }], "restriction": { "period": { "end": "2026-07-01" } } })
        .into();
        let request: Json = json!({ "resourceType": "ServiceRequest", "id": "old", "meta": { "versionId": "2" }, "status": "revoked",
            "intent": "order", "code": { "text": "Food" }, "subject": { "reference": "Patient/p" },
            "performer": [{ "reference": "Organization/food" }], "identifier": [{ "value": "1" }], "note": [{ "text": "allergic" }] })
        .into();
        let old = Old { task: ("old-task", &task), service_request: ("old", &request) };
        let to =
            Recipient { system: "https://fhir.nhs.uk/Id/ods-organization-code".to_owned(), value: "VCSE2".to_owned() };
        let submission = again(&old, &to, "n", datetime!(2026-06-15 12:00 UTC));
        let [request, task] = submission.drafts.as_slice() else { panic!("two drafts") };
        assert_eq!((request.kind.as_str(), request.full_url.as_deref()), ("ServiceRequest", Some("urn:uuid:n")));
        assert_eq!((task.kind.as_str(), &task.write), ("Task", &Write::Create));
        let recipient = json!({ "identifier": { "system": to.system, "value": "VCSE2" } });
        assert_eq!(
            request.document.to_value(),
            json!({ "resourceType": "ServiceRequest", "intent": "order", "code": { "text": "Food" }, "status": "active",
                "subject": { "reference": "Patient/p" }, "note": [{ "text": "allergic" }],
                "replaces": [{ "reference": "ServiceRequest/old" }], "performer": [recipient],
                "authoredOn": "2026-06-15T12:00:00.000Z" })
        );
        assert_eq!(
            task.document.to_value(),
            json!({ "resourceType": "Task", "meta": { "security": security }, "extension": [{ "url": "http://own", "valueCode": "x" }],
                "intent": "order", "priority": "urgent", "for": { "reference": "Patient/p" },
                "requester": { "reference": "PractitionerRole/gp" }, "restriction": { "period": { "end": "2026-07-01" } },
                "status": "requested", "partOf": [{ "reference": "Task/old-task" }], "focus": { "reference": "urn:uuid:n" },
                "owner": recipient, "authoredOn": "2026-06-15T12:00:00.000Z" })
        );
    }
}
