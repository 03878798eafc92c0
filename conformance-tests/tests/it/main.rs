//! The doubles against each other and against small stubs, over loopback HTTP.
#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

mod charitylog;
mod connect_families;
mod direct_light;
mod exchange;
mod faults;
mod gp;
mod lamplight;
mod life;
mod message_platform;
mod refusals;
mod request_tracker;
mod salesforce;
mod simulator;
mod support;
