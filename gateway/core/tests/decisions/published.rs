//! Update of a published Task: what a platform that collects here may do with it.

use crate::builders::*;
use adapter_contract::{ReportSource, TaskStatus};
use gateway_core::change::Change;
use gateway_core::identity::{Client, ClientId, Role};
use gateway_core::refusal::Refusal;
use gateway_core::resource::WriteMethod;
use gateway_core::update::{PublishedTaskUpdate, Updated, update_published_task};
use gateway_fhir::Json;
use serde_json::json;
use std::collections::BTreeSet;

fn collector() -> Client {
    Client {
        id: ClientId("collector".to_owned()),
        roles: BTreeSet::from([Role::Platform]),
        platform: Some(platform()),
        ..client()
    }
}

fn put(current: &Json, proposed: &Json, if_match: Option<u64>) -> Result<Updated, Refusal> {
    let (client, platform) = (collector(), platform());
    let update = PublishedTaskUpdate {
        client: &client,
        platform: &platform,
        task: ("pub", 3, current),
        proposed,
        method: WriteMethod::Put,
        if_match,
        report: "the report".to_owned(),
        now: NOW,
    };
    update_published_task(&update, "raw-1".to_owned())
}

#[test]
fn it_must_say_which_version_it_has_read() {
    let current = task(TaskStatus::Requested);
    for (if_match, refused) in [(None, Some(412)), (Some(2), Some(412)), (Some(3), None), (Some(4), Some(412))] {
        assert_eq!(put(&current, &current, if_match).err().map(|refusal| refusal.status), refused, "{if_match:?}");
    }
}

#[test]
fn elements_of_the_performer() {
    for (element, value, allowed) in [
        ("note", json!([{"text": "Rang twice."}]), true),
        ("output", json!([{"type": {"text": "x"}, "valueString": "y"}]), true),
        ("businessStatus", json!({"text": "waiting list"}), true),
        ("statusReason", json!({"text": "full"}), true),
        ("executionPeriod", json!({"start": "2026-06-15"}), true),
        ("owner", json!({"display": "Jo"}), true),
        ("for", json!({"reference": "Patient/other"}), false),
        ("focus", json!({"reference": "ServiceRequest/other"}), false),
        ("requester", json!({"display": "Nobody"}), false),
        ("identifier", json!([{"value": "mine"}]), false),
        ("intent", json!("plan"), false),
        ("description", json!("other"), false),
    ] {
        let current = task(TaskStatus::Requested);
        let mut proposed = current.clone();
        proposed.set(element, value.into());
        let refused = put(&current, &proposed, Some(3)).err().map(|refusal| refusal.status);
        assert_eq!(refused, (!allowed).then_some(422), "{element}");
    }
    let mut labelled = task(TaskStatus::Requested);
    labelled.set("meta", json!({"security": [{"code": "R"}]}).into());
    assert_eq!(put(&labelled, &task(TaskStatus::Requested), Some(3)).unwrap_err().status, 422);
}

#[test]
fn moves_of_the_performer() {
    use TaskStatus::*;
    for (from, to, allowed) in [
        (Requested, Accepted, true),
        (Requested, Completed, true),
        (Requested, Cancelled, true),
        (InProgress, InProgress, true),
        (OnHold, InProgress, true),
        (OnHold, Requested, false),
        (Requested, Draft, false),
        (Requested, EnteredInError, false),
        (Completed, InProgress, false),
        (Cancelled, Accepted, false),
    ] {
        let refused = put(&task(from), &task(to), Some(3)).err().map(|refusal| refusal.status);
        assert_eq!(refused, (!allowed).then_some(422), "{from} {to}");
    }
}

#[test]
fn it_is_kept_as_theirs_and_recorded_as_a_report() {
    let done = put(&task(TaskStatus::Requested), &task(TaskStatus::Accepted), Some(3)).unwrap();
    let (version, document) = done.transaction.versions("Task").pop().unwrap();
    assert_eq!((version.version, done.version, version.author.as_str()), (4, 4, "client/collector"));
    assert_eq!((version.key.id.as_str(), version.key.compartment), ("pub", collector().compartment()));
    assert_eq!(document.text("status"), Some("accepted"));
    let Some(Change::ReceiveReport(report)) = done.transaction.changes.last() else { panic!("no report") };
    assert_eq!((report.source, report.id.as_str()), (ReportSource::TaskUpdate, "raw-1"));
    assert_eq!((&report.platform, report.body.as_slice()), (&platform(), b"the report".as_slice()));
    assert_eq!(done.transaction.changes.len(), 2, "the sender's Task follows only when the report is applied");
}
