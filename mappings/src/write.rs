//! Turns translated values into the bytes that a platform reads.
//!
//! Every target is first made as JSON text, because that is what most platforms take and what can be written in one
//! pass; form fields, rows and XML are made from that text, and see only names and values. Nothing here knows FHIR or
//! why a value stands where it does. What a target cannot hold is a named [`WriteFault`], never a silent change.

mod csv_row;
mod form;
mod json;
mod scalar;
mod url;
mod xml;

pub(crate) use csv_row::csv_row;
pub(crate) use form::form;
pub(crate) use json::Json;
pub(crate) use scalar::{header, plain};
pub(crate) use url::{check_segments, encode_segment};
pub(crate) use xml::xml;

/// Why a value cannot be written in a target. Says nothing of the value itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WriteFault {
    /// A list or object where the target has place for one value.
    #[error("a list or an object stands where this target holds one value; give the field a join, or a body in JSON")]
    Nested,
    /// XML has no way to write this character.
    #[error("the text holds a control character that XML forbids; give the rule a transform that takes it away")]
    ForbiddenCharacter,
    /// Not a name of XML.
    #[error("the name is no XML name: it begins with a letter or _ and holds letters, digits, -, _ and . only")]
    Name,
    /// An attribute or text beside a list.
    #[error("an attribute, and the text of an element, hold one value")]
    Attribute,
    /// Would end the header, or cannot stand in one.
    #[error("a header holds printable ASCII characters only, and no line end")]
    Header,
    /// A segment that a server takes for a step up.
    #[error("a part of the path would be . or .., which servers take for another place")]
    DotSegment,
}
