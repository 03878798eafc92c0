//! Which messages are taken: one table, for the reading of messages and for `MessageDefinition`.

use super::EVENTS;
use gateway_fhir::Json;
use serde_json::{Value, json};

/// What a message asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// A new referral.
    Refer,
    /// Changes one.
    Change,
    /// Takes one back.
    Withdraw,
}

/// How often resources of these types stand in a message, counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    /// Resource types.
    pub kinds: &'static [&'static str],
    /// At least.
    pub min: usize,
    /// At most; `None` = any number.
    pub max: Option<usize>,
}

/// One kind of message that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pattern {
    /// Id of its MessageDefinition here.
    pub id: &'static str,
    /// For people.
    pub title: &'static str,
    /// The national definition that it follows, and the older name of it: what `MessageHeader.definition` may name.
    pub national: &'static [&'static str],
    /// Where it departs from that.
    pub departs: &'static str,
    /// Codes of `MessageHeader.reason`.
    pub reasons: &'static [&'static str],
    /// `ServiceRequest.status`. With `reasons`, the core workflow variables that tell the patterns apart.
    pub statuses: &'static [&'static str],
    /// What is done.
    pub act: Act,
    /// What it holds. A type that is not listed is refused.
    pub contents: &'static [Content],
}

/// The one event that is taken.
pub const EVENT: &str = "servicerequest-request";
/// The one category of request that is taken: a transfer of care.
pub const CATEGORY: &str = "referral";
/// Where our MessageDefinitions have their names.
pub const DEFINITIONS: &str = "https://vcse-gateway.example/fhir/MessageDefinition";
/// When the table last changed what is taken.
const DATE: &str = "2026-11-30";

const fn some(kinds: &'static [&'static str], min: usize, max: Option<usize>) -> Content {
    Content { kinds, min, max }
}

/// What a new referral holds, and one that changes another.
const OF_REFERRAL: &[Content] = &[
    some(&["MessageHeader"], 1, Some(1)),
    some(&["ServiceRequest"], 1, Some(1)),
    some(&["Patient"], 1, Some(1)),
    some(&["Encounter"], 1, Some(1)),
    some(&["CarePlan"], 1, Some(1)),
    some(&["HealthcareService"], 1, Some(1)),
    some(&["Organization"], 2, None),
    some(&["Practitioner", "PractitionerRole"], 1, None),
    some(&["Consent"], 0, None),
    some(&["Task"], 0, Some(1)),
    some(&["Condition", "Flag", "Observation", "QuestionnaireResponse", "Procedure", "Goal"], 0, None),
    some(&["Communication", "MedicationStatement", "AllergyIntolerance"], 0, None),
    some(&["Location", "RelatedPerson", "DocumentReference", "Device"], 0, None),
];

/// Every kind of message that is taken.
///
/// Cardinalities: MessageDefinitions of BaRS (`bars-message-servicerequest-request-referral`, `-cancelled`). Workflow
/// variables: BaRS Core, "Standard pattern for composites" and "Cancellation"; the reason `delete` is in the code system and
/// is taken for what it says.
pub const PATTERNS: [Pattern; 3] = [
    Pattern {
        id: "servicerequest-request-referral",
        title: "A new referral",
        national: &[
            "https://fhir.nhs.uk/MessageDefinition/bars-message-servicerequest-request-referral",
            "https://fhir.nhs.uk/MessageDefinition/bars-message-servicerequest-request",
        ],
        departs: "Consent may be absent, because the gateway decides by the Consents that it has on record and holds what \
                  none of them permits; at most one Task.",
        reasons: &["new"],
        statuses: &["active"],
        act: Act::Refer,
        contents: OF_REFERRAL,
    },
    Pattern {
        id: "servicerequest-request-update",
        title: "A change of a referral",
        national: &[
            "https://fhir.nhs.uk/MessageDefinition/bars-message-servicerequest-request-referral",
            "https://fhir.nhs.uk/MessageDefinition/bars-message-servicerequest-request",
        ],
        departs: "It says the whole of the referral again. What may change of it is written anew; who sends, who receives, \
                  Encounter, CarePlan and Consent stay as they came first.",
        reasons: &["update"],
        statuses: &["active"],
        act: Act::Change,
        contents: OF_REFERRAL,
    },
    Pattern {
        id: "servicerequest-request-cancelled",
        title: "The cancellation of a referral",
        national: &["https://fhir.nhs.uk/MessageDefinition/bars-message-servicerequest-request-cancelled"],
        departs: "An Encounter, a CarePlan, practitioners and a HealthcareService may stand in it; of the Encounter only the \
                  identifier is read. The reason may be delete.",
        reasons: &["update", "delete"],
        statuses: &["revoked", "entered-in-error"],
        act: Act::Withdraw,
        contents: &[
            some(&["MessageHeader"], 1, Some(1)),
            some(&["ServiceRequest"], 1, Some(1)),
            some(&["Patient"], 1, Some(1)),
            some(&["Organization"], 2, None),
            some(&["Encounter", "CarePlan"], 0, Some(2)),
            some(&["HealthcareService"], 0, Some(1)),
            some(&["Practitioner", "PractitionerRole"], 0, None),
        ],
    },
];

impl Pattern {
    /// Its canonical address here: a name.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{DEFINITIONS}/{}", self.id)
    }

    /// Whether `MessageHeader.definition` means this pattern, in whichever version.
    #[must_use]
    pub fn is_defined_by(&self, definition: &str) -> bool {
        let name = definition.split('|').next().unwrap_or_default();
        self.national.contains(&name) || name == self.url()
    }
}

/// The pattern of a reason and a `ServiceRequest.status`.
pub(super) fn of(reason: &str, status: &str) -> Option<&'static Pattern> {
    PATTERNS.iter().find(|pattern| pattern.reasons.contains(&reason) && pattern.statuses.contains(&status))
}

/// The MessageDefinitions, made from the table. `version` is the gateway's.
#[must_use]
pub fn message_definitions(version: &str) -> Vec<Json> {
    PATTERNS.iter().map(|pattern| message_definition(pattern, version)).collect()
}

fn message_definition(pattern: &Pattern, version: &str) -> Json {
    let focus: Vec<Value> = pattern
        .contents
        .iter()
        .flat_map(|content| {
            // Of several types that are counted together none is needed by itself.
            let min = if content.kinds.len() == 1 { content.min } else { 0 };
            let max = content.max.map_or_else(|| "*".to_owned(), |max| max.to_string());
            content.kinds.iter().map(move |kind| json!({ "code": kind, "min": min, "max": max }))
        })
        .collect();
    let together = pattern.contents.iter().filter(|content| content.kinds.len() > 1 && content.min > 0);
    let together: Vec<String> =
        together.map(|content| format!(" At least {} of {}.", content.min, content.kinds.join(", "))).collect();
    json!({
        "resourceType": "MessageDefinition",
        "id": pattern.id,
        "url": pattern.url(),
        "version": version,
        "name": name(pattern.id),
        "title": pattern.title,
        "status": "active",
        "date": DATE,
        "description": format!(
            "BaRS-shaped: ServiceRequest.category {CATEGORY}, ServiceRequest.status {}, MessageHeader.reason {}.{} Departs from \
             the national definition: {}",
            pattern.statuses.join(" or "), pattern.reasons.join(" or "), together.concat(), pattern.departs,
        ),
        "base": pattern.national.first(),
        "eventCoding": { "system": EVENTS, "code": EVENT },
        "category": "consequence",
        "focus": focus,
        "responseRequired": "always",
    })
    .into()
}

/// `servicerequest-request-referral` as a name that a program could have (R4, rule msd-0).
fn name(id: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    };
    id.split('-').map(word).collect()
}
