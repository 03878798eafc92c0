//! The figures, in groups that share a set-up.

pub(crate) mod accept;
pub(crate) mod age;
pub(crate) mod latency;
pub(crate) mod life;
pub(crate) mod memory;
pub(crate) mod stuck;
