//! The binary as an operator starts it: exit codes, words, signals, and what a killed process still owes.
#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

mod accounts;
mod adapters;
mod audit;
mod backup;
mod commands;
mod conversation;
mod dead_letters;
mod guide;
mod links;
mod privacy;
mod reconciling;
mod referrals;
mod serving;
mod support;
mod translating;
