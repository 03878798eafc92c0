//! Decisions as data: what deliver, align, update, accept, consent, ingest and minimise want written, case by case.
//! Nothing here has a store, network or clock.
#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

mod align_orders;
mod align_outputs;
mod align_walk;
mod amended;
mod asks;
mod builders;
mod consent;
mod deliver_end;
mod deliver_failed;
mod deliver_plan;
mod erase;
mod ingest;
mod losses;
mod minimise;
mod outcome;
mod published;
mod recall;
mod redrive;
mod sender_cancels;
mod sender_moves;
mod unanswered;
mod withdraw;
