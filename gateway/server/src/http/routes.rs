//! The table of routes. The router and the CapabilityStatement are both made from it, so neither can claim what the
//! other lacks.

use axum::routing::MethodFilter;
use gateway_core::ingest::{AMENDABLE, GATEWAY_WRITES, STAND_ALONE, STORED};

/// What an address does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interaction {
    /// `capabilities`.
    Metadata,
    /// `transaction`.
    Transaction,
    /// `$process-message`.
    ProcessMessage,
    /// `create`.
    Create(&'static str),
    /// `read`.
    Read(&'static str),
    /// `vread`.
    VersionRead(&'static str),
    /// `history-instance`.
    History(&'static str),
    /// `search-type` by GET.
    Search(&'static str),
    /// `search-type` by POST.
    SearchByPost(&'static str),
    /// `update`.
    Update(&'static str),
    /// `patch`.
    Patch(&'static str),
    /// An operation on a type: its name without the dollar sign.
    Operation(&'static str, &'static str),
    /// An operation on a type, by GET.
    Query(&'static str, &'static str),
    /// An operation on one resource, by GET.
    InstanceOperation(&'static str, &'static str),
    /// An operation on Subscriptions, on one or on all: its name without the dollar sign.
    Subscribed(&'static str),
    /// `delete`.
    Delete(&'static str),
    /// A platform's push.
    Reports,
    /// The process runs.
    Live,
    /// The store answers.
    Ready,
}

impl Interaction {
    /// FHIR's code for it, or our word.
    #[must_use]
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Metadata => "capabilities",
            Self::Transaction => "transaction",
            Self::ProcessMessage => "process-message",
            Self::Create(_) => "create",
            Self::Read(_) => "read",
            Self::VersionRead(_) => "vread",
            Self::History(_) => "history-instance",
            Self::Search(_) | Self::SearchByPost(_) => "search-type",
            Self::Update(_) => "update",
            Self::Patch(_) => "patch",
            Self::Operation(_, name)
            | Self::Query(_, name)
            | Self::InstanceOperation(_, name)
            | Self::Subscribed(name) => name,
            Self::Delete(_) => "delete",
            Self::Reports => "reports",
            Self::Live => "live",
            Self::Ready => "ready",
        }
    }

    /// The resource type it works on.
    #[must_use]
    pub(super) const fn kind(self) -> Option<&'static str> {
        match self {
            Self::Create(kind)
            | Self::Read(kind)
            | Self::VersionRead(kind)
            | Self::History(kind)
            | Self::Search(kind)
            | Self::SearchByPost(kind)
            | Self::Update(kind)
            | Self::Patch(kind)
            | Self::Delete(kind)
            | Self::Operation(kind, _)
            | Self::Query(kind, _)
            | Self::InstanceOperation(kind, _) => Some(kind),
            Self::Subscribed(_) => Some(SUBSCRIPTION),
            _ => None,
        }
    }
}

/// One address.
#[derive(Debug, Clone)]
pub(super) struct Route {
    /// Path, in axum's form.
    pub path: String,
    /// Verb.
    pub method: MethodFilter,
    /// What it does.
    pub interaction: Interaction,
}

/// Not stored: made from the lines of audit when it is asked for.
pub(super) const AUDIT_EVENT: &str = "AuditEvent";
/// Nor are these: made from the tables of codes, adapters and messages.
pub(super) const TERMINOLOGY: [&str; 3] = ["CodeSystem", "ConceptMap", MESSAGE_DEFINITION];
/// One of them: what messages are taken.
pub(super) const MESSAGE_DEFINITION: &str = "MessageDefinition";
/// Written by clients by itself alone, and by the gateway.
pub(super) const SUBSCRIPTION: &str = "Subscription";
/// Where messages are sent.
pub(super) const PROCESS_MESSAGE: &str = "/fhir/$process-message";

/// Addresses that stand for themselves; those of each type are added by [`all`].
pub(super) const ROUTES: [(&str, &str, Interaction); 29] = [
    ("GET", "/fhir/metadata", Interaction::Metadata),
    ("POST", "/fhir", Interaction::Transaction),
    ("POST", "/fhir/", Interaction::Transaction),
    ("POST", PROCESS_MESSAGE, Interaction::ProcessMessage),
    ("POST", "/fhir/ServiceRequest/$preview", Interaction::Operation("ServiceRequest", "preview")),
    ("POST", "/fhir/Patient/{id}/$erase", Interaction::Operation("Patient", "erase")),
    ("POST", "/fhir/ServiceRequest/{id}/$erase", Interaction::Operation("ServiceRequest", "erase")),
    ("POST", "/fhir/Consent/{id}/$erase", Interaction::Operation("Consent", "erase")),
    ("POST", "/fhir/Task/$redrive", Interaction::Operation("Task", "redrive")),
    ("POST", "/fhir/Task/$renotify", Interaction::Operation("Task", "renotify")),
    ("GET", "/fhir/Task/$work-list", Interaction::Query("Task", "work-list")),
    ("POST", "/fhir/Task/$reconcile", Interaction::Operation("Task", "reconcile")),
    ("GET", "/fhir/Patient/{id}/$disclosures", Interaction::InstanceOperation("Patient", "disclosures")),
    ("GET", "/fhir/Task/{id}/$message-back", Interaction::InstanceOperation("Task", "message-back")),
    ("GET", "/fhir/AuditEvent/{id}", Interaction::Read(AUDIT_EVENT)),
    ("GET", "/fhir/AuditEvent", Interaction::Search(AUDIT_EVENT)),
    ("POST", "/fhir/AuditEvent/_search", Interaction::SearchByPost(AUDIT_EVENT)),
    ("GET", "/fhir/CodeSystem/{id}", Interaction::Read("CodeSystem")),
    ("GET", "/fhir/CodeSystem", Interaction::Search("CodeSystem")),
    ("POST", "/fhir/CodeSystem/_search", Interaction::SearchByPost("CodeSystem")),
    ("GET", "/fhir/ConceptMap/{id}", Interaction::Read("ConceptMap")),
    ("GET", "/fhir/ConceptMap", Interaction::Search("ConceptMap")),
    ("POST", "/fhir/ConceptMap/_search", Interaction::SearchByPost("ConceptMap")),
    ("GET", "/fhir/MessageDefinition/{id}", Interaction::Read(MESSAGE_DEFINITION)),
    ("GET", "/fhir/MessageDefinition", Interaction::Search(MESSAGE_DEFINITION)),
    ("POST", "/fhir/MessageDefinition/_search", Interaction::SearchByPost(MESSAGE_DEFINITION)),
    ("POST", "/platforms/{platform}/reports", Interaction::Reports),
    ("GET", "/health/live", Interaction::Live),
    ("GET", "/health/ready", Interaction::Ready),
];

/// Types that a collecting platform may create by themselves, as outputs of its Task.
pub(super) const PLATFORM_CREATES: [&str; 3] = ["Procedure", "Observation", "QuestionnaireResponse"];

/// Types that have search parameters.
pub(super) const SEARCHABLE: [&str; 7] =
    ["Task", "ServiceRequest", "Patient", "Consent", "Provenance", "DocumentReference", SUBSCRIPTION];

/// Every address.
#[must_use]
pub(super) fn all() -> Vec<Route> {
    let mut routes: Vec<Route> =
        ROUTES.iter().map(|(verb, path, interaction)| route(verb, (*path).to_owned(), *interaction)).collect();
    for kind in STORED.into_iter().chain(GATEWAY_WRITES).chain([SUBSCRIPTION]) {
        routes.push(route("GET", format!("/fhir/{kind}/{{id}}"), Interaction::Read(kind)));
        routes.push(route("GET", format!("/fhir/{kind}/{{id}}/_history"), Interaction::History(kind)));
        routes.push(route("GET", format!("/fhir/{kind}/{{id}}/_history/{{version}}"), Interaction::VersionRead(kind)));
        if SEARCHABLE.contains(&kind) {
            routes.push(route("GET", format!("/fhir/{kind}"), Interaction::Search(kind)));
            routes.push(route("POST", format!("/fhir/{kind}/_search"), Interaction::SearchByPost(kind)));
        }
        if STAND_ALONE.contains(&kind) || kind == SUBSCRIPTION || PLATFORM_CREATES.contains(&kind) {
            routes.push(route("POST", format!("/fhir/{kind}"), Interaction::Create(kind)));
        }
    }
    for kind in ["Task", "Consent", SUBSCRIPTION].into_iter().chain(AMENDABLE) {
        routes.push(route("PUT", format!("/fhir/{kind}/{{id}}"), Interaction::Update(kind)));
    }
    routes.push(route("DELETE", format!("/fhir/{SUBSCRIPTION}/{{id}}"), Interaction::Delete(SUBSCRIPTION)));
    for verb in ["GET", "POST"] {
        for (path, name) in [("{id}/$status", "status"), ("{id}/$events", "events"), ("$status", "status")] {
            routes.push(route(verb, format!("/fhir/{SUBSCRIPTION}/{path}"), Interaction::Subscribed(name)));
        }
    }
    for kind in ["Task"].into_iter().chain(AMENDABLE) {
        routes.push(route("PATCH", format!("/fhir/{kind}/{{id}}"), Interaction::Patch(kind)));
    }
    routes
}

fn route(verb: &str, path: String, interaction: Interaction) -> Route {
    Route { path, method: super::filter(verb), interaction }
}
