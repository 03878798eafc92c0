//! HL7 SDOH Clinical Care closed loop: the gateway as coordination platform, the VCSE platform as referral target.
//!
//! One file for each stage: `submit` gives the referral, `look_up` finds it by our key, `tell` withdraws it, `update` tells what its sender made of it,
//! `read` and `poll` ask for its status, `report` reads what the platform sends by itself. `order` makes the
//! gateway's own ServiceRequest and Task, `task` reads the platform's, `status` says what its words mean.
//!
//! `account` says what a submission carries and what it does not.
//!
//! The README beside `adapter.toml` has format, settings and limits.

mod account;
mod http;
mod look_up;
mod order;
mod poll;
mod read;
mod report;
mod settings;
mod status;
mod submit;
mod task;
mod tell;
mod update;

use adapter_contract::{
    Account, Adapter, Answer, Descriptor, Exchange, Progress, Purpose, Reading, Report, Settings, Step, TranslateError,
};
use settings::{Config, Mode};
use std::sync::LazyLock;
use tell::Telling;

static DESCRIPTOR: LazyLock<Descriptor> = LazyLock::new(|| {
    toml::from_str(include_str!("../adapter.toml")).expect("adapter.toml is part of the build, and a test reads it")
});

fn descriptor() -> &'static Descriptor {
    &DESCRIPTOR
}

/// The adapter.
#[must_use]
pub fn adapter() -> Box<dyn Adapter> {
    Box::new(FhirTask)
}

struct FhirTask;

impl Adapter for FhirTask {
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
            Purpose::Tell { platform_referral, sender_move, reason } => {
                tell::begin(&config, Telling { referral: platform_referral, sender_move, reason })
            }
            Purpose::LookUp | Purpose::Read { .. } | Purpose::Poll { .. } if config.mode == Mode::DirectLight => {
                Ok(read::nothing_to_ask())
            }
            Purpose::Update { platform_referral, .. } => update::begin(&config, platform_referral),
            Purpose::LookUp => Ok(look_up::begin(exchange)),
            Purpose::Read { platform_referral } => read::begin(platform_referral, exchange.at),
            Purpose::Poll { cursor } => poll::begin(cursor),
            Purpose::Ask { .. } => Err(TranslateError::asks_nobody()),
        }
    }

    fn resume(&self, exchange: &Exchange<'_>, progress: &Progress, answer: &Answer) -> Result<Step, TranslateError> {
        let config = Config::read(exchange.settings)?;
        match exchange.purpose {
            Purpose::Submit { referral } => submit::resume(exchange, &config, referral, progress, answer),
            Purpose::Tell { platform_referral, sender_move, reason } => {
                tell::resume(&config, Telling { referral: platform_referral, sender_move, reason }, progress, answer)
            }
            Purpose::Update { platform_referral, referral } => {
                update::resume(exchange, &config, (platform_referral, referral), progress, answer)
            }
            Purpose::LookUp if progress.step == look_up::SEARCH => Ok(look_up::resume(exchange, &config, answer)),
            Purpose::Read { platform_referral } => read::resume(&config, platform_referral, progress, answer),
            Purpose::Poll { cursor } if progress.step == poll::PAGE => poll::resume(&config, cursor, answer),
            Purpose::LookUp | Purpose::Poll { .. } | Purpose::Ask { .. } => {
                Err(TranslateError::new("progress.step", "is no step of this purpose"))
            }
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
