//! What is known of each element path, learned once: its grade, whether a rule reads it, whether its loss is accepted.
//!
//! A tree of element names. The referrals of one mapping use the same few hundred paths again and again, so that after the
//! first ones nothing is looked up by text any more. Holds names of elements only, never values, except the urls of
//! extensions, of which a bounded number is kept.

use super::structure;
use crate::class::{self, Grade};
use crate::document::name_tag;
use crate::program::{ExchangeName, Node, PathPart, Program, RuleId};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many paths are kept; beyond them each is looked up anew.
const MOST: usize = 20_000;

/// Index of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PlaceId(u32);

/// One element path.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// `Patient.name.given`, `Patient.extension(http://…)`; empty for the document.
    pub(super) path: Arc<str>,
    members: Vec<Member>,
    pub(super) grade: Grade,
    /// Whether values of it can be harmless to lose.
    pub(super) by_value: bool,
    /// Whether a rule of the submit reads it, something above it, or something below it.
    pub(super) read: bool,
    /// Whether something below it is judged by itself, so that the whole must not be reported as one.
    pub(super) parts: bool,
    /// Index into the program's accepted losses.
    pub(super) accepted: Option<u32>,
    /// Rules whose fields stand for it.
    pub(super) stood_for: Vec<RuleId>,
    /// Number of the report and index of the loss in it, for the quick joining of equal ones.
    pub(super) mark: (u32, u32),
}

/// A member that was met in objects of one place.
#[derive(Debug, Clone)]
struct Member {
    /// The tag of the key, which is looked at first.
    tag: u16,
    /// As it is written, with the underscore of a twin; an extension's url in brackets.
    key: Box<str>,
    role: Role,
    place: PlaceId,
}

/// How a member is judged; its name says that, once for each place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// See [`structure::is_structure`].
    Structure,
    /// May be a reference within the document.
    Reference,
    Meta,
    /// Resources in a resource.
    Contained,
    /// A list of extensions.
    Extensions,
    /// Any other.
    Element,
}

impl Role {
    fn of(name: &str) -> Self {
        match name {
            _ if structure::is_structure(name) => Self::Structure,
            "reference" => Self::Reference,
            "meta" => Self::Meta,
            "contained" => Self::Contained,
            "extension" | "modifierExtension" => Self::Extensions,
            _ => Self::Element,
        }
    }
}

/// All that was learned for one mapping.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    mapping: u64,
    places: Vec<Place>,
    known: Known,
    pub(super) report: u32,
}

/// What the mapping says, by path.
#[derive(Debug, Clone, Default)]
struct Known {
    read: Vec<String>,
    accepted: Vec<(String, u32)>,
    stood_for: Vec<(String, RuleId)>,
}

/// Tells mappings apart, so that what was learned for one is not used for another.
#[derive(Debug)]
pub struct Identity(u64);

impl Default for Identity {
    fn default() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl Places {
    /// Nothing learned yet.
    pub(crate) fn new(program: &Program) -> Self {
        let known = known(program);
        let mut places = Self { mapping: program.identity.0, places: Vec::new(), known, report: 0 };
        places.push("");
        places
    }

    /// Whether this was learned for that mapping.
    pub(crate) fn is_for(&self, program: &Program) -> bool {
        self.mapping == program.identity.0
    }

    pub(super) const fn root() -> PlaceId {
        PlaceId(0)
    }

    pub(super) fn get(&self, id: PlaceId) -> &Place {
        self.places.get(id.0 as usize).expect("places are never taken away while a report is made")
    }

    pub(super) fn mark(&mut self, id: PlaceId, mark: (u32, u32)) {
        if let Some(place) = self.places.get_mut(id.0 as usize) {
            place.mark = mark;
        }
    }

    /// Begins a report. Here, and only here, what was learned is dropped if it has grown too large.
    pub(super) fn begin(&mut self) {
        if self.places.len() > MOST {
            self.places.truncate(1);
            if let Some(root) = self.places.first_mut() {
                root.members.clear();
            }
        }
        self.report = self.report.wrapping_add(1);
    }

    /// The place of a member by its name.
    pub(super) fn child(&mut self, parent: PlaceId, name: &str) -> PlaceId {
        self.member(parent, name, name_tag(name)).1
    }

    /// How a member is judged, and its place, by its key and the tag of that. A twin has the place of its member.
    #[inline]
    pub(super) fn member(&mut self, parent: PlaceId, key: &str, tag: u16) -> (Role, PlaceId) {
        let members = &self.get(parent).members;
        match members.iter().find(|member| member.tag == tag && *member.key == *key) {
            Some(member) => (member.role, member.place),
            None => self.learn(parent, key, tag),
        }
    }

    /// The place of an extension in a list, which is named with its url.
    pub(super) fn extension(&mut self, list: PlaceId, url: &str) -> PlaceId {
        let within = |key: &str| key.strip_prefix('(').and_then(|key| key.strip_suffix(')')) == Some(url);
        match self.get(list).members.iter().find(|member| within(&member.key)) {
            Some(member) => member.place,
            None => self.child(list, &format!("({url})")),
        }
    }

    #[cold]
    fn learn(&mut self, parent: PlaceId, key: &str, tag: u16) -> (Role, PlaceId) {
        let name = key.strip_prefix('_').unwrap_or(key);
        let (role, place) = if name.len() < key.len() && !name.starts_with('_') {
            self.member(parent, name, name_tag(name))
        } else {
            (Role::of(name), self.push_below(parent, name))
        };
        if let Some(above) = self.places.get_mut(parent.0 as usize) {
            above.members.push(Member { tag, key: key.into(), role, place });
        }
        (role, place)
    }

    fn push_below(&mut self, parent: PlaceId, name: &str) -> PlaceId {
        let above = &self.get(parent).path;
        let path = match (&**above, name.strip_prefix('(')) {
            ("", _) => name.to_owned(),
            (path, Some(_)) => format!("{path}{name}"),
            (path, None) => format!("{path}.{name}"),
        };
        self.push(&path)
    }

    fn push(&mut self, path: &str) -> PlaceId {
        let id = PlaceId(u32::try_from(self.places.len()).unwrap_or(u32::MAX));
        let known = &self.known;
        let below = |element: &str| element.len() > path.len() && class::covers(path, element);
        let accepted = known.accepted.iter().find(|(element, _)| class::covers(element, path));
        let place = Place {
            path: path.into(),
            members: Vec::new(),
            grade: class::grade_of(path),
            by_value: class::is_safety(path),
            read: known.read.iter().any(|element| class::covers(element, path) || below(element)),
            parts: path.is_empty()
                || class::safety_elements().iter().any(|element| below(element))
                || known.accepted.iter().any(|(element, _)| below(element))
                || known.stood_for.iter().any(|(element, _)| below(element)),
            accepted: accepted.map(|(_, index)| *index),
            stood_for: (known.stood_for.iter())
                .filter(|(element, _)| class::covers(element, path))
                .map(|(_, rule)| *rule)
                .collect(),
            mark: (0, 0),
        };
        self.places.push(place);
        id
    }
}

fn known(program: &Program) -> Known {
    let submit = submit_rules(program);
    let small = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
    let read = program
        .read_set
        .elements
        .iter()
        .filter(|element| element.conveyed && element.rules.iter().any(|rule| submit.contains(rule)));
    let mut accepted: Vec<(String, u32)> =
        program.accepted_losses.iter().enumerate().map(|(at, loss)| (loss.element.clone(), small(at))).collect();
    // The nearest acceptance decides.
    accepted.sort_by_key(|(element, _)| std::cmp::Reverse(element.len()));
    let stood_for = submit.iter().filter_map(|rule| {
        let means = program.rules.get(rule.0 as usize)?.means.clone()?;
        Some((means, *rule))
    });
    Known { read: read.map(|element| element.path.clone()).collect(), accepted, stood_for: stood_for.collect() }
}

/// All rules of the requests of a submit.
fn submit_rules(program: &Program) -> HashSet<RuleId> {
    let mut rules = HashSet::new();
    for step in program.exchanges.get(&ExchangeName::Submit).into_iter().flatten() {
        let request = &step.request;
        for part in &request.path {
            if let PathPart::Value(rule, _) = part {
                rules.insert(*rule);
            }
        }
        let named = request.query.iter().chain(&request.headers).map(|(_, node)| node);
        for node in named.chain(request.body.as_ref().map(|body| &body.node)) {
            collect(node, &mut rules);
        }
    }
    rules
}

fn collect(node: &Node, rules: &mut HashSet<RuleId>) {
    match node {
        Node::Object(members) => members.iter().for_each(|member| collect(&member.node, rules)),
        Node::Each(each) => {
            rules.insert(each.rule);
            collect(&each.item, rules);
        }
        Node::Value(value) => {
            rules.insert(value.rule);
        }
        Node::Lines(lines) => {
            rules.insert(lines.rule);
            rules.extend(lines.parts.iter().map(|part| part.rule));
        }
        Node::Choose(alternatives) => alternatives.iter().for_each(|each| collect(&each.node, rules)),
        Node::Copy { rule, .. } => {
            rules.insert(*rule);
        }
        Node::When { node, .. } => collect(node, rules),
        Node::Shared(node) => collect(node, rules),
    }
}
