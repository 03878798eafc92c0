//! The mapping language from outside: what compiles, and what is said of what does not.

mod fault_cases;
mod faults;
mod many;
mod national;
mod support;
mod whole;
