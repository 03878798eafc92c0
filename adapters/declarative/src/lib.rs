//! An adapter made of a folder: a manifest, mapping files and concept maps, and no Rust.
//!
//! ```text
//! Folder::read ─▶ load ─▶ manifest + mappings::compile ─▶ DeclarativeAdapter: Adapter
//!                                                  └────▶ all faults, with file, line and column
//! ```
//!
//! [`Folder`] holds the files in memory, wherever they came from; [`content_hash`] names exactly what an adapter was made
//! of, and is part of its version. It knows no platform, network, clock or server: who watches folders for changes, and
//! what becomes of an adapter that no longer compiles, is the gateway's affair.

mod account;
mod adapter;
pub mod check;
mod exchange;
mod fault;
mod folder;
mod load;
mod manifest;
mod report;
mod shipped;
mod template;

pub use adapter::DeclarativeAdapter;
pub use fault::{Excerpt, Fault};
pub use folder::{Folder, FolderError, content_hash, folders_in};
pub use load::load;
pub use shipped::shipped;
pub use template::Template;
