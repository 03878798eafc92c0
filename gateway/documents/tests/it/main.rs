//! What is sent to a practice, and what it answers, read by others than who wrote it.
#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

mod acknowledgements;
mod letters;
mod meshes;
mod messages;
mod people;
mod sent;
mod structure;
