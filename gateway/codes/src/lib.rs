//! What others have published and the gateway repeats: SNOMED CT concepts and the scales of well-being, each row with where it was read.
//!
//! Pure tables with readers that refuse a row without provenance, with a wrong check digit or out of order. It knows no FHIR, no letters
//! and no platform: `gateway-core` codes with it what goes back to the GP, `gateway-documents` what a letter is called.

mod codes;
pub mod scales;

pub use codes::{Code, CodeFault, SNOMED_CT, Use, is_sctid, read, table};
