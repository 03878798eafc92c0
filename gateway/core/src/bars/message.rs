//! A message Bundle read: what it asks for, of whom, and every fault of it at once.

use super::patterns::{self, Act, CATEGORY, EVENT, Pattern};
use super::{CATEGORIES, EVENTS, REASONS, service};
use crate::ingest::deduplicated;
use crate::refusal::{Refusal, pass_or_refuse};
use gateway_fhir::identifiers::same_system;
use gateway_fhir::references::{ReferenceForm, parse, sites};
use gateway_fhir::{Issue, IssueCode, Json, validate};

/// Events and categories of BaRS that are not here.
const ELSEWHERE: [&str; 3] = ["servicerequest-response", "booking-request", "booking-response"];

/// A message that may be acted on.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// The Bundle as it came.
    pub document: &'a Json,
    /// `Bundle.id`: what a response refers to.
    pub id: &'a str,
    /// The MessageHeader.
    pub header: &'a Json,
    /// The ServiceRequest.
    pub request: Entry<'a>,
    /// What kind of message it is.
    pub pattern: &'static Pattern,
    /// System and value of the service that it is for.
    pub destination: (&'a str, &'a str),
    /// `MessageHeader.source.endpoint`: the sender's return address.
    pub source: &'a str,
}

/// One entry of a message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry<'a> {
    /// Its place in `Bundle.entry`.
    pub index: usize,
    /// `fullUrl`; empty where it is missing, which is a fault.
    pub full_url: &'a str,
    /// Resource type.
    pub kind: &'a str,
    /// The resource.
    pub resource: &'a Json,
}

impl Entry<'_> {
    /// `Bundle.entry[3].resource.status`.
    fn at(&self, element: &str) -> String {
        format!("Bundle.entry[{}].resource.{element}", self.index)
    }
}

impl<'a> Message<'a> {
    /// Its entries, the MessageHeader first.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        entries(self.document)
    }

    /// The entry of this `fullUrl`.
    #[must_use]
    pub fn find(&self, full_url: &str) -> Option<Entry<'a>> {
        self.entries().find(|entry| entry.full_url == full_url)
    }
}

fn entries(bundle: &Json) -> impl Iterator<Item = Entry<'_>> {
    bundle.items("entry").iter().enumerate().filter_map(|(index, entry)| {
        let resource = entry.get("resource")?;
        let kind = resource.text("resourceType")?;
        Some(Entry { index, full_url: entry.text("fullUrl").unwrap_or_default(), kind, resource })
    })
}

/// Faults by how they are published.
#[derive(Default)]
struct Faults {
    /// `400`: not a workflow that there is, or not for us.
    workflow: Vec<Issue>,
    /// As of any document.
    content: Vec<Issue>,
}

impl Faults {
    fn workflow(&mut self, code: IssueCode, place: impl Into<String>, words: impl Into<String>) {
        self.workflow.push(Issue::at(code, place, words));
    }

    fn content(&mut self, code: IssueCode, place: impl Into<String>, words: impl Into<String>) {
        self.content.push(Issue::at(code, place, words));
    }

    fn settle(self) -> Result<(), Refusal> {
        if self.workflow.is_empty() {
            return pass_or_refuse(deduplicated(self.content));
        }
        let all = self.workflow.into_iter().chain(self.content).collect();
        Err(Refusal::several(400, deduplicated(all)))
    }
}

/// Reads a message. `ours` tells whether a service is one whose messages come here, `target` is what the header
/// `NHSD-Target-Identifier` names.
///
/// # Errors
/// [`Refusal`] with every fault: 501 for a message of BaRS of a kind that is not taken, 400 for no message at all or a workflow
/// that there is not, 422 for what it holds.
pub fn read<'a>(
    document: &'a Json,
    max_entries: usize,
    ours: &dyn Fn(&str, &str) -> bool,
    target: Option<&(String, String)>,
) -> Result<Message<'a>, Refusal> {
    let header = envelope(document, max_entries)?;
    let mut faults = Faults { content: validate::resource(document), ..Faults::default() };
    let requests: Vec<Entry<'a>> = entries(document).filter(|entry| entry.kind == "ServiceRequest").collect();
    refuse_other_kinds(&header, &requests)?;
    check_event(&header, &mut faults);
    let id = document.text("id");
    if id.is_none() {
        let words = "A message has an id of the sender's making: what a response refers to.";
        faults.content(IssueCode::Required, "Bundle.id", words);
    }
    check_version(document, &mut faults);
    let request = focus(&header, &requests, &mut faults);
    let pattern = request.and_then(|request| workflow(&header, &request, &mut faults));
    if let Some(pattern) = pattern {
        check_contents(document, pattern, &mut faults);
        check_statuses(document, pattern, &mut faults);
    }
    check_urls(document, &mut faults);
    let destination = destination(&header, ours, target, &mut faults);
    let source = header.resource.get("source").and_then(|source| source.text("endpoint"));
    let read = (|| {
        let (request, pattern) = (request?, pattern?);
        Some(Message {
            document,
            id: id?,
            header: header.resource,
            request,
            pattern,
            destination: destination?,
            source: source?,
        })
    })();
    faults.settle()?;
    read.ok_or_else(|| {
        let words = "The message is incomplete. Send it as the MessageDefinition of its kind says.";
        Refusal::one(400, Issue::at(IssueCode::Structure, "Bundle", words))
    })
}

/// The MessageHeader of what is a message at all.
fn envelope(document: &Json, max_entries: usize) -> Result<Entry<'_>, Refusal> {
    let refused =
        |status: u16, code: IssueCode, place: &str, words: String| Refusal::one(status, Issue::at(code, place, words));
    if document.text("resourceType") != Some("Bundle") {
        let words = "$process-message takes a Bundle of type message.".to_owned();
        return Err(refused(400, IssueCode::Structure, "resourceType", words));
    }
    if document.text("type") != Some("message") {
        let words =
            "$process-message takes a Bundle of type message. A transaction goes to the base address.".to_owned();
        return Err(refused(400, IssueCode::Invariant, "Bundle.type", words));
    }
    if document.items("entry").len() > max_entries {
        let words = format!("A message may have at most {max_entries} entries.");
        return Err(refused(422, IssueCode::TooCostly, "Bundle.entry", words));
    }
    entries(document).next().filter(|first| first.index == 0 && first.kind == "MessageHeader").ok_or_else(|| {
        let words = "The first entry of a message is its MessageHeader.".to_owned();
        refused(400, IssueCode::Required, "Bundle.entry[0].resource", words)
    })
}

/// What the standard has and the gateway has not, told before anything else: nothing about the rest would help the sender.
fn refuse_other_kinds(header: &Entry<'_>, requests: &[Entry<'_>]) -> Result<(), Refusal> {
    let event = header.resource.get("eventCoding").and_then(|event| event.text("code"));
    if let Some(event) = ELSEWHERE.into_iter().find(|other| event == Some(other)) {
        let words = format!("The event {event} is not supported here. Supported: {EVENT}. See GET MessageDefinition.");
        return Err(Refusal::one(501, Issue::at(IssueCode::NotSupported, header.at("event"), words)));
    }
    let validation =
        requests.iter().find(|request| event == Some(EVENT) && has_category(request.resource, "validation"));
    if let Some(request) = validation {
        let words = format!(
            "A request for validation is not supported here. Supported: ServiceRequest.category {CATEGORY}. See GET \
             MessageDefinition."
        );
        return Err(Refusal::one(501, Issue::at(IssueCode::NotSupported, request.at("category"), words)));
    }
    Ok(())
}

fn codes<'a>(concept: &'a Json, system: &'static str) -> impl Iterator<Item = &'a str> {
    let codings = concept.items("coding").iter();
    codings
        .filter(move |one| one.text("system").is_some_and(|own| same_system(own, system)))
        .filter_map(|one| one.text("code"))
}

fn has_category(request: &Json, code: &str) -> bool {
    request.items("category").iter().flat_map(|one| codes(one, CATEGORIES)).any(|one| one == code)
}

fn check_event(header: &Entry<'_>, faults: &mut Faults) {
    let event = header.resource.get("eventCoding");
    let is_ours = event.is_some_and(|event| {
        event.text("code") == Some(EVENT) && event.text("system").is_some_and(|system| same_system(system, EVENTS))
    });
    if !is_ours {
        let words = format!("eventCoding must be {EVENT} of {EVENTS}.");
        faults.workflow(IssueCode::Invariant, header.at("event"), words);
    }
}

/// `Bundle.meta.versionId` carries the version of the Application (BaRS Core, pseudo code of the standard pattern).
fn check_version(document: &Json, faults: &mut Faults) {
    const PLACE: &str = "Bundle.meta.versionId";
    match document.get("meta").and_then(|meta| meta.text("versionId")) {
        None => faults.workflow(
            IssueCode::Invariant,
            PLACE,
            "A message says for which version of the Application it was made.",
        ),
        Some(version) if version == "1" || version.starts_with("1.") => {}
        Some(_) => {
            let words = "This version of the Application is not supported. Supported: 1, in every minor version.";
            faults.content(IssueCode::NotSupported, PLACE, words);
        }
    }
}

fn focus<'a>(header: &Entry<'_>, requests: &[Entry<'a>], faults: &mut Faults) -> Option<Entry<'a>> {
    let focus: Vec<&str> = header.resource.items("focus").iter().filter_map(|focus| focus.text("reference")).collect();
    let found = match focus.as_slice() {
        [one] => requests.iter().find(|request| !request.full_url.is_empty() && request.full_url == *one),
        _ => None,
    };
    if found.is_none() {
        let words = "MessageHeader.focus must refer to the ServiceRequest in this message, and to nothing else.";
        faults.workflow(IssueCode::Invariant, header.at("focus"), words);
    }
    found.copied()
}

/// Reason, category and status: the workflow variables that decide what is done.
fn workflow(header: &Entry<'_>, request: &Entry<'_>, faults: &mut Faults) -> Option<&'static Pattern> {
    if !has_category(request.resource, CATEGORY) {
        let words = format!("ServiceRequest.category must have {CATEGORY} of {CATEGORIES}.");
        faults.workflow(IssueCode::Invariant, request.at("category"), words);
    }
    let reason = header.resource.get("reason").and_then(|reason| codes(reason, REASONS).next());
    let status = request.resource.text("status");
    let pattern = patterns::of(reason.unwrap_or_default(), status.unwrap_or_default());
    let Some(pattern) = pattern else {
        let words = match (reason, status) {
            (Some("update"), Some("on-hold")) => {
                "A referral that is changed is active. To pause it, move its Task; to take it back, send it as revoked."
            }
            (Some("update" | "delete"), _) => {
                "To take a referral back its ServiceRequest is revoked or entered-in-error."
            }
            (Some("new"), _) => "The ServiceRequest of a new referral is active.",
            _ => "The reason is new for a referral, update or delete to take it back.",
        };
        faults.workflow(IssueCode::Invariant, header.at("reason"), words);
        return None;
    };
    if let Some(definition) = header.resource.text("definition")
        && !pattern.is_defined_by(definition)
    {
        let words =
            format!("By reason and status this message is defined by {}. See GET MessageDefinition.", pattern.url());
        faults.workflow(IssueCode::Invariant, header.at("definition"), words);
    }
    Some(pattern)
}

fn check_contents(document: &Json, pattern: &Pattern, faults: &mut Faults) {
    let count = |kinds: &[&str]| entries(document).filter(|entry| kinds.contains(&entry.kind)).count();
    for content in pattern.contents {
        let (found, kinds) = (count(content.kinds), content.kinds.join(" or "));
        let place = format!("Bundle.entry.resource.ofType({})", content.kinds.first().copied().unwrap_or_default());
        if found < content.min {
            let words = format!("This kind of message has at least {} {kinds}; {found} are there.", content.min);
            faults.content(IssueCode::Required, place, words);
        } else if content.max.is_some_and(|max| found > max) {
            let words = format!("This kind of message has at most {} {kinds}.", content.max.unwrap_or_default());
            faults.content(IssueCode::BusinessRule, place, words);
        }
    }
    for entry in entries(document) {
        if !pattern.contents.iter().any(|content| content.kinds.contains(&entry.kind)) {
            let words = "This type has no place in this kind of message. See GET MessageDefinition.";
            faults.content(IssueCode::NotSupported, format!("Bundle.entry[{}].resource", entry.index), words);
        }
    }
}

/// A transfer of care comes when the sender's part is done.
fn check_statuses(document: &Json, pattern: &Pattern, faults: &mut Faults) {
    if pattern.act != Act::Refer {
        return;
    }
    for entry in entries(document) {
        let allowed: &[&str] = match entry.kind {
            "CarePlan" => &["completed"],
            "Encounter" => &["triaged", "finished"],
            _ => continue,
        };
        if !entry.resource.text("status").is_some_and(|status| allowed.contains(&status)) {
            let words = format!("In a referral the {} is {}.", entry.kind, allowed.join(" or "));
            faults.workflow(IssueCode::Invariant, entry.at("status"), words);
        }
    }
}

/// Each entry has a `fullUrl`, and what points into the message arrives.
fn check_urls(document: &Json, faults: &mut Faults) {
    let known: Vec<&str> = entries(document).map(|entry| entry.full_url).collect();
    for entry in entries(document) {
        if entry.full_url.is_empty() {
            let words = "Each entry of a message has a fullUrl, urn:uuid:<uuid>, by which the others refer to it.";
            faults.content(IssueCode::Required, format!("Bundle.entry[{}].fullUrl", entry.index), words);
        }
        for site in sites(entry.resource) {
            // The journey id is written as a reference to an EpisodeOfCare that is nowhere.
            let is_journey = entry.kind == "Encounter" && site.expression.starts_with("Encounter.episodeOfCare");
            let leads_nowhere =
                matches!(parse(&site.value), ReferenceForm::Urn(_)) && !known.contains(&site.value.as_str());
            if site.logical && leads_nowhere && !is_journey {
                let place = site.expression.replacen(entry.kind, &format!("Bundle.entry[{}].resource", entry.index), 1);
                faults.content(IssueCode::NotFound, place, "No entry of the Bundle has this fullUrl.");
            }
        }
    }
}

/// For whom it is: one service, ours, and the one that the header of the request names.
fn destination<'a>(
    header: &Entry<'a>,
    ours: &dyn Fn(&str, &str) -> bool,
    target: Option<&(String, String)>,
    faults: &mut Faults,
) -> Option<(&'a str, &'a str)> {
    let place = header.at("destination");
    let [destination] = header.resource.items("destination") else {
        faults.content(IssueCode::Required, place, "A message is for one destination.");
        return None;
    };
    let Some((system, value)) = destination.text("endpoint").and_then(service) else {
        let words = "destination.endpoint names the service as system|value, as NHSD-Target-Identifier does.";
        faults.content(IssueCode::Value, format!("{place}[0].endpoint"), words);
        return None;
    };
    if !ours(system, value) {
        let words =
            "No service that is reached through this gateway has this identifier. The message is for somebody else.";
        faults.content(IssueCode::NotFound, format!("{place}[0].endpoint"), words);
    }
    if target.is_some_and(|(other, theirs)| theirs != value || !same_system(other, system)) {
        let words = "NHSD-Target-Identifier and destination.endpoint must name the same service.";
        faults.workflow(IssueCode::Invariant, format!("{place}[0].endpoint"), words);
    }
    Some((system, value))
}
