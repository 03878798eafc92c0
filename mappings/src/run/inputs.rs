//! What a translation is given beside the compiled mapping.

use crate::document::Document;
use std::collections::BTreeMap;

/// Everything that a mapping's expressions may read. No clock, chance or secret is among it, so that the same inputs
/// give the same bytes.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// The minimised referral: a Bundle whose entry 0 is the ServiceRequest, entry 1 the Patient. Absent in exchanges
    /// that are not given one.
    pub referral: Option<&'a Document<'a>>,
    /// The operator's settings by name.
    pub settings: &'a BTreeMap<String, String>,
    /// The names of the referral and of the conversation.
    pub keys: Keys<'a>,
    /// When the gateway accepted the referral: a FHIR instant.
    pub accepted_at: &'a str,
    /// The platform's name for the referral, once it has given one.
    pub platform_referral: Option<&'a str>,
    /// What earlier steps of this exchange noted.
    pub progress: &'a BTreeMap<String, String>,
    /// Where the last poll ended.
    pub cursor: &'a BTreeMap<String, String>,
    /// The sender's words on a cancel, hold or release.
    pub reason: Option<&'a str>,
}

/// The names under which a referral is known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Keys<'a> {
    /// One for each referral and platform.
    pub idempotency: &'a str,
    /// One for each conversation.
    pub correlation: &'a str,
}

static NOTHING: BTreeMap<String, String> = BTreeMap::new();

impl Inputs<'static> {
    /// No inputs at all, to be filled with `..Inputs::none()`.
    #[must_use]
    pub fn none() -> Self {
        Self {
            referral: None,
            settings: &NOTHING,
            keys: Keys::default(),
            accepted_at: "",
            platform_referral: None,
            progress: &NOTHING,
            cursor: &NOTHING,
            reason: None,
        }
    }
}

/// What came back over HTTP.
#[derive(Debug, Clone, Copy)]
pub struct HttpAnswer<'a> {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: &'a [(String, String)],
    /// Body.
    pub body: &'a [u8],
}
