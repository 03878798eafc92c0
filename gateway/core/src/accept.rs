//! Accept: what is committed for an arrival. Every resource, and for each Task that asks for fulfilment a referral with
//! its route, its first consent decision and its outbox row, in one transaction with the audit.
//!
//! What the recipient would not receive is found out here as well, before anything is stored: the tenant's policy may
//! refuse a referral for it, or have it wait until its sender has seen it.
//!
//! The recipient is chosen before consent is decided, because consent names a recipient (docs/decisions/0004).

mod judge;

pub use judge::{
    Asked, Judgement, Passed, decide_consent, decision_detail, held_by, judge, keeps_outcome, loss_detail,
};

use crate::change::{AuditRecord, Change, Check, Transaction};
use crate::consent::{ConsentDocument, Policy, Recipient, Record, Register, stored_name};
use crate::duplicate;
use crate::identity::{Client, Compartment, GATEWAY_AUTHOR, PlatformId, TenantId};
use crate::ingest::{Accepted, Found, Outcome, Person, find_document, patient_of};
use crate::loss::{self, Assessment, LossReport, Shown, Translators};
use crate::outbox::{Errand, OutboxRow, OutboxState};
use crate::referral::{Delivery, HoldReason, Referral, ReferralId, SenderState};
use crate::refusal::Refusal;
use crate::resource::{ResourceKey, ResourceVersion, Token, WriteMethod, tokens};
use crate::retry::Schedule;
use crate::route::RouteTable;
use crate::split;
use crate::task::{TaskMove, moved, stamp, touched};
use crate::timers::{self, TimerRules};
use crate::urgency;
use adapter_contract::{IdempotencyKey, TaskStatus};
use gateway_fhir::identifiers::{NHS_NUMBER, nhs_number, same_system};
use gateway_fhir::{Issue, Json};
use serde_json::json;
use std::collections::BTreeMap;
use time::{Duration, OffsetDateTime};

/// Purpose of use of every referral: coordination of care (`http://terminology.hl7.org/CodeSystem/v3-ActReason`).
pub const PURPOSE: &str = "COC";

/// Why a referral that is itself labelled restricted waits for a person.
pub const RESTRICTED: &str = "the ServiceRequest or the Task is labelled restricted (Confidentiality R or V).";

/// What the configuration says of recipients and routes.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// The routing table.
    pub routes: RouteTable,
    /// Who receives at each platform.
    pub recipients: BTreeMap<PlatformId, Recipient>,
    /// What each tenant lets a recipient have; a tenant that is not listed has decided nothing.
    pub policies: BTreeMap<TenantId, Policy>,
    /// What each tenant has on record about single persons; a tenant that is not listed has nothing.
    pub registers: BTreeMap<TenantId, Register>,
    /// When attempts are made, and for how long.
    pub schedule: Schedule,
    /// Until when what is waited for.
    pub timers: TimerRules,
    /// What is done where the service has one like it.
    pub duplicates: duplicate::Policy,
}

/// Everything that is known when a request has been resolved.
pub struct Arrival<'a> {
    /// Who sent it.
    pub client: &'a Client,
    /// Its conversation (`X-Correlation-Id`).
    pub correlation: &'a str,
    /// What is to be written.
    pub outcomes: &'a [Outcome],
    /// What the store knows of what it refers to.
    pub found: &'a Found,
    /// Consents of this person that are stored already.
    pub consents: &'a Record,
    /// Other referrals of this person; empty where nobody asks for them.
    pub others: &'a [duplicate::Other],
    /// The tenant's rules.
    pub rules: &'a Rules,
    /// Who translates for each platform.
    pub translators: &'a dyn Translators,
    /// Now, to the millisecond.
    pub now: OffsetDateTime,
    /// The latest time ever seen, at which consent is decided.
    pub latest: OffsetDateTime,
}

/// What a client is told of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Type.
    pub kind: String,
    /// Id.
    pub id: String,
    /// Version that stands after the transaction; 0 for one that existed and was not touched.
    pub version: u64,
    /// True if it did not exist before.
    pub created: bool,
}

/// What is committed, and what is then answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Acceptance {
    /// All or nothing.
    pub transaction: Transaction,
    /// In the order of the request.
    pub written: Vec<Written>,
}

/// Decides what is committed for an arrival.
///
/// # Errors
/// [`Refusal`]: 422 where policy does not let a referral lose what its recipient has no room for.
pub fn accept(arrival: &Arrival<'_>, new_id: &mut dyn FnMut() -> String) -> Result<Acceptance, Refusal> {
    let compartment = arrival.client.compartment();
    let lookup = |reference: &str| find_document(arrival.outcomes, arrival.found, reference);
    let mut transaction = Transaction::default();
    let mut written = Vec::with_capacity(arrival.outcomes.len());
    let mut refused = Vec::new();
    for outcome in arrival.outcomes {
        let accepted = match outcome {
            Outcome::Exists { kind, id } => {
                written.push(Written { kind: kind.clone(), id: id.clone(), version: 0, created: false });
                continue;
            }
            Outcome::Write(accepted) => accepted,
        };
        if let Some(tokens) = &accepted.none_exist {
            transaction.checks.push(Check::NoMatch {
                compartment: compartment.clone(),
                kind: accepted.kind.clone(),
                tokens: tokens.clone(),
            });
        }
        let mut version = accepted.version;
        let first = first_version(arrival, accepted, &compartment, &lookup);
        transaction.changes.push(Change::PutResource(first));
        if accepted.kind == "Consent" {
            transaction.changes.push(consent_recorded(arrival, accepted));
        }
        if accepted.kind == "Task"
            && accepted.document.text("status") == Some(TaskStatus::Requested.code())
            && !split::is_plan(&accepted.document)
            && let Some(from) = Begun::of(arrival, accepted, &lookup)
        {
            match start(&from.start(arrival, accepted, &compartment, &lookup, &stored_name), new_id) {
                Ok(started) => {
                    version += started.task_versions;
                    transaction.changes.extend(started.changes);
                }
                Err(refusal) => refused.extend(refusal.issues.into_iter().map(|issue| placed(arrival, issue))),
            }
        }
        written.push(Written {
            kind: accepted.kind.clone(),
            id: accepted.id.clone(),
            version,
            created: accepted.version == 1,
        });
    }
    if refused.is_empty() { Ok(Acceptance { transaction, written }) } else { Err(Refusal::several(422, refused)) }
}

/// The fault's element where it stands in the request, if it stands there.
fn placed(arrival: &Arrival<'_>, issue: Issue) -> Issue {
    // An extension is named by a function in FHIRPath.
    let quoted = |element: String| element.replace('(', "('").replace(')', "')");
    let Some(element) = issue.expression.clone().map(quoted) else { return issue };
    let (kind, rest) = element.split_once('.').map_or((element.as_str(), ""), |(kind, rest)| (kind, rest));
    let place = arrival.outcomes.iter().find_map(|outcome| match outcome {
        Outcome::Write(accepted) if accepted.kind == kind => Some(accepted.place.as_str()),
        _ => None,
    });
    let Some(place) = place else { return Issue { expression: Some(element), ..issue } };
    let expression = if rest.is_empty() { place.to_owned() } else { format!("{place}.{rest}") };
    Issue { expression: Some(expression), ..issue }
}

/// What would become of each Task of a request if it were sent now. Nothing is decided for good.
#[must_use]
pub fn preview(arrival: &Arrival<'_>) -> Vec<(String, Judgement)> {
    let compartment = arrival.client.compartment();
    let lookup = |reference: &str| find_document(arrival.outcomes, arrival.found, reference);
    // What is only looked at gets no id that anybody could look for.
    let name = |id: &str| {
        let mut sent = arrival.outcomes.iter().filter_map(|outcome| match outcome {
            Outcome::Write(accepted) => Some(accepted),
            Outcome::Exists { .. } => None,
        });
        let new = sent.find(|accepted| accepted.kind == "Consent" && accepted.id == id && accepted.version == 1);
        new.map_or_else(|| stored_name(id), |accepted| accepted.place.clone())
    };
    let mut judged = Vec::new();
    for outcome in arrival.outcomes {
        let Outcome::Write(task) = outcome else { continue };
        if task.kind == "Task"
            && !split::is_plan(&task.document)
            && let Some(from) = Begun::of(arrival, task, &lookup)
        {
            judged.push((
                task.place.clone(),
                judge(&from.start(arrival, task, &compartment, &lookup, &name), Passed::default()),
            ));
        }
    }
    judged
}

/// A Consent decides what leaves, so each version of one is a line of audit.
fn consent_recorded(arrival: &Arrival<'_>, consent: &Accepted) -> Change {
    Change::Audit(AuditRecord {
        tenant: arrival.client.tenant.clone(),
        at: arrival.now,
        actor: arrival.client.author(),
        action: "consent".to_owned(),
        referral: None,
        detail: json!({
            "consent": format!("Consent/{}/_history/{}", consent.id, consent.version),
            "status": consent.document.text("status"),
        }),
    })
}

fn first_version<'l>(
    arrival: &Arrival<'_>,
    accepted: &Accepted,
    compartment: &Compartment,
    lookup: &dyn Fn(&str) -> Option<&'l Json>,
) -> ResourceVersion {
    let method = if accepted.version == 1 { WriteMethod::Post } else { WriteMethod::Put };
    let key = ResourceKey { compartment: compartment.clone(), kind: accepted.kind.clone(), id: accepted.id.clone() };
    version_of(key, accepted.version, accepted.document.clone(), &arrival.client.author(), method, arrival.now, lookup)
}

/// A stamped version with its search tokens. Consents are also found by the patient's NHS number, because the same
/// person may be stored as several Patient resources, and a withdrawal must be seen whichever it names.
pub fn version_of<'l>(
    key: ResourceKey,
    version: u64,
    mut document: Json,
    author: &str,
    method: WriteMethod,
    now: OffsetDateTime,
    lookup: &dyn Fn(&str) -> Option<&'l Json>,
) -> ResourceVersion {
    stamp(&mut document, &key.id, version, now, author);
    let mut tokens = tokens(&key.kind, &document);
    if key.kind == "Consent"
        && let Some(number) = document.get("patient").and_then(|patient| nhs_number_behind(&document, patient, lookup))
    {
        tokens.push(Token::new("patient-identifier", format!("{NHS_NUMBER}|{number}")));
    }
    // The other way round: a Consent has to find the referrals of its patient.
    if key.kind == "ServiceRequest"
        && let Some(number) =
            document.get("subject").and_then(|subject| nhs_number_behind(&document, subject, &|_| None))
    {
        tokens.push(Token::new("patient-identifier", format!("{NHS_NUMBER}|{number}")));
    }
    if key.kind == "Patient" {
        let of = |identifier: &Json| {
            let is_ours = identifier.text("system").is_some_and(|system| same_system(system, NHS_NUMBER));
            nhs_number(identifier.text("value").filter(|_| is_ours)?).ok().map(|number| number.as_str().to_owned())
        };
        let numbers = document.items("identifier").iter().filter_map(of);
        tokens.extend(numbers.map(|number| Token::new("patient-identifier", format!("{NHS_NUMBER}|{number}"))));
    }
    let body = document.to_text();
    // Whom it is about is found in the store, by whoever commits it.
    ResourceVersion { key, version, updated: now, author: author.to_owned(), method, body, tokens, subject: None }
}

fn nhs_number_behind<'l>(holder: &Json, reference: &Json, lookup: &dyn Fn(&str) -> Option<&'l Json>) -> Option<String> {
    let of = |identifier: &Json| {
        let system = identifier.text("system")?;
        let number = nhs_number(identifier.text("value")?).ok()?;
        same_system(system, NHS_NUMBER).then(|| number.as_str().to_owned())
    };
    if let Some(number) = reference.get("identifier").and_then(of) {
        return Some(number);
    }
    let literal = reference.text("reference")?;
    let patient = match literal.strip_prefix('#') {
        Some(fragment) => holder.items("contained").iter().find(|inner| inner.text("id") == Some(fragment)),
        None => lookup(literal),
    };
    patient?.items("identifier").iter().find_map(of)
}

/// What a Task of a request refers to.
struct Begun<'l> {
    service_request_id: String,
    service_request: &'l Json,
    person: Person,
    consents: Record,
}

impl<'l> Begun<'l> {
    fn of(arrival: &Arrival<'_>, task: &Accepted, lookup: &dyn Fn(&str) -> Option<&'l Json>) -> Option<Self> {
        let focus = task.document.get("focus")?.text("reference")?;
        let service_request_id = focus.strip_prefix("ServiceRequest/")?.to_owned();
        let service_request = lookup(focus)?;
        let person = patient_of(service_request, &service_request_id, lookup)?;
        Some(Self { service_request_id, service_request, person, consents: consents_of(arrival) })
    }

    fn start<'a>(
        &'a self,
        arrival: &'a Arrival<'a>,
        task: &'a Accepted,
        compartment: &'a Compartment,
        lookup: &'a dyn Fn(&str) -> Option<&'l Json>,
        consent_name: &'a dyn Fn(&str) -> String,
    ) -> Start<'a, 'l> {
        Start {
            client: arrival.client,
            correlation: arrival.correlation,
            compartment,
            task: (&task.id, task.version, &task.document),
            service_request: (&self.service_request_id, self.service_request),
            person: &self.person,
            consents: &self.consents,
            others: arrival.others,
            rules: arrival.rules,
            translators: arrival.translators,
            lookup,
            consent_name,
            now: arrival.now,
            latest: arrival.latest,
        }
    }
}

/// Stored consents and Patients, and those of this request; a new version replaces the stored one.
fn consents_of(arrival: &Arrival<'_>) -> Record {
    let mut all: BTreeMap<String, ConsentDocument> =
        arrival.consents.consents.iter().map(|consent| (consent.id.clone(), consent.clone())).collect();
    let mut patients = arrival.consents.patients.clone();
    for outcome in arrival.outcomes {
        let Outcome::Write(accepted) = outcome else { continue };
        let (id, version, document) = (accepted.id.clone(), accepted.version, accepted.document.clone());
        match accepted.kind.as_str() {
            "Consent" => {
                let tenant = arrival.client.tenant.clone();
                all.insert(id.clone(), ConsentDocument { tenant, id, version, document });
            }
            "Patient" => drop(patients.insert(format!("Patient/{id}"), document)),
            _ => {}
        }
    }
    Record { consents: all.into_values().collect(), patients, complete: arrival.consents.complete }
}

/// What a referral starts from.
pub struct Start<'a, 'l> {
    /// The sender.
    pub client: &'a Client,
    /// Its conversation.
    pub correlation: &'a str,
    /// The sender's compartment.
    pub compartment: &'a Compartment,
    /// Id, version and document of the Task that asks for fulfilment.
    pub task: (&'a str, u64, &'a Json),
    /// Id and document of its focus.
    pub service_request: (&'a str, &'a Json),
    /// The patient.
    pub person: &'a Person,
    /// Every consent of this person that may matter.
    pub consents: &'a Record,
    /// Other referrals of this person; empty where nobody asks for them.
    pub others: &'a [duplicate::Other],
    /// The tenant's rules.
    pub rules: &'a Rules,
    /// Who translates for each platform.
    pub translators: &'a dyn Translators,
    /// Finds resources by `Type/id`.
    pub lookup: &'a dyn Fn(&str) -> Option<&'l Json>,
    /// What the sender calls the Consent of this id.
    pub consent_name: &'a dyn Fn(&str) -> String,
    /// Now.
    pub now: OffsetDateTime,
    /// The latest time ever seen, at which consent is decided.
    pub latest: OffsetDateTime,
}

/// A referral's start, as changes.
pub struct Started {
    /// Referral, outbox row, the gateway's own version of the Task if it has to wait, audit.
    pub changes: Vec<Change>,
    /// How many versions of the Task are among them.
    pub task_versions: u64,
}

/// Starts a referral: route, consent, losses, and either an outbox row or a Task that says why it waits.
///
/// # Errors
/// [`Refusal`]: 422 with the element paths that policy does not let it lose.
pub fn start(from: &Start<'_, '_>, new_id: &mut dyn FnMut() -> String) -> Result<Started, Refusal> {
    let judgement = judge(from, Passed::default());
    if !judgement.refused.is_empty() {
        return Err(Refusal::several(422, judgement.refused));
    }
    let id = ReferralId(new_id());
    let report = judgement.assessment.as_ref().and_then(Assessment::report).cloned();
    let mut referral = Referral {
        id: id.clone(),
        revision: 1,
        compartment: from.compartment.clone(),
        client: from.client.id.clone(),
        task: from.task.0.to_owned(),
        service_request: from.service_request.0.to_owned(),
        patient: from.person.reference.clone(),
        platform: judgement.platform,
        route: judgement.route,
        key: IdempotencyKey(new_id()),
        correlation: from.correlation.to_owned(),
        accepted_at: from.now,
        urgent: urgency::from(from.task.2, from.service_request.1, from.now),
        delivery: Delivery::Queued,
        sender: SenderState::Active,
        task_status: TaskStatus::Requested,
        platform_referral: None,
        platform_status: None,
        conflict: None,
        attention: None,
        loss: report.clone().map(Box::new),
        loss_released: None,
        duplicate_passed: false,
        sent: None,
        replacing: None,
        cancel_left: false,
        asks: None,
        former: Vec::new(),
        answer_due: None,
        reminders: Vec::new(),
        agreed: timers::agreed(from.task.2, from.service_request.1),
        timers: Vec::new(),
        follow_ups: Vec::new(),
        recall: None,
        handled: None,
        subject: None,
        erased: None,
    };
    let detail = json!({ "task": from.task.0, "version": from.task.1, "correlation": from.correlation });
    let mut changes = vec![audit_line(&referral, from.now, &from.client.author(), "accept", detail)];
    for (action, detail) in judgement.audit {
        changes.push(audit_line(&referral, from.now, GATEWAY_AUTHOR, action, detail));
    }
    let told = told(from, judgement.hold.as_ref(), report.as_ref(), new_id);
    let task_versions = told.task_versions;
    changes.extend(told.changes);
    match judgement.hold {
        Some(reason) => {
            referral.task_status = TaskStatus::OnHold;
            changes.push(audit_line(&referral, from.now, GATEWAY_AUTHOR, "hold", json!({ "reason": reason.code() })));
            referral.delivery = Delivery::Held { reason };
        }
        None => {
            let row = new_row(&referral, new_id(), Errand::Submit, 1, from.now, &from.rules.schedule);
            changes.extend(row.map(|row| Change::PutOutbox(Box::new(row))));
        }
    }
    changes.push(Change::PutReferral(Box::new(referral)));
    Ok(Started { changes, task_versions })
}

/// The gateway's own version of the Task, where there is something to tell, and the Provenance of what is sent.
pub(crate) fn told(
    from: &Start<'_, '_>,
    hold: Option<&HoldReason>,
    report: Option<&LossReport>,
    new_id: &mut dyn FnMut() -> String,
) -> Started {
    let mut changes = Vec::new();
    let (id, version, document) = from.task;
    let provenance = report.map(|_| new_id());
    let shown = report.zip(provenance.as_deref()).map(|(report, provenance)| Shown { report, provenance });
    let tells = hold.is_some() || shown.is_some_and(|shown| shown.report.is_worth_showing());
    if tells {
        let mut next = match hold {
            Some(reason) => {
                let step = TaskMove {
                    status: Some(TaskStatus::OnHold),
                    business_status: Some("queued".to_owned()),
                    reason: Some(reason.words()),
                    ..TaskMove::default()
                };
                moved(document, &step, from.now)
            }
            None => touched(document, from.now),
        };
        if let Some(shown) = shown {
            shown.put_into(&mut next);
        }
        let key = ResourceKey { compartment: from.compartment.clone(), kind: "Task".to_owned(), id: id.to_owned() };
        let next = version_of(key, version + 1, next, GATEWAY_AUTHOR, WriteMethod::Put, from.now, from.lookup);
        changes.push(Change::PutResource(next));
    }
    let task_versions = u64::from(tells);
    if let Some(shown) = shown {
        let task = (id, version + task_versions);
        let provenance = loss::provenance(shown, from.compartment, task, from.service_request.0, from.now);
        changes.push(Change::PutResource(provenance));
    }
    Started { changes, task_versions }
}

/// One line of audit on a referral.
#[must_use]
pub fn audit_line(
    referral: &Referral,
    at: OffsetDateTime,
    actor: &str,
    action: &str,
    detail: serde_json::Value,
) -> Change {
    Change::Audit(AuditRecord {
        tenant: referral.compartment.tenant.clone(),
        at,
        actor: actor.to_owned(),
        action: action.to_owned(),
        referral: Some(referral.id.clone()),
        detail,
    })
}

/// A new errand of a referral, due at once; `None` while the referral has no platform.
#[must_use]
pub fn new_row(
    referral: &Referral,
    id: String,
    errand: Errand,
    sequence: u32,
    now: OffsetDateTime,
    schedule: &Schedule,
) -> Option<OutboxRow> {
    Some(OutboxRow {
        id,
        tenant: referral.compartment.tenant.clone(),
        referral: referral.id.clone(),
        platform: referral.platform.clone()?,
        urgent: if errand.stops() { Some(now) } else { referral.urgent },
        errand,
        former: None,
        sequence,
        state: OutboxState::Ready,
        attempts: 0,
        tried: false,
        died: 0,
        alone: false,
        not_before: now,
        expires_at: now + Duration::seconds(i64::from(schedule.window_seconds)),
        fence: 0,
        carries: None,
        progress: None,
        in_flight: None,
        last_failure: None,
    })
}
