//! Fault campaigns: the gateway as a real process, one kind of fault, a restart, and then the question whether everything
//! that was promised still holds.
//!
//! It knows the gateway from outside: it starts the binary, speaks HTTP to it, and reads the store afterwards
//! (`open_to_read` of either engine). Each run is a function of a seed, but for the order in which the operating system runs
//! threads. What each campaign does and cannot show is written in `docs/evidence/README.md`.

pub mod backup;
pub mod conditional;
pub mod crash;
pub mod diskfull;
pub mod facts;
pub mod fleet;
pub mod flood;
pub mod iofault;
pub mod kill9;
pub mod pause;
pub mod pgfail;
pub mod poison;
pub mod powercut;
pub mod process;
pub mod raw;
pub mod report;
pub mod rolling;
pub mod scene;
pub mod script;
pub mod short;
pub mod strace;
pub mod stuck;
pub mod subscribed;
pub mod verdict;
