//! The page a vendor reads: what an adapter is given and what it must answer.
//!
//! An adapter is a **pure translator**. It receives a referral that the gateway has already reduced to what this
//! recipient may have, and answers with the next request to send; after each answer it says what comes next, or what
//! the result is. It has no network, clock, randomness, file system or secret: the gateway owns input and output,
//! credentials, retries, limits and redaction. So an adapter can be tested without a network, replayed, and cannot leak.
//!
//! # One exchange
//!
//! ```text
//! gateway                                  adapter
//!   begin(Exchange{Submit, referral})  ──▶
//!                                      ◀──  Step::Send(request 1, progress)     the gateway stores progress, then sends
//!   resume(exchange, progress, answer) ──▶
//!                                      ◀──  Step::Send(request 2, progress)     … at most Limits::steps times
//!   resume(exchange, progress, answer) ──▶
//!                                      ◀──  Step::Delivered(receipt)
//! ```
//!
//! `Progress` is stored before each request leaves. After a crash the gateway begins again at the stored step, never at
//! the first, and asks `Purpose::LookUp` first if the interrupted request is not safe to repeat ([`Repeat`]).
//!
//! # What an adapter MUST do
//!
//! * be a function of its arguments: the same exchange gives byte-equal requests;
//! * put [`Keys::idempotency`] where the platform will show it again, so that a referral can be looked up;
//! * believe success only on the platform's documented success (`200` with an error body is an error);
//! * map every status word that the platform publishes ([`Descriptor::statuses`]); report an unknown word as it came,
//!   with [`StatusReport::status`] `None`;
//! * keep patient data out of paths, query strings, [`TranslateError`] and [`DeliveryError`] texts;
//! * carry safety content (such as `contacting-subject-prohibited`) or refuse the referral; never drop it.
//!
//! Nothing here knows HTTP libraries, FHIR models or the server.

mod account;
pub mod business_status;
mod descriptor;
mod exchange;
mod failure;
mod file;
mod mail;
mod report;
mod request;
mod status;
mod status_link;
pub mod systems;

pub use account::{AcceptedLoss, Account, FieldLine, Grade, Loss, LossReason};
pub use descriptor::{Amend, Capabilities, DataClass, DataNeed, Descriptor, LAST_MINUTE, Limits, Pace, StatusRow};
pub use exchange::{
    Cursor, Exchange, IdempotencyKey, Keys, MinimisedReferral, PlatformReferralId, Progress, Purpose, Receipt,
    ReportPage, SenderMove, Settings, Step,
};
pub use failure::{DeliveryError, FailureCode, TranslateError};
pub use file::{FileAnswer, FileFault, FilePut, FileRequest, ReceivedFile};
pub use mail::{Ask, Attachment, MailRequest, STATUS_LINK};
pub use report::{Concept, OutputValue, PlatformOrder, Reading, Report, ReportSource, ReportedOutput, StatusReport};
pub use request::{
    Answer, HttpRequest, Method, PlatformRequest, Publication, PublishedResource, Repeat, TaskAmendment,
};
pub use status::{TaskStatus, UnknownTaskStatus};
pub use status_link::{LinkAnswer, PageSection, ReferralPage, Says};

/// Translates between the gateway's minimised FHIR referral and one platform's own format.
///
/// Two required methods; [`resume`](Adapter::resume) and [`read_report`](Adapter::read_report) have defaults for platforms that
/// need neither, and so has [`check_settings`](Adapter::check_settings).
pub trait Adapter: Send + Sync {
    /// Name, version, capabilities, data needs, limits and status table. Constant for the life of the adapter.
    fn descriptor(&self) -> &Descriptor;

    /// Checks a platform's settings when the configuration is read, before anything is sent.
    ///
    /// # Errors
    /// [`TranslateError`] naming the setting as its path.
    fn check_settings(&self, settings: &Settings) -> Result<(), TranslateError> {
        let _ = settings;
        Ok(())
    }

    /// Starts an exchange: the first request, or a result at once.
    ///
    /// # Errors
    /// [`TranslateError`] when the referral cannot be said in the platform's format. It is permanent: the same referral
    /// would fail again, so the gateway puts it in front of a person.
    fn begin(&self, exchange: &Exchange<'_>) -> Result<Step, TranslateError>;

    /// Goes on after an answer. `progress` is what the adapter returned with the request that was answered.
    ///
    /// # Errors
    /// As for [`begin`](Adapter::begin). A platform's refusal is not an error but [`Step::Failed`].
    fn resume(&self, exchange: &Exchange<'_>, progress: &Progress, answer: &Answer) -> Result<Step, TranslateError> {
        let _ = (exchange, progress, answer);
        Err(TranslateError::new("exchange", "this adapter has no exchange of more than one step"))
    }

    /// Says what the submission of this referral makes of each element, and what of it does not arrive. Sends nothing, and
    /// needs no answer of the platform. `Ok(None)`: this adapter cannot say; the gateway then reports only what it took
    /// away itself, and says that the rest is unknown.
    ///
    /// # Errors
    /// As for [`begin`](Adapter::begin): this referral would not be sent.
    fn account(&self, exchange: &Exchange<'_>) -> Result<Option<Account>, TranslateError> {
        let _ = exchange;
        Ok(None)
    }

    /// The referral as people read it, for the page behind a status link; the purpose is a submission. `Ok(None)`: this adapter's
    /// platform shows it by itself, and the page shows nothing of the person.
    ///
    /// # Errors
    /// As for [`begin`](Adapter::begin).
    fn page(&self, exchange: &Exchange<'_>) -> Result<Option<ReferralPage>, TranslateError> {
        let _ = exchange;
        Ok(None)
    }

    /// Reads what the platform sent by itself: a webhook body, a mail, a result file.
    ///
    /// # Errors
    /// [`TranslateError`] when the report cannot be read at all; it is then kept as evidence and shown to a person.
    fn read_report(&self, report: &Report<'_>) -> Result<Vec<Reading>, TranslateError> {
        let _ = report;
        Err(TranslateError::new("report", "this platform sends no reports"))
    }
}
