//! The adapter that a folder makes.

use crate::exchange;
use crate::fault::Fault;
use adapter_contract::{
    Account, Adapter, Answer, Descriptor, Exchange, HttpRequest, Progress, Reading, Report, Settings, Step,
    TranslateError,
};
use mappings::program::Program;
use mappings::run::Watch;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// An adapter made of a folder. It never changes: a changed folder makes another one.
#[derive(Debug)]
pub struct DeclarativeAdapter {
    pub(crate) descriptor: Descriptor,
    pub(crate) program: Program,
    pub(crate) hash: String,
    pub(crate) warnings: Vec<Fault>,
}

impl DeclarativeAdapter {
    /// SHA-256 of what it was made of, 64 hexadecimal digits; the first twelve are part of its version.
    #[must_use]
    pub fn content_hash(&self) -> &str {
        &self.hash
    }

    /// What the compiler found odd, but not wrong.
    #[must_use]
    pub fn warnings(&self) -> &[Fault] {
        &self.warnings
    }

    /// The compiled mapping.
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// All requests that a submission would take, without the platform's answers: what only an answer can tell stands as
    /// its name in brackets. None for another purpose.
    ///
    /// # Errors
    /// [`TranslateError`] of the first request that would not be made.
    pub fn foreseen(&self, exchange: &Exchange<'_>) -> Result<Vec<HttpRequest>, TranslateError> {
        let foreseen = crate::account::foresee(self.made(), exchange)?;
        Ok(foreseen.map(|foreseen| foreseen.requests).unwrap_or_default())
    }

    fn made(&self) -> Made<'_> {
        Made { descriptor: &self.descriptor, program: &self.program, seen: None }
    }
}

/// What an adapter is made of, lent: so that a broken program can be run as well as a right one.
#[derive(Clone, Copy)]
pub(crate) struct Made<'a> {
    pub(crate) descriptor: &'a Descriptor,
    pub(crate) program: &'a Program,
    /// What is watched, when fixtures are asked how much they exercise.
    pub(crate) seen: Option<&'a Watcher>,
}

/// Notes what an adapter is seen to do. An adapter is shared between threads, so it may be noted from each.
#[derive(Debug, Default)]
pub(crate) struct Watcher(Mutex<Seen>);

impl Watcher {
    /// Works on what was seen so far.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut Seen) -> R) -> R {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Everything that was seen.
    pub(crate) fn into_seen(self) -> Seen {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an adapter was seen to do.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Rules, conditions, rows of code maps.
    pub(crate) watch: Watch,
    /// Status words that the platform said.
    pub(crate) statuses: BTreeSet<String>,
    /// Code maps all of whose rows were asked.
    pub(crate) maps: BTreeSet<String>,
}

impl Adapter for Made<'_> {
    fn descriptor(&self) -> &Descriptor {
        self.descriptor
    }

    fn check_settings(&self, settings: &Settings) -> Result<(), TranslateError> {
        mappings::run::check_settings(self.program, settings).map_err(|refusal| exchange::refused(&refusal))
    }

    fn begin(&self, exchange: &Exchange<'_>) -> Result<Step, TranslateError> {
        exchange::begin(*self, exchange)
    }

    fn resume(&self, exchange: &Exchange<'_>, progress: &Progress, answer: &Answer) -> Result<Step, TranslateError> {
        exchange::resume(*self, exchange, progress, answer)
    }

    fn account(&self, exchange: &Exchange<'_>) -> Result<Option<Account>, TranslateError> {
        Ok(crate::account::foresee(*self, exchange)?.map(|foreseen| foreseen.account))
    }

    fn read_report(&self, report: &Report<'_>) -> Result<Vec<Reading>, TranslateError> {
        crate::report::read(*self, report)
    }
}

impl Adapter for DeclarativeAdapter {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn check_settings(&self, settings: &Settings) -> Result<(), TranslateError> {
        self.made().check_settings(settings)
    }

    fn begin(&self, exchange: &Exchange<'_>) -> Result<Step, TranslateError> {
        self.made().begin(exchange)
    }

    fn resume(&self, exchange: &Exchange<'_>, progress: &Progress, answer: &Answer) -> Result<Step, TranslateError> {
        self.made().resume(exchange, progress, answer)
    }

    fn account(&self, exchange: &Exchange<'_>) -> Result<Option<Account>, TranslateError> {
        self.made().account(exchange)
    }

    fn read_report(&self, report: &Report<'_>) -> Result<Vec<Reading>, TranslateError> {
        self.made().read_report(report)
    }
}
