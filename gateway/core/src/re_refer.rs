//! Re-refer: the same person and need, another service. The new ServiceRequest `replaces` the old one and the new Task is `partOf` the old
//! one, so that the history stays in one piece; what the old ones say of their own way is left with them. A part of a split referral stays a
//! part of it, and whoever has the work in hand keeps it. A day that is over by now is nobody's wish any more. The submission that is
//! made here goes the way of any other: consent, route and losses are decided for the new recipient.

use crate::account::AccountId;
use crate::ingest::{Draft, Submission, Write};
use crate::route::Recipient;
use crate::work_item;
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
    /// The Tasks with the intent `plan` that it is a part of, as `Task/id`.
    pub wholes: &'a [String],
}

/// The submission of the same to another recipient; `name` is one that nothing else has, by which its parts refer to each other. Where
/// the old one was handed over to nobody, the new one is handed to `by`, if anybody.
#[must_use]
pub fn again(old: &Old<'_>, to: &Recipient, name: &str, by: Option<&AccountId>, now: OffsetDateTime) -> Submission {
    let recipient = || Json::from(json!({ "identifier": { "system": to.system, "value": to.value } }));
    let url = format!("urn:uuid:{name}");
    let mut request = rest(old.service_request.1, &OF_REQUEST);
    request.set("status", Json::string("active"));
    request.set("replaces", reference("ServiceRequest", old.service_request.0));
    request.set("performer", Json::Array(vec![recipient()]));
    request.set("authoredOn", Json::string(instant::to_instant(now)));
    without_past_days(&mut request, now);
    let mut task = rest(old.task.1, &OF_TASK);
    task.set("status", Json::string("requested"));
    let before = format!("Task/{}", old.task.0);
    let of = std::iter::once(&before).chain(old.wholes).map(|whole| Json::from(json!({ "reference": whole })));
    task.set("partOf", Json::Array(of.collect()));
    task.set("focus", json!({ "reference": url }).into());
    task.set("owner", recipient());
    task.set("authoredOn", Json::string(instant::to_instant(now)));
    without_past_days(&mut task, now);
    let handed_over = work_item::assigned(old.task.1);
    if let Some(who) = handed_over.as_ref().or(by) {
        work_item::assign(&mut task, Some(who));
    }
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

/// Without what was wanted by a time that is over: the new service would be late before it begins.
fn without_past_days(document: &mut Json, now: OffsetDateTime) {
    let is_over = |end: Option<&str>| end.and_then(instant::parse_inward).is_some_and(|moment| moment.latest <= now);
    let end = |period: Option<&Json>| period.and_then(|period| period.text("end")).map(str::to_owned);
    if is_over(document.text("occurrenceDateTime")) {
        document.remove("occurrenceDateTime");
    }
    if is_over(end(document.get("occurrencePeriod")).as_deref()) {
        document.remove("occurrencePeriod");
    }
    let Some(mut restriction) = document.get("restriction").cloned() else { return };
    if is_over(end(restriction.get("period")).as_deref()) {
        restriction.remove("period");
        if restriction.as_object().is_some_and(<[_]>::is_empty) {
            document.remove("restriction");
        } else {
            document.set("restriction", restriction);
        }
    }
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
        let old = Old { task: ("old-task", &task), service_request: ("old", &request), wholes: &[] };
        let to =
            Recipient { system: "https://fhir.nhs.uk/Id/ods-organization-code".to_owned(), value: "VCSE2".to_owned() };
        let submission = again(&old, &to, "n", None, datetime!(2026-06-15 12:00 UTC));
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

    fn task_again(
        task: serde_json::Value,
        request: serde_json::Value,
        wholes: &[String],
        by: Option<&str>,
    ) -> [Json; 2] {
        let (task, request) = (task.into(), request.into());
        let old = Old { task: ("old", &task), service_request: ("old", &request), wholes };
        let to = Recipient { system: "s".to_owned(), value: "v".to_owned() };
        let by = by.map(|name| AccountId(name.to_owned()));
        let submission = again(&old, &to, "n", by.as_ref(), datetime!(2026-06-15 12:00 UTC));
        let mut documents = submission.drafts.into_iter().map(|draft| draft.document);
        [documents.next().unwrap(), documents.next().unwrap()]
    }

    #[test]
    fn a_part_stays_a_part_and_keeps_who_has_it_in_hand() {
        let handed_over = json!({ "extension": [{ "url": work_item::EXTENSION, "extension": [
            { "url": "assigned-to", "valueIdentifier": { "system": work_item::ACCOUNT, "value": "anna" } },
            { "url": "settled", "valueCode": "resolved" }] }] });
        let wholes = ["Task/whole".to_owned()];
        let [_, task] = task_again(handed_over, json!({}), &wholes, Some("bob"));
        let of: Vec<_> = task.items("partOf").iter().filter_map(|part| part.text("reference")).collect();
        assert_eq!(of, ["Task/old", "Task/whole"]);
        assert_eq!(work_item::assigned(&task).map(|who| who.0).as_deref(), Some("anna"));
        assert_eq!(work_item::settled(&task), None, "that is of the old one");
        let [_, task] = task_again(json!({}), json!({}), &[], Some("bob"));
        assert_eq!(work_item::assigned(&task).map(|who| who.0).as_deref(), Some("bob"));
        let [_, task] = task_again(json!({}), json!({}), &[], None);
        assert!(task.get("extension").is_none());
    }

    #[test]
    fn a_day_that_is_over_is_not_carried_on_and_one_to_come_is() {
        let until = |end: &str| json!({ "restriction": { "repetitions": 2, "period": { "end": end } } });
        let [_, past] = task_again(until("2026-06-14"), json!({}), &[], None);
        assert_eq!(past.get("restriction").map(Json::to_value), Some(json!({ "repetitions": 2 })));
        let [_, alone] =
            task_again(json!({ "restriction": { "period": { "end": "2026-06-15T11:00:00Z" } } }), json!({}), &[], None);
        assert!(alone.get("restriction").is_none());
        let [_, to_come] = task_again(until("2026-06-15"), json!({}), &[], None);
        assert!(to_come.get("restriction").unwrap().get("period").is_some(), "today is not over");
        for (element, past, to_come) in [
            ("occurrenceDateTime", json!("2026-06-01"), json!("2026-07-01")),
            ("occurrencePeriod", json!({ "start": "2026-06-01", "end": "2026-06-02" }), json!({ "end": "2026-07-01" })),
        ] {
            let [gone, _] = task_again(json!({}), json!({ element: past }), &[], None);
            assert!(gone.get(element).is_none(), "{element}");
            let [kept, _] = task_again(json!({}), json!({ element: to_come }), &[], None);
            assert!(kept.get(element).is_some(), "{element}");
        }
    }
}
