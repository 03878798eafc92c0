//! Contained resources: the rules dom-2 to dom-5 of DomainResource.
//!
//! Knows which `#` references a container's own contained resources answer; it resolves nothing outside.

use super::object::ObjectKind;
use super::walk::Walk;
use crate::{IssueCode, Json};
use std::collections::{HashMap, HashSet};

/// The resource in which `#` references are resolved.
#[derive(Default)]
pub(super) struct Container<'d> {
    /// The contained resources' types by id.
    types: HashMap<&'d str, &'d str>,
    contained: &'d [Json],
    /// The ids that something in the container points to.
    mentioned: HashSet<&'d str>,
    /// Which contained resources point back to the container.
    pointing_back: HashSet<usize>,
    /// The contained resource that the pass is inside of.
    inside: Option<usize>,
    /// How many contained resources the pass has entered so far.
    entered: usize,
}

impl<'d> Container<'d> {
    /// Of a resource that is not contained itself.
    pub(super) fn of(document: &'d Json) -> Self {
        let contained = document.items("contained");
        let types = contained
            .iter()
            .filter_map(|resource| Some((resource.text("id")?, resource.text("resourceType").unwrap_or_default())))
            .collect();
        Self { types, contained, ..Self::default() }
    }

    /// Takes note of a text that may be a reference within the container.
    pub(super) fn mention(&mut self, text: &'d str) {
        match text.strip_prefix('#') {
            Some("") => self.pointing_back.extend(self.inside),
            Some(id) => {
                self.mentioned.insert(id);
            }
            None => {}
        }
    }

    /// The type of the contained resource of this id.
    pub(super) fn contained_type(&self, id: &str) -> Option<&'d str> {
        self.types.get(id).copied()
    }

    pub(super) const fn is_inside_contained(&self) -> bool {
        self.inside.is_some()
    }
}

impl<'d> Walk<'d> {
    /// One item of `contained`. It shares its container's ids, so the container stays the same.
    pub(super) fn contained(&mut self, resource: &'d Json) {
        if self.container.inside.is_some() {
            self.fault(IssueCode::Invariant, "dom-2: a contained resource contains no others");
            return;
        }
        self.container.inside = Some(self.container.entered);
        self.container.entered += 1;
        if let Some((name, node)) = self.resource_node(resource) {
            self.object(resource, name, node, ObjectKind::Resource);
        }
        self.container.inside = None;
        let Some(meta) = resource.get("meta") else { return };
        if meta.get("versionId").is_some() || meta.get("lastUpdated").is_some() {
            self.fault_in(
                "meta",
                IssueCode::Invariant,
                "dom-4: a contained resource has no meta.versionId or meta.lastUpdated",
            );
        }
        if meta.get("security").is_some() {
            self.fault_in("meta", IssueCode::Invariant, "dom-5: a contained resource has no security label");
        }
    }

    /// dom-3, once the whole container has been seen. With it goes a rule that R4 has in words only (references.html,
    /// "Contained Resources"): the ids are unique, or readers would resolve the same reference differently.
    pub(super) fn contained_are_used(&mut self, container: &Container<'d>) {
        let mut ids = HashSet::new();
        for (index, resource) in container.contained.iter().enumerate() {
            let id = resource.text("id");
            let is_mentioned = id.is_some_and(|id| container.mentioned.contains(id));
            let mut fault = |diagnostics| {
                self.below("contained", |walk| {
                    walk.at_index(index, |walk| walk.fault(IssueCode::Invariant, diagnostics))
                });
            };
            if !is_mentioned && !container.pointing_back.contains(&index) {
                fault("dom-3: a contained resource is referred to from its container, or refers to it as #");
            }
            if id.is_some_and(|id| !ids.insert(id)) {
                fault("another contained resource has the same id");
            }
        }
    }
}
