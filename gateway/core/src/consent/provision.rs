//! One provision, made ready: what does not depend on the data is judged once, the rest is kept as conditions.

use super::actor::naming;
use super::condition::Condition;
use super::item::Item;
use super::labels;
use super::period::{Standing, standing};
use super::truth::Truth;
use super::{Question, Reason};
use gateway_fhir::Json;

/// A provision's `type`. One that is missing or unreadable within another counts as a deny.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Permit,
    Deny,
}

/// A provision, made ready.
pub(super) struct Node<'a> {
    pub(super) kind: Kind,
    /// Whether its actors are the recipient; yes if it has none.
    pub(super) who: Truth,
    /// It has actors.
    pub(super) has_actors: bool,
    /// An actor names the recipient, in a role that receives (R12).
    pub(super) names: bool,
    /// Period, purpose, action and unknown elements.
    pub(super) fixed: Truth,
    /// All its purposes are certainly other ones than the one asked for.
    pub(super) other_purpose: bool,
    /// Why, of the conditions that do not depend on the data, the first does not hold.
    pub(super) doubt: Option<(&'static str, Reason)>,
    pub(super) conditions: Vec<Condition<'a>>,
    pub(super) children: Vec<Node<'a>>,
}

/// Elements that R4 gives a provision, or that say nothing.
const ELEMENTS: [&str; 14] = [
    "id",
    "extension",
    "type",
    "period",
    "actor",
    "action",
    "securityLabel",
    "purpose",
    "class",
    "code",
    "dataPeriod",
    "data",
    "provision",
    "_type",
];

impl<'a> Node<'a> {
    pub(super) fn read(question: &Question<'_>, provision: &'a Json, consent: &Json) -> Self {
        let kind = if provision.text("type") == Some("permit") { Kind::Permit } else { Kind::Deny };
        let mut node = Self {
            kind,
            who: Truth::Yes,
            has_actors: false,
            names: false,
            fixed: Truth::Yes,
            other_purpose: false,
            doubt: None,
            conditions: Vec::new(),
            children: Vec::new(),
        };
        node.read_actors(question, provision, consent);
        node.read_period(question, provision);
        node.read_purposes(question, provision);
        node.read_actions(provision);
        for (name, value) in provision.as_object().unwrap_or_default() {
            // A sibling of `type` could say that the type is something else.
            if !ELEMENTS.contains(&name.as_str()) || name == "_type" {
                node.meet(Truth::Unknown, "R4:elements", Reason::NotUnderstood("an element that R4 does not know"));
            }
            match Condition::read(question, name, value) {
                Ok(None) => {}
                Ok(Some(condition)) => node.conditions.push(condition),
                Err(element) => node.meet(Truth::Unknown, "R4:elements", Reason::NotUnderstood(element)),
            }
        }
        let inner = provision.get("provision").map(list).unwrap_or_default();
        node.children = inner.iter().map(|inner| Node::read(question, inner, consent)).collect();
        node
    }

    /// Whether the provision speaks of this item; without one whatever asks for data stays open.
    pub(super) fn matches(&self, item: Option<&Item>) -> Truth {
        self.who.min(self.matches_but_for_actor(item))
    }

    pub(super) fn matches_but_for_actor(&self, item: Option<&Item>) -> Truth {
        let data = self.conditions.iter().map(|one| item.map_or(Truth::Unknown, |item| one.holds(item)));
        data.fold(self.fixed, Truth::min)
    }

    /// The highest Confidentiality that it speaks of in so many words.
    pub(super) fn reach(&self) -> Option<u8> {
        self.conditions.iter().filter_map(Condition::reach).max()
    }

    /// Whether any answer depends on the data.
    pub(super) fn asks_for_data(&self) -> bool {
        !self.conditions.is_empty() || self.children.iter().any(Node::asks_for_data)
    }

    /// Whether anything in it permits.
    pub(super) fn has_permit(&self) -> bool {
        self.kind == Kind::Permit || self.children.iter().any(Node::has_permit)
    }

    fn meet(&mut self, truth: Truth, rule: &'static str, reason: Reason) {
        self.fixed = self.fixed.min(truth);
        if truth != Truth::Yes && self.doubt.is_none() {
            self.doubt = Some((rule, reason));
        }
    }

    fn read_actors(&mut self, question: &Question<'_>, provision: &Json, consent: &Json) {
        let Some(actors) = provision.get("actor") else { return };
        self.has_actors = true;
        let each: Vec<_> = list(actors).iter().map(|actor| naming(question, actor, consent)).collect();
        // Named in a role that does not receive: not enough to permit, and no reason to think that a deny is not meant.
        let who = |naming: &super::actor::Naming| {
            if naming.receives { naming.ours } else { naming.ours.min(Truth::Unknown) }
        };
        self.names = each.iter().any(|naming| who(naming) == Truth::Yes);
        self.who = Truth::any(each.iter().map(who));
        let reason = if self.who == Truth::No {
            Reason::OtherRecipient
        } else if each.iter().any(|naming| naming.ours == Truth::Yes) {
            Reason::Role
        } else {
            Reason::Unresolved
        };
        if self.who != Truth::Yes {
            self.doubt = Some(("R12:actor", reason));
        }
    }

    fn read_period(&mut self, question: &Question<'_>, provision: &Json) {
        let Some(period) = provision.get("period") else { return };
        let standing = standing(period, question.now);
        let reason = match standing {
            Standing::NotYet => Reason::NotYet,
            Standing::Over => Reason::Expired,
            Standing::Covers | Standing::Unclear => Reason::NotUnderstood("period"),
        };
        self.meet(standing.truth(), "R4:period", reason);
    }

    fn read_purposes(&mut self, question: &Question<'_>, provision: &Json) {
        let Some(purposes) = provision.get("purpose") else { return };
        let Some(purposes) = purposes.as_array().filter(|purposes| !purposes.is_empty()) else {
            return self.meet(Truth::Unknown, "R4:purpose", Reason::NotUnderstood("purpose"));
        };
        let truth = Truth::any(purposes.iter().map(|named| labels::purpose(named, question.purpose)));
        self.other_purpose = truth == Truth::No;
        self.meet(truth, "R4:purpose", Reason::Purpose);
    }

    /// What the gateway does is to disclose. Who may only use or look at data might still mean it; who may only collect
    /// or correct it does not.
    fn read_actions(&mut self, provision: &Json) {
        let Some(actions) = provision.get("action") else { return };
        let codings = list(actions).iter().flat_map(|action| action.items("coding")).filter_map(labels::code);
        let truths =
            codings.map(|(system, code)| match (system.is_empty() || system.ends_with("consentaction"), code) {
                (true, "disclose") => Truth::Yes,
                (true, "collect" | "correct") => Truth::No,
                _ => Truth::Unknown,
            });
        // An action in words alone may be any.
        let uncoded = list(actions).iter().any(|action| action.items("coding").is_empty());
        let truth = Truth::any(truths.chain(uncoded.then_some(Truth::Unknown)));
        self.meet(truth, "R4:action", Reason::Action);
    }
}

/// The elements of a list, or what stands in its place.
pub(super) fn list(value: &Json) -> &[Json] {
    value.as_array().unwrap_or(std::slice::from_ref(value))
}
