//! What can go wrong, as codes. Whether a code is transient, ambiguous or permanent is the gateway's decision, made in
//! one place (`gateway-core`, `classify`), so that no adapter retries on a guess.

use serde::{Deserialize, Serialize};

/// Why one attempt did not end in an acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "code", content = "status")]
pub enum FailureCode {
    /// No connection: name not found, refused, unreachable. Nothing was sent.
    NotConnected,
    /// The certificate chain or name is wrong. Nothing was sent, and it is never tried in clear.
    TlsRefused,
    /// Time ran out or the connection broke after the request had begun to leave.
    NoAnswer,
    /// A success code with a body that is not the platform's (a proxy page, a captive portal, cut off, too long).
    UnreadableSuccess,
    /// The platform, or what stands before it, answered with this HTTP status.
    HttpStatus(u16),
    /// The platform understood and refused in its own words: asking again would not help.
    Refused,
    /// The platform said, in words of its own, that it takes nothing up now: to be asked again later, whatever its HTTP status
    /// would mean. How long the platform is left alone stands beside it.
    Busy,
    /// The platform kept a part.
    PartlyStored,
    /// The adapter cannot say this referral in the platform's format.
    Untranslatable,
    /// Safety content would be lost, so nothing was sent.
    UnsafeToSend,
    /// An exchange did not end within its steps.
    TooManySteps,
    /// The process stopped while a request was under way.
    Interrupted,
}

/// An attempt's failure, with what a person needs to mend it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code:?}: {diagnostic}")]
pub struct DeliveryError {
    /// What went wrong.
    pub code: FailureCode,
    /// In words, without patient data.
    pub diagnostic: String,
    /// Seconds that the platform asked us to wait, if it did.
    pub retry_after_seconds: Option<u32>,
}

impl DeliveryError {
    /// A failure with no wait asked for.
    #[must_use]
    pub fn new(code: FailureCode, diagnostic: impl Into<String>) -> Self {
        Self { code, diagnostic: diagnostic.into(), retry_after_seconds: None }
    }
}

/// The adapter cannot translate: which element, and why, without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct TranslateError {
    /// Element path, for example `ServiceRequest.code`.
    pub path: String,
    /// Why, and how to mend it. No patient data.
    pub reason: String,
    /// True if the reason is that safety content would be lost.
    pub unsafe_to_send: bool,
}

impl TranslateError {
    /// An ordinary refusal.
    #[must_use]
    pub fn new(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into(), unsafe_to_send: false }
    }

    /// What an adapter says to [`Purpose::Ask`](crate::Purpose::Ask) that does not declare to ask anybody.
    #[must_use]
    pub fn asks_nobody() -> Self {
        Self::new("exchange.purpose", "this adapter writes no mail, so that nobody can be asked by it")
    }

    /// What an adapter says to [`Purpose::Update`](crate::Purpose::Update) that does not declare it.
    #[must_use]
    pub fn updates_nothing() -> Self {
        Self::new("exchange.purpose", "this adapter has no exchange for a referral that was changed")
    }

    /// A refusal because safety content would be lost.
    #[must_use]
    pub fn unsafe_to_send(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into(), unsafe_to_send: true }
    }
}
