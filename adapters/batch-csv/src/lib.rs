//! One CSV file for each referral, and result files back: for organisations that have no interface.
//!
//! What goes out is a mapping (`way-out/`), so that losses are told and its rules can be proved as those of any folder;
//! `put` makes a file of it. `poll` fetches result files, `results` reads them, `problems` tells their senders what could
//! not be read. How files travel is the gateway's affair.
//!
//! FORMAT.md beside `adapter.toml` is what an organisation reads.

mod columns;
mod dates;
mod poll;
mod problems;
mod put;
mod results;
mod settings;

use adapter_contract::{
    Account, Adapter, Answer, Capabilities, Descriptor, Exchange, FileAnswer, FileRequest, Limits, PlatformReferralId,
    PlatformRequest, Progress, Purpose, Receipt, ReportPage, Settings, StatusRow, Step, TranslateError,
};
use adapter_declarative::{DeclarativeAdapter, Folder, load};
use serde::Deserialize;
use settings::Config;
use std::sync::{Arc, LazyLock};

/// The step that leaves a file.
const LEFT: &str = "left";
/// The step that asks for one.
const FOUND: &str = "found";

/// What `adapter.toml` says.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Manifest {
    name: String,
    version: String,
    format: String,
    capabilities: Capabilities,
    limits: Limits,
    statuses: Vec<StatusRow>,
}

static WAY_OUT: LazyLock<Arc<DeclarativeAdapter>> = LazyLock::new(|| {
    let file = |name: &str, bytes: &[u8]| (name.to_owned(), bytes.to_vec());
    let files = [
        file("adapter.toml", include_bytes!("../way-out/adapter.toml")),
        file("mapping.yaml", include_bytes!("../way-out/mapping.yaml")),
        file("concept-maps/gender.json", include_bytes!("../way-out/concept-maps/gender.json")),
        file("concept-maps/priority.json", include_bytes!("../way-out/concept-maps/priority.json")),
    ];
    load(&Folder::new("way-out", files)).expect("way-out/ is part of the build, and a test loads it")
});

static DESCRIPTOR: LazyLock<Descriptor> = LazyLock::new(|| {
    let own: Manifest = toml::from_str(include_str!("../adapter.toml"))
        .expect("adapter.toml is part of the build, and a test reads it");
    let out = WAY_OUT.descriptor();
    let mapping = WAY_OUT.content_hash();
    Descriptor {
        name: own.name,
        version: format!("{}+{}", own.version, mapping.get(..12).unwrap_or(mapping)),
        format: own.format,
        capabilities: own.capabilities,
        data_needs: out.data_needs.clone(),
        accepted_losses: out.accepted_losses.clone(),
        limits: own.limits,
        statuses: own.statuses,
    }
});

/// The adapter.
#[must_use]
pub fn adapter() -> Box<dyn Adapter> {
    Box::new(BatchCsv)
}

struct BatchCsv;

impl Adapter for BatchCsv {
    fn descriptor(&self) -> &Descriptor {
        &DESCRIPTOR
    }

    fn check_settings(&self, settings: &Settings) -> Result<(), TranslateError> {
        Config::checked(settings)?;
        WAY_OUT.check_settings(&settings::of_the_mapping(settings))
    }

    fn begin(&self, exchange: &Exchange<'_>) -> Result<Step, TranslateError> {
        let config = Config::read(exchange.settings)?;
        let key = &exchange.keys.idempotency.0;
        let file = |request, step| Step::Send(PlatformRequest::File(request), Progress::at(step));
        match exchange.purpose {
            Purpose::Submit { .. } => Ok(file(FileRequest::Put(put::referral(&WAY_OUT, exchange, &config)?), LEFT)),
            Purpose::Tell { platform_referral, .. } => {
                Ok(file(FileRequest::Put(put::withdrawal(&platform_referral.0)?), LEFT))
            }
            Purpose::LookUp => Ok(file(FileRequest::Find { key: put::key(key)? }, FOUND)),
            // Nobody can be asked for one referral: what is known came in result files.
            Purpose::Read { .. } => Ok(Step::Reports(ReportPage { readings: Vec::new(), cursor: None, more: false })),
            Purpose::Poll { cursor } => Ok(poll::begin(cursor)),
            Purpose::Update { .. } => Err(TranslateError::updates_nothing()),
            Purpose::Ask { .. } => Err(TranslateError::asks_nobody()),
        }
    }

    fn resume(&self, exchange: &Exchange<'_>, progress: &Progress, answer: &Answer) -> Result<Step, TranslateError> {
        let Answer::File(answer) = answer else {
            return Err(TranslateError::new("answer", "is none to a request about files"));
        };
        let had = |name: &str| {
            Step::Delivered(Receipt { platform_referral: PlatformReferralId(name.to_owned()), reports: Vec::new() })
        };
        match (exchange.purpose, answer) {
            // The file's name is ours, and so is the organisation's name for the referral: `ref` repeats it.
            (Purpose::Submit { .. }, FileAnswer::Put) | (Purpose::LookUp, FileAnswer::Found(true)) => {
                Ok(had(&exchange.keys.idempotency.0))
            }
            (Purpose::Tell { platform_referral, .. }, FileAnswer::Put) => Ok(had(&platform_referral.0)),
            (Purpose::LookUp, FileAnswer::Found(false)) => Ok(Step::Absent),
            (Purpose::Poll { cursor }, answer) => {
                poll::resume(&Config::read(exchange.settings)?, cursor, progress, answer)
            }
            _ => Err(TranslateError::new("answer", "is none to this request")),
        }
    }

    fn account(&self, exchange: &Exchange<'_>) -> Result<Option<Account>, TranslateError> {
        let settings = settings::of_the_mapping(exchange.settings);
        WAY_OUT.account(&Exchange { settings: &settings, at: None, ..*exchange })
    }
}
