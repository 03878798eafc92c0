//! The members of one object: known, of the right JSON form, and as many as R4 asks for.
//!
//! What a value must look like inside is told by the other files of this folder; here is only which of them to ask.

use super::invariants;
use super::primitive;
use super::walk::Walk;
use crate::elements::{self, Element, Member, Node};
use crate::{IssueCode, Json};

/// Which of R4's general rules hold for an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ObjectKind {
    /// It has a `resourceType`.
    Resource,
    /// It has a child besides its id (ele-1).
    Element,
    /// It goes with a primitive that has a value, so that an id alone is enough.
    BesideValue,
}

/// What a document has for one element: the value, and for a primitive its `_name` twin (id and extensions).
struct Slot<'d> {
    member: Member,
    name: &'d str,
    value: Option<&'d Json>,
    twin: Option<&'d Json>,
}

impl<'d> Walk<'d> {
    /// An object whose members are those of `node`; `under` is the path that `node` was found by.
    pub(super) fn object(&mut self, value: &'d Json, under: &'static str, node: &'static Node, kind: ObjectKind) {
        let Some(members) = value.as_object() else {
            self.fault(IssueCode::Structure, "a JSON object belongs here");
            return;
        };
        if members.is_empty() {
            self.fault(IssueCode::Structure, "an object has at least one member");
            return;
        }
        self.deeper(|walk| {
            let slots = walk.sort_into_slots(members, node, kind);
            if kind == ObjectKind::Element && members.iter().all(|(name, _)| name == "id") {
                walk.fault(IssueCode::Invariant, "ele-1: an element has a value or children besides its id");
            }
            for (element, slot) in node.elements().iter().zip(slots) {
                match slot {
                    Some(slot) => walk.slot(&slot),
                    None if element.min > 0 => walk.missing(element),
                    None => {}
                }
            }
            invariants::check(walk, under, value);
        });
    }

    /// Puts every member at the place of its element; what has no place, or one that is taken, is a fault.
    fn sort_into_slots(
        &mut self,
        members: &'d [(String, Json)],
        node: &'static Node,
        kind: ObjectKind,
    ) -> Vec<Option<Slot<'d>>> {
        let mut slots: Vec<Option<Slot<'d>>> = node.elements().iter().map(|_| None).collect();
        for (full_name, value) in members {
            if kind == ObjectKind::Resource && full_name == "resourceType" {
                continue;
            }
            let (name, is_twin) = full_name.strip_prefix('_').map_or((full_name.as_str(), false), |name| (name, true));
            let found = node.member(name).filter(|member| !is_twin || member.is_primitive());
            let place = node.place(name).and_then(|place| slots.get_mut(place));
            let (Some(member), Some(place)) = (found, place) else {
                self.unknown(full_name);
                continue;
            };
            let slot = place.get_or_insert(Slot { member, name, value: None, twin: None });
            if slot.name != name {
                let stem = member.element.name;
                self.fault_in(
                    stem,
                    IssueCode::Structure,
                    format!("{stem}[x] has one value, not several of several types"),
                );
                continue;
            }
            let half = if is_twin { &mut slot.twin } else { &mut slot.value };
            if half.replace(value).is_some() {
                self.fault_in(member.element.name, IssueCode::Structure, "the member is given twice");
            }
        }
        slots
    }

    /// The name is the sender's: it is repeated only where it cannot carry anything but a name.
    fn unknown(&mut self, name: &str) {
        let plain = name.strip_prefix('_').unwrap_or(name);
        if !plain.is_empty() && name.len() <= 64 && plain.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            self.fault_in(name, IssueCode::Structure, format!("R4 has no element {name} here"));
        } else {
            self.fault(IssueCode::Structure, "there is a member here that R4 does not have");
        }
    }

    fn missing(&mut self, element: &Element) {
        let diagnostics = format!("{} is required", element.path);
        self.fault_in(element.name, IssueCode::Required, diagnostics);
    }

    fn slot(&mut self, slot: &Slot<'d>) {
        self.below(slot.member.element.name, |walk| {
            if slot.member.element.repeats() {
                walk.repeated(slot);
            } else {
                walk.single(slot);
            }
        });
    }

    fn single(&mut self, slot: &Slot<'d>) {
        for half in [slot.value, slot.twin].into_iter().flatten() {
            match half {
                Json::Array(_) => return self.fault(IssueCode::Structure, "there is at most one: no JSON array"),
                Json::Null => return self.fault(IssueCode::Structure, "null stands only in arrays of primitives"),
                _ => {}
            }
        }
        self.value(&slot.member, slot.value, slot.twin);
    }

    /// Every maximum of R4 is 1 or `*` (a test of the table holds that), so an array is never too long.
    fn repeated(&mut self, slot: &Slot<'d>) {
        let mut length = 0;
        for half in [slot.value, slot.twin].into_iter().flatten() {
            match half.as_array() {
                None => return self.fault(IssueCode::Structure, "there may be several: a JSON array belongs here"),
                Some([]) => return self.fault(IssueCode::Structure, "an array has at least one item"),
                Some(items) => length = length.max(items.len()),
            }
        }
        let item = |half: Option<&'d Json>, index| half.and_then(|items| items.at(index));
        for index in 0..length {
            self.at_index(index, |walk| {
                let (value, twin) = (item(slot.value, index), item(slot.twin, index));
                let given = |half: &Option<&Json>| half.is_some_and(|half| *half != Json::Null);
                if !given(&value) && !given(&twin) {
                    let diagnostics =
                        "null stands only in an array of primitives, beside an extension in its _ counterpart";
                    walk.fault(IssueCode::Structure, diagnostics);
                } else {
                    walk.value(&slot.member, value.filter(|_| given(&value)), twin.filter(|_| given(&twin)));
                }
            });
        }
    }

    /// One value, with its twin if it has one; at least one of both is given.
    fn value(&mut self, member: &Member, value: Option<&'d Json>, twin: Option<&'d Json>) {
        if member.is_primitive() {
            if let Some(value) = value {
                self.primitive(member, value);
            }
            if let Some(twin) = twin {
                self.twin(twin, value.is_some());
            }
        } else if let Some(value) = value {
            self.complex(member, value);
        }
    }

    fn primitive(&mut self, member: &Member, value: &'d Json) {
        if let Err((code, diagnostics)) = primitive::check(member.type_code, value) {
            self.fault(code, diagnostics);
            return;
        }
        let Some(text) = value.as_str() else { return };
        if member.element.path == "Reference.reference" || matches!(member.type_code, "uri" | "url" | "canonical") {
            self.container.mention(text);
        }
        if member.element.codes.is_some_and(|codes| !codes.has_code(text)) {
            let set = member.element.binding.unwrap_or_default();
            self.fault(IssueCode::CodeInvalid, format!("the code is not in the required value set {set}"));
        }
    }

    /// `_name`: id and extensions of a primitive. Without a value it must have an extension (ele-1).
    fn twin(&mut self, twin: &'d Json, has_value: bool) {
        let Some(node) = elements::node("Element") else { return };
        let kind = if has_value { ObjectKind::BesideValue } else { ObjectKind::Element };
        self.object(twin, "Element", node, kind);
    }

    fn complex(&mut self, member: &Member, value: &'d Json) {
        match member.type_code {
            "Resource" if member.element.name == "contained" => self.contained(value),
            "Resource" => self.resource(value),
            code => {
                let Some(node) = elements::node(member.under) else { return };
                self.object(value, member.under, node, ObjectKind::Element);
                match code {
                    "Extension" => self.extension(member, value),
                    "Reference" => self.reference(member, value),
                    "Coding" => self.coding(member, value),
                    "CodeableConcept" => self.codeable_concept(member, value),
                    "Identifier" => self.identifier(value),
                    _ => {}
                }
            }
        }
    }

    /// R4 extensibility: the url of an extension is absolute, except inside another extension; it has a value or
    /// extensions of its own (ext-1); and one that modifies must be known.
    fn extension(&mut self, member: &Member, value: &'d Json) {
        let url = value.text("url").unwrap_or_default();
        let is_nested = member.element.path == "Extension.extension";
        if !is_nested && value.get("url").is_some() && !is_absolute(url) {
            self.fault_in("url", IssueCode::Invariant, "the url of an extension is absolute");
        }
        let has_value = invariants::has_choice(value, "value");
        if has_value == invariants::has(value, "extension") && value.as_object().is_some() {
            self.fault(
                IssueCode::Invariant,
                "ext-1: an extension has either a value or extensions, not both or neither",
            );
        }
        if member.element.name == "modifierExtension" && !super::KNOWN_MODIFIER_EXTENSIONS.contains(&url) {
            self.fault(IssueCode::Extension, "an extension that may not be ignored is not known here");
        }
    }
}

/// A scheme and something after it (RFC 3986, section 3.1).
fn is_absolute(url: &str) -> bool {
    url.split_once(':').is_some_and(|(scheme, rest)| {
        !rest.is_empty()
            && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    })
}
