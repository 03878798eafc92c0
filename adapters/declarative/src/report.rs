//! What platforms say, in the contract's words: each status word is looked up in the manifest's table, and one that is
//! not there is kept as it came and moves nothing.

use crate::adapter::Made;
use crate::exchange::refused;
use adapter_contract::{
    Concept, IdempotencyKey, OutputValue, PlatformOrder, PlatformReferralId, Reading, Report, ReportedOutput,
    StatusReport, TranslateError, systems,
};
use mappings::run::{self, ReadStatement, ReadStatus};
use std::collections::BTreeMap;

/// The business status of a word that no row knows.
const UNMAPPED: &str = "unmapped";

/// Reads a body that the platform pushed.
pub(crate) fn read(made: Made<'_>, report: &Report<'_>) -> Result<Vec<Reading>, TranslateError> {
    let settings = BTreeMap::new();
    let statements = match made.seen {
        Some(watcher) => {
            watcher.with(|seen| run::read_report_watched(made.program, &settings, report.body, &mut seen.watch))
        }
        None => run::read_report(made.program, &settings, report.body),
    };
    statements.map(|statements| readings(made, statements)).map_err(|refusal| refused(&refusal))
}

/// Statements in the contract's words.
pub(crate) fn readings(made: Made<'_>, statements: Vec<ReadStatement>) -> Vec<Reading> {
    let one = |statement| match statement {
        ReadStatement::Status(status) => Reading::Status(status_report(made, *status)),
        ReadStatement::Changed(id) => Reading::Changed(PlatformReferralId(id)),
    };
    statements.into_iter().map(one).collect()
}

fn status_report(made: Made<'_>, read: ReadStatus) -> StatusReport {
    if let Some(watcher) = made.seen {
        watcher.with(|seen| seen.statuses.insert(read.status.clone()));
    }
    let row = made.descriptor.statuses.iter().find(|row| row.platform == read.status);
    let output = |(kind, text): (String, String)| ReportedOutput {
        kind: Concept { text: Some(kind), ..Concept::default() },
        value: OutputValue::Concept(Concept { text: Some(text), ..Concept::default() }),
    };
    StatusReport {
        platform_referral: PlatformReferralId(read.platform_referral),
        key: read.key.map(IdempotencyKey),
        event: read.event,
        order: PlatformOrder { version: read.version, instant: read.instant },
        status: row.and_then(|row| row.status),
        business_status: row.map_or(UNMAPPED, |row| row.business_status.as_str()).to_owned(),
        platform_status: Concept {
            // A word that nobody knows is only words: what somebody typed there is no code of anything.
            system: row.map(|_| systems::platform_status(&made.descriptor.name)),
            code: Some(read.status).filter(|word| !word.is_empty()),
            text: None,
        },
        reason: read.reason,
        outputs: read.outputs.into_iter().map(output).collect(),
    }
}
