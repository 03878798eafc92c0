//! For organisations that have a mailbox and no system: a mail says that there is a referral, a link leads to it.
//!
//! `letter` writes the mails, which say nothing of the person; `page` puts the referral into words for the page behind the link,
//! `pdf` on paper where the operator wants that; `account` says what of it is shown. `answer` reads what was said on the page;
//! `mail` reads what comes back by mail, which moves nothing but a referral that did not arrive.
//!
//! How mail travels, and the page itself, are the gateway's affair. The README beside `adapter.toml` has format and settings.

mod account;
mod answer;
mod document;
mod letter;
mod mail;
mod page;
mod pdf;
mod settings;
mod status;
mod words;

use adapter_contract::{
    Account, Adapter, Answer, Descriptor, Exchange, MailRequest, MinimisedReferral, PlatformReferralId,
    PlatformRequest, Progress, Purpose, Reading, Receipt, ReferralPage, Report, ReportPage, ReportSource, Settings,
    Step, TranslateError,
};
use page::Shown;
use settings::Config;
use std::sync::LazyLock;

/// The only step: a mail has left.
const SENT: &str = "sent";

static DESCRIPTOR: LazyLock<Descriptor> = LazyLock::new(|| {
    toml::from_str(include_str!("../adapter.toml")).expect("adapter.toml is part of the build, and a test reads it")
});

fn descriptor() -> &'static Descriptor {
    &DESCRIPTOR
}

/// The adapter.
#[must_use]
pub fn adapter() -> Box<dyn Adapter> {
    Box::new(MailLink)
}

struct MailLink;

impl Adapter for MailLink {
    fn descriptor(&self) -> &Descriptor {
        descriptor()
    }

    fn check_settings(&self, settings: &Settings) -> Result<(), TranslateError> {
        Config::read(settings).map(|_| ())
    }

    fn begin(&self, exchange: &Exchange<'_>) -> Result<Step, TranslateError> {
        let config = Config::read(exchange.settings)?;
        let send = |mail: MailRequest| Step::Send(PlatformRequest::Mail(mail), Progress::at(SENT));
        match exchange.purpose {
            Purpose::Submit { referral } => letter::submit(exchange, &config, &Shown::read(referral)?).map(send),
            Purpose::Tell { sender_move, reason, .. } => letter::tell(exchange, &config, sender_move, reason).map(send),
            Purpose::Ask { platform_referral, why, number } => {
                letter::ask(exchange, &config, platform_referral, why, number).map(send)
            }
            Purpose::Update { referral, .. } => letter::update(exchange, &config, &Shown::read(referral)?).map(send),
            // Nobody can be asked but by mail: what is known was said on the page, or came by mail.
            Purpose::LookUp | Purpose::Read { .. } | Purpose::Poll { .. } => {
                Ok(Step::Reports(ReportPage { readings: Vec::new(), cursor: None, more: false }))
            }
        }
    }

    fn resume(&self, exchange: &Exchange<'_>, progress: &Progress, answer: &Answer) -> Result<Step, TranslateError> {
        if progress.step != SENT || *answer != Answer::Mailed {
            return Err(TranslateError::new("answer", "is none to a mail"));
        }
        let name = match exchange.purpose {
            Purpose::Submit { .. } => PlatformReferralId(exchange.keys.idempotency.0.clone()),
            Purpose::Update { platform_referral, .. }
            | Purpose::Tell { platform_referral, .. }
            | Purpose::Ask { platform_referral, .. } => platform_referral.clone(),
            Purpose::LookUp | Purpose::Read { .. } | Purpose::Poll { .. } => {
                return Err(TranslateError::new("answer", "is none to this request"));
            }
        };
        Ok(Step::Delivered(Receipt { platform_referral: name, reports: Vec::new() }))
    }

    fn account(&self, exchange: &Exchange<'_>) -> Result<Option<Account>, TranslateError> {
        let config = Config::read(exchange.settings)?;
        let Purpose::Submit { referral } = exchange.purpose else { return Ok(None) };
        let shown = Shown::read(referral)?;
        // A referral that cannot be written as the settings want it is not sent.
        letter::submit(exchange, &config, &shown)?;
        Ok(Some(account::account(descriptor(), &config, &shown)))
    }

    fn page(&self, exchange: &Exchange<'_>) -> Result<Option<ReferralPage>, TranslateError> {
        let page = |referral: &MinimisedReferral| Shown::read(referral).map(|shown| shown.page());
        match exchange.purpose {
            Purpose::Submit { referral } => page(referral).map(Some),
            _ => Ok(None),
        }
    }

    fn read_report(&self, report: &Report<'_>) -> Result<Vec<Reading>, TranslateError> {
        match report.source {
            ReportSource::StatusLink => answer::read(report.body),
            ReportSource::Mail => mail::read(report.body),
            _ => Err(TranslateError::new("report", "organisations with a mailbox answer by link and by mail alone")),
        }
    }
}
