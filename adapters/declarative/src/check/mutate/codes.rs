//! Broken concept maps: one row removed, or leading to another code.

use super::walk::{Spot, walk};
use mappings::program::{CodeRule, Node, Place, Program, Unmapped, Value};
use mappings::{ConceptMap, Match};
use std::mem::swap;
use std::sync::Arc;

/// Most rows of one map that are broken. The rest of a longer one is proved by a `codes` case, which pins them all.
const MOST: usize = 250;

/// A map with one row that is not as it should be.
pub(super) struct CodeMutant {
    /// The map's name in the mapping.
    pub(super) name: String,
    /// The first rule that uses it.
    pub(super) place: Option<Place>,
    /// What stands in the program.
    standing: Arc<ConceptMap>,
    /// What takes its place.
    spare: Arc<ConceptMap>,
}

impl CodeMutant {
    /// Puts the other map everywhere where this one stands.
    pub(super) fn flip(&mut self, program: &mut Program) {
        walk(program, &mut |_, spot| {
            if let Spot::Value(value) = spot
                && let Some(rule) = &mut value.map
                && Arc::ptr_eq(&rule.map, &self.standing)
            {
                rule.map = Arc::clone(&self.spare);
            }
        });
        swap(&mut self.standing, &mut self.spare);
    }
}

/// A map of the program, and what happens to codes that it does not list.
struct Used {
    name: String,
    place: Option<Place>,
    map: Arc<ConceptMap>,
    unmapped: Vec<Unmapped>,
}

/// Every broken map, in words.
pub(super) fn mutants(program: &mut Program) -> Vec<(String, CodeMutant)> {
    let mut used: Vec<Used> = Vec::new();
    walk(program, &mut |here, spot| {
        let Spot::Value(value) = spot else { return };
        let Some(rule) = &value.map else { return };
        match used.iter_mut().find(|one| Arc::ptr_eq(&one.map, &rule.map)) {
            Some(known) => known.unmapped.push(rule.unmapped.clone()),
            None => used.push(Used {
                name: rule.name.clone(),
                place: here.place,
                map: Arc::clone(&rule.map),
                unmapped: vec![rule.unmapped.clone()],
            }),
        }
    });
    used.iter().flat_map(of_map).collect()
}

fn of_map(used: &Used) -> Vec<(String, CodeMutant)> {
    let mut all = Vec::new();
    let mut add = |words: String, spare: ConceptMap| {
        let (standing, spare) = (Arc::clone(&used.map), Arc::new(spare));
        all.push((words, CodeMutant { name: used.name.clone(), place: used.place, standing, spare }));
    };
    for row in used.map.rows().into_iter().take(MOST) {
        let (system, code) = (row.system, row.code);
        let target =
            row.matches.iter().find(|found| found.equivalence.is_match()).and_then(|found| found.code.as_deref());
        let Some(target) = target else {
            // A row that says "nothing corresponds" does what no row would do.
            continue;
        };
        let changed = row.matches.iter().map(|found| Match { code: Some(format!("{target}~")), ..found.clone() });
        add(format!("row {code} leads elsewhere"), used.map.with_row(system, code, Some(changed.collect())));
        // Without the row the rule for unmapped codes may say the same.
        let same = |unmapped: &Unmapped| match unmapped {
            Unmapped::Code(other) => other == target,
            Unmapped::Keep => code == target,
            Unmapped::Refuse | Unmapped::Omit => false,
        };
        if !used.unmapped.iter().all(same) {
            add(format!("row {code} removed"), used.map.with_row(system, code, None));
        }
    }
    all
}

/// The concept map that the mapping knows by this name.
pub(crate) fn map_of<'p>(program: &'p Program, name: &str) -> Option<&'p ConceptMap> {
    let requests = program.exchanges.values().flatten().map(|step| &step.request);
    let nodes = requests.flat_map(|request| {
        let named = request.query.iter().chain(&request.headers).map(|(_, node)| node);
        named.chain(request.body.iter().map(|body| &body.node))
    });
    nodes.into_iter().find_map(|node| rule_in(node, name)).map(|rule| rule.map.as_ref())
}

fn rule_in<'p>(node: &'p Node, name: &str) -> Option<&'p CodeRule> {
    let of_value = |value: &'p Value| value.map.as_ref().filter(|rule| rule.name == name);
    match node {
        Node::Object(members) => members.iter().find_map(|member| rule_in(&member.node, name)),
        Node::Each(each) => rule_in(&each.item, name),
        Node::Value(value) => of_value(value),
        Node::Lines(lines) => lines.parts.iter().find_map(of_value),
        Node::Choose(alternatives) => alternatives.iter().find_map(|alternative| rule_in(&alternative.node, name)),
        Node::Copy { .. } => None,
        Node::When { node, .. } => rule_in(node, name),
        Node::Shared(node) => rule_in(node, name),
    }
}
