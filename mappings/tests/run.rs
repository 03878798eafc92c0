//! The runtime from outside, over compiled forms that are put together by hand: what is written, refused, explained and
//! lost.
#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

#[path = "run/answers.rs"]
mod answers;
#[path = "run/hand.rs"]
mod hand;
#[path = "run/hostile.rs"]
mod hostile;
#[path = "run/losses.rs"]
mod losses;
#[path = "run/national.rs"]
mod national;
#[path = "run/property.rs"]
mod property;
#[path = "run/requests.rs"]
mod requests;
#[path = "run/written.rs"]
mod written;
