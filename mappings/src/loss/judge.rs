//! Walks the referral and says of each value whether it is lost, and why.

use super::places::{PlaceId, Places, Role};
use super::structure;
use crate::account::{Account, Bits, Detail, Event, LossReason};
use crate::class::{self, Grade};
use crate::document::{Document, Kind, NodeId, name_tag};
use crate::program::{Program, RuleId};
use std::sync::Arc;

/// The code that forbids to contact the person.
const CONTACT_PROHIBITED: &str = "contacting-subject-prohibited";

/// One loss, in figures.
#[derive(Debug, Clone)]
pub struct Lost {
    /// Element path without indexes.
    pub element: Arc<str>,
    /// Why.
    pub reason: LossReason,
    /// How grave.
    pub grade: Grade,
    /// How many such elements.
    pub count: u32,
    /// How many values of the referral these are.
    pub values: u32,
    pub(crate) rule: Option<RuleId>,
    pub(crate) detail: Detail,
    /// Index into the program's accepted losses.
    pub(crate) accepted: Option<u32>,
}

pub(super) fn judge(account: &Account, program: &Program, document: &Document<'_>, places: &mut Places) -> Vec<Lost> {
    places.begin();
    let mut arrived = account.conveyed.clone();
    for node in account.events.iter().filter_map(|event| event.node) {
        arrived.set_range(node.index(), document.descendants_end(node).index());
    }
    let mut judge = Judge { account, program, document, places, arrived, partly: false, lost: Vec::with_capacity(32) };
    judge.document();
    for event in &account.events {
        judge.event(event);
    }
    judge.lost
}

struct Judge<'a, 'd> {
    account: &'a Account,
    program: &'a Program,
    document: &'a Document<'d>,
    places: &'a mut Places,
    /// What reached a field, and what an event tells of.
    arrived: Bits,
    /// Something of the safety content around the present value arrived, so that the recipient is warned: the rest is
    /// notable, and no longer unsafe.
    partly: bool,
    lost: Vec<Lost>,
}

/// What is inside an object or list of which nothing arrived.
#[derive(Default)]
struct Inside {
    values: u32,
    /// There is an extension whose loss is graver than that of the whole.
    grave_extension: bool,
}

impl Judge<'_, '_> {
    fn document(&mut self) {
        let document = self.document;
        let Some(entries) = document.get(document.root(), "entry") else { return };
        for entry in document.children(entries) {
            if let Some(resource) = document.get(entry, "resource") {
                let place = self.resource(resource, Places::root());
                self.element(resource, place);
            }
        }
    }

    /// The place of a resource: its type, wherever it stands.
    fn resource(&mut self, id: NodeId, otherwise: PlaceId) -> PlaceId {
        let kind = self.document.get(id, "resourceType").and_then(|kind| self.document.string(kind));
        match kind {
            Some(kind) => self.places.child(Places::root(), &kind),
            None => otherwise,
        }
    }

    /// One value, object or item of a list.
    fn element(&mut self, id: NodeId, place: PlaceId) {
        let document = self.document;
        let (start, end) = (id.index(), document.descendants_end(id).index());
        let kind = document.kind(id);
        if !matches!(kind, Kind::Object | Kind::Array) {
            if !self.is_told(id) {
                self.lose(id, place, 1);
            }
            return;
        }
        if !self.arrived.has_any(start, end) && !self.places.get(place).parts {
            let inside = self.inside(id, place);
            if inside.values == 0 {
                return;
            }
            if !inside.grave_extension {
                self.lose(id, place, inside.values);
                return;
            }
        }
        let before = self.enter(start, end, place);
        if kind == Kind::Array {
            document.children(id).for_each(|item| self.element(item, place));
        } else {
            self.members(id, place);
        }
        self.partly = before;
    }

    /// Notes whether something of this safety content arrived; gives what held around it.
    fn enter(&mut self, start: usize, end: usize, place: PlaceId) -> bool {
        let before = self.partly;
        self.partly |= self.places.get(place).grade == Grade::Unsafe && self.arrived.has_any(start, end);
        before
    }

    fn members(&mut self, object: NodeId, place: PlaceId) {
        let document = self.document;
        for member in document.children(object) {
            if self.is_told(member) {
                continue;
            }
            let Some(key) = document.key(member) else { continue };
            // The tag of an escaped key is not that of the name.
            let tag = if document.has_plain_key(member) { document.key_tag(member) } else { name_tag(&key) };
            let (role, member_place) = self.places.member(place, &key, tag);
            match role {
                Role::Structure => {}
                Role::Reference if structure::is_link(document, member) => {}
                Role::Meta => self.meta(member, member_place),
                Role::Contained => {
                    for resource in document.children(member) {
                        let place = self.resource(resource, place);
                        self.element(resource, place);
                    }
                }
                Role::Extensions => self.extensions(member, member_place),
                Role::Reference | Role::Element => self.items(member, member_place),
            }
        }
    }

    /// Whether a single value arrived, was looked at, or is null, so that nothing more is to be said of it.
    #[inline]
    fn is_told(&self, id: NodeId) -> bool {
        let at = id.index();
        match self.document.kind(id) {
            Kind::Object | Kind::Array => false,
            Kind::Null => true,
            _ => self.arrived.has(at) || self.account.examined.has(at),
        }
    }

    /// A member's value, or each of its items: each is judged by itself.
    fn items(&mut self, id: NodeId, place: PlaceId) {
        let document = self.document;
        if document.kind(id) == Kind::Array {
            let before = self.enter(id.index(), document.descendants_end(id).index(), place);
            document.children(id).for_each(|item| self.element(item, place));
            self.partly = before;
        } else {
            self.element(id, place);
        }
    }

    fn meta(&mut self, meta: NodeId, place: PlaceId) {
        let document = self.document;
        for member in document.children(meta) {
            let Some(name) = document.key(member) else { continue };
            let name = name.strip_prefix('_').unwrap_or(&name);
            if !structure::is_version(name) && !structure::is_structure(name) {
                let place = self.places.child(place, name);
                self.items(member, place);
            }
        }
    }

    fn extensions(&mut self, list: NodeId, place: PlaceId) {
        for extension in self.document.children(list) {
            let place = self.extension(extension, place);
            self.element(extension, place);
        }
    }

    /// An extension's place is named with its url.
    fn extension(&mut self, id: NodeId, place: PlaceId) -> PlaceId {
        let url = self.document.get(id, "url").and_then(|url| self.document.string(url));
        match url {
            Some(url) => self.places.extension(place, &url),
            None => place,
        }
    }

    /// Counts the values of an object or list of which nothing arrived.
    fn inside(&mut self, id: NodeId, place: PlaceId) -> Inside {
        let (document, examined) = (self.document, &self.account.examined);
        let [reference, structures @ ..] = *structure::TAGS;
        let counts = |value: NodeId, tag: u16| {
            let held =
                structures.contains(&tag) && document.key(value).is_some_and(|name| structure::is_structure(&name));
            let link = tag == reference
                && document.key(value).is_some_and(|name| name == "reference")
                && structure::is_link(document, value);
            !held && !link && !examined.has(value.index())
        };
        match document.count_below(id, *structure::EXTENSIONS, counts) {
            Some(values) => Inside { values, grave_extension: false },
            None => self.inside_with_extensions(id, place),
        }
    }

    /// The same where there are extensions, each of which may be graver than the whole.
    fn inside_with_extensions(&mut self, id: NodeId, place: PlaceId) -> Inside {
        let document = self.document;
        let mut inside = Inside::default();
        for child in document.children(id) {
            let kind = document.kind(child);
            let name = document.key(child);
            let name = name.as_deref().unwrap_or_default();
            if matches!(kind, Kind::Object | Kind::Array) {
                if matches!(name, "extension" | "modifierExtension") && self.is_grave(child, place, name) {
                    inside.grave_extension = true;
                }
                let deeper = self.inside_with_extensions(child, place);
                inside.values += deeper.values;
                inside.grave_extension |= deeper.grave_extension;
            } else if kind != Kind::Null && !structure::is_structure(name) && !self.account.examined.has(child.index())
            {
                let is_link = name == "reference" && structure::is_link(document, child);
                inside.values += u32::from(!is_link);
            }
        }
        inside
    }

    fn is_grave(&mut self, list: NodeId, place: PlaceId, name: &str) -> bool {
        let whole = self.places.get(place).grade;
        let document = self.document;
        let list_place = self.places.child(place, name);
        document.children(list).any(|extension| {
            let place = self.extension(extension, list_place);
            self.places.get(place).grade > whole
        })
    }

    /// Nothing arrived of this value or object.
    fn lose(&mut self, id: NodeId, place: PlaceId, values: u32) {
        let found = self.places.get(place);
        let written = |rule: &&RuleId| self.account.fields.iter().any(|field| field.rule == **rule);
        let (reason, rule) = match found.stood_for.iter().find(written) {
            Some(rule) => (LossReason::Replaced, Some(*rule)),
            None if found.read => (LossReason::NotChosen, None),
            None => (LossReason::NoField, None),
        };
        let mut grade = found.grade;
        if found.by_value && self.is_harmless(id, &found.path) {
            grade = Grade::Informational;
        }
        let alone = grade == Grade::Unsafe && self.stands_alone(id, true);
        if self.partly && grade == Grade::Unsafe && !alone {
            grade = Grade::Notable;
        }
        self.add(place, reason, rule, grade, values, Detail::Nothing);
        if alone && let Some(last) = self.lost_at(place) {
            // Accepted in words or not: no mapping's author can know that this person may be contacted.
            last.grade = Grade::Unsafe;
        }
    }

    /// What was reported last of this place.
    fn lost_at(&mut self, place: PlaceId) -> Option<&mut Lost> {
        let (report, at) = self.places.get(place).mark;
        if report == self.places.report { self.lost.get_mut(at as usize) } else { None }
    }

    /// Whether a value says by itself what nobody may miss, whatever else arrived: the code that forbids to contact the
    /// person (HL7 SDOH Clinical Care, `ServiceRequest.orderDetail`), or the language that the person prefers.
    fn stands_alone(&self, id: NodeId, whole: bool) -> bool {
        let document = self.document;
        match document.kind(id) {
            Kind::Object | Kind::Array => document.children(id).any(|child| self.stands_alone(child, false)),
            Kind::String => document.string(id).is_some_and(|text| text == CONTACT_PROHIBITED),
            // Lost with its language; by itself the mark says nothing.
            Kind::Bool => {
                !whole && document.key(id).is_some_and(|key| key == "preferred") && document.raw(id) == "true"
            }
            Kind::Null | Kind::Number => false,
        }
    }

    /// Whether the table says of the codes and values that decide here that their loss does no harm.
    fn is_harmless(&self, id: NodeId, path: &str) -> bool {
        let document = self.document;
        if !matches!(document.kind(id), Kind::Object | Kind::Array) {
            return class::is_harmless(path, &plain(document, id));
        }
        let mut decided = false;
        let (mut at, end) = (id.index() + 1, document.descendants_end(id));
        let mut stack = vec![document.children(id)];
        while let Some(children) = stack.last_mut() {
            let Some(child) = children.next().filter(|_| at < end.index()) else {
                stack.pop();
                continue;
            };
            at = child.index();
            if matches!(document.kind(child), Kind::Object | Kind::Array) {
                stack.push(document.children(child));
                continue;
            }
            let name = document.key(child);
            let decides = name.is_some_and(|name| name == "code" || name.starts_with("value"));
            if decides && !class::is_harmless(path, &plain(document, child)) {
                return false;
            }
            decided |= decides;
        }
        decided
    }

    fn add(
        &mut self,
        place: PlaceId,
        reason: LossReason,
        rule: Option<RuleId>,
        grade: Grade,
        values: u32,
        detail: Detail,
    ) {
        let found = self.places.get(place);
        let (report, at) = found.mark;
        let (accepted, grade) = match found.accepted {
            Some(index) => (Some(index), self.accepted_grade(index, grade)),
            None => (None, grade),
        };
        if report == self.places.report
            && let Some(same) = self.lost.get_mut(at as usize)
            && (same.reason, same.rule, same.detail) == (reason, rule, detail)
        {
            same.count += 1;
            same.values += values;
            same.grade = same.grade.max(grade);
            return;
        }
        let element = Arc::clone(&found.path);
        let at = u32::try_from(self.lost.len()).unwrap_or(u32::MAX);
        self.lost.push(Lost { element, reason, grade, count: 1, values, rule, detail, accepted });
        self.places.mark(place, (self.places.report, at));
    }

    /// An accepted loss has the grade that its author gives it, unless it was harmless anyway.
    fn accepted_grade(&self, index: u32, grade: Grade) -> Grade {
        let accepted = self.program.accepted_losses.get(index as usize).map(|loss| loss.grade);
        accepted.map_or(grade, |accepted| accepted.min(grade))
    }

    fn event(&mut self, event: &Event) {
        let place = match event.node {
            Some(node) => self.place_of(node),
            None => self.place_of_rule(event.rule),
        };
        let found = self.places.get(place);
        let grade = match event.reason {
            LossReason::Altered | LossReason::Defaulted => Grade::Informational,
            LossReason::Truncated => found.grade.max(Grade::Notable),
            LossReason::CodeWidened => found.grade.min(Grade::Notable),
            _ => found.grade,
        };
        let values = event.node.map_or(0, |node| self.values(node));
        self.add(place, event.reason, Some(event.rule), grade, values, event.detail);
    }

    fn values(&self, id: NodeId) -> u32 {
        match self.document.kind(id) {
            Kind::Object | Kind::Array => self.document.children(id).map(|child| self.values(child)).sum(),
            Kind::Null => 0,
            _ => 1,
        }
    }

    /// The place of a node, found from the root down.
    fn place_of(&mut self, node: NodeId) -> PlaceId {
        let document = self.document;
        let (mut at, mut place) = (document.root(), Places::root());
        let mut list = "";
        while at != node {
            let holder = document.children(at).find(|child| *child <= node && node < document.descendants_end(*child));
            let Some(child) = holder else { break };
            match document.key(child).as_deref() {
                None if document.get(child, "resourceType").is_some() => place = self.resource(child, place),
                None if !list.is_empty() => place = self.extension(child, place),
                None => {}
                Some("entry") if at == document.root() => {}
                Some("resource") if document.get(child, "resourceType").is_some() => {
                    place = self.resource(child, place);
                }
                Some(name) => {
                    let name = name.strip_prefix('_').unwrap_or(name);
                    list = if name.ends_with("xtension") { "extension" } else { "" };
                    place = self.places.child(place, name);
                }
            }
            at = child;
        }
        place
    }

    /// The place that a rule stands for, where the referral has no value.
    fn place_of_rule(&mut self, rule: RuleId) -> PlaceId {
        let info = self.program.rules.get(rule.0 as usize);
        let means = info.and_then(|info| info.means.as_deref());
        let read = || {
            let elements = &self.program.read_set.elements;
            elements.iter().find(|element| element.rules.contains(&rule)).map(|element| element.path.as_str())
        };
        let Some(path) = means.or_else(read) else { return Places::root() };
        path.split('.').fold(Places::root(), |place, name| self.places.child(place, name))
    }
}

fn plain<'t>(document: &Document<'t>, id: NodeId) -> std::borrow::Cow<'t, str> {
    document.string(id).unwrap_or(std::borrow::Cow::Borrowed(document.raw(id)))
}
