//! Proves an adapter folder: its fixtures, what they exercise, and whether they would notice if a rule were broken.
//!
//! Reads a folder that was read whole ([`Folder::read_all`](crate::Folder::read_all)); writes nothing itself: files to be
//! written for review are handed back.

mod case;
mod compare;
mod referral;
mod run;
mod wire;

#[cfg(test)]
mod tests;
