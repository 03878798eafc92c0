//! The whole gateway in one thread of simulated time: its real decisions, workers and HTTP handlers, over a model store, a
//! model network and model clocks, under faults that a seed decides.
//!
//! [`world`] holds the time and says what happens next; everything that the gateway does to the outside, and everything that the
//! outside does to it, waits for its turn there. So a run is a function of its seed, and a seed that fails is run again, byte for
//! byte. What a seed holds is drawn in [`plan`]; what must hold is in [`verdict`] and in `fault_campaigns::verdict`.
//!
//! It knows nothing of sockets, files and threads, and shows nothing about them: `fault_campaigns` does.

pub mod campaign;
pub mod clock;
pub mod instance;
pub mod jitter;
pub mod network;
pub mod plan;
pub mod platforms;
pub mod ratelimit;
pub mod retry;
pub mod run;
pub mod sender;
pub mod settings;
pub mod store;
pub mod verdict;
pub mod world;
