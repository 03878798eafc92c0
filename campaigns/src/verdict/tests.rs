//! Each invariant is shown to fail by planting its violation.
