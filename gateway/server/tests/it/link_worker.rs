//! The link workers' pages and list: signing in and out, who sees what, each act by its form, and the same list over FHIR.

pub(crate) mod desk;

mod acts;
mod door;
mod fhir;
mod list;
mod reach;
