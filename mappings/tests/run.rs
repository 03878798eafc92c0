//! The runtime from outside, over compiled forms that are put together by hand: what is written, refused, explained and
//! lost.

#[path = "run/hand.rs"]
mod hand;
#[path = "run/requests.rs"]
mod requests;
