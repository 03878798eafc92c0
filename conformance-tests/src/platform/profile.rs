//! What the Gravity guide and R4 ask of a resource before this platform takes it.
//!
//! Written from the guide's profiles (Task for Referral Management, ServiceRequest, Consent) and not from what the
//! gateway sends: a simulator that accepted whatever came would prove nothing. All faults are reported at once.

mod elements;

pub(super) use elements::STORED;

use serde_json::Value;

use super::store::Store;
use crate::fhir::{self, Issue, SDOHCC, TASK_CODE};

/// Where references of the resource under test may lead: what is stored, and what comes with it in one Bundle.
pub(super) struct Surroundings<'s> {
    pub(super) store: &'s Store,
    /// Resources of the same transaction by `Type/id`, already given their ids.
    pub(super) arriving: &'s [(String, Value)],
}

impl Surroundings<'_> {
    /// The resource that a reference leads to, here.
    pub(super) fn resolve(&self, reference: &str) -> Option<&Value> {
        let (kind, id) = fhir::split_reference(reference)?;
        let path = format!("{kind}/{id}");
        let arriving = self.arriving.iter().find(|(at, _)| *at == path).map(|(_, resource)| resource);
        arriving.or_else(|| self.store.get(kind, id))
    }

    fn kind_of<'r>(&'r self, reference: &'r Value) -> Option<&'r str> {
        let target = self.resolve(fhir::text_at(reference, "/reference")?)?;
        fhir::text_at(target, "/resourceType")
    }
}

/// The states that the guide's value set leaves out of R4's.
const NOT_FOR_REFERRALS: [&str; 2] = ["ready", "received"];

/// The states of a referral Task here.
pub(super) const STATES: [&str; 10] = [
    "draft",
    "requested",
    "accepted",
    "rejected",
    "in-progress",
    "on-hold",
    "completed",
    "cancelled",
    "failed",
    "entered-in-error",
];

/// True for a state after which nothing follows.
pub(crate) fn is_final(status: &str) -> bool {
    matches!(status, "rejected" | "cancelled" | "completed" | "failed" | "entered-in-error")
}

/// Every fault of a resource that is to be created or updated.
pub(super) fn faults(resource: &Value, around: &Surroundings<'_>) -> Vec<Issue> {
    let Some(kind) = fhir::text_at(resource, "/resourceType") else {
        return vec![Issue::new("structure", "Resource", "resourceType is missing")];
    };
    let mut issues = Vec::new();
    elements::check(kind, resource, &mut issues);
    references(resource, kind, around, &mut issues);
    match kind {
        "Task" => task(resource, around, &mut issues),
        "ServiceRequest" => service_request(resource, around, &mut issues),
        "Consent" => consent(resource, &mut issues),
        "Patient" if empty(resource, "name") && empty(resource, "identifier") => {
            issues.push(Issue::new("required", "Patient.name", "a Patient needs a name or an identifier"));
        }
        "Observation" | "Condition" | "Procedure" | "QuestionnaireResponse" => {
            subject(resource, kind, around, &mut issues)
        }
        _ => {}
    }
    issues
}

/// The faults of a Task that is being created, which may not begin in the middle of its life.
pub(super) fn faults_on_create(resource: &Value, around: &Surroundings<'_>) -> Vec<Issue> {
    let mut issues = faults(resource, around);
    if fhir::text_at(resource, "/resourceType") == Some("Task") {
        if fhir::text_at(resource, "/status") != Some("requested") {
            issues.push(Issue::new("business-rule", "Task.status", "a new Task is 'requested'"));
        }
        if !empty(resource, "output") {
            issues.push(Issue::new("business-rule", "Task.output", "output is the performer's to write"));
        }
    }
    issues
}

fn empty(resource: &Value, element: &str) -> bool {
    match resource.get(element) {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Object(fields)) => fields.is_empty(),
        Some(_) => false,
    }
}

fn require(resource: &Value, kind: &str, names: &[&str], issues: &mut Vec<Issue>) {
    for name in names.iter().filter(|name| empty(resource, name)) {
        issues.push(Issue::new("required", format!("{kind}.{name}"), format!("{name} is required")));
    }
}

/// True where a CodeableConcept or a list of them holds the code.
fn has_code(concepts: Option<&Value>, system: &str, code: Option<&str>) -> bool {
    let one = |concept: &Value| {
        let codings = concept.get("coding").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        codings.iter().any(|coding| {
            fhir::text_at(coding, "/system") == Some(system)
                && code.is_none_or(|wanted| fhir::text_at(coding, "/code") == Some(wanted))
        })
    };
    match concepts {
        Some(Value::Array(items)) => items.iter().any(one),
        Some(concept) => one(concept),
        None => false,
    }
}

fn task(task: &Value, around: &Surroundings<'_>, issues: &mut Vec<Issue>) {
    require(
        task,
        "Task",
        &["status", "intent", "code", "focus", "for", "authoredOn", "requester", "identifier"],
        issues,
    );
    let status = fhir::text_at(task, "/status").unwrap_or_default();
    if NOT_FOR_REFERRALS.contains(&status) || (!status.is_empty() && !STATES.contains(&status)) {
        issues.push(Issue::new("code-invalid", "Task.status", "not a status of a referral Task"));
    }
    if !empty(task, "intent") && fhir::text_at(task, "/intent") != Some("order") {
        issues.push(Issue::new("value", "Task.intent", "intent is fixed to 'order'"));
    }
    if !empty(task, "code") && !has_code(task.get("code"), TASK_CODE, Some("fulfill")) {
        issues.push(Issue::new("code-invalid", "Task.code", "code is fixed to 'fulfill'"));
    }
    if !empty(task, "statusReason") && fhir::text_at(task, "/statusReason/text").is_none() {
        issues.push(Issue::new("required", "Task.statusReason.text", "a statusReason needs a text"));
    }
    if fhir::text_at(task, "/authoredOn").is_some_and(|at| fhir::read_instant(at).is_none()) {
        issues.push(Issue::new("value", "Task.authoredOn", "not a dateTime"));
    }
    // A logical reference (an ODS code, say) will do for the requester: it need not be a resource here.
    if let Some(requester) = task.get("requester")
        && !matches!(
            around.kind_of(requester).or_else(|| logical_kind(requester)),
            Some("Organization" | "PractitionerRole")
        )
    {
        issues.push(Issue::new("value", "Task.requester", "must be an Organization or a PractitionerRole known here"));
    }
    task_focus(task, around, issues);
}

/// The type that a reference by identifier alone claims.
fn logical_kind(reference: &Value) -> Option<&str> {
    let by_identifier = empty(reference, "reference") && fhir::text_at(reference, "/identifier/value").is_some();
    fhir::text_at(reference, "/type").filter(|_| by_identifier)
}

fn task_focus(task: &Value, around: &Surroundings<'_>, issues: &mut Vec<Issue>) {
    if let Some(person) = task.get("for")
        && around.kind_of(person) != Some("Patient")
    {
        issues.push(Issue::new("value", "Task.for", "must be a Patient known here"));
    }
    let Some(focus) = task.get("focus") else { return };
    let target = fhir::text_at(focus, "/reference").and_then(|to| around.resolve(to));
    let Some(order) = target.filter(|one| fhir::text_at(one, "/resourceType") == Some("ServiceRequest")) else {
        issues.push(Issue::new("value", "Task.focus", "must be a ServiceRequest known here"));
        return;
    };
    // The guide: a coordination platform makes its own order, on the basis of the source's.
    if fhir::text_at(order, "/intent") != Some("filler-order") {
        issues.push(Issue::new(
            "business-rule",
            "ServiceRequest.intent",
            "a coordination platform sends a filler-order",
        ));
    }
    if empty(order, "basedOn") {
        issues.push(Issue::new(
            "business-rule",
            "ServiceRequest.basedOn",
            "a filler-order is based on the source's order",
        ));
    }
    let same =
        |a: Option<&str>, b: Option<&str>| a.and_then(fhir::split_reference) == b.and_then(fhir::split_reference);
    if !same(fhir::text_at(order, "/subject/reference"), fhir::text_at(task, "/for/reference")) {
        issues.push(Issue::new("business-rule", "Task.for", "must be the subject of the ServiceRequest"));
    }
}

fn service_request(order: &Value, around: &Surroundings<'_>, issues: &mut Vec<Issue>) {
    require(order, "ServiceRequest", &["status", "intent", "subject"], issues);
    const STATUSES: [&str; 7] = ["draft", "active", "on-hold", "revoked", "completed", "entered-in-error", "unknown"];
    if fhir::text_at(order, "/status").is_some_and(|status| !STATUSES.contains(&status)) {
        issues.push(Issue::new("code-invalid", "ServiceRequest.status", "not a request status"));
    }
    if empty(order, "category") && empty(order, "code") {
        issues.push(Issue::new("required", "ServiceRequest.category", "a category or a code says what is asked for"));
    }
    if !empty(order, "category") && empty(order, "code") && !has_code(order.get("category"), SDOHCC, None) {
        issues.push(Issue::new("code-invalid", "ServiceRequest.category", "no SDOH category among them"));
    }
    // R4 prr-1.
    if !empty(order, "orderDetail") && empty(order, "code") {
        issues.push(Issue::new("invariant", "ServiceRequest.orderDetail", "only where there is a code (prr-1)"));
    }
    subject(order, "ServiceRequest", around, issues);
}

fn subject(resource: &Value, kind: &str, around: &Surroundings<'_>, issues: &mut Vec<Issue>) {
    if let Some(subject) = resource.get("subject")
        && around.kind_of(subject) != Some("Patient")
    {
        issues.push(Issue::new("value", format!("{kind}.subject"), "must be a Patient known here"));
    }
}

fn consent(consent: &Value, issues: &mut Vec<Issue>) {
    require(consent, "Consent", &["status", "scope", "category", "patient", "dateTime", "organization"], issues);
    if consent.get("organization").and_then(Value::as_array).is_some_and(|list| list.len() != 1) {
        issues.push(Issue::new("structure", "Consent.organization", "exactly one"));
    }
    if empty(consent, "sourceAttachment") && empty(consent, "sourceReference") {
        issues.push(Issue::new("required", "Consent.source[x]", "source is required"));
    }
    if empty(consent, "policy") && empty(consent, "policyRule") {
        issues.push(Issue::new("invariant", "Consent", "a policy or a policyRule (ppc-1)"));
    }
}

/// Referential integrity: a relative reference leads to something that is here.
fn references(value: &Value, path: &str, around: &Surroundings<'_>, issues: &mut Vec<Issue>) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                let here = format!("{path}.{name}");
                match (name.as_str(), inner) {
                    ("reference", Value::String(to)) if dangling(to, around) => {
                        issues.push(Issue::new("not-found", here, "the reference leads nowhere on this server"));
                    }
                    _ => references(inner, &here, around, issues),
                }
            }
        }
        Value::Array(items) => {
            for (at, inner) in items.iter().enumerate() {
                references(inner, &format!("{path}[{at}]"), around, issues);
            }
        }
        _ => {}
    }
}

fn dangling(to: &str, around: &Surroundings<'_>) -> bool {
    let elsewhere = to.starts_with('#') || to.starts_with("http://") || to.starts_with("https://");
    !elsewhere && around.resolve(to).is_none()
}

/// True for a type that is stored here.
pub(super) fn stores(kind: &str) -> bool {
    STORED.contains(&kind)
}
