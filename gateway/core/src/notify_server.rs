//! A Task and its ServiceRequest on a FHIR server of the client's own: what stands there, and which request makes it stand there.
//!
//! Nothing is assumed of the other server but R4's rules for updates ([http, 3.1.0.4.3 and 3.1.0.5]): versions, `ETag`, `If-Match`. A
//! [`Copy`](struct@Copy) carries a [`Mark`]: which version of ours it is, and a digest of it. By that mark an [`Exchange`] tells what we wrote from
//! what somebody else made of it, also after an answer that was lost or a store that was put back, and it never writes over the latter.
//!
//! [http, 3.1.0.4.3 and 3.1.0.5]: https://hl7.org/fhir/R4/http.html#update

mod copy;
mod exchange;
mod mark;

pub use copy::{Copy, Source, copy};
pub use exchange::{Ask, Creates, End, Exchange, Heard, Held, Next, Trouble};
pub use mark::{MARK, Mark};
