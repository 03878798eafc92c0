//! FHIR R4 (4.0.1) as the gateway needs it: the door for bytes, the element table, validation, and the typed view.
//!
//! The only crate that touches `fhir-sdk`. It decides whether a document is well-formed FHIR; it knows nothing of
//! clients, consent, platforms or the store.

pub mod bundle;
pub mod door;
pub mod identifiers;
pub mod instant;
pub mod issue;
pub mod json;
pub mod references;
pub mod typed;
pub mod validate;

pub use gateway_fhir_elements as elements;
pub use issue::{Issue, IssueCode, Severity};
pub use json::Json;
