//! How a report is shown: as an extension of the Task with what somebody should look at, and as a Provenance with all of it.

use super::{INCOMPLETE, LossReport, grade_word, reason_word};
use crate::accept::version_of;
use crate::identity::{Compartment, GATEWAY_AUTHOR};
use crate::letter;
use crate::resource::{ResourceKey, ResourceVersion, WriteMethod};
use crate::withdraw;
use adapter_contract::{Grade, Loss};
use gateway_fhir::{Json, instant};
use serde_json::{Value, json};
use time::OffsetDateTime;

/// The extension's URL: a name, not an address.
pub const EXTENSION: &str = "https://vcse-gateway.example/fhir/StructureDefinition/translation-loss";

/// Beginning of the URI that names an adapter and its version in `Provenance.policy`.
const ADAPTER: &str = "https://vcse-gateway.example/fhir/adapter/";

/// A report with the Provenance that holds all of it.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// What is lost.
    pub report: &'a LossReport,
    /// Id of the Provenance.
    pub provenance: &'a str,
}

impl Shown<'_> {
    /// Puts the extension into a Task, in the place of an earlier one.
    pub fn put_into(&self, task: &mut Json) {
        without_ours(task);
        if !self.report.is_worth_showing() {
            return;
        }
        let report =
            json!({ "url": "report", "valueReference": { "reference": format!("Provenance/{}", self.provenance) } });
        let mut parts = summary(self.report);
        parts.push(report);
        parts.extend(self.report.from_grade(Grade::Notable).map(one));
        let mut all = task.items("extension").to_vec();
        all.push(json!({ "url": EXTENSION, "extension": parts }).into());
        task.set("extension", Json::Array(all));
    }
}

/// Whether an extension is the gateway's.
#[must_use]
pub fn is_ours(extension: &Json) -> bool {
    extension.text("url") == Some(EXTENSION)
}

/// Takes the gateway's extension out of a Task.
pub fn without_ours(task: &mut Json) {
    let all = task.items("extension");
    if !all.iter().any(is_ours) {
        return;
    }
    let rest: Vec<Json> = all.iter().filter(|extension| !is_ours(extension)).cloned().collect();
    if rest.is_empty() {
        task.remove("extension");
    } else {
        task.set("extension", Json::Array(rest));
    }
}

/// The gateway's extensions stay as they stand, whatever a client sends: they are not the client's to change or remove.
pub fn put_back(current: &Json, proposed: &mut Json) {
    let is_gateways =
        |extension: &&Json| is_ours(extension) || withdraw::is_receipt(extension) || letter::is_ours(extension);
    let ours: Vec<Json> = current.items("extension").iter().filter(is_gateways).cloned().collect();
    if proposed.items("extension").iter().filter(is_gateways).eq(ours.iter()) {
        return;
    }
    let theirs = proposed.items("extension").iter().filter(|extension| !is_gateways(extension)).cloned();
    let all: Vec<Json> = theirs.chain(ours).collect();
    if all.is_empty() {
        proposed.remove("extension");
    } else {
        proposed.set("extension", Json::Array(all));
    }
}

/// Grades, numbers and who translates.
fn summary(report: &LossReport) -> Vec<Value> {
    let mut parts = Vec::new();
    if let Some(worst) = report.worst {
        parts.push(json!({ "url": "worst", "valueCode": grade_word(worst) }));
    }
    parts.push(json!({ "url": "complete", "valueBoolean": report.complete }));
    if !report.complete {
        parts.push(json!({ "url": "incomplete-because", "valueString": INCOMPLETE }));
    }
    for grade in [Grade::Unsafe, Grade::Notable, Grade::Informational] {
        parts.push(json!({ "url": grade_word(grade), "valueUnsignedInt": report.count(grade) }));
    }
    if report.more > 0 {
        parts.push(json!({ "url": "not-listed", "valueUnsignedInt": report.more }));
    }
    parts.push(json!({ "url": "adapter", "valueString": report.adapter }));
    parts.push(json!({ "url": "adapter-version", "valueString": report.version }));
    parts
}

fn one(loss: &Loss) -> Value {
    let mut parts = vec![
        json!({ "url": "element", "valueString": loss.element }),
        json!({ "url": "reason", "valueCode": reason_word(loss.reason) }),
        json!({ "url": "grade", "valueCode": grade_word(loss.grade) }),
        json!({ "url": "count", "valueUnsignedInt": loss.count }),
    ];
    for (url, text) in [("detail", &loss.detail), ("rule", &loss.rule), ("because", &loss.because)] {
        if let Some(text) = text.as_ref().filter(|text| !text.trim().is_empty()) {
            parts.push(json!({ "url": url, "valueString": text }));
        }
    }
    json!({ "url": "loss", "extension": parts })
}

/// The Provenance of a Task version: the gateway assembled, from the ServiceRequest, by this adapter, with these losses.
#[must_use]
pub fn provenance(
    shown: Shown<'_>,
    compartment: &Compartment,
    task: (&str, u64),
    service_request: &str,
    now: OffsetDateTime,
) -> ResourceVersion {
    let report = shown.report;
    let mut parts = summary(report);
    parts.extend(report.losses.iter().map(one));
    let document = json!({
        "resourceType": "Provenance",
        "extension": [{ "url": EXTENSION, "extension": parts }],
        "target": [{ "reference": format!("Task/{}/_history/{}", task.0, task.1) }],
        "recorded": instant::to_instant(now),
        "policy": [format!("{ADAPTER}{}|{}", report.adapter, report.version)],
        "activity": { "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle",
            "code": "transform",
        }] },
        "agent": [{
            "type": { "coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/provenance-participant-type",
                "code": "assembler",
            }] },
            "who": { "display": "vcse-gateway" },
        }],
        "entity": [{ "role": "source", "what": { "reference": format!("ServiceRequest/{service_request}") } }],
    });
    let key = ResourceKey {
        compartment: compartment.clone(),
        kind: "Provenance".to_owned(),
        id: shown.provenance.to_owned(),
    };
    version_of(key, 1, document.into(), GATEWAY_AUTHOR, WriteMethod::Post, now, &|_| None)
}
