//! Reads a result file: each row is a statement about one referral. Rows that cannot be read are told with their lines,
//! and the others count. A file whose totals row says something else than its rows is not believed at all.

mod decode;

use crate::columns::{Column, Columns};
use crate::dates;
use crate::problems::Problem;
use crate::put::TOTAL;
use crate::settings::Config;
use adapter_contract::{
    Concept, IdempotencyKey, OutputValue, PlatformOrder, PlatformReferralId, ReportedOutput, StatusReport, StatusRow,
    TaskStatus,
};
use csv::{ReaderBuilder, StringRecord};
use uuid::Uuid;

/// Rows of one file, at most.
const MOST_ROWS: usize = 10_000;
/// Characters of a reason or an outcome, at most.
const LONGEST_TEXT: usize = 2_000;
/// Characters of a status word, at most.
const LONGEST_WORD: usize = 60;
/// Names of statements are made in this space.
const STATEMENTS: Uuid = Uuid::from_u128(0x6d0f_4c1e_58a7_4b0e_9d53_21c7_0b1e_c5f4);
/// The business status of a word that no row knows.
const UNMAPPED: &str = "unmapped";

/// What a file says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Results {
    /// Its statements.
    pub(crate) reports: Vec<StatusReport>,
    /// What could not be read.
    pub(crate) problems: Vec<Problem>,
}

impl Results {
    fn refused(line: u64, words: &'static str) -> Self {
        Self { reports: Vec::new(), problems: vec![Problem { line, words }] }
    }
}

/// Reads a file.
pub(crate) fn read(content: &[u8], statuses: &[StatusRow], config: &Config) -> Results {
    let text = match decode::text(content) {
        // With one kind of line end the lines of rows are counted as people count them.
        Ok(text) => text.replace("\r\n", "\n"),
        Err(words) => return Results::refused(0, words),
    };
    // What Excel writes for itself before the header.
    let hint = decode::separator_hint(&text);
    let separator = hint.map_or_else(|| decode::separator(&text), |(separator, _)| separator);
    let body = text.get(hint.map_or(0, |(_, length)| length)..).unwrap_or_default();
    let skipped = u64::from(hint.is_some());
    let mut reader =
        ReaderBuilder::new().has_headers(false).flexible(true).delimiter(separator).from_reader(body.as_bytes());
    let mut records = reader.records();
    let Some(Ok(header)) = records.next() else {
        return Results::refused(0, "The file is empty.");
    };
    let columns = match Columns::read(header.iter()) {
        Ok(columns) => columns,
        Err(words) => return Results::refused(line(&header, skipped), words),
    };
    let mut results = Results::default();
    let mut rows = 0_usize;
    let mut total: Option<(u64, Option<usize>)> = None;
    for record in records {
        let Ok(record) = record else {
            return Results::refused(0, "The file is not CSV from its beginning to its end.");
        };
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        let line = line(&record, skipped);
        if total.is_some() {
            return Results::refused(line, "A row stands behind the totals row.");
        }
        if record.iter().next().is_some_and(|cell| cell.trim().eq_ignore_ascii_case(TOTAL)) {
            total = Some((line, record.get(1).and_then(|cell| cell.trim().parse().ok())));
            continue;
        }
        rows += 1;
        if rows > MOST_ROWS {
            return Results::refused(line, "The file has more than 10,000 rows. Send it in parts.");
        }
        match row(&record, &columns, statuses) {
            Ok(report) => results.reports.push(report),
            Err(words) => results.problems.push(Problem { line, words }),
        }
    }
    match total {
        Some((line, counted)) if counted != Some(rows) => Results::refused(
            line,
            "The totals row says another number of rows than there are. Nothing of the file counts.",
        ),
        None if config.totals_required => Results::refused(0, "The totals row is missing, so the file may be cut off."),
        _ => results,
    }
}

fn line(record: &StringRecord, skipped: u64) -> u64 {
    record.position().map_or(0, csv::Position::line) + skipped
}

/// A cell without the apostrophe that guards it against being taken for a formula.
fn cell<'a>(record: &'a StringRecord, columns: &Columns, column: Column) -> &'a str {
    let text = columns.place(column).and_then(|place| record.get(place)).unwrap_or_default().trim();
    match text.strip_prefix('\'') {
        Some(rest) if rest.starts_with(['=', '+', '-', '@', '\t', '\r']) => rest,
        _ => text,
    }
}

/// Words without case and punctuation, with single blanks.
pub(crate) fn plain(word: &str) -> String {
    let lower: String =
        word.chars().flat_map(char::to_lowercase).map(|each| if each.is_alphanumeric() { each } else { ' ' }).collect();
    lower.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn row(record: &StringRecord, columns: &Columns, statuses: &[StatusRow]) -> Result<StatusReport, &'static str> {
    let named = cell(record, columns, Column::Ref);
    let key = Uuid::try_parse(named.strip_suffix(".csv").unwrap_or(named))
        .map_err(|_| "`ref` is none of ours. Copy it from the referral's file as it stands.")?
        .hyphenated()
        .to_string();
    let word = cell(record, columns, Column::Status);
    if word.is_empty() {
        return Err("`status` is empty.");
    }
    if word.chars().count() > LONGEST_WORD {
        return Err("`status` is a word or a few; explanations stand in `reason`.");
    }
    let date = cell(record, columns, Column::Date);
    let date =
        dates::fhir(date).ok_or("`date` is no date like 30/11/2026 or 2026-11-30, with a year of four digits.")?;
    let text = |column| {
        let text = cell(record, columns, column);
        if text.chars().count() > LONGEST_TEXT {
            return Err("`reason` and `outcome` have 2,000 characters at most.");
        }
        Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
    };
    let (reason, outcome) = (text(Column::Reason)?, text(Column::Outcome)?);
    let known = statuses.iter().find(|row| plain(&row.platform) == plain(word));
    let status = known.and_then(|row| row.status);
    // With lengths, so that no two rows run into the same bytes.
    let mut said = Vec::new();
    for part in [
        key.as_str(),
        &plain(word),
        &date,
        reason.as_deref().unwrap_or_default(),
        outcome.as_deref().unwrap_or_default(),
    ] {
        said.extend_from_slice(&(part.len() as u64).to_be_bytes());
        said.extend_from_slice(part.as_bytes());
    }
    let name = Uuid::new_v5(&STATEMENTS, &said);
    let output = |text: String| ReportedOutput {
        kind: Concept { text: Some("Outcome".to_owned()), ..Concept::default() },
        value: OutputValue::Concept(Concept { text: Some(text), ..Concept::default() }),
    };
    Ok(StatusReport {
        platform_referral: PlatformReferralId(key.clone()),
        key: Some(IdempotencyKey(key)),
        // Of statements with one date the one that is further on comes last: a date has no hours.
        event: format!("row/{}/{name}", rank(status)),
        order: PlatformOrder { version: None, instant: Some(date) },
        platform_status: Concept {
            code: Some(known.map_or(word, |row| row.platform.as_str()).to_owned()),
            ..Concept::default()
        },
        status,
        business_status: known.map_or(UNMAPPED, |row| row.business_status.as_str()).to_owned(),
        reason,
        outputs: outcome.into_iter().map(output).collect(),
    })
}

/// How far on a referral is.
const fn rank(status: Option<TaskStatus>) -> u8 {
    match status {
        None | Some(TaskStatus::Draft | TaskStatus::Requested) => 0,
        Some(TaskStatus::Received) => 1,
        Some(TaskStatus::Accepted) => 2,
        Some(TaskStatus::Ready) => 3,
        Some(TaskStatus::OnHold) => 4,
        Some(TaskStatus::InProgress) => 5,
        Some(
            TaskStatus::Rejected
            | TaskStatus::Cancelled
            | TaskStatus::Completed
            | TaskStatus::Failed
            | TaskStatus::EnteredInError,
        ) => 9,
    }
}

#[cfg(test)]
mod tests;
