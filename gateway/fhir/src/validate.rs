//! Whether a document is valid R4: every fault at once, each with its place.
//!
//! Checks against the base definitions of 4.0.1: structure, cardinality, the grammar of primitives, required
//! bindings, reference targets, contained resources, narrative, and the invariants of the resource types that the
//! gateway deals in. Besides R4 it checks the three kinds of code that the gateway relies on by form: NHS numbers, ODS
//! codes and SNOMED CT identifiers.
//!
//! It knows no profile, resolves nothing outside the document, and never repeats a received value in a diagnostic:
//! what is told of a fault may end in a log.

mod contained;
mod identified;
mod invariants;
mod narrative;
mod object;
mod primitive;
mod reference;
mod walk;

use crate::{Issue, Json};
use walk::Walk;

/// The modifier extensions that the gateway understands, by url. None: whoever sends one relies on something that the
/// gateway does not do, and R4 (extensibility, "Modifier Extensions") asks to refuse rather than to ignore it.
pub const KNOWN_MODIFIER_EXTENSIONS: &[&str] = &[];

/// How many faults of one document are told. A document with more is broken as a whole, and an answer many times its
/// size would help nobody.
pub const MAX_ISSUES: usize = 500;

/// Every fault of a resource, with places told from its type: `Patient.name[0].given[1]`.
///
/// An empty list means valid. At most [`MAX_ISSUES`] errors are told, then one issue of severity information says that
/// there are more.
#[must_use]
pub fn resource(document: &Json) -> Vec<Issue> {
    let place = document.text("resourceType").filter(|name| crate::elements::is_resource_type(name));
    resource_at(document, place.unwrap_or("Resource"))
}

/// As [`resource`], with places told from `prefix`: `Bundle.entry[2].resource.name[0]`.
#[must_use]
pub fn resource_at(document: &Json, prefix: &str) -> Vec<Issue> {
    let mut walk = Walk::new(prefix);
    walk.resource(document);
    walk.finish()
}

#[cfg(test)]
mod tests;
