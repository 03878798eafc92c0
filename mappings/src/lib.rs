//! The mapping language: how a referral becomes the requests of one platform, and its answers become reports.
//!
//! [`compile`] turns the files of a mapping into a [`program::Program`], or into everything that is wrong with it
//! ([`diagnostic`]). It reads YAML with positions, holds keys against one table (from which [`schema`] makes the editors'
//! schema and the reference), paths ([`fhirpath`]) against the elements of R4 and declared shapes, codes against
//! [`ConceptMap`]s, and losses against the table of [`class`]es. [`read_set`] is what a mapping can read. Maps that more
//! than one adapter needs are files under `concept-maps/`; [`shared`] names those that are built in.
//!
//! It knows JSON and FHIR and nothing of the gateway: no network, clock, store or file system.

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
