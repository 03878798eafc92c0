//! Decisions as data: what deliver, align, update, accept, consent, ingest and minimise want written, case by case.
//! Nothing here has a store, network or clock.
#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

mod alarm;
mod align_orders;
mod align_outputs;
mod align_walk;
mod alignment;
mod amended;
mod asks;
mod builders;
mod consent;
mod deliver_end;
mod deliver_failed;
mod deliver_plan;
mod erase;
mod follow_up;
mod former;
mod ingest;
mod losses;
mod minimise;
mod outcome;
mod published;
mod recall;
mod reconcile;
mod redrive;
mod sender_cancels;
mod sender_moves;
mod timers;
mod unanswered;
mod withdraw;
mod work_list;
