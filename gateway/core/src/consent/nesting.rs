//! Provisions within provisions (R5): the deepest that matches decides, siblings by deny, and what is nested in its own
//! kind only narrows.

use super::Reason;
use super::item::Item;
use super::provision::{Kind, Node};
use super::truth::Truth;

/// What a provision, with all within it, says of one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// It permits. `names`: an actor on the way names the recipient. `reach`: the highest Confidentiality that a
    /// provision on the way speaks of.
    Permits { names: bool, reach: Option<u8> },
    /// It refuses, by this rule.
    Refuses(Reason, &'static str),
    /// It may permit, but that is not certain.
    Nothing,
}

/// What this provision says, given whether it matches; `Truth::No` is for [`stray`].
pub(super) fn say(node: &Node<'_>, matches: Truth, item: Option<&Item>) -> Said {
    let mut way = Way { names: node.names, reach: node.reach(), permitted: false };
    let mut narrows = false;
    for child in &node.children {
        let child_matches = child.matches(item);
        let is_permit = child.kind == Kind::Permit;
        narrows |= is_permit;
        if child_matches == Truth::No {
            if let Some(reason) = stray(child, item) {
                return Said::Refuses(reason, "R5:nested");
            }
            continue;
        }
        match say(child, child_matches, item) {
            Said::Refuses(reason, _) => return Said::Refuses(reason, "R5:nested"),
            Said::Permits { names, reach } => way.join(names, reach),
            Said::Nothing => {}
        }
    }
    let permits = match node.kind {
        Kind::Deny if !way.permitted => return Said::Refuses(Reason::Refused, "R3:base"),
        Kind::Permit if narrows && !has_matching_permit(node, item) => {
            return Said::Refuses(Reason::AmbiguousNesting, "R5:narrowing");
        }
        Kind::Deny | Kind::Permit => matches == Truth::Yes,
    };
    if permits { Said::Permits { names: way.names, reach: way.reach } } else { Said::Nothing }
}

/// Under a permit, a nested permit that does not match is a deny; it must match for certain.
fn has_matching_permit(node: &Node<'_>, item: Option<&Item>) -> bool {
    node.children.iter().any(|child| child.kind == Kind::Permit && child.matches(item) == Truth::Yes)
}

/// A refusal that names this recipient inside a provision that is about others. Whoever wrote it means it, so it counts;
/// only in everything else the provisions around it must match.
pub(super) fn stray(node: &Node<'_>, item: Option<&Item>) -> Option<Reason> {
    if node.matches_but_for_actor(item) == Truth::No {
        return None;
    }
    node.children.iter().find_map(|child| {
        let matches = child.matches(item);
        if child.kind == Kind::Deny && child.has_actors && matches != Truth::No {
            match say(child, matches, item) {
                Said::Refuses(reason, _) => Some(reason),
                Said::Permits { .. } | Said::Nothing => None,
            }
        } else {
            stray(child, item)
        }
    })
}

/// What was gathered on the way through the children.
struct Way {
    names: bool,
    reach: Option<u8>,
    permitted: bool,
}

impl Way {
    fn join(&mut self, names: bool, reach: Option<u8>) {
        self.permitted = true;
        self.names |= names;
        self.reach = self.reach.max(reach);
    }
}
