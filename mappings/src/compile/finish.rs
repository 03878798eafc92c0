//! What can only be said of a mapping as a whole: losses, unused names, the read-set.

use super::paths::extension_path;
use super::{Compiler, RuleRead, Thing};
use crate::class::{covers, safety_elements};
use crate::diagnostic::Code;
use crate::program::{AcceptedLoss, Guard};
use crate::read_set::{ReadElement, ReadSet};
use std::collections::BTreeMap;

impl Compiler<'_> {
    /// Safety content is read, refused by a guard on itself, or its loss accepted under its own name and not under that of
    /// what stands above it; and no loss is accepted that does not happen.
    pub(super) fn check_losses(&mut self, guards: &[Guard], accepted: &[AcceptedLoss]) {
        let at = self.tree.key_at("exchanges");
        for element in safety_elements() {
            let read = self.reads.iter().any(|read| touches(element, read));
            let refused = guards.iter().any(|guard| covers(element, &guard.element));
            let stated = accepted.iter().any(|loss| loss.element == *element);
            if !read && !refused && !stated {
                let fault = format!("{element} is safety content, and nothing is done with it.");
                let mend = format!(
                    "Send it, refuse referrals that have it under `refuse`, or say under `accepted-losses` why {element} may be lost."
                );
                self.fault(Code::SafetyLost, at, fault, mend);
            }
        }
        for loss in accepted {
            let sent = self.reads.iter().any(|read| read.conveyed && is_all_of(read, &loss.element));
            if sent {
                let fault = format!("{} is sent: it is not lost.", loss.element);
                let place = self.acceptance_at(&loss.element);
                self.fault(Code::StaleAcceptance, place, fault, "Remove the accepted loss.");
            }
        }
    }

    /// Names that nothing uses. Fragments have been looked at before.
    pub(super) fn check_unused(&mut self) {
        let things = [
            ("settings", Thing::Setting, "setting"),
            ("shapes", Thing::Shape, "shape"),
            ("concept-maps", Thing::Map, "concept map"),
            ("variables", Thing::Variable, "variable"),
        ];
        for (key, thing, what) in things {
            for entry in self.tree.map(key) {
                if !self.used.contains(&(thing, entry.key.clone())) {
                    let fault = format!("Nothing uses the {what} `{}`.", entry.key);
                    self.fault(Code::Unused, entry.key_at, fault, "Use it, or remove it.");
                }
            }
        }
    }

    /// All elements that are read, those below others merged into them.
    pub(super) fn read_set(&self) -> ReadSet {
        let mut merged: BTreeMap<&str, ReadElement> = BTreeMap::new();
        let mut reads: Vec<&RuleRead> = self.reads.iter().collect();
        reads.sort_by(|left, right| left.path.cmp(&right.path));
        for read in reads {
            let above = merged.keys().find(|path| covers(path, &read.path)).copied();
            let element = merged.entry(above.unwrap_or(&read.path)).or_insert_with(|| ReadElement {
                path: read.path.clone(),
                class: read.class,
                conveyed: false,
                needed: false,
                urls: Vec::new(),
                rules: Vec::new(),
            });
            element.class = element.class.max(read.class);
            element.conveyed |= read.conveyed;
            element.needed |= read.needed;
            element.urls.extend(read.urls.iter().cloned());
            element.rules.extend(read.rule);
        }
        let mut elements: Vec<ReadElement> = merged.into_values().collect();
        for element in &mut elements {
            element.urls.sort_unstable();
            element.urls.dedup();
            element.rules.sort_unstable();
            element.rules.dedup();
        }
        ReadSet { elements }
    }
}

/// Whether a read looks at an element, at something in it or at all that it stands in.
pub(super) fn touches(element: &str, read: &RuleRead) -> bool {
    paths(read).any(|path| covers(element, &path) || covers(&path, element))
}

/// Whether a read takes the whole of an element.
fn is_all_of(read: &RuleRead, element: &str) -> bool {
    paths(read).any(|path| covers(&path, element))
}

/// The path of a read; for extensions that are looked for by their url, one path each.
fn paths(read: &RuleRead) -> impl Iterator<Item = String> {
    let one = read.urls.is_empty().then(|| read.path.clone());
    let named = read.urls.iter().map(|url| extension_path(&read.path, url));
    one.into_iter().chain(named)
}
