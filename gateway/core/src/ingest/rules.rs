//! The gateway's own rules on what may be stored: one patient, a Task that can be fulfilled, nothing that is another
//! party's to say.

use crate::follow_up;
use crate::ingest::amended;
use crate::ingest::references::Found;
use crate::ingest::{Accepted, Outcome};
use crate::letter;
use crate::loss;
use crate::split;
use crate::withdraw;
use adapter_contract::TaskStatus;
use gateway_fhir::identifiers::{self, NHS_NUMBER, same_system};
use gateway_fhir::{Issue, IssueCode, Json};
use std::collections::BTreeSet;

/// The person whom a ServiceRequest is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Person {
    /// `Patient/id`, or `ServiceRequest/id#fragment` for a contained Patient.
    pub reference: String,
    /// The Patient resource.
    pub document: Json,
}

impl Person {
    /// The NHS number in its ten digits, if the Patient has a valid one.
    #[must_use]
    pub fn nhs_number(&self) -> Option<String> {
        nhs_number_of(&self.document)
    }

    /// Whether this Patient is the same person: they share an NHS number.
    #[must_use]
    pub fn is_also(&self, patient: &Json) -> bool {
        nhs_numbers_of(patient).any(|theirs| nhs_numbers_of(&self.document).any(|ours| ours == theirs))
    }
}

/// Finds the Patient of a ServiceRequest: stored, in the request, or contained with an NHS number.
#[must_use]
pub fn patient_of<'l>(
    service_request: &Json,
    service_request_id: &str,
    lookup: &dyn Fn(&str) -> Option<&'l Json>,
) -> Option<Person> {
    let subject = service_request.get("subject")?;
    let reference = subject.text("reference")?;
    if let Some(fragment) = reference.strip_prefix('#') {
        let contained = contained_patient(service_request, reference)?;
        let reference = format!("ServiceRequest/{service_request_id}#{fragment}");
        return Some(Person { reference, document: contained.clone() });
    }
    if !reference.starts_with("Patient/") {
        return None;
    }
    lookup(reference).map(|document| Person { reference: reference.to_owned(), document: document.clone() })
}

/// The NHS number that a reference bears as its identifier.
fn nhs_number_in(reference: &Json) -> Option<String> {
    let identifier = reference.get("identifier")?.clone();
    nhs_number_of(&Json::Object(vec![("identifier".to_owned(), Json::Array(vec![identifier]))]))
}

fn contained_patient<'a>(document: &'a Json, reference: &str) -> Option<&'a Json> {
    let fragment = reference.strip_prefix('#')?;
    document
        .items("contained")
        .iter()
        .find(|inner| inner.text("id") == Some(fragment) && inner.text("resourceType") == Some("Patient"))
}

fn nhs_number_of(holder: &Json) -> Option<String> {
    nhs_numbers_of(holder).next()
}

/// The valid NHS numbers among its identifiers.
pub(crate) fn nhs_numbers_of(holder: &Json) -> impl Iterator<Item = String> + '_ {
    holder
        .items("identifier")
        .iter()
        .filter(|identifier| identifier.text("system").is_some_and(|system| same_system(system, NHS_NUMBER)))
        .filter_map(|identifier| identifiers::nhs_number(identifier.text("value")?).ok())
        .map(|number| number.as_str().to_owned())
}

/// All rules, all faults.
pub(crate) fn check(outcomes: &[Outcome], found: &Found) -> Vec<Issue> {
    let lookup = |reference: &str| find_document(outcomes, found, reference);
    let mut issues = one_patient(outcomes, found, &lookup);
    for outcome in outcomes {
        let Outcome::Write(accepted) = outcome else { continue };
        match accepted.kind.as_str() {
            "Task" => {
                check_task(&accepted.place, &accepted.document, &lookup, &mut issues);
                check_plan(accepted, outcomes, &mut issues);
            }
            "ServiceRequest" => check_service_request(accepted, &lookup, &mut issues),
            "Consent" => check_consent(accepted, &mut issues),
            "Flag" => check_flag(accepted, outcomes, &mut issues),
            "DocumentReference" => check_letter(accepted, found, &mut issues),
            "Patient" if accepted.version > 1 => check_patient_update(accepted, found, &mut issues),
            _ => {}
        }
        if accepted.version > 1 {
            amended::check(accepted, found, &mut issues);
            check_labels_kept(accepted, found, &mut issues);
        }
    }
    issues
}

/// What a letter to the practice is, and how far it is, the gateway alone writes.
fn check_letter(accepted: &Accepted, found: &Found, issues: &mut Vec<Issue>) {
    let says =
        |document: &Json| document.items("extension").iter().any(|one| one.text("url") == Some(letter::DELIVERY));
    let stored = found.stored.get(&format!("DocumentReference/{}", accepted.id));
    if says(&accepted.document) || (accepted.version > 1 && stored.is_some_and(|stored| says(&stored.document))) {
        let words =
            "The DocumentReference of a letter to the practice is the gateway's; it cannot be written or changed here.";
        issues.push(Issue::at(IssueCode::BusinessRule, &accepted.place, words));
    }
}

/// URL of the extension that names who recorded a spoken consent: a name, not an address. R4 has no element for it.
const RECORDER: &str = "https://vcse-gateway.example/fhir/StructureDefinition/consent-recorder";

/// What a permit that is recorded must show. A refusal or a withdrawal is taken in whatever form the person gave it.
fn check_consent(consent: &Accepted, issues: &mut Vec<Issue>) {
    let document = &consent.document;
    let at = |element: &str| format!("{}.{element}", consent.place);
    let opts_out = || {
        let codings = document.get("policyRule").map(|rule| rule.items("coding")).unwrap_or_default();
        codings.iter().any(|coding| coding.text("code") == Some("OPTOUT"))
    };
    let refuses = match document.get("provision").and_then(|root| root.text("type")) {
        Some(kind) => kind == "deny",
        None => opts_out(),
    };
    if refuses || document.text("status") != Some("active") {
        return;
    }
    let organisation = |performer: &Json| {
        performer.text("type") == Some("Organization")
            || performer.text("reference").is_some_and(|reference| reference.starts_with("Organization/"))
    };
    if document.items("performer").iter().any(organisation) {
        let words = "No organisation consents for a person. Consent.performer is who agreed: the patient, or somebody who may \
                     act for the patient.";
        issues.push(Issue::at(IssueCode::BusinessRule, at("performer"), words));
    }
    let written = document.as_object().unwrap_or_default().iter().any(|(name, _)| name.starts_with("source"));
    if written {
        return;
    }
    if document.get("dateTime").is_none() {
        let words = "A spoken consent (one without source[x]) needs the date on which it was given: Consent.dateTime.";
        issues.push(Issue::at(IssueCode::Required, at("dateTime"), words));
    }
    let names = |reference: &Json| {
        ["reference", "display"].iter().any(|name| reference.text(name).is_some_and(|text| !text.trim().is_empty()))
            || reference.get("identifier").is_some_and(|identifier| identifier.text("value").is_some())
    };
    let recorder = document.items("extension").iter().find(|one| one.text("url") == Some(RECORDER));
    if !recorder.and_then(|one| one.get("valueReference")).is_some_and(names) {
        let words = format!(
            "A spoken consent (one without source[x]) needs who recorded it: the extension {RECORDER} with a valueReference to \
             the professional."
        );
        issues.push(Issue::at(IssueCode::Required, at("extension"), words));
    }
}

/// A flag says what somebody has to know. One that nothing of the referral leads to would reach nobody, in silence.
fn check_flag(flag: &Accepted, outcomes: &[Outcome], issues: &mut Vec<Issue>) {
    let own = format!("{}/{}", flag.kind, flag.id);
    let leads_to_it = outcomes.iter().any(|outcome| match outcome {
        Outcome::Write(accepted) if accepted.kind == "ServiceRequest" => {
            accepted.document.items("supportingInfo").iter().any(|info| info.text("reference") == Some(own.as_str()))
        }
        _ => false,
    });
    if !leads_to_it {
        let words = "no ServiceRequest leads to this Flag, so nobody would learn of it; refer to it in ServiceRequest.supportingInfo";
        issues.push(Issue::at(IssueCode::BusinessRule, flag.place.clone(), words));
    }
}

/// A Task that asks nobody for anything has parts that do.
fn check_plan(task: &Accepted, outcomes: &[Outcome], issues: &mut Vec<Issue>) {
    if task.version > 1 || !split::is_plan(&task.document) {
        return;
    }
    let own = format!("Task/{}", task.id);
    let is_part = |part: &Json| part.items("partOf").iter().any(|whole| whole.text("reference") == Some(own.as_str()));
    let has_part = outcomes.iter().any(|outcome| match outcome {
        Outcome::Write(accepted) => accepted.kind == "Task" && accepted.id != task.id && is_part(&accepted.document),
        Outcome::Exists { .. } => false,
    });
    let at = |element: &str| format!("{}.{element}", task.place);
    if !has_part {
        let words = "A Task with the intent `plan` stands for several: send with it the Tasks that are part of it (Task.partOf), each \
                     with the intent `order` and its own service.";
        issues.push(Issue::at(IssueCode::BusinessRule, at("intent"), words));
    }
    if task.document.get("owner").is_some() {
        let words = "A Task with the intent `plan` is sent to nobody, so it has no owner. Its parts have.";
        issues.push(Issue::at(IssueCode::BusinessRule, at("owner"), words));
    }
}

/// What a reference means: what is written now stands before what is stored.
pub(crate) fn find_document<'l>(outcomes: &'l [Outcome], found: &'l Found, reference: &str) -> Option<&'l Json> {
    let written = reference.split_once('/').and_then(|(kind, id)| {
        outcomes.iter().find_map(|outcome| match outcome {
            Outcome::Write(accepted) if accepted.kind == kind && accepted.id == id => Some(&accepted.document),
            _ => None,
        })
    });
    written.or_else(|| found.stored.get(reference).map(|stored| &stored.document))
}

/// A request about two people is a mistake that no later step could see.
///
/// What is referred to counts as well: a stored Observation of another person would carry that person's data along.
fn one_patient<'l>(outcomes: &[Outcome], found: &Found, lookup: &dyn Fn(&str) -> Option<&'l Json>) -> Vec<Issue> {
    let mut people: BTreeSet<String> = BTreeSet::new();
    let mut issues = Vec::new();
    let written = outcomes.iter().filter_map(|outcome| match outcome {
        Outcome::Write(accepted) => {
            Some((accepted.place.clone(), format!("{}/{}", accepted.kind, accepted.id), &accepted.document))
        }
        Outcome::Exists { .. } => None,
    });
    let referred = found.stored.iter().map(|(own, stored)| (own.clone(), own.clone(), &stored.document));
    for (place, own, document) in written.chain(referred) {
        let mut named: Vec<(String, String)> = Vec::new();
        if own.starts_with("Patient/") {
            named.push((place.clone(), own.clone()));
        }
        for element in ["subject", "patient", "for"] {
            let Some(value) = document.get(element) else { continue };
            // What lies further away than was looked up cannot be compared; it cannot be sent either.
            let known = place != own || value.text("reference").is_some_and(|reference| lookup(reference).is_some());
            let place = format!("{place}.{element}");
            match value.text("reference") {
                Some(reference) if reference.starts_with("Patient/") && known => {
                    named.push((place, reference.to_owned()))
                }
                Some(reference) if reference.starts_with("Patient/") => {}
                Some(reference) if reference.starts_with('#') => {
                    let number = contained_patient(document, reference).and_then(nhs_number_of);
                    named.extend(number.map(|number| (place, number)));
                }
                _ => named.extend(nhs_number_in(value).map(|number| (place, number))),
            }
        }
        for (place, reference) in named {
            // Two Patient resources with the same NHS number are one person.
            let person = lookup(&reference).and_then(nhs_number_of).unwrap_or(reference);
            if people.insert(person) && people.len() > 1 {
                issues.push(Issue::at(
                    IssueCode::BusinessRule,
                    place,
                    "This request is about more than one patient, or refers to another's record. Send one for each.",
                ));
            }
        }
    }
    issues
}

/// The rules of a Task that asks, or will ask, for fulfilment.
pub(crate) fn check_task<'l>(
    place: &str,
    document: &Json,
    lookup: &dyn Fn(&str) -> Option<&'l Json>,
    issues: &mut Vec<Issue>,
) {
    let at = |element: &str| format!("{place}.{element}");
    let rule = |place: String, words: &str| Issue::at(IssueCode::BusinessRule, place, words);
    match document.text("status").and_then(|code| code.parse::<TaskStatus>().ok()) {
        Some(TaskStatus::Requested | TaskStatus::Draft) => {}
        _ => issues.push(rule(at("status"), "A new Task is `requested`, or `draft` while it is not to be acted upon.")),
    }
    if document.text("intent") != Some("order") && !split::is_plan(document) {
        let words =
            "A Task that asks for fulfilment has the intent `order`; one that is made of others has the intent `plan`.";
        issues.push(rule(at("intent"), words));
    }
    for (element, owner) in [("output", "the performer"), ("businessStatus", "the gateway")] {
        if document.get(element).is_some() {
            issues.push(rule(at(element), &format!("Only {owner} may set this element. Leave it out.")));
        }
    }
    if document.items("extension").iter().any(loss::is_ours) {
        let words = "The extension translation-loss is the gateway's to set. Leave it out.";
        issues.push(rule(at("extension"), words));
    }
    if document.items("extension").iter().any(letter::is_ours) {
        let words = "The extension outcome-letter is the gateway's to set. Leave it out.";
        issues.push(rule(at("extension"), words));
    }
    if follow_up::is_follow_up(document) {
        let words = "Task.code says that this is a follow-up, and only the gateway opens these. Take its code, or its own, out.";
        issues.push(rule(at("code"), words));
    }
    if document.items("extension").iter().any(withdraw::is_receipt) {
        let words = "The extension consent-withdrawal is the gateway's to set. Leave it out.";
        issues.push(rule(at("extension"), words));
    }
    let focus = document.get("focus").and_then(|focus| focus.text("reference"));
    let Some(focus) = focus.filter(|focus| focus.starts_with("ServiceRequest/")) else {
        issues.push(Issue::at(
            IssueCode::Required,
            at("focus"),
            "Task.focus must refer to the ServiceRequest that is to be fulfilled.",
        ));
        return;
    };
    let Some(service_request) = lookup(focus) else { return };
    if matches!(service_request.text("status"), Some("draft" | "revoked" | "entered-in-error")) {
        issues.push(rule(at("focus"), "The ServiceRequest is a draft, revoked or entered in error. Send a new one."));
    }
    let subject = service_request.get("subject");
    let Some(person) = document.get("for") else {
        issues.push(Issue::at(
            IssueCode::Required,
            at("for"),
            "Task.for must name the patient whom the ServiceRequest is about.",
        ));
        return;
    };
    if !same_person(person, subject, lookup) {
        issues.push(rule(at("for"), "Task.for and ServiceRequest.subject must name the same patient."));
    }
}

fn same_person<'l>(person: &Json, subject: Option<&Json>, lookup: &dyn Fn(&str) -> Option<&'l Json>) -> bool {
    let Some(subject) = subject else { return false };
    let literal =
        |reference: &Json| reference.text("reference").filter(|text| !text.starts_with('#')).map(str::to_owned);
    if let (Some(one), Some(other)) = (literal(person), literal(subject))
        && one == other
    {
        return true;
    }
    let number =
        |reference: &Json| nhs_number_in(reference).or_else(|| nhs_number_of(lookup(reference.text("reference")?)?));
    matches!((number(person), number(subject)), (Some(one), Some(other)) if one == other)
}

fn check_service_request<'l>(request: &Accepted, lookup: &dyn Fn(&str) -> Option<&'l Json>, issues: &mut Vec<Issue>) {
    let at = |element: &str| format!("{}.{element}", request.place);
    if request.version == 1 && matches!(request.document.text("status"), Some("draft" | "revoked" | "entered-in-error"))
    {
        issues.push(Issue::at(
            IssueCode::BusinessRule,
            at("status"),
            "A ServiceRequest that is a draft, revoked or entered in error cannot be fulfilled. Send it as `active`.",
        ));
    }
    if request.document.get("code").is_none() && request.document.items("category").is_empty() {
        issues.push(Issue::at(
            IssueCode::Required,
            at("code"),
            "Say what is asked for: ServiceRequest needs a code or a category.",
        ));
    }
    match patient_of(&request.document, &request.id, lookup) {
        None => issues.push(Issue::at(
            IssueCode::Required,
            at("subject"),
            "ServiceRequest.subject must refer to a Patient in the Bundle, to one that you stored, or to a contained one.",
        )),
        Some(person) if person.reference.contains('#') && person.nhs_number().is_none() => issues.push(Issue::at(
            IssueCode::Required,
            at("subject"),
            "A contained Patient must carry an NHS number, so that the person can be found again.",
        )),
        Some(_) => {}
    }
}

/// A Patient that referrals hang on stays the same person.
fn check_patient_update(patient: &Accepted, found: &Found, issues: &mut Vec<Issue>) {
    let Some(stored) = found.stored.get(&format!("Patient/{}", patient.id)) else { return };
    if let Some(known) = nhs_number_of(&stored.document)
        && nhs_number_of(&patient.document).as_ref() != Some(&known)
    {
        issues.push(Issue::at(
            IssueCode::BusinessRule,
            format!("{}.identifier", patient.place),
            "The NHS number of a stored Patient cannot be changed or removed. Store another Patient.",
        ));
    }
}

pub(crate) fn labels(document: &Json) -> BTreeSet<(String, String)> {
    let security = document.get("meta").map(|meta| meta.items("security")).unwrap_or_default();
    security
        .iter()
        .map(|label| {
            (label.text("system").unwrap_or_default().to_owned(), label.text("code").unwrap_or_default().to_owned())
        })
        .collect()
}

fn check_labels_kept(accepted: &Accepted, found: &Found, issues: &mut Vec<Issue>) {
    let Some(stored) = found.stored.get(&format!("{}/{}", accepted.kind, accepted.id)) else { return };
    if !labels(&stored.document).is_subset(&labels(&accepted.document)) {
        issues.push(Issue::at(
            IssueCode::BusinessRule,
            format!("{}.meta.security", accepted.place),
            "A security label cannot be removed. Send the resource with all labels that it has.",
        ));
    }
}
