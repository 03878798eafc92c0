//! Following and cancelling what was submitted: polls by `_lastUpdated` with an overlap, reads, and a conditional JSON Patch.
//!
//! It never writes a status of its own into the book: only what the gateway said is there.

use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::{Book, GpSystem, SeenVersion, WireError};
use crate::fhir;

/// A poll gives up after so many pages: a next link that leads in a circle must not hold a test.
const PAGES: usize = 1000;

/// So far behind the newest change seen a poll begins. A version is stamped when it is decided and can be read once it is stored: one
/// that is stored later may bear an earlier stamp, and would never be seen by who asks from the newest on (docs/api.md).
const OVERLAP: Duration = Duration::minutes(5);

impl GpSystem {
    /// Asks for every Task that changed since shortly before the newest change seen, through all pages. How many versions were new: what
    /// comes again is known by its id and `meta.versionId`.
    pub async fn poll(&self) -> Result<usize, WireError> {
        let seen = self.book().since.as_deref().and_then(fhir::read_instant);
        let since = fhir::instant(seen.map_or(OffsetDateTime::UNIX_EPOCH, |newest| newest - OVERLAP));
        let bound = format!("ge{since}");
        let query = [("_lastUpdated", bound.as_str()), ("_count", "100")];
        let first = self.wire.url("Task");
        let mut page = self.wire.get(&first, &query, &self.other_request_id()).await?.successful()?;
        let mut new = 0;
        for _ in 0..PAGES {
            new += note_page(&mut self.book(), &page.body);
            let Some(next) = next_link(&page.body) else { break };
            page = self.wire.get(&next, &[], &self.other_request_id()).await?.successful()?;
        }
        Ok(new)
    }

    /// Reads a Task by its id, and notes its version.
    pub async fn task(&self, id: &str) -> Result<Value, WireError> {
        let url = self.wire.url(&format!("Task/{id}"));
        let reply = self.wire.get(&url, &[], &self.other_request_id()).await?.successful()?;
        note_task(&mut self.book(), &reply.body);
        Ok(reply.body)
    }

    /// Reads any other resource, by a reference that a Task has: `Observation/1`.
    pub async fn resource(&self, reference: &str) -> Result<Value, WireError> {
        let url = self.wire.url(reference);
        Ok(self.wire.get(&url, &[], &self.other_request_id()).await?.successful()?.body)
    }

    /// Cancels: reads the Task for its version, then patches `status` on condition that it is still that version.
    pub async fn cancel(&self, task_url: &str) -> Result<Value, WireError> {
        let reply = self.wire.get(task_url, &[], &self.other_request_id()).await?.successful()?;
        let version = fhir::text_at(&reply.body, "/meta/versionId").unwrap_or_default();
        let etag = reply.etag.clone().unwrap_or_else(|| format!("W/\"{version}\""));
        let reason = json!({ "text": "Withdrawn by the referrer: the person has changed their mind" });
        let has_reason = reply.body.get("statusReason").is_some();
        let patch = json!([
            { "op": "replace", "path": "/status", "value": "cancelled" },
            { "op": if has_reason { "replace" } else { "add" }, "path": "/statusReason", "value": reason },
        ]);
        let correlation = fhir::split_reference(task_url)
            .and_then(|(_, id)| self.book().records.get(id).map(|record| record.correlation_id.clone()));
        let request = self.other_request_id();
        let patched = self.wire.patch(task_url, &patch, &etag, &request, correlation.as_deref()).await?.successful()?;
        note_task(&mut self.book(), &patched.body);
        Ok(patched.body)
    }

    /// Moves a Task that is held on again, on condition that it is still the version that was read; one that is not held stays as
    /// it is. True if it was moved.
    pub async fn release(&self, task_url: &str) -> Result<bool, WireError> {
        let reply = self.wire.get(task_url, &[], &self.other_request_id()).await?.successful()?;
        if fhir::text_at(&reply.body, "/status") != Some("on-hold") {
            return Ok(false);
        }
        let version = fhir::text_at(&reply.body, "/meta/versionId").unwrap_or_default();
        let mut patch = vec![json!({ "op": "replace", "path": "/status", "value": "requested" })];
        if reply.body.get("statusReason").is_some() {
            patch.push(json!({ "op": "remove", "path": "/statusReason" }));
        }
        let etag = format!("W/\"{version}\"");
        let request = self.other_request_id();
        let patched = self.wire.patch(task_url, &json!(patch), &etag, &request, None).await?.successful()?;
        note_task(&mut self.book(), &patched.body);
        Ok(true)
    }

    /// The person withdraws: every active Consent of the Task's patient is put back as `inactive`. Says how many.
    pub async fn withdraw_consent(&self, task_url: &str) -> Result<usize, WireError> {
        let task = self.wire.get(task_url, &[], &self.other_request_id()).await?.successful()?;
        let patient = fhir::text_at(&task.body, "/for/reference").unwrap_or_default().to_owned();
        let query = [("patient", patient.as_str()), ("status", "active")];
        let url = self.wire.url("Consent");
        let found = self.wire.get(&url, &query, &self.other_request_id()).await?.successful()?;
        let entries = found.body.get("entry").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut withdrawn = 0;
        for mut consent in entries.into_iter().filter_map(|entry| entry.get("resource").cloned()) {
            let id = fhir::text_at(&consent, "/id").unwrap_or_default().to_owned();
            let version = fhir::text_at(&consent, "/meta/versionId").unwrap_or_default();
            let etag = format!("W/\"{version}\"");
            if let Some(members) = consent.as_object_mut() {
                members.insert("status".to_owned(), json!("inactive"));
            }
            let url = self.wire.url(&format!("Consent/{id}"));
            self.wire.put(&url, &consent, &etag, &self.other_request_id()).await?.successful()?;
            withdrawn += 1;
        }
        Ok(withdrawn)
    }
}

fn next_link(bundle: &Value) -> Option<String> {
    let links = bundle.get("link")?.as_array()?;
    let next = links.iter().find(|link| fhir::text_at(link, "/relation") == Some("next"))?;
    fhir::text_at(next, "/url").map(str::to_owned)
}

fn note_page(book: &mut Book, bundle: &Value) -> usize {
    let entries = bundle.get("entry").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let tasks = entries.iter().filter_map(|entry| entry.get("resource"));
    let mut new = 0;
    for task in tasks.filter(|one| fhir::text_at(one, "/resourceType") == Some("Task")) {
        new += usize::from(note_task(book, task));
        later(&mut book.since, fhir::text_at(task, "/meta/lastUpdated"));
    }
    new
}

/// Keeps the later of two instants, as it was written. Only pages move this: a single read may run ahead of others.
fn later(since: &mut Option<String>, seen: Option<&str>) {
    let Some(seen) = seen else { return };
    let known = since.as_deref().and_then(fhir::read_instant);
    if known.is_none() || fhir::read_instant(seen) > known {
        *since = Some(seen.to_owned());
    }
}

/// Notes a version of a Task; true where it is new and the Task was submitted here.
fn note_task(book: &mut Book, task: &Value) -> bool {
    let Some(id) = fhir::text_at(task, "/id") else { return false };
    let version = fhir::text_at(task, "/meta/versionId").and_then(|text| text.parse().ok()).unwrap_or(0);
    let seen = SeenVersion {
        version,
        status: fhir::text_at(task, "/status").unwrap_or_default().to_owned(),
        business_status: words(task.get("businessStatus")),
        business_code: fhir::text_at(task, "/businessStatus/coding/0/code").map(str::to_owned),
        status_reason: words(task.get("statusReason")),
        last_updated: fhir::text_at(task, "/meta/lastUpdated").unwrap_or_default().to_owned(),
        outputs: task.get("output").and_then(Value::as_array).map_or(0, Vec::len),
    };
    let ours = book.records.contains_key(id);
    let history = match book.records.get_mut(id) {
        Some(record) => &mut record.history,
        None => book.unclaimed.entry(id.to_owned()).or_default(),
    };
    match history.binary_search_by_key(&version, |one| one.version) {
        Ok(_) => false,
        Err(at) => {
            history.insert(at, seen);
            ours
        }
    }
}

fn words(concept: Option<&Value>) -> Option<String> {
    let concept = concept?;
    fhir::text_at(concept, "/text").or_else(|| fhir::text_at(concept, "/coding/0/code")).map(str::to_owned)
}
