//! What the gateway is measured by: the least that any program with the same promise would have to do.

pub(crate) mod bare;
pub(crate) mod capture;
pub(crate) mod group_commit;
pub(crate) mod group_writer;
pub(crate) mod sink;
