//! Accept: what is committed for an arrival. Every resource, and for each Task that asks for fulfilment a referral with
//! its route, its first consent decision and its outbox row, in one transaction with the audit.
//!
//! The recipient is chosen before consent is decided, because consent names a recipient (docs/decisions/0004).

use crate::change::{AuditRecord, Change, Check, Transaction};
use crate::consent::{
    self, ConsentDocument, Decision, Item, Policy, Question, Reason, Recipient, Stage, Standing, Subject, Verdict,
    referral_items,
};
use crate::identity::{Client, Compartment, GATEWAY_AUTHOR, PlatformId, TenantId};
use crate::ingest::{Accepted, Found, Outcome, Person, patient_of};
use crate::minimise::is_restricted;
use crate::outbox::{Errand, OutboxRow, OutboxState};
use crate::referral::{Delivery, HoldReason, Referral, ReferralId, SenderState};
use crate::resource::{ResourceKey, ResourceVersion, Token, WriteMethod, tokens};
use crate::retry::Schedule;
use crate::route::{self, RouteDecision, RouteTable};
use crate::task::{TaskMove, moved, stamp};
use adapter_contract::{DataNeed, IdempotencyKey, TaskStatus};
use gateway_fhir::Json;
use gateway_fhir::identifiers::{NHS_NUMBER, nhs_number, same_system};
use serde_json::json;
use std::collections::BTreeMap;
use time::{Duration, OffsetDateTime};

/// Purpose of use of every referral: coordination of care (`http://terminology.hl7.org/CodeSystem/v3-ActReason`).
pub const PURPOSE: &str = "COC";

/// Why a referral that is itself labelled restricted waits for a person.
pub const RESTRICTED: &str = "the ServiceRequest or the Task is labelled restricted (Confidentiality R or V).";

/// What the tenant's configuration says of recipients and routes.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// The routing table.
    pub routes: RouteTable,
    /// Who receives at each platform.
    pub recipients: BTreeMap<PlatformId, Recipient>,
    /// Consent policy.
    pub policy: Policy,
    /// When attempts are made, and for how long.
    pub schedule: Schedule,
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
    pub consents: &'a [ConsentDocument],
    /// The tenant's rules.
    pub rules: &'a Rules,
    /// Now, to the millisecond.
    pub now: OffsetDateTime,
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
#[must_use]
pub fn accept(arrival: &Arrival<'_>, new_id: &mut dyn FnMut() -> String) -> Acceptance {
    let compartment = arrival.client.compartment();
    let lookup = |reference: &str| lookup(arrival, reference);
    let mut transaction = Transaction::default();
    let mut written = Vec::with_capacity(arrival.outcomes.len());
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
            && let Some(started) = start_accepted(arrival, accepted, &compartment, &lookup, new_id)
        {
            version += started.task_versions;
            transaction.changes.extend(started.changes);
        }
        written.push(Written {
            kind: accepted.kind.clone(),
            id: accepted.id.clone(),
            version,
            created: accepted.version == 1,
        });
    }
    Acceptance { transaction, written }
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

fn lookup(arrival: &Arrival<'_>, reference: &str) -> Option<Json> {
    arrival
        .outcomes
        .iter()
        .find_map(|outcome| match outcome {
            Outcome::Write(accepted) if format!("{}/{}", accepted.kind, accepted.id) == reference => {
                Some(accepted.document.clone())
            }
            _ => None,
        })
        .or_else(|| arrival.found.stored.get(reference).map(|stored| stored.document.clone()))
}

fn first_version(
    arrival: &Arrival<'_>,
    accepted: &Accepted,
    compartment: &Compartment,
    lookup: &dyn Fn(&str) -> Option<Json>,
) -> ResourceVersion {
    let method = if accepted.version == 1 { WriteMethod::Post } else { WriteMethod::Put };
    let key = ResourceKey { compartment: compartment.clone(), kind: accepted.kind.clone(), id: accepted.id.clone() };
    version_of(key, accepted.version, accepted.document.clone(), &arrival.client.author(), method, arrival.now, lookup)
}

/// A stamped version with its search tokens. Consents are also found by the patient's NHS number, because the same
/// person may be stored as several Patient resources, and a withdrawal must be seen whichever it names.
pub fn version_of(
    key: ResourceKey,
    version: u64,
    mut document: Json,
    author: &str,
    method: WriteMethod,
    now: OffsetDateTime,
    lookup: &dyn Fn(&str) -> Option<Json>,
) -> ResourceVersion {
    stamp(&mut document, &key.id, version, now, author);
    let mut tokens = tokens(&key.kind, &document);
    if key.kind == "Consent"
        && let Some(number) = document.get("patient").and_then(|patient| nhs_number_behind(&document, patient, lookup))
    {
        tokens.push(Token::new("patient-identifier", format!("{NHS_NUMBER}|{number}")));
    }
    ResourceVersion { key, version, updated: now, author: author.to_owned(), method, body: document.to_text(), tokens }
}

fn nhs_number_behind(holder: &Json, reference: &Json, lookup: &dyn Fn(&str) -> Option<Json>) -> Option<String> {
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
        Some(fragment) => holder.items("contained").iter().find(|inner| inner.text("id") == Some(fragment)).cloned(),
        None => lookup(literal),
    };
    patient?.items("identifier").iter().find_map(of)
}

fn start_accepted(
    arrival: &Arrival<'_>,
    task: &Accepted,
    compartment: &Compartment,
    lookup: &dyn Fn(&str) -> Option<Json>,
    new_id: &mut dyn FnMut() -> String,
) -> Option<Started> {
    let focus = task.document.get("focus")?.text("reference")?;
    let service_request_id = focus.strip_prefix("ServiceRequest/")?;
    let service_request = lookup(focus)?;
    let person = patient_of(&service_request, service_request_id, lookup)?;
    let consents = consents_of(arrival);
    Some(start(
        &Start {
            client: arrival.client,
            correlation: arrival.correlation,
            compartment,
            task: (&task.id, task.version, &task.document),
            service_request: (service_request_id, &service_request),
            person: &person,
            consents: &consents,
            rules: arrival.rules,
            lookup,
            now: arrival.now,
        },
        new_id,
    ))
}

/// Stored consents and those of this request; a new version replaces the stored one.
fn consents_of(arrival: &Arrival<'_>) -> Vec<ConsentDocument> {
    let mut all: BTreeMap<String, ConsentDocument> =
        arrival.consents.iter().map(|consent| (consent.id.clone(), consent.clone())).collect();
    for outcome in arrival.outcomes {
        if let Outcome::Write(accepted) = outcome
            && accepted.kind == "Consent"
        {
            let (id, version, document) = (accepted.id.clone(), accepted.version, accepted.document.clone());
            let tenant = arrival.client.tenant.clone();
            all.insert(id.clone(), ConsentDocument { tenant, id, version, document });
        }
    }
    all.into_values().collect()
}

/// What a referral starts from.
pub struct Start<'a> {
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
    pub consents: &'a [ConsentDocument],
    /// The tenant's rules.
    pub rules: &'a Rules,
    /// Finds resources by `Type/id`.
    pub lookup: &'a dyn Fn(&str) -> Option<Json>,
    /// Now.
    pub now: OffsetDateTime,
}

/// A referral's start, as changes.
pub struct Started {
    /// Referral, outbox row, the gateway's own version of the Task if it has to wait, audit.
    pub changes: Vec<Change>,
    /// How many versions of the Task are among them.
    pub task_versions: u64,
}

/// Route and consent, decided for one referral.
pub struct Judgement {
    /// Where it would go.
    pub platform: Option<PlatformId>,
    /// The route and why, in words.
    pub route: String,
    /// Why nothing may leave; `None` = it may.
    pub hold: Option<HoldReason>,
    /// What audit keeps: action and detail.
    pub audit: Vec<(&'static str, serde_json::Value)>,
}

/// Decides route and consent.
#[must_use]
pub fn judge(from: &Start<'_>) -> Judgement {
    let facts = route::facts(
        &from.compartment.tenant,
        from.task.2,
        from.service_request.1,
        &from.person.document,
        from.lookup,
        from.now.date(),
    );
    match route::decide(&from.rules.routes, &facts) {
        RouteDecision::Held { why, .. } => Judgement {
            platform: None,
            route: why.clone(),
            audit: vec![("route", json!({ "held": why }))],
            hold: Some(HoldReason::NoRoute(why)),
        },
        RouteDecision::Chosen { platform, route, why } => {
            let (service_request, task) = (from.service_request.1, from.task.2);
            let items = referral_items(service_request, &from.person.document, task, from.lookup);
            let decision = decide_consent(&Asked {
                stage: Stage::Accept,
                tenant: &from.compartment.tenant,
                items: &items,
                needs: &[],
                rules: from.rules,
                platform: &platform,
                person: from.person,
                consents: from.consents,
                directory: from.lookup,
                now: from.now,
            });
            let restricted = is_restricted(from.service_request.1) || is_restricted(from.task.2);
            let hold = if restricted && (decision.verdict == Verdict::Permit || decision.reason == Reason::Empty) {
                Some(HoldReason::NeedsReview(RESTRICTED.to_owned()))
            } else {
                (decision.verdict != Verdict::Permit).then(|| held_by(&decision))
            };
            Judgement {
                route: format!("{route}: {why}"),
                hold,
                audit: vec![
                    ("route", json!({ "route": route, "platform": platform.0, "why": why })),
                    ("consent-decision", decision_detail(&decision, Stage::Accept)),
                ],
                platform: Some(platform),
            }
        }
    }
}

/// Starts a referral: route, consent, and either an outbox row or a Task that says why it waits.
pub fn start(from: &Start<'_>, new_id: &mut dyn FnMut() -> String) -> Started {
    let judgement = judge(from);
    let id = ReferralId(new_id());
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
        delivery: Delivery::Queued,
        sender: SenderState::Active,
        task_status: TaskStatus::Requested,
        platform_referral: None,
        platform_status: None,
        conflict: None,
        attention: None,
    };
    let detail = json!({ "task": from.task.0, "version": from.task.1, "correlation": from.correlation });
    let mut changes = vec![audit_line(&referral, from.now, &from.client.author(), "accept", detail)];
    for (action, detail) in judgement.audit {
        changes.push(audit_line(&referral, from.now, GATEWAY_AUTHOR, action, detail));
    }
    let mut task_versions = 0;
    match judgement.hold {
        Some(reason) => {
            changes.push(Change::PutResource(held_task(from, &reason)));
            task_versions = 1;
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

/// One person, one platform, one moment: what consent is asked about at every stage.
pub struct Asked<'a> {
    /// Which stage asks.
    pub stage: Stage,
    /// Whose Consents count.
    pub tenant: &'a TenantId,
    /// What would leave.
    pub items: &'a [Item],
    /// What the platform's adapter reads; empty if that is not known yet.
    pub needs: &'a [DataNeed],
    /// The tenant's rules.
    pub rules: &'a Rules,
    /// Who would receive.
    pub platform: &'a PlatformId,
    /// The patient.
    pub person: &'a Person,
    /// Every consent of this person that may matter.
    pub consents: &'a [ConsentDocument],
    /// Finds what consents refer to.
    pub directory: &'a dyn Fn(&str) -> Option<Json>,
    /// Now.
    pub now: OffsetDateTime,
}

/// Decides consent for one referral: the one way in which every stage asks.
#[must_use]
pub fn decide_consent(asked: &Asked<'_>) -> Decision {
    let name = asked.platform.0.clone();
    let unnamed = Recipient { platform: asked.platform.clone(), name, identifiers: Vec::new() };
    let number = asked.person.nhs_number();
    consent::decide(&Question {
        stage: asked.stage,
        tenant: asked.tenant,
        consents: asked.consents,
        // Neither overrides nor who else may consent is recorded yet: nothing is, then.
        overrides: &[],
        directory: asked.directory,
        policy: &asked.rules.policy,
        subject: Subject {
            references: vec![asked.person.reference.clone()],
            nhs_number: number.as_deref(),
            patient: &asked.person.document,
            standing: &Standing::default(),
        },
        recipient: asked.rules.recipients.get(asked.platform).unwrap_or(&unnamed),
        items: asked.items,
        needs: asked.needs,
        purpose: PURPOSE,
        now: asked.now,
    })
}

/// Why a referral waits after a deny. What is left of it can be for a person to judge even where the Consents permit.
#[must_use]
pub fn held_by(decision: &Decision) -> HoldReason {
    match decision.reason {
        Reason::NeedsReview | Reason::NeededField | Reason::Empty => HoldReason::NeedsReview(decision.reason.words()),
        _ => HoldReason::NoConsent(decision.reason.words()),
    }
}

/// What audit keeps of a consent decision: verdict, rule path, consent ids and the paths that are withheld, no data of the
/// person.
#[must_use]
pub fn decision_detail(decision: &Decision, stage: Stage) -> serde_json::Value {
    let withheld = decision.withheld.iter();
    let withheld: Vec<serde_json::Value> = withheld
        .map(|one| json!({ "resource": one.resource, "path": one.path, "reason": one.reason.code(), "rule": one.rule }))
        .collect();
    let duties: Vec<&str> = decision.duties.iter().map(|duty| duty.code()).collect();
    let consents: Vec<String> =
        decision.consents.iter().map(|(id, version)| format!("Consent/{id}/_history/{version}")).collect();
    json!({
        "stage": match stage { Stage::Accept => "accept", Stage::Attempt => "attempt", Stage::Relay => "relay" },
        "verdict": decision.word(),
        "reason": decision.reason.code(),
        "rules": decision.rules,
        "path": decision.rule_path,
        "consents": consents,
        "decisive": decision.decisive.as_ref().map(|(id, version)| format!("Consent/{id}/_history/{version}")),
        "withheld": withheld,
        "duties": duties,
    })
}

fn held_task(from: &Start<'_>, reason: &HoldReason) -> ResourceVersion {
    let (id, version, document) = from.task;
    let step = TaskMove {
        status: Some(TaskStatus::OnHold),
        business_status: Some("queued".to_owned()),
        reason: Some(reason.words()),
        ..TaskMove::default()
    };
    let key = ResourceKey { compartment: from.compartment.clone(), kind: "Task".to_owned(), id: id.to_owned() };
    let document = moved(document, &step, from.now);
    version_of(key, version + 1, document, GATEWAY_AUTHOR, WriteMethod::Put, from.now, from.lookup)
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
        errand,
        sequence,
        state: OutboxState::Ready,
        attempts: 0,
        not_before: now,
        expires_at: now + Duration::seconds(i64::from(schedule.window_seconds)),
        fence: 0,
        progress: None,
        in_flight: None,
        last_failure: None,
    })
}
