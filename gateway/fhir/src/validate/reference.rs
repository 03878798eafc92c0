//! References: to a type that the element allows, and within the document to something that is there.
//!
//! Reads the text of a reference only. Whether an outside target exists is not known here.

use super::walk::Walk;
use crate::elements::{self, Member};
use crate::{IssueCode, Json};

impl Walk<'_> {
    pub(super) fn reference(&mut self, member: &Member, value: &Json) {
        let declared = value.text("type").filter(|name| elements::is_resource_type(name));
        if let Some(name) = declared {
            self.target(member, name, "type");
        }
        let Some(text) = value.text("reference") else { return };
        let found = match text.strip_prefix('#') {
            // The container itself; its type is not checked, since only a contained resource may say this.
            Some("") if self.container.is_inside_contained() => return,
            Some(id) => match self.container.contained_type(id) {
                Some(name) => Some(name).filter(|name| elements::is_resource_type(name)),
                None => {
                    self.fault_in("reference", IssueCode::Invariant, "ref-1: no contained resource has this id");
                    None
                }
            },
            None => match relative_type(text) {
                Some(name) if elements::is_resource_type(name) => Some(name),
                Some(_) => {
                    let diagnostics = "a relative reference starts with a resource type of R4, as in Patient/123";
                    self.fault_in("reference", IssueCode::Value, diagnostics);
                    None
                }
                None => None,
            },
        };
        let Some(name) = found else { return };
        self.target(member, name, "reference");
        if declared.is_some_and(|declared| declared != name) {
            self.fault_in("type", IssueCode::Value, "the type is another than that of the reference");
        }
    }

    fn target(&mut self, member: &Member, name: &str, place: &str) {
        if !member.targets.is_empty() && !member.targets.contains(&name) {
            let diagnostics = format!("{} may point to {} only", member.element.path, member.targets.join(", "));
            self.fault_in(place, IssueCode::Value, diagnostics);
        }
    }
}

/// What stands for the type in `Type/id`, `Type/id/_history/v` and the conditional `Type?name=value` of a transaction.
/// `None` for absolute references, where only the server's own address tells which part is the type.
fn relative_type(text: &str) -> Option<&str> {
    let head = text.split(['/', '?']).next().unwrap_or_default();
    if head.contains(':') || text.starts_with('/') || head.len() == text.len() { None } else { Some(head) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_relative_references_tell_a_type() {
        assert_eq!(relative_type("Patient/1"), Some("Patient"));
        assert_eq!(relative_type("Patient/1/_history/2"), Some("Patient"));
        assert_eq!(relative_type("Patient?identifier=a:b|c"), Some("Patient"));
        for absolute in ["http://example.org/Patient/1", "urn:uuid:1", "urn:oid:1.2/3", "/Patient/1", "Patient", ""] {
            assert_eq!(relative_type(absolute), None, "{absolute}");
        }
    }
}
