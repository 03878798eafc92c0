//! Code rules shared by adapters: FHIR R4 `ConceptMap`s, loaded once and asked by code system and code.
//!
//! The mapping language of the declarative adapters (field rules: parse, check, compile, run, explain) is not here yet;
//! it will stand beside [`ConceptMap`] and use it for codes. The maps that more than one adapter needs are files under
//! `concept-maps/`; [`shared`] names those that are built in.

pub mod account;
pub mod class;
mod compile;
mod concept_map;
pub mod diagnostic;
pub mod document;
mod elements;
pub mod explain;
pub mod fhirpath;
pub mod loss;
pub mod program;
pub mod read_set;
pub mod run;
pub mod schema;
pub mod shared;
mod source;
mod spec;
mod write;
mod yaml;

pub use compile::{Capabilities, Compiled, Manifest, compile};
pub use concept_map::{ConceptMap, Equivalence, Found, LoadError, MapRow, Match, NotMapped, Translation};
pub use source::Files;
pub use write::WriteFault;
