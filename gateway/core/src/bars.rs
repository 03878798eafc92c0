//! BaRS-shaped messages: what the NHS Booking and Referral Standard sends to `$process-message`, made into what ingest reads.
//!
//! A message says the same as a transaction Bundle in other words, so nothing here accepts a referral: a message is read with
//! all its faults ([`read`]), translated ([`translate`]), and then goes the way of every other submission. What is taken is one
//! table ([`PATTERNS`]), from which the MessageDefinitions are made as well.
//!
//! "BaRS Core" in these files is the guide in version 1.2.2; it names pages of it. Nothing here claims that a national
//! use case for social prescribing exists: there is none.

mod answer;
mod crosswalk;
mod errors;
mod message;
mod patterns;
mod person;
mod response;
mod taken;
mod translate;
mod update;

pub use answer::{Stored, answer};
pub use crosswalk::{CROSSWALK, CrosswalkRow, Reason, reason, row};
pub use errors::{Published, outcome, published};
pub use message::{Entry, Message, read};
pub use patterns::{Act, CATEGORY, Content, DEFINITIONS, EVENT, PATTERNS, Pattern, message_definitions};
pub use person::same_person;
pub use response::{Conversation, RESPONSE, Responding, Response, conversation, response, says};
pub use taken::{CHANGE_ID, changed_by, in_order, noted, repeated, taken_as, without_changes};
pub use translate::{Translation, names, translate};
pub use update::{Before, Standing, changed};

use crate::accept::Rules;
use crate::identity::TenantId;
use gateway_fhir::identifiers::same_system;

/// Code system of `MessageHeader.event`.
pub const EVENTS: &str = "https://fhir.nhs.uk/CodeSystem/message-events-bars";
/// Code system of `MessageHeader.reason`.
pub const REASONS: &str = "https://fhir.nhs.uk/CodeSystem/message-reason-bars";
/// Code system of the `ServiceRequest.category` that says what kind of request it is.
pub const CATEGORIES: &str = "https://fhir.nhs.uk/CodeSystem/message-category-servicerequest";
/// Code system of the errors. The published examples spell it with a lower-case `s` in `Codesystem`; the resource itself does
/// not.
pub const ERRORS: &str = "https://fhir.nhs.uk/CodeSystem/http-error-codes";
/// System of `Task.identifier` for the id of the message that the Task came in (`Bundle.id`); its `assigner` is the sender's
/// return address (`MessageHeader.source.endpoint`). A name, not an address.
pub const MESSAGE_ID: &str = "https://vcse-gateway.example/fhir/NamingSystem/bars-message";
/// System of the journey id where `Encounter.episodeOfCare` held it as a reference to nothing.
pub const JOURNEY: &str = "https://vcse-gateway.example/fhir/NamingSystem/bars-journey";
/// System of the number that a sender's staff can quote, in the synchronous answer: the key under which the platform has the
/// referral.
pub const REFERRAL_NUMBER: &str = "https://vcse-gateway.example/fhir/NamingSystem/referral-number";

/// Versions of the BaRS API whose headers and `$process-message` are the ones that are spoken here; in these they are the same.
pub const API_VERSIONS: [&str; 5] = ["1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0"];

/// Whether an identifier names a service that this tenant's referrals can go to: only then is a message for us. Without a system
/// the value alone counts.
#[must_use]
pub fn serves(rules: &Rules, tenant: &TenantId, system: Option<&str>, value: &str) -> bool {
    let is_it = |own: &str, theirs: &str| theirs == value && system.is_none_or(|system| same_system(own, system));
    let routes = rules.routes.routes.iter().filter(|route| route.tenants.is_empty() || route.tenants.contains(tenant));
    let by_route =
        routes.flat_map(|route| &route.recipients).any(|recipient| is_it(&recipient.system, &recipient.value));
    let mut named = rules.recipients.values().flat_map(|recipient| &recipient.identifiers);
    by_route || named.any(|(own, theirs)| is_it(own, theirs))
}

/// `system|value`, as `MessageHeader.destination.endpoint` and `source.endpoint` name a service.
#[must_use]
pub fn service(endpoint: &str) -> Option<(&str, &str)> {
    endpoint.split_once('|').filter(|(system, value)| !system.is_empty() && !value.is_empty() && !value.contains('|'))
}
