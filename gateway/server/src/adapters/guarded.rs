//! A panic in an adapter is a fault of that one translation, told as an error: it must not end the worker that serves
//! every other platform. (An adapter has no state, so nothing is left half changed.)

use adapter_contract::{
    Account, Adapter, Answer, Descriptor, Exchange, Progress, Reading, ReferralPage, Report, Settings, Step,
    TranslateError,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// An adapter whose panics are errors.
pub(super) struct Guarded(Arc<dyn Adapter>);

impl Guarded {
    pub(super) fn around(adapter: Arc<dyn Adapter>) -> Arc<dyn Adapter> {
        Arc::new(Self(adapter))
    }
}

fn guarded<T>(what: &str, call: impl FnOnce() -> Result<T, TranslateError>) -> Result<T, TranslateError> {
    catch_unwind(AssertUnwindSafe(call))
        .unwrap_or_else(|_| Err(TranslateError::new(what, "the adapter failed; this is a fault of the adapter")))
}

impl Adapter for Guarded {
    fn descriptor(&self) -> &Descriptor {
        self.0.descriptor()
    }

    fn check_settings(&self, settings: &Settings) -> Result<(), TranslateError> {
        guarded("settings", || self.0.check_settings(settings))
    }

    fn begin(&self, exchange: &Exchange<'_>) -> Result<Step, TranslateError> {
        guarded("exchange", || self.0.begin(exchange))
    }

    fn resume(&self, exchange: &Exchange<'_>, progress: &Progress, answer: &Answer) -> Result<Step, TranslateError> {
        guarded("exchange", || self.0.resume(exchange, progress, answer))
    }

    fn account(&self, exchange: &Exchange<'_>) -> Result<Option<Account>, TranslateError> {
        guarded("account", || self.0.account(exchange))
    }

    fn page(&self, exchange: &Exchange<'_>) -> Result<Option<ReferralPage>, TranslateError> {
        guarded("page", || self.0.page(exchange))
    }

    fn read_report(&self, report: &Report<'_>) -> Result<Vec<Reading>, TranslateError> {
        guarded("report", || self.0.read_report(report))
    }
}
