//! What adapters for platforms that speak FHIR R4 have in common, and no platform's own.
//!
//! `json` keeps every value as it was written; `referral` reads the minimised referral and refuses what must not be
//! passed on half understood; `answer` says what an HTTP answer means; `read` has the small readings of what a platform
//! sent; `outputs` bounds what is made of outputs; `account` makes the lines of an account.

pub mod account;
pub mod answer;
pub mod json;
pub mod outputs;
pub mod read;
pub mod referral;
