//! The way back into the GP record by documents: GP Connect Send Document.
//!
//! ```text
//! Letter ─ pdf::make ─▶ PDF ─ message::build ─▶ STU3 XML ─┐
//!                                   mesh::headers ────────┴▶ (MESH, by the caller)
//! acknowledgement (XML) ─ response::read ─▶ Response ─ response::progress ─▶ Progress
//! ```
//!
//! Pure: no runtime, no I/O, no clock, no chance. Ids and times are given, and the same input makes the same bytes. It knows no transport, no
//! store and no platform, and decides no consent: whatever is put into a [`letter::Letter`] is written.
//!
//! Nothing calls it yet. `docs/gp-documents.md` says what a caller has to do, which sources each part follows and what is not confirmed.

pub mod letter;
pub mod limits;
pub mod mesh;
pub mod message;
pub mod parties;
pub mod pdf;
pub mod response;
