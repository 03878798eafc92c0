//! The pages for people, in a real browser: by keyboard alone, on a telephone, and looked at by axe-core.

mod driver;
mod harness;
mod journey;
mod link_worker;
