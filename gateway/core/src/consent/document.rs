//! One Consent, read by itself, and what it says of each item: it permits, refuses, or is silent.

use super::item::Item;
use super::nesting::{Said, say, stray};
use super::performer::{Authority, Entitled, entitled};
use super::person::{Belongs, belongs};
use super::provision::{Kind, Node};
use super::truth::Truth;
use super::{ConsentDocument, Duty, Question, Reason};
use gateway_fhir::Json;

/// What a Consent does to the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Permits,
    Refuses,
    Silent,
}

/// What a Consent says of one item. The last rule of the path decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Opinion {
    pub(super) effect: Effect,
    pub(super) reason: Reason,
    pub(super) rule: &'static str,
    /// The highest Confidentiality that the permit speaks of.
    pub(super) reach: Option<u8>,
}

/// What the root says (R3).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Base {
    Permit,
    Deny,
    /// Neither, or both: a refusal, because it may be one.
    Ambiguous,
}

/// A Consent, made ready.
pub(super) struct Reading<'a> {
    pub(super) name: (&'a str, u64),
    base: Base,
    root: Option<Node<'a>>,
    /// What it says of everything, if that is settled without its provisions.
    settled: Option<Opinion>,
    /// Why it cannot permit, whatever its provisions say.
    doubt: Option<(&'static str, Reason)>,
    /// What has to be done if it permits.
    pub(super) duties: Vec<Duty>,
    /// A holder of parental responsibility gave it.
    pub(super) by_parent: bool,
    /// It is certainly about something else than care: research by its scope, or by its root another purpose.
    is_elsewhere: bool,
}

/// Elements that R4 gives a Consent.
const ELEMENTS: [&str; 23] = [
    "resourceType",
    "id",
    "meta",
    "implicitRules",
    "language",
    "text",
    "contained",
    "extension",
    "modifierExtension",
    "identifier",
    "status",
    "scope",
    "category",
    "patient",
    "dateTime",
    "performer",
    "organization",
    "sourceAttachment",
    "sourceReference",
    "policy",
    "policyRule",
    "verification",
    "provision",
];

impl<'a> Reading<'a> {
    /// Reads one Consent; `None` if it is another person's.
    pub(super) fn read(question: &Question<'_>, consent: &'a ConsentDocument) -> Option<Self> {
        let document = &consent.document;
        let belongs = belongs(question, document);
        if belongs == Belongs::No || document.text("resourceType").is_some_and(|kind| kind != "Consent") {
            return None;
        }
        let base = base(document);
        let root = document.get("provision").map(|provision| {
            // The root's kind is that of the base, which `policyRule` may set.
            let kind = if base == Base::Permit { Kind::Permit } else { Kind::Deny };
            Node { kind, ..Node::read(question, provision, document) }
        });
        let entitled = entitled(question, document);
        let mut duties = Vec::new();
        if !document.as_object().unwrap_or_default().iter().any(|(name, _)| name.starts_with("source")) {
            duties.push(Duty::Spoken);
        }
        if entitled == Entitled::PersonBefore {
            duties.push(Duty::ReviewCapacity);
        }
        let mut reading = Self {
            name: (&consent.id, consent.version),
            base,
            root,
            settled: None,
            doubt: doubt(document, belongs, entitled),
            duties,
            by_parent: entitled == Entitled::Proxy(Authority::Parental),
            is_elsewhere: false,
        };
        reading.is_elsewhere =
            is_about_research(document) || reading.root.as_ref().is_some_and(|root| root.other_purpose);
        reading.settled = reading.settle(question, consent);
        Some(reading)
    }

    /// Whether what it says depends on the data. Most Consents are about other recipients or times, whatever the data.
    pub(super) fn asks_for_data(&self) -> bool {
        let Some(root) = self.root.as_ref().filter(|_| self.settled.is_none()) else { return false };
        let is_elsewhere = root.fixed == Truth::No || (root.who == Truth::No && !names_within(root));
        !is_elsewhere && root.asks_for_data()
    }

    /// Whether what it says is no word about this recipient's care of the person: it names others only, or is certainly about
    /// something else.
    pub(super) fn is_about_others(&self, opinion: Opinion) -> bool {
        let names_others = matches!(opinion.reason, Reason::OtherRecipient | Reason::NoRecipient | Reason::Tenant);
        names_others || (self.is_elsewhere && opinion.effect == Effect::Silent)
    }

    /// What it says of this item; without one, of the referral of which no data is known.
    pub(super) fn opinion(&self, item: Option<&Item>) -> Opinion {
        if let Some(settled) = self.settled {
            return settled;
        }
        let Some(root) = &self.root else {
            return match self.base {
                Base::Permit => silent(Reason::NoRecipient, "R12:actor"),
                Base::Deny => refuses(Reason::Refused, "R3:base"),
                Base::Ambiguous => refuses(Reason::AmbiguousBase, "R3:base"),
            };
        };
        let matches = root.matches(item);
        if matches == Truth::No {
            return match stray(root, item) {
                Some(reason) => refuses(reason, "R5:nested"),
                None => self.unmatched(root),
            };
        }
        if self.base == Base::Ambiguous {
            return refuses(Reason::AmbiguousBase, "R3:base");
        }
        match say(root, matches, item) {
            Said::Refuses(reason, rule) => refuses(reason, rule),
            Said::Nothing => self.unmatched(root),
            Said::Permits { names, reach } => match (self.doubt, names) {
                (Some((rule, reason)), _) => silent(reason, rule),
                (None, false) => silent(Reason::NoRecipient, "R12:actor"),
                (None, true) => {
                    Opinion { effect: Effect::Permits, reason: Reason::Permitted, rule: "R12:actor", reach }
                }
            },
        }
    }

    /// Why it does not speak of this recipient, purpose, time or data.
    fn unmatched(&self, root: &Node<'_>) -> Opinion {
        let (rule, reason) = root.doubt.unwrap_or(("R4:data", Reason::OtherData));
        match (self.base, reason) {
            // A refusal of others, or for another time or data, explains nothing here.
            (Base::Deny | Base::Ambiguous, Reason::OtherRecipient) => silent(Reason::OtherRecipient, rule),
            (Base::Deny | Base::Ambiguous, _) => silent(Reason::Status, rule),
            (Base::Permit, _) => silent(reason, rule),
        }
    }

    /// Status, scope and modifiers decide without looking further.
    fn settle(&self, question: &Question<'_>, consent: &ConsentDocument) -> Option<Opinion> {
        let document = &consent.document;
        let who = self.root.as_ref().map_or(Truth::Yes, |root| root.who);
        // A Consent that names somebody else explains nothing here.
        let concerns_us = who != Truth::No || self.root.as_ref().is_some_and(names_within);
        if consent.tenant != *question.tenant {
            return Some(silent(Reason::Tenant, "R2:tenant"));
        }
        if document.text("status") != Some("active") {
            let permitted = self.base == Base::Permit || self.root.as_ref().is_some_and(Node::has_permit);
            let reason = match (concerns_us, document.text("status")) {
                (false, _) => Reason::OtherRecipient,
                (true, Some("inactive")) if permitted => Reason::Withdrawn,
                (true, _) => Reason::Status,
            };
            return Some(silent(reason, "R2:status"));
        }
        // A Consent about research does not speak of care; with any other scope than privacy it can still refuse.
        if is_about_research(document) {
            return Some(silent(Reason::Scope, "R2:scope"));
        }
        (concerns_us && has_modifier(document)).then_some(refuses(Reason::Modifier, "R2:modifier"))
    }
}

/// Whether any provision within, to whatever depth, has actors of which one may be the recipient.
fn names_within(node: &Node<'_>) -> bool {
    node.children.iter().any(|child| (child.has_actors && child.who != Truth::No) || names_within(child))
}

fn silent(reason: Reason, rule: &'static str) -> Opinion {
    Opinion { effect: Effect::Silent, reason, rule, reach: None }
}

fn refuses(reason: Reason, rule: &'static str) -> Opinion {
    Opinion { effect: Effect::Refuses, reason, rule, reach: None }
}

/// Why a Consent cannot permit, in the order of the rules.
fn doubt(consent: &Json, belongs: Belongs, entitled: Entitled) -> Option<(&'static str, Reason)> {
    let unknown = |name: &str| !ELEMENTS.contains(&name.trim_start_matches('_'));
    let has_unknown = consent.as_object().unwrap_or_default().iter().any(|(name, _)| unknown(name));
    let checks = [
        ("R2:valid", has_unknown.then_some(Reason::NotUnderstood("an element that R4 does not know"))),
        ("R2:patient", (belongs == Belongs::Contradictory).then_some(Reason::Patient)),
        ("R2:scope", (!is_about_privacy(consent)).then_some(Reason::Scope)),
        ("R2:verification", is_unverified(consent).then_some(Reason::Unverified)),
        (
            "R9:performer",
            match entitled {
                Entitled::No(reason) => Some(reason),
                Entitled::Person | Entitled::PersonBefore | Entitled::Proxy(_) => None,
            },
        ),
    ];
    checks.into_iter().find_map(|(rule, reason)| Some((rule, reason?)))
}

/// R3.
fn base(consent: &Json) -> Base {
    let (mut opts_in, mut opts_out) = (false, false);
    for code in codes(consent.get("policyRule")) {
        opts_in |= code == "OPTIN";
        // OPTOUTE (with exceptions) too: the exceptions are nested provisions.
        opts_out |= code.starts_with("OPTOUT");
    }
    match (consent.get("provision").and_then(|provision| provision.get("type")), opts_in, opts_out) {
        (Some(Json::String(kind)), _, false) if kind == "permit" => Base::Permit,
        (Some(Json::String(kind)), false, _) if kind == "deny" => Base::Deny,
        (None, true, false) => Base::Permit,
        (None, false, true) => Base::Deny,
        _ => Base::Ambiguous,
    }
}

fn codes(concept: Option<&Json>) -> impl Iterator<Item = &str> {
    concept.map(|concept| concept.items("coding")).unwrap_or_default().iter().filter_map(|coding| coding.text("code"))
}

fn scopes(consent: &Json) -> &[Json] {
    consent.get("scope").map(|scope| scope.items("coding")).unwrap_or_default()
}

/// Whether a Coding is this code of HL7's scopes.
fn is_scope(coding: &Json, code: &str) -> bool {
    coding.text("code") == Some(code) && coding.text("system").is_none_or(|system| system.ends_with("consentscope"))
}

/// Certainly: no code beside it says anything else.
fn is_about_research(consent: &Json) -> bool {
    !scopes(consent).is_empty() && scopes(consent).iter().all(|coding| is_scope(coding, "research"))
}

fn is_about_privacy(consent: &Json) -> bool {
    let says_research = scopes(consent).iter().any(|coding| coding.text("code") == Some("research"));
    !says_research && scopes(consent).iter().any(|coding| is_scope(coding, "patient-privacy"))
}

/// Verified is what says so; a Consent without verification is as good as its record.
fn is_unverified(consent: &Json) -> bool {
    match consent.get("verification") {
        None => false,
        Some(Json::Array(items)) => items.iter().any(|item| item.get("verified") != Some(&Json::Bool(true))),
        Some(_) => true,
    }
}

/// Any modifier extension, at whatever depth, or rules of its own (`implicitRules`).
fn has_modifier(value: &Json) -> bool {
    match value {
        Json::Array(items) => items.iter().any(has_modifier),
        Json::Object(members) => members.iter().any(|(name, inner)| {
            matches!(name.trim_start_matches('_'), "modifierExtension" | "implicitRules") || has_modifier(inner)
        }),
        _ => false,
    }
}
