//! What a platform sends by itself: a notification of a topic Subscription (HL7 Subscriptions R5 Backport, in the form
//! for R4), or its Task (*Direct Light*, and rest-hook Subscriptions with a payload).

use crate::task::{Known, read_task};
use adapter_contract::{PlatformReferralId, Reading, Report, ReportSource, TranslateError};
use adapter_fhir::json::Object;
use adapter_fhir::read::{bundle_entries, is_id, local_reference};
use serde_json::Value;
use std::collections::HashSet;

/// Reads a pushed report.
///
/// # Errors
/// [`TranslateError`] when the body is neither a notification nor a Task.
pub(crate) fn read(report: &Report<'_>) -> Result<Vec<Reading>, TranslateError> {
    let body = std::str::from_utf8(report.body).map_err(|_| TranslateError::new("report", "is not UTF-8"))?;
    let resource = Object::read(body).ok_or_else(|| TranslateError::new("report", "is not a JSON object"))?;
    match resource.string("resourceType").as_deref() {
        Some("Task") => {
            let read =
                read_task(body, &mut Known::default(), None).map_err(|what| TranslateError::new("Task", what))?;
            // A Task on the gateway's own API has its outputs there too: there is no platform to ask for them.
            let complete = read.unresolved.is_empty() || report.source == ReportSource::TaskUpdate;
            Ok(vec![if complete {
                Reading::Status(read.report)
            } else {
                Reading::Changed(read.report.platform_referral)
            }])
        }
        Some("Bundle") if report.source == ReportSource::TaskUpdate => collected(body),
        Some("Bundle") => notification(body),
        _ => Err(TranslateError::new("report.resourceType", "is neither Bundle nor Task")),
    }
}

/// A Task on the gateway's own API with the resources that its outputs refer to: a `collection`, the Task first.
fn collected(body: &str) -> Result<Vec<Reading>, TranslateError> {
    let wrong = |what: &str| TranslateError::new("Bundle", what);
    let entries = bundle_entries(body, "collection").ok_or_else(|| wrong("is not of type collection"))?;
    let mut resources = entries.iter().filter_map(|(url, entry)| Some((url.as_deref(), entry.raw("resource")?)));
    let (_, task) = resources.next().ok_or_else(|| wrong("is empty"))?;
    let mut known = Known::default();
    resources.for_each(|(url, text)| known.add(url, text));
    let read = read_task(task, &mut known, None).map_err(|what| TranslateError::new("Task", what))?;
    Ok(vec![Reading::Status(read.report)])
}

/// A notification Bundle: type `history`, of which the first entry is the subscription's status as `Parameters`.
fn notification(body: &str) -> Result<Vec<Reading>, TranslateError> {
    let wrong = |what: &str| TranslateError::new("Bundle", what);
    let entries = bundle_entries(body, "history").ok_or_else(|| wrong("is not of type history"))?;
    let resources = || entries.iter().filter_map(|(url, entry)| Some((url.as_deref(), entry.raw("resource")?)));
    let status = resources()
        .next()
        .and_then(|(_, text)| serde_json::from_str::<Value>(text).ok())
        .filter(|status| status.get("resourceType").and_then(Value::as_str) == Some("Parameters"))
        .ok_or_else(|| wrong("does not begin with the subscription's status (Parameters)"))?;
    let kind = parameters(&status, "parameter").find(|part| name(part) == "type");
    match kind.and_then(|part| part.get("valueCode")).and_then(Value::as_str) {
        // They say that the channel works, and nothing of a referral.
        Some("handshake" | "heartbeat") => return Ok(Vec::new()),
        Some("event-notification" | "query-event" | "query-status") => {}
        _ => return Err(wrong("names no known type of notification")),
    }
    let mut known = Known::default();
    resources().skip(1).for_each(|(url, text)| known.add(url, text));
    let (mut readings, mut told) = (Vec::new(), HashSet::new());
    for (_, text) in resources().skip(1).filter(|(_, text)| is_task(text)) {
        // One malformed Task does not stop those behind it: it is asked for by its id.
        match read_task(text, &mut known, None) {
            Ok(read) => {
                told.insert(read.report.platform_referral.0.clone());
                readings.push(if read.unresolved.is_empty() {
                    Reading::Status(read.report)
                } else {
                    Reading::Changed(read.report.platform_referral)
                });
            }
            Err(_) => continue,
        }
    }
    let events = parameters(&status, "parameter").filter(|part| name(part) == "notification-event");
    for reference in events.flat_map(|event| parameters(event, "part")).filter(|part| name(part) == "focus") {
        let reference = reference.pointer("/valueReference/reference").and_then(Value::as_str);
        let id = reference.and_then(local_reference).and_then(|place| place.strip_prefix("Task/").map(str::to_owned));
        if let Some(id) = id.filter(|id| is_id(id) && told.insert(id.clone())) {
            readings.push(Reading::Changed(PlatformReferralId(id)));
        }
    }
    Ok(readings)
}

fn is_task(text: &str) -> bool {
    Object::read(text).is_some_and(|resource| resource.string("resourceType").as_deref() == Some("Task"))
}

fn parameters<'v>(value: &'v Value, list: &str) -> impl Iterator<Item = &'v Value> {
    value.get(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default().iter()
}

fn name(parameter: &Value) -> &str {
    parameter.get("name").and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read_json(source: ReportSource, body: &Value) -> Result<Vec<Reading>, TranslateError> {
        read(&Report { source, content_type: Some("application/fhir+json"), body: body.to_string().as_bytes() })
    }

    fn notification(kind: &str, focus: &[&str], resources: &[Value]) -> Value {
        let mut parameter = vec![json!({"name": "type", "valueCode": kind})];
        for (number, focus) in focus.iter().enumerate() {
            let number = json!({"name": "event-number", "valueString": number.to_string()});
            let focus = json!({"name": "focus", "valueReference": {"reference": focus}});
            parameter.push(json!({"name": "notification-event", "part": [number, focus]}));
        }
        let status = json!({"resource": {"resourceType": "Parameters", "parameter": parameter}});
        let entries = std::iter::once(status).chain(resources.iter().map(|resource| json!({"resource": resource})));
        json!({"resourceType": "Bundle", "type": "history", "entry": entries.collect::<Vec<_>>()})
    }

    fn changed(id: &str) -> Reading {
        Reading::Changed(PlatformReferralId(id.to_owned()))
    }

    #[test]
    fn an_id_only_notification_names_what_to_read() {
        let focus = ["Task/1", "https://p.example/fhir/Task/2/_history/3", "ServiceRequest/4", "Task/1"];
        let body = notification("event-notification", &focus, &[]);
        assert_eq!(read_json(ReportSource::Webhook, &body), Ok(vec![changed("1"), changed("2")]));
    }

    #[test]
    fn a_full_notification_is_read_and_a_malformed_task_in_it_is_asked_for() {
        let tasks = [
            json!({"resourceType": "Task", "id": "1"}),
            json!({"resourceType": "Task", "id": "2", "status": "accepted"}),
            json!({"resourceType": "Task", "id": "3", "status": "completed",
                "output": [{"valueReference": {"reference": "Procedure/9"}}]}),
        ];
        let body = notification("event-notification", &["Task/1", "Task/2", "Task/3"], &tasks);
        let readings = read_json(ReportSource::Webhook, &body).expect("reads");
        assert!(matches!(&readings[0], Reading::Status(report) if report.platform_referral.0 == "2"));
        assert_eq!(readings[1..], [changed("3"), changed("1")]);
    }

    #[test]
    fn channel_notices_say_nothing_and_other_bodies_are_refused() {
        for kind in ["handshake", "heartbeat"] {
            assert_eq!(read_json(ReportSource::Webhook, &notification(kind, &[], &[])), Ok(Vec::new()));
        }
        for body in [json!([]), json!({"resourceType": "Bundle", "type": "searchset"}), notification("other", &[], &[])]
        {
            assert!(read_json(ReportSource::Webhook, &body).is_err(), "{body}");
        }
    }

    #[test]
    fn a_task_update_is_a_status_even_when_its_outputs_are_elsewhere() {
        let body = json!({"resourceType": "Task", "id": "1", "status": "completed",
            "output": [{"valueReference": {"reference": "Procedure/9"}}]});
        let readings = read_json(ReportSource::TaskUpdate, &body).expect("reads");
        assert!(matches!(&readings[0], Reading::Status(report) if report.outputs.len() == 1));
        assert_eq!(read_json(ReportSource::Webhook, &body), Ok(vec![changed("1")]));
    }
}
