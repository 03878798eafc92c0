//! The state of one pass over a document: where it is, what it found, and in which container it stands.
//!
//! Knows how a fault is recorded and how a resource begins; the members of an object are `object.rs`.

use super::MAX_ISSUES;
use super::contained::Container;
use super::object::ObjectKind;
use crate::elements::{self, Node};
use crate::{Issue, IssueCode, Json, Severity};
use std::fmt::Write as _;

/// How deep objects may nest. The door refuses sooner; this holds for documents that came another way, because the
/// pass calls itself once for each level.
const MAX_DEPTH: usize = 64;

/// One pass over one document.
pub(super) struct Walk<'d> {
    path: String,
    depth: usize,
    issues: Vec<Issue>,
    more: bool,
    /// The resource that `#` references are resolved in; `None` before the first.
    pub(super) container: Container<'d>,
}

impl<'d> Walk<'d> {
    pub(super) fn new(prefix: &str) -> Self {
        Self { path: prefix.to_owned(), depth: 0, issues: Vec::new(), more: false, container: Container::default() }
    }

    /// The faults found, in document order as far as one pass allows.
    pub(super) fn finish(mut self) -> Vec<Issue> {
        if self.more {
            self.issues.push(Issue {
                severity: Severity::Information,
                code: IssueCode::Informational,
                diagnostics: format!("only the first {MAX_ISSUES} faults are listed; there are more"),
                expression: None,
            });
        }
        self.issues
    }

    /// Records a fault at the present place.
    pub(super) fn fault(&mut self, code: IssueCode, diagnostics: impl Into<String>) {
        if self.issues.len() < MAX_ISSUES {
            self.issues.push(Issue::at(code, self.path.as_str(), diagnostics));
        } else {
            self.more = true;
        }
    }

    /// Records a fault at a member of the present place.
    pub(super) fn fault_in(&mut self, member: &str, code: IssueCode, diagnostics: impl Into<String>) {
        self.below(member, |walk| walk.fault(code, diagnostics));
    }

    /// Does something one member further down. An empty name stays in place.
    pub(super) fn below<T>(&mut self, member: &str, what: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.path.len();
        if !member.is_empty() {
            self.path.push('.');
            self.path.push_str(member);
        }
        let result = what(self);
        self.path.truncate(length);
        result
    }

    /// Does something at one item of the present array.
    pub(super) fn at_index<T>(&mut self, index: usize, what: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.path.len();
        // Writing to a String cannot fail.
        let _ = write!(self.path, "[{index}]");
        let result = what(self);
        self.path.truncate(length);
        result
    }

    /// Does something one object deeper, unless that is too deep.
    pub(super) fn deeper(&mut self, what: impl FnOnce(&mut Self)) {
        if self.depth >= MAX_DEPTH {
            self.fault(IssueCode::Structure, format!("objects nest deeper than {MAX_DEPTH} levels"));
            return;
        }
        self.depth += 1;
        what(self);
        self.depth -= 1;
    }

    /// A resource that is its own container: the document itself, or one in a Bundle or Parameters.
    pub(super) fn resource(&mut self, document: &'d Json) {
        let Some((name, node)) = self.resource_node(document) else { return };
        let outer = std::mem::replace(&mut self.container, Container::of(document));
        self.object(document, name, node, ObjectKind::Resource);
        let inner = std::mem::replace(&mut self.container, outer);
        self.contained_are_used(&inner);
    }

    /// The type of a resource and its members, or a fault.
    pub(super) fn resource_node(&mut self, document: &Json) -> Option<(&'static str, &'static Node)> {
        if document.as_object().is_none() {
            self.fault(IssueCode::Structure, "a resource is a JSON object");
            return None;
        }
        let found = match document.get("resourceType") {
            None => Err("resourceType is missing"),
            Some(Json::String(name)) => {
                elements::resource_node(name).ok_or("resourceType names no resource type of R4")
            }
            Some(_) => Err("resourceType is a JSON string"),
        };
        found.map_err(|diagnostics| self.fault_in("resourceType", IssueCode::Structure, diagnostics)).ok()
    }
}
