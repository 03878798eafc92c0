//! What the tests of adapters with code share: folders of fixtures, the playing of an exchange, canaries. A test tool: no crate depends on
//! it but in tests, and it fails as tests do, by a panic that says where.
//!
//! It knows the contract, and no platform: what an adapter asks and is answered in a form of its own is written by that adapter's tests.

mod canary;
mod case;
mod exchange;

pub use canary::{CANARY, plant};
pub use case::{Case, folders};
pub use exchange::{ACCEPTED, KEY, http_answer, play, readings, refused, result, with_exchange};
