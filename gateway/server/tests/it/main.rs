//! The gateway in process on loopback: what its HTTP interface promises, and what becomes of a referral behind it.
#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

mod bad_input;
mod bad_updates;
mod connect_families;
mod decided_again;
mod delivery;
mod erasure;
mod losses;
mod notes;
mod official_examples;
mod policies;
mod preview;
mod races;
mod reading;
mod recording;
mod reload;
mod request_tracker;
mod restricted;
mod retention;
mod scripted;
mod sender;
mod status_back;
mod support;
mod transactions;
mod withdrawn;
mod withheld;
