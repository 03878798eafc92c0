//! Disclose: the record of who is told what of a person, on which consent, and what is kept back. It is a line of audit,
//! written in the transaction that lets a request leave or an answer be given, so that nothing is out before it is on
//! record. Whether it arrived is not part of it: that is the end of its attempt.
//!
//! It holds element paths, codes, ids and versions, never what stood there. It never says less than left: where an adapter
//! accounts for its translation, what nothing in it reads is left out; otherwise all that the adapter was given is named.

mod contents;

pub use contents::Contents;

use crate::accept::{audit_line, decision_detail, version_of};
use crate::change::{AuditRecord, Change};
use crate::consent::{Decision, Recipient, Stage, Verdict, stored_name};
use crate::deliver::Job;
use crate::identity::{GATEWAY_AUTHOR, PlatformId};
use crate::outbox::AdapterVersion;
use crate::referral::{Referral, SenderState};
use crate::resource::{ResourceKey, WriteMethod};
use crate::task::touched;
use gateway_fhir::Json;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use time::OffsetDateTime;

/// `action` of the line of audit.
pub const ACTION: &str = "disclose";

/// `action` of the line that says that a collecting platform asked and was not given.
pub const DENIED: &str = "collect-denied";

/// How it was disclosed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Manner {
    /// In a request of ours to the platform.
    Sent,
    /// Laid ready for the platform to read, here. What it reads is a disclosure of its own.
    Published,
    /// The platform read it here.
    Collected,
    /// Somebody of the organisation saw it on the page behind a status link.
    Viewed,
}

/// What the element paths are those of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// Of the document that the adapter was given, without what nothing in its translation reads.
    Translated,
    /// Of the whole document that the adapter was given: it gives no account of its translation.
    Given,
    /// Of the resource that the platform read.
    Read,
}

/// One disclosure, as audit keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Disclosure {
    /// How.
    pub manner: Manner,
    /// To whom.
    pub platform: PlatformId,
    /// Its name as it was configured then.
    pub recipient: String,
    /// `system|value` of each identifier that it had then.
    pub identifiers: Vec<String>,
    /// The outbox row; absent for what was collected or viewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbox: Option<String>,
    /// The attempt, from 1; absent for what was collected or viewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Who translated.
    pub adapter: AdapterVersion,
    /// `Patient/x`; absent for a Patient that is contained: it has a name of the sender's own making.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient: Option<String>,
    /// The sender's ServiceRequest; with its version, where it was sent or viewed.
    pub service_request: String,
    /// The sender's Task; with its version, where it was sent or viewed.
    pub task: String,
    /// The published resource that was collected, with its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Element paths without indexes (`Patient.name.family`), sorted.
    pub elements: Vec<String>,
    /// What they are the paths of.
    pub basis: Basis,
    /// What was there, would have been sent, and was kept back.
    pub withheld: Vec<KeptBack>,
    /// On what it rests. Absent where a platform reads that a Task has ended, which it may though no
    /// consent covers it: it has to learn that it has to stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Grounds>,
}

/// An element that was kept back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptBack {
    /// Element path, or the type alone for a whole resource.
    pub path: String,
    /// Reason code.
    pub reason: String,
    /// The reason in words.
    pub words: String,
    /// The rule that decided.
    pub rule: String,
    /// The Consent in the way, with its version, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<String>,
}

/// The consent decision on which something is disclosed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Grounds {
    /// `permit`, `redact` or `deny`.
    pub verdict: String,
    /// Reason code.
    pub reason: String,
    /// The reason in words.
    pub words: String,
    /// The rule set.
    pub rules: String,
    /// The rules that were passed.
    pub path: Vec<String>,
    /// All Consents that were read, with their versions.
    pub consents: Vec<String>,
    /// The Consent that decided, with its version, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decisive: Option<String>,
    /// What has to be done along with it.
    pub duties: Vec<String>,
    /// The override, if it is one.
    #[serde(default, rename = "override", skip_serializing_if = "Option::is_none")]
    pub overriding: Option<OverrideUsed>,
    /// Lawful basis that the tenant recorded for this recipient.
    pub lawful_basis: Vec<String>,
}

/// The override under which something is disclosed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OverrideUsed {
    /// Its id.
    pub id: String,
    /// Who decided.
    pub professional: String,
}

/// What is about to leave in an attempt.
#[derive(Debug, Clone, Copy)]
pub struct Leaving<'a> {
    /// How.
    pub manner: Manner,
    /// The decision for this very attempt.
    pub consent: &'a Decision,
    /// What is told.
    pub contents: &'a Contents,
    /// To whom; absent if nobody of this name is configured, and then the platform's id stands for it.
    pub recipient: Option<&'a Recipient>,
}

/// The lines of audit of a submission that is about to leave: the decision, and what it discloses.
pub(crate) fn leaving(job: &Job<'_>, leaving: &Leaving<'_>) -> [Change; 2] {
    let referral = job.referral;
    let decided = decision_detail(leaving.consent, Stage::Attempt);
    let disclosure = Disclosure {
        manner: leaving.manner,
        outbox: Some(job.row.id.clone()),
        attempt: Some(job.row.attempts),
        service_request: versioned("ServiceRequest", &referral.service_request, job.service_request.0),
        task: versioned("Task", &referral.task, job.task.0),
        ..disclosed(referral, &job.row.platform, job.adapter, leaving.recipient, leaving.contents)
    };
    let disclosure = Disclosure { decision: Some(grounds(leaving.consent)), ..disclosure };
    [
        audit_line(referral, job.now, GATEWAY_AUTHOR, "consent-decision", decided),
        line(referral, job.now, GATEWAY_AUTHOR, &disclosure),
    ]
}

/// What a collecting platform is about to be given.
#[derive(Debug, Clone, Copy)]
pub struct Collecting<'a> {
    /// The referral that it belongs to.
    pub referral: &'a Referral,
    /// Who collects.
    pub platform: &'a PlatformId,
    /// Who translated what was published.
    pub adapter: &'a AdapterVersion,
    /// The platform as it is configured.
    pub recipient: Option<&'a Recipient>,
    /// `Type/id` and version of the published resource.
    pub resource: (&'a str, u64),
    /// The decision; absent where all that is given is that a Task has ended.
    pub consent: Option<&'a Decision>,
    /// Now.
    pub now: OffsetDateTime,
}

/// The line of audit for what a platform is given to read; `None` if `before` says the same already: of this resource, in
/// this version, with all that it rests on. `before` are the lines of the referral, in order.
#[must_use]
pub fn collected(of: &Collecting<'_>, contents: &Contents, before: &[AuditRecord]) -> Option<Change> {
    let referral = of.referral;
    let disclosure = Disclosure {
        manner: Manner::Collected,
        resource: Some(versioned_name(of.resource)),
        decision: of.consent.map(grounds),
        ..disclosed(referral, of.platform, of.adapter, of.recipient, contents)
    };
    let same = |line: &Disclosure| line.resource == disclosure.resource && line.platform == disclosure.platform;
    let last = before.iter().rev().filter_map(read).find(same);
    if last.as_ref() == Some(&disclosure) {
        return None;
    }
    Some(line(referral, of.now, &format!("platform/{}", of.platform), &disclosure))
}

/// What somebody of an organisation is about to be shown on the page behind a status link.
#[derive(Debug, Clone, Copy)]
pub struct Viewing<'a> {
    /// The referral.
    pub referral: &'a Referral,
    /// Whose organisation.
    pub platform: &'a PlatformId,
    /// Who makes the page.
    pub adapter: &'a AdapterVersion,
    /// The organisation as it is configured.
    pub recipient: Option<&'a Recipient>,
    /// What the page tells of the person.
    pub contents: &'a Contents,
    /// The decision for this very view.
    pub consent: &'a Decision,
    /// Version of the sender's ServiceRequest.
    pub service_request: u64,
    /// Version of the sender's Task.
    pub task: u64,
    /// Now.
    pub now: OffsetDateTime,
}

/// The line of audit of one view: each is a disclosure of its own, for nobody knows who looks the second time. To be
/// committed before the page is given.
#[must_use]
pub fn viewed(viewing: &Viewing<'_>) -> Vec<Change> {
    let referral = viewing.referral;
    let disclosure = Disclosure {
        manner: Manner::Viewed,
        service_request: versioned("ServiceRequest", &referral.service_request, viewing.service_request),
        task: versioned("Task", &referral.task, viewing.task),
        decision: Some(grounds(viewing.consent)),
        ..disclosed(referral, viewing.platform, viewing.adapter, viewing.recipient, viewing.contents)
    };
    vec![line(referral, viewing.now, &format!("platform/{}", viewing.platform), &disclosure)]
}

/// What is written when a platform asked for something and is not given it: a line of audit, and the Task says so to whoever
/// has to look. Nothing if the same was denied before for the same reason, and nothing was given since. `task` is the
/// sender's, as it stands.
#[must_use]
pub fn denied(of: &Collecting<'_>, consent: &Decision, task: (u64, &Json), before: &[AuditRecord]) -> Vec<Change> {
    let (reference, _) = of.resource;
    let detail = serde_json::json!({
        "platform": of.platform.0,
        "resource": reference,
        "decision": grounds(consent),
    });
    let is_given = |line: &AuditRecord| {
        let resource = read(line).and_then(|one| one.resource);
        resource.is_some_and(|one| one.split("/_history/").next() == Some(reference))
    };
    let is_denied = |line: &AuditRecord| line.action == DENIED && line.detail.get("resource") == detail.get("resource");
    let last = before.iter().rev().find(|line| is_given(line) || is_denied(line));
    if last.is_some_and(|line| line.action == DENIED && line.detail == detail) {
        return Vec::new();
    }
    let mut changes = vec![audit_line(of.referral, of.now, &format!("platform/{}", of.platform), DENIED, detail)];
    let referral = of.referral;
    if referral.sender != SenderState::Active || referral.task_status.is_final() {
        return changes;
    }
    let why = match consent.verdict {
        Verdict::Deny => consent.words(&stored_name),
        Verdict::Permit => HELD.to_owned(),
    };
    let words = format!("{ASKED}{why}");
    if reason(task.1) != Some(words.as_str()) {
        let mut next = touched(task.1, of.now);
        next.set("statusReason", serde_json::json!({ "text": words }).into());
        changes.push(next_task(of, task.0, next));
        changes.push(with_attention(of, Some(words)));
    }
    changes
}

/// What begins the words on a Task of which something was asked for in vain.
const ASKED: &str = "The platform asked for the referral and was not given all of it: ";

/// What ends them where consent covers the referral and not all that was published of it.
const HELD: &str = "what was published for it holds what consent withholds by now.";

/// Whether a referral or its Task says that something was asked for in vain.
#[must_use]
pub fn says_denied(referral: &Referral, task: &Json) -> bool {
    let words = [reason(task), referral.attention.as_deref()];
    words.into_iter().flatten().any(|words| words.starts_with(ASKED))
}

/// Takes those words back when the platform is given what it asks for, unless consent still keeps another resource from it.
/// `task` is the sender's, as it stands.
#[must_use]
pub fn given_after_all(of: &Collecting<'_>, task: (u64, &Json), before: &[AuditRecord]) -> Vec<Change> {
    let referral = of.referral;
    let words = [reason(task.1), referral.attention.as_deref()];
    if words.into_iter().flatten().any(|words| words.starts_with(ASKED) && words.ends_with(HELD)) {
        let mut kept: BTreeSet<&str> = BTreeSet::new();
        let given: Vec<Option<String>> = before.iter().map(|line| read(line).and_then(|one| one.resource)).collect();
        for (line, given) in before.iter().zip(&given) {
            if let Some(given) = given.as_deref().and_then(|one| one.split("/_history/").next()) {
                kept.remove(given);
            } else if line.action == DENIED {
                kept.extend(line.detail.get("resource").and_then(serde_json::Value::as_str));
            }
        }
        kept.remove(of.resource.0);
        if !kept.is_empty() {
            return Vec::new();
        }
    }
    let mut changes = Vec::new();
    if !referral.task_status.is_final() && reason(task.1).is_some_and(|words| words.starts_with(ASKED)) {
        let mut next = touched(task.1, of.now);
        next.remove("statusReason");
        changes.push(next_task(of, task.0, next));
    }
    if referral.attention.as_deref().is_some_and(|words| words.starts_with(ASKED)) {
        changes.push(with_attention(of, None));
    }
    changes
}

fn reason(task: &Json) -> Option<&str> {
    task.get("statusReason")?.text("text")
}

fn next_task(of: &Collecting<'_>, version: u64, next: Json) -> Change {
    let referral = of.referral;
    let key =
        ResourceKey { compartment: referral.compartment.clone(), kind: "Task".to_owned(), id: referral.task.clone() };
    Change::PutResource(version_of(key, version + 1, next, GATEWAY_AUTHOR, WriteMethod::Put, of.now, &|_| None))
}

fn with_attention(of: &Collecting<'_>, attention: Option<String>) -> Change {
    let referral = of.referral.clone();
    Change::PutReferral(Box::new(Referral { attention, revision: referral.revision + 1, ..referral }))
}

/// A letter to a practice that is about to leave.
#[derive(Debug, Clone, Copy)]
pub struct Posting<'a> {
    /// The referral.
    pub referral: &'a Referral,
    /// Versions of the sender's ServiceRequest and Task.
    pub versions: (u64, u64),
    /// For whose client it is written.
    pub client: &'a str,
    /// Name of the practice, and its ODS code.
    pub practice: (&'a str, &'a str),
    /// What it tells: element paths without indexes.
    pub elements: &'a [&'a str],
    /// The decision for this very attempt.
    pub consent: &'a Decision,
    /// Now.
    pub now: OffsetDateTime,
}

/// The line of audit of a letter. To be committed before it leaves.
#[must_use]
pub fn posted(posting: &Posting<'_>) -> Change {
    let referral = posting.referral;
    let (name, ods) = posting.practice;
    let recipient = Recipient {
        platform: PlatformId(format!("letter/{}", posting.client)),
        name: name.to_owned(),
        identifiers: vec![(gateway_fhir::identifiers::ODS_CODE.to_owned(), ods.to_owned())],
    };
    let adapter =
        AdapterVersion { name: "gp-connect-send-document".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
    let mut elements: Vec<String> = posting.elements.iter().map(|path| (*path).to_owned()).collect();
    elements.sort();
    let contents = Contents { elements, basis: Basis::Given, withheld: Vec::new() };
    let disclosure = Disclosure {
        service_request: versioned("ServiceRequest", &referral.service_request, posting.versions.0),
        task: versioned("Task", &referral.task, posting.versions.1),
        decision: Some(grounds(posting.consent)),
        ..disclosed(referral, &recipient.platform, &adapter, Some(&recipient), &contents)
    };
    line(referral, posting.now, GATEWAY_AUTHOR, &disclosure)
}

/// Reads a line of audit; `None` if it is no disclosure.
#[must_use]
pub fn read(line: &AuditRecord) -> Option<Disclosure> {
    if line.action != ACTION {
        return None;
    }
    Disclosure::deserialize(&line.detail).ok()
}

fn line(referral: &Referral, at: OffsetDateTime, actor: &str, disclosure: &Disclosure) -> Change {
    // It is made of texts and lists of texts alone, so it always has a JSON form.
    let detail = serde_json::to_value(disclosure).unwrap_or_default();
    audit_line(referral, at, actor, ACTION, detail)
}

fn disclosed(
    referral: &Referral,
    platform: &PlatformId,
    adapter: &AdapterVersion,
    recipient: Option<&Recipient>,
    contents: &Contents,
) -> Disclosure {
    let identifiers = recipient.map(|known| known.identifiers.as_slice()).unwrap_or_default();
    Disclosure {
        manner: Manner::Sent,
        platform: platform.clone(),
        recipient: recipient.map_or_else(|| platform.0.clone(), |known| known.name.clone()),
        identifiers: identifiers.iter().map(|(system, value)| format!("{system}|{value}")).collect(),
        outbox: None,
        attempt: None,
        adapter: adapter.clone(),
        patient: Some(referral.patient.clone()).filter(|patient| patient.starts_with("Patient/")),
        service_request: format!("ServiceRequest/{}", referral.service_request),
        task: format!("Task/{}", referral.task),
        resource: None,
        elements: contents.elements.clone(),
        basis: contents.basis,
        withheld: contents.withheld.clone(),
        decision: None,
    }
}

fn grounds(consent: &Decision) -> Grounds {
    let named = |(id, version): &(String, u64)| versioned("Consent", id, *version);
    Grounds {
        verdict: consent.word().to_owned(),
        reason: consent.reason.code().to_owned(),
        words: consent.reason.words(),
        rules: consent.rules.to_owned(),
        path: consent.rule_path.clone(),
        consents: consent.consents.iter().map(named).collect(),
        decisive: consent.decisive.as_ref().map(named),
        duties: consent.duties.iter().map(|duty| duty.code().to_owned()).collect(),
        overriding: consent
            .overriding
            .as_ref()
            .map(|one| OverrideUsed { id: one.id.clone(), professional: one.professional.clone() }),
        lawful_basis: consent.lawful_basis.clone(),
    }
}

fn versioned(kind: &str, id: &str, version: u64) -> String {
    versioned_name((&format!("{kind}/{id}"), version))
}

fn versioned_name((reference, version): (&str, u64)) -> String {
    format!("{reference}/_history/{version}")
}
