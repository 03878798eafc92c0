//! Referrals as FHIR messages: CA:eReC, Ontario's eReferral guide, and what speaks like them.
//!
//! One file for each stage: `submit` gives the referral (add-service-request), `tell` withdraws it
//! (revoke-service-request), `report` reads the messages that the platform sends. `message` makes the Bundles that leave,
//! `answer` reads what comes back for them. `received` finds out which referral a resource of a message is about; `task`,
//! `appointment` and `communication` make statements of them, `outputs` bounds what Tasks say was done, and `status` says what
//! their words mean.
//!
//! `patient` says what is sent of the person, `account` what a submission carries and what it does not.
//!
//! The README beside `adapter.toml` has format, settings and limits.

mod account;
mod answer;
mod appointment;
mod communication;
mod message;
mod outputs;
mod patient;
mod received;
mod report;
mod settings;
mod statement;
mod status;
mod submit;
mod task;
mod tell;

use adapter_contract::{
    Account, Adapter, Answer, Descriptor, Exchange, Progress, Purpose, Reading, Report, Settings, Step, TranslateError,
};
use settings::Config;
use std::sync::LazyLock;

static DESCRIPTOR: LazyLock<Descriptor> = LazyLock::new(|| {
    toml::from_str(include_str!("../adapter.toml")).expect("adapter.toml is part of the build, and a test reads it")
});

fn descriptor() -> &'static Descriptor {
    &DESCRIPTOR
}

/// The adapter.
#[must_use]
pub fn adapter() -> Box<dyn Adapter> {
    Box::new(FhirMessage)
}

struct FhirMessage;

impl Adapter for FhirMessage {
    fn descriptor(&self) -> &Descriptor {
        descriptor()
    }

    fn check_settings(&self, settings: &Settings) -> Result<(), TranslateError> {
        Config::read(settings).map(|_| ())
    }

    fn begin(&self, exchange: &Exchange<'_>) -> Result<Step, TranslateError> {
        let config = Config::read(exchange.settings)?;
        match exchange.purpose {
            Purpose::Submit { referral } => submit::begin(exchange, &config, referral),
            Purpose::Tell { platform_referral, sender_move, .. } => {
                tell::begin(exchange, &config, platform_referral, sender_move)
            }
            Purpose::Update { .. } => Err(TranslateError::updates_nothing()),
            Purpose::Ask { .. } => Err(TranslateError::asks_nobody()),
            Purpose::LookUp | Purpose::Read { .. } | Purpose::Poll { .. } => {
                Err(TranslateError::new("exchange.purpose", "the published format has no question about a referral"))
            }
        }
    }

    fn resume(&self, exchange: &Exchange<'_>, progress: &Progress, answer: &Answer) -> Result<Step, TranslateError> {
        let config = Config::read(exchange.settings)?;
        match (exchange.purpose, progress.step.as_str()) {
            (Purpose::Submit { .. }, submit::ADD) => Ok(submit::resume(exchange, &config, answer)),
            (Purpose::Tell { platform_referral, .. }, tell::REVOKE) => {
                Ok(tell::resume(exchange, &config, platform_referral, answer))
            }
            _ => Err(TranslateError::new("progress.step", "is no step of this purpose")),
        }
    }

    fn account(&self, exchange: &Exchange<'_>) -> Result<Option<Account>, TranslateError> {
        let config = Config::read(exchange.settings)?;
        match exchange.purpose {
            Purpose::Submit { referral } => account::account(exchange, &config, referral).map(Some),
            _ => Ok(None),
        }
    }

    fn read_report(&self, report: &Report<'_>) -> Result<Vec<Reading>, TranslateError> {
        report::read(report)
    }
}
