//! The gateway in process on loopback: what its HTTP interface promises, and what becomes of a referral behind it.
#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

mod admission;
mod bad_input;
mod bad_updates;
mod connect_families;
mod decided_again;
mod delivery;
mod disclosures;
mod erasure;
mod hanging_up;
mod instances;
mod losses;
mod notes;
mod official_examples;
mod outcome;
mod overrides_end;
mod policies;
mod preview;
mod races;
mod races_of_consents;
mod reading;
mod recording;
mod redrive;
mod released;
mod reload;
mod request_tracker;
mod restricted;
mod retention;
mod scripted;
mod sender;
mod status_back;
mod support;
mod transactions;
mod unanswered;
mod withdrawn;
mod withheld;
