//! Align: what platforms reported becomes what the GP reads.
//!
//! A pure function of the referral, its Task and **all** statements recorded on it: whatever the order in which they
//! came, the Task ends in the same state (`status::fold`). Each step that was walked becomes its own version of the
//! Task, signed by the platform, or by the gateway where it is inferred.

mod former;
mod kept;

pub(crate) use kept::{shown_output, shown_task};

use crate::accept::{audit_line, decision_detail, new_row, version_of};
use crate::alarm;
use crate::change::{Change, Check, Disposition, ReportRecord, Transaction};
use crate::consent::{Decision, Kept, Stage, Verdict, stored_name};
use crate::identity::{Compartment, GATEWAY_AUTHOR};
use crate::outbox::{Errand, OutboxRow, OutboxState};
use crate::referral::{Delivery, Referral, SenderState};
use crate::resource::{ResourceKey, ResourceVersion, WriteMethod};
use crate::retry::Schedule;
use crate::status::{self, Folded};
use crate::task::{AUTHOR, TaskMove, codeable_concept, derived_id, moved, touched};
use crate::unanswered;
use crate::withdraw;
use adapter_contract::business_status;
use adapter_contract::{Capabilities, Concept, OutputValue, SenderMove, StatusReport, TaskStatus};
use gateway_fhir::Json;
use serde_json::json;
use time::{Duration, OffsetDateTime};

/// Characters of a platform's free words that are shown.
const PLATFORM_WORDS: usize = 2_000;

/// What alignment starts from.
pub struct Alignment<'a> {
    /// The referral as it stands.
    pub referral: &'a Referral,
    /// Version and document of the sender's Task.
    pub task: (u64, &'a Json),
    /// Version and document of the sender's ServiceRequest.
    pub service_request: (u64, &'a Json),
    /// Every statement recorded on it, in any order.
    pub reports: &'a [ReportRecord],
    /// Statements on what it was at its platform before ([`Referral::spoken_of_as`]): they move nothing.
    pub former: &'a [ReportRecord],
    /// Its outbox rows.
    pub outbox: &'a [OutboxRow],
    /// Id, version and document of its follow-ups that are open.
    pub follow_ups: &'a [(String, u64, Json)],
    /// What the platform lets us do.
    pub capabilities: Capabilities,
    /// How long the platform has to confirm a recall.
    pub within: Duration,
    /// When attempts are made.
    pub schedule: &'a Schedule,
    /// Whether consent lets the platform's statements pass, as it is decided now.
    pub consent: &'a Decision,
    /// What the person keeps from the sender.
    pub kept: Kept,
    /// Now.
    pub now: OffsetDateTime,
}

/// Decides what is written when statements have come in.
#[must_use]
pub fn align(from: &Alignment<'_>) -> Transaction {
    if from.referral.recall.is_some() {
        return recalled(from);
    }
    if from.consent.verdict != Verdict::Permit {
        return withhold(from);
    }
    let statements: Vec<StatusReport> = from.reports.iter().map(|record| shown(&record.report, from.kept)).collect();
    let mut folded = status::fold(&statements, from.referral.sender);
    if unanswered::has_gone_back(from.referral) && !folded.status.is_some_and(unanswered::is_answer) {
        // It repeats what it was asked: the Task stays where it went back to.
        folded.status = None;
    }
    let mut referral = from.referral.clone();
    let mut transaction = Transaction { checks: Vec::new(), changes: alarm::raised(from, &mut referral) };
    let mut task = Walk { version: from.task.0, document: from.task.1.clone(), changes: Vec::new() };

    // Nothing is stored before there is a status to show it with: it would be stored a second time then.
    let outputs = match folded.status {
        Some(_) => store_outputs(from, &folded, &statements, &mut transaction.changes),
        None => Vec::new(),
    };
    walk(from, &folded, &statements, &outputs, &mut task);
    referral.task_status = crate::task::status(&task.document).unwrap_or(referral.task_status);
    referral.platform_status = folded.platform_status.or(referral.platform_status);
    referral.conflict = folded.conflict.clone();
    referral.asks = folded.decisive.and_then(|index| statements.get(index)).and_then(question);
    if let Some(report) = statements.first()
        && referral.platform_referral.is_none()
    {
        // A report that overtook its acknowledgement proves the delivery; the outbox row will find that out itself.
        referral.platform_referral = Some(report.platform_referral.clone());
    }
    // A word that moves nothing proves nothing either.
    if folded.status.is_some() {
        found_there(from, &mut referral, &mut transaction);
    }
    if folded.status.is_some_and(unanswered::is_answer) {
        unanswered::answered(&mut referral);
    }
    if let Some(next) = service_request_follows(
        &from.referral.compartment,
        &from.referral.service_request,
        from.service_request,
        referral.task_status,
        from.now,
    ) {
        transaction.changes.push(Change::PutResource(next));
    }
    let new_versions = task.changes.len();
    if new_versions > 0 {
        // What a person settled was settled of what stood before.
        referral.handled = None;
    }
    transaction.changes.extend(task.changes.into_iter().map(Change::PutResource));
    dispose(from, &folded.dispositions, &mut transaction.changes);
    transaction.changes.extend(former::told(from, &mut referral));
    let detail = json!({
        "platform": from.referral.platform.as_ref().map(|platform| &platform.0),
        "status": referral.task_status.code(),
        "statements": from.reports.len(),
        "versions": new_versions,
        "conflict": referral.conflict.is_some(),
        "outcome-withheld": from.kept == Kept::All,
        "words-withheld": from.kept == Kept::Words,
        "consent": decision_detail(from.consent, Stage::Relay),
    });
    transaction.changes.push(audit_line(&referral, from.now, GATEWAY_AUTHOR, "status", detail));
    referral.revision += 1;
    transaction.changes.push(Change::PutReferral(Box::new(referral)));
    transaction
}

/// What tells a word that a person has to read from the next one like it.
fn question(report: &StatusReport) -> Option<String> {
    let asks = matches!(report.business_status.as_str(), business_status::QUESTION | business_status::UNMAPPED);
    asks.then(|| derived_id(&[&report.platform_referral.0, &report.event]))
}

/// A platform that reports on a dead letter has it: the submission is over, whatever its last answer seemed to be.
fn found_there(from: &Alignment<'_>, referral: &mut Referral, transaction: &mut Transaction) {
    let waiting = |row: &&OutboxRow| matches!(row.state, OutboxState::Dead | OutboxState::Held);
    match referral.delivery {
        Delivery::DeadLetter { .. } | Delivery::Held { .. } => {}
        Delivery::Withdrawn => {
            stop_there(from, referral, transaction);
            return;
        }
        Delivery::Queued | Delivery::Delivered { .. } => return,
    }
    referral.delivery = Delivery::Delivered { at: from.now };
    for row in from.outbox.iter().filter(waiting).filter(|row| row.errand == Errand::Submit) {
        transaction.checks.push(Check::NotLeased { outbox: row.id.clone(), fence: row.fence });
        let done = OutboxRow { state: OutboxState::Done, in_flight: None, ..row.clone() };
        transaction.changes.push(Change::PutOutbox(Box::new(done)));
    }
}

/// The platform works on what was withdrawn: a request that seemed lost arrived after all. It is told to stop.
fn stop_there(from: &Alignment<'_>, referral: &mut Referral, transaction: &mut Transaction) {
    let working = from.reports.iter().any(|record| record.report.status.is_some_and(|status| !status.is_final()));
    let told = |row: &OutboxRow| matches!(row.errand, Errand::Tell { .. }) && row.state != OutboxState::Dropped;
    let told = from.outbox.iter().any(told);
    if !working || told {
        return;
    }
    referral.delivery = Delivery::Delivered { at: from.now };
    if !from.capabilities.cancel {
        let words = "The platform works on this referral although it was withdrawn, and it cannot be told. Ask the \
                     organisation to stop.";
        referral.attention = Some(words.to_owned());
        return;
    }
    let id = derived_id(&[&referral.key.0, "stop-there"]);
    let sequence = from.outbox.iter().map(|row| row.sequence).max().unwrap_or(0) + 1;
    let errand = Errand::Tell { sender_move: SenderMove::Cancel };
    let row = new_row(referral, id, errand, sequence, from.now, from.schedule);
    transaction.changes.extend(row.map(|row| Change::PutOutbox(Box::new(row))));
}

/// Statements that consent no longer lets pass are kept, and nothing of them is shown.
fn withhold(from: &Alignment<'_>) -> Transaction {
    let mut transaction = Transaction::default();
    let dispositions = vec![Disposition::Withheld; from.reports.len()];
    let fresh: Vec<&ReportRecord> = from.reports.iter().filter(|record| record.disposition.is_open()).collect();
    dispose(from, &dispositions, &mut transaction.changes);
    transaction.changes.extend(former::kept(from));
    let mut referral = from.referral.clone();
    transaction.changes.extend(alarm::raised(from, &mut referral));
    transaction.changes.extend(not_shown(&mut referral, from.task, from.consent, from.now));
    if from.reports.iter().any(|record| record.report.status.is_some()) {
        // That it has the referral is no word of the person: the delivery is over, whatever it says.
        let name = from.reports.first().map(|record| record.report.platform_referral.clone());
        referral.platform_referral = referral.platform_referral.or(name);
        found_there(from, &mut referral, &mut transaction);
    }
    if fresh.iter().any(|record| record.report.status.is_some_and(unanswered::is_answer)) {
        unanswered::answered(&mut referral);
    }
    referral.revision += 1;
    transaction.changes.push(audit_line(
        &referral,
        from.now,
        GATEWAY_AUTHOR,
        "status-withheld",
        json!({ "statements": fresh.len(), "consent": decision_detail(from.consent, Stage::Relay) }),
    ));
    transaction.changes.push(Change::PutReferral(Box::new(referral)));
    transaction
}

/// After a withdrawal of consent one thing is read from what the platform says: whether it has stopped (R11).
fn recalled(from: &Alignment<'_>) -> Transaction {
    let mut transaction = Transaction::default();
    dispose(from, &vec![Disposition::Withheld; from.reports.len()], &mut transaction.changes);
    transaction.changes.extend(former::kept(from));
    let mut referral = from.referral.clone();
    transaction.changes.extend(alarm::raised(from, &mut referral));
    let fresh = from.reports.iter().filter(|record| record.disposition.is_open());
    let (mut ended, mut working) = (false, false);
    for status in fresh.filter_map(|record| record.report.status) {
        ended |= status.is_final();
        working |= !status.is_final();
    }
    if ended || working {
        // Whoever is to be told is told under this name.
        let name = from.reports.first().map(|record| record.report.platform_referral.clone());
        referral.platform_referral = referral.platform_referral.or(name);
        found_there(from, &mut referral, &mut transaction);
        let again = withdraw::had_it_after_all(&mut referral, from, !ended);
        transaction.changes.extend(again);
    }
    if ended {
        transaction.changes.extend(withdraw::confirmed(&mut referral, from.task, from.now));
    }
    referral.revision += 1;
    transaction.changes.push(Change::PutReferral(Box::new(referral)));
    transaction
}

/// Whoever reads the Task must not take what it shows for the latest: it says that more is known here, and why it is not
/// shown. Nothing else of the Task moves, and the words that a sender put there stay.
pub(crate) fn not_shown(
    referral: &mut Referral,
    (version, task): (u64, &Json),
    consent: &Decision,
    now: OffsetDateTime,
) -> Option<Change> {
    let words = format!("What the platform reports is kept and not shown: {}", consent.words(&stored_name));
    referral.conflict.get_or_insert_with(|| words.clone());
    if referral.sender != SenderState::Active || existing_reason(task).as_ref() == Some(&words) {
        return None;
    }
    let mut next = touched(task, now);
    next.set("statusReason", json!({ "text": words }).into());
    let key =
        ResourceKey { compartment: referral.compartment.clone(), kind: "Task".to_owned(), id: referral.task.clone() };
    let next = version_of(key, version + 1, next, GATEWAY_AUTHOR, WriteMethod::Put, now, &|_| None);
    Some(Change::PutResource(next))
}

fn dispose(from: &Alignment<'_>, dispositions: &[Disposition], changes: &mut Vec<Change>) {
    for (record, disposition) in from.reports.iter().zip(dispositions) {
        let withheld_before = record.disposition == Disposition::Withheld && *disposition == Disposition::Withheld;
        let settled_before_withdrawal = *disposition == Disposition::Withheld && !record.disposition.is_open();
        if record.disposition != *disposition && !withheld_before && !settled_before_withdrawal {
            changes.push(Change::DisposeReport { id: record.id.clone(), disposition: *disposition });
        }
    }
}

struct Walk {
    version: u64,
    document: Json,
    changes: Vec<ResourceVersion>,
}

impl Walk {
    fn step(&mut self, from: &Alignment<'_>, step: &TaskMove, author: &str) {
        let next = moved(&self.document, step, from.now);
        let unchanged = ["status", "statusReason", "businessStatus", "output"]
            .iter()
            .all(|element| next.get(element) == self.document.get(element));
        if unchanged {
            return;
        }
        self.version += 1;
        let key = ResourceKey {
            compartment: from.referral.compartment.clone(),
            kind: "Task".to_owned(),
            id: from.referral.task.clone(),
        };
        self.changes.push(version_of(key, self.version, next.clone(), author, WriteMethod::Put, from.now, &|_| None));
        self.document = next;
    }
}

/// Moves the Task from where it is shown to where the statements say it stands.
fn walk(from: &Alignment<'_>, folded: &Folded, statements: &[StatusReport], outputs: &[Json], task: &mut Walk) {
    let platform_author = platform_author(from.referral);
    let decisive = folded.decisive.and_then(|index| statements.get(index));
    let shown = from.referral.task_status;
    let Some(target) = folded.status else {
        // All that was said moves nothing. It is shown beside the status that stands, unless a person is told something else there.
        let stands = shown == TaskStatus::Requested && matches!(from.referral.delivery, Delivery::Delivered { .. });
        if let Some(report) = decisive.filter(|_| stands) {
            let step = TaskMove {
                status: None,
                business_status: Some(report.business_status.clone()),
                platform_word: Some(report.platform_status.clone()),
                reason: report.reason.clone().or_else(|| existing_reason(&task.document)),
                outputs: None,
            };
            task.step(from, &step, &platform_author);
        }
        return;
    };
    if from.referral.sender == SenderState::Cancelled {
        // The sender's withdrawal stands; what the platform made of it is said beside it.
        let step = TaskMove {
            status: None,
            business_status: Some(if folded.conflict.is_some() { "error" } else { "withdrawn-by-referrer" }.to_owned()),
            platform_word: decisive.map(|report| report.platform_status.clone()),
            reason: folded.conflict.clone().or_else(|| existing_reason(&task.document)),
            outputs: None,
        };
        task.step(from, &step, GATEWAY_AUTHOR);
        return;
    }
    // Steps that the GP has not seen yet: those after the shown status in the platform's own order.
    let seen = folded.steps.iter().rposition(|step| step.status == shown).map_or(0, |place| place + 1);
    let pending = if shown == target { &[] } else { folded.steps.get(seen..).unwrap_or_default() };
    for step in pending.iter().filter(|step| step.status != target) {
        let report = statements.get(step.report);
        let author = if step.inferred { GATEWAY_AUTHOR } else { platform_author.as_str() };
        let reason = if step.inferred {
            Some("Inferred: the platform reported a later state.".to_owned())
        } else {
            report.and_then(|report| report.reason.clone())
        };
        let business = report.filter(|_| !step.inferred).map(|report| report.business_status.clone());
        let word = report.filter(|_| !step.inferred).map(|report| report.platform_status.clone());
        let step = TaskMove {
            status: Some(step.status),
            business_status: business,
            platform_word: word,
            reason,
            outputs: None,
        };
        task.step(from, &step, author);
    }
    let Some(report) = decisive else { return };
    // The sender's own pause keeps the sender's words.
    let senders = (from.referral.sender == SenderState::Held && target == TaskStatus::OnHold)
        .then(|| existing_reason(&task.document))
        .flatten();
    let step = TaskMove {
        status: Some(target),
        business_status: Some(report.business_status.clone()),
        platform_word: Some(report.platform_status.clone()),
        reason: senders.or_else(|| report.reason.clone()).or_else(|| reason_expected(target)),
        outputs: (!outputs.is_empty()).then(|| outputs.to_vec()),
    };
    task.step(from, &step, &platform_author);
}

fn existing_reason(task: &Json) -> Option<String> {
    task.get("statusReason")?.text("text").map(str::to_owned)
}

/// The SDOH guide wants words for these states; a platform that gave none is quoted as having given none.
fn reason_expected(status: TaskStatus) -> Option<String> {
    matches!(status, TaskStatus::Rejected | TaskStatus::Cancelled | TaskStatus::OnHold | TaskStatus::Failed)
        .then(|| "The platform gave no reason.".to_owned())
}

/// `Task.output`: what all statements gave, in the platform's order and each once (platforms repeat earlier ones), then
/// what else is shown already. Resources are stored in the sender's compartment under an id made from their content, so
/// that a repetition is seen as one.
fn store_outputs(
    from: &Alignment<'_>,
    folded: &Folded,
    statements: &[StatusReport],
    changes: &mut Vec<Change>,
) -> Vec<Json> {
    let shown = from.task.1.items("output");
    let mut outputs: Vec<Json> = Vec::new();
    let said = folded.outputs.iter().filter_map(|index| statements.get(*index));
    for output in said.flat_map(|statement| &statement.outputs) {
        let kind = codeable_concept(&output.kind);
        let (value, resource) = match &output.value {
            OutputValue::Concept(word) => (("valueCodeableConcept".to_owned(), codeable_concept(word)), None),
            OutputValue::Resource(text) => {
                let Some((resource_type, document)) = output_resource(text, from) else { continue };
                let id = derived_id(&[&from.referral.key.0, &document.to_text()]);
                let literal = Json::string(format!("{resource_type}/{id}"));
                let reference = Json::Object(vec![("reference".to_owned(), literal)]);
                (("valueReference".to_owned(), reference), Some((resource_type, id, document)))
            }
        };
        let entry = Json::Object(vec![("type".to_owned(), kind), value]);
        if outputs.contains(&entry) {
            continue;
        }
        let known = resource.as_ref().is_some_and(|(kind, id, _)| {
            let reference = format!("{kind}/{id}");
            refers(&outputs, &reference) || refers(shown, &reference)
        });
        if let Some((kind, id, document)) = resource.filter(|_| !known) {
            let key = ResourceKey { compartment: from.referral.compartment.clone(), kind, id };
            let author = platform_author(from.referral);
            let stored = version_of(key, 1, document, &author, WriteMethod::Post, from.now, &|_| None);
            changes.push(Change::PutResource(stored));
        }
        outputs.push(entry);
    }
    let kept: Vec<Json> = shown.iter().filter(|entry| !outputs.contains(entry)).cloned().collect();
    outputs.extend(kept);
    outputs
}

/// Whether one of these outputs refers to this resource already: two outputs may name one.
fn refers(outputs: &[Json], reference: &str) -> bool {
    outputs
        .iter()
        .any(|output| output.get("valueReference").and_then(|value| value.text("reference")) == Some(reference))
}

/// What of a statement the sender may see, with words that may stand in a FHIR document.
pub(crate) fn shown(report: &StatusReport, kept: Kept) -> StatusReport {
    kept::shown(tidied(report), kept)
}

/// A statement whose words may stand in a FHIR document: what a platform sends is not taken on trust.
fn tidied(report: &StatusReport) -> StatusReport {
    let mut report = report.clone();
    // A platform that speaks of a referral has it: "sent" would be a step back behind what the GP knows.
    if report.business_status == "sent" {
        "delivered".clone_into(&mut report.business_status);
    }
    report.reason = report.reason.as_deref().and_then(tidy);
    report.platform_status = tidy_concept(&report.platform_status);
    for output in &mut report.outputs {
        output.kind = tidy_concept(&output.kind);
        if output.kind == Concept::default() {
            output.kind.text = Some("An output without a type.".to_owned());
        }
        if let OutputValue::Concept(word) = &mut output.value {
            *word = tidy_concept(word);
            if *word == Concept::default() {
                word.text = Some("An output without words.".to_owned());
            }
        }
    }
    report
}

fn tidy_concept(word: &Concept) -> Concept {
    let one_word = |text: &String| !text.contains(char::is_whitespace);
    let code = word.code.as_deref().and_then(tidy);
    // A status of several words is shown as words: it is no code, and nobody may miss it.
    let words = code.clone().filter(|code| !one_word(code));
    Concept {
        system: word.system.as_deref().and_then(tidy).filter(one_word),
        code: code.filter(one_word),
        text: word.text.as_deref().and_then(tidy).or(words),
    }
}

/// Without control characters and outer blanks, at most a page; `None` if nothing is left.
pub(crate) fn tidy(text: &str) -> Option<String> {
    let kept: String =
        text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).take(PLATFORM_WORDS).collect();
    let kept = kept.trim();
    (!kept.is_empty()).then(|| kept.to_owned())
}

fn platform_author(referral: &Referral) -> String {
    referral.platform.as_ref().map_or(GATEWAY_AUTHOR.to_owned(), |platform| format!("platform/{}", platform.0))
}

/// A resource that a platform gave, made the sender's: its subject is the sender's Patient, its other references, which
/// mean something only at the platform, are taken out.
fn output_resource(text: &str, from: &Alignment<'_>) -> Option<(String, Json)> {
    let document = gateway_fhir::door::admit(text.as_bytes(), &gateway_fhir::door::DoorLimits::default()).ok()?;
    let kind = document.text("resourceType")?.to_owned();
    if !matches!(kind.as_str(), "Procedure" | "Observation" | "QuestionnaireResponse") {
        return None;
    }
    let mut document = document;
    for element in ["text", "meta", "basedOn", "partOf", "encounter", "performer", "recorder", "asserter", "contained"]
    {
        document.remove(element);
    }
    for element in ["author", "source", "focus", "hasMember", "derivedFrom", "reasonReference", "location", "report"] {
        document.remove(element);
    }
    document.set("subject", subject(from));
    let sound =
        gateway_fhir::validate::resource(&document).iter().all(|issue| issue.severity != gateway_fhir::Severity::Error);
    sound.then_some((kind, document))
}

/// The sender's Patient; for a contained one, the identifier by which the ServiceRequest names it.
fn subject(from: &Alignment<'_>) -> Json {
    if from.referral.patient.starts_with("Patient/") {
        return Json::Object(vec![("reference".to_owned(), Json::string(&from.referral.patient))]);
    }
    let mut subject = from.service_request.1.get("subject").cloned().unwrap_or(Json::Object(Vec::new()));
    subject.remove("reference");
    if subject.as_object().is_none_or(<[_]>::is_empty) {
        subject.set("type", Json::string("Patient"));
        subject.set("display", Json::string("The patient of the ServiceRequest"));
    }
    subject
}

/// The ServiceRequest's next version if its status has to follow the Task's (GW-STA-006).
#[must_use]
pub fn service_request_follows(
    compartment: &Compartment,
    id: &str,
    (version, document): (u64, &Json),
    task: TaskStatus,
    now: OffsetDateTime,
) -> Option<ResourceVersion> {
    let ended = || matches!(document.text("status"), Some("revoked" | "completed")) && is_gateways(document);
    let status = match status::service_request_status(task) {
        Some(status) => status,
        // The end that it had followed has been corrected: it was neither completed nor revoked after all.
        None if matches!(task, TaskStatus::Rejected | TaskStatus::Failed) && ended() => "active",
        None => return None,
    };
    if document.text("status") == Some(status) {
        return None;
    }
    let mut next = document.clone();
    next.set("status", Json::string(status));
    let key = ResourceKey { compartment: compartment.clone(), kind: "ServiceRequest".to_owned(), id: id.to_owned() };
    Some(version_of(key, version + 1, next, GATEWAY_AUTHOR, WriteMethod::Put, now, &|_| None))
}

/// Whether the gateway wrote this version.
fn is_gateways(document: &Json) -> bool {
    let source = document.get("meta").and_then(|meta| meta.text("source"));
    source.and_then(|source| source.strip_prefix(AUTHOR)) == Some(GATEWAY_AUTHOR)
}

/// True if gateway and platform say the same: the same status where it was delivered, and nothing at the platform where it
/// was not. `platform` is what the platform shows now; `None` = it has no such referral.
#[must_use]
pub fn is_aligned(referral: &Referral, platform: Option<TaskStatus>) -> bool {
    match (&referral.delivery, platform) {
        (Delivery::Delivered { .. }, Some(status)) => status == referral.task_status,
        (Delivery::Delivered { .. }, None) => false,
        (_, None) => true,
        (_, Some(_)) => false,
    }
}
