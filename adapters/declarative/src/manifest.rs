//! `adapter.toml`: what an adapter says of itself. The contract's descriptor without data needs and accepted losses,
//! which come from the mapping, and with the mutants that its author knows to change nothing.
//!
//! Every fault is found, each with its line; it knows nothing of the mapping.

mod table;

use crate::fault::Fault;
use crate::folder::{Folder, MANIFEST};
use adapter_contract::business_status::BUSINESS_STATUSES;
use adapter_contract::{Capabilities, LAST_MINUTE, Limits, Pace, StatusRow, TaskStatus};
use std::collections::BTreeMap;
use table::{Place, Table};
use toml::de::DeTable;

/// Codes of the gateway's business-status code system that an adapter may use.
fn business_statuses() -> Vec<&'static str> {
    BUSINESS_STATUSES.iter().filter(|one| one.for_adapters).map(|one| one.code).collect()
}

/// A manifest that holds together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// Folder and registry name.
    pub(crate) name: String,
    /// The author's own version.
    pub(crate) version: String,
    /// The published format, in the words of its source.
    pub(crate) format: String,
    /// What the platform can do.
    pub(crate) capabilities: Capabilities,
    /// Bounds.
    pub(crate) limits: Limits,
    /// Status words.
    pub(crate) statuses: Vec<StatusRow>,
    /// The line of each of these rows.
    pub(crate) status_lines: Vec<u32>,
    /// Mutants that no fixture can notice.
    pub(crate) equivalent: Vec<EquivalentMutant>,
}

/// A mutant that its author declares to change nothing that anybody could see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EquivalentMutant {
    /// The rule's target, as `adapter check` prints it.
    pub(crate) target: String,
    /// The change, as `adapter check` prints it.
    pub(crate) change: String,
    /// Line in the manifest.
    pub(crate) line: u32,
}

impl Manifest {
    /// What the compiler has to know.
    pub(crate) fn known(&self) -> Known {
        Known {
            capabilities: Some(self.capabilities),
            statuses: Some(self.statuses.iter().map(|row| row.platform.clone()).collect()),
            steps: Some(self.limits.steps),
        }
    }
}

/// What of a faulty manifest could be read nonetheless, so that the mapping can be held against it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// What the platform can do.
    pub(crate) capabilities: Option<Capabilities>,
    /// Its status words.
    pub(crate) statuses: Option<Vec<String>>,
    /// Most requests of one exchange.
    pub(crate) steps: Option<u32>,
}

/// A manifest that does not hold together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Broken {
    /// Everything that is wrong.
    pub(crate) faults: Vec<Fault>,
    /// What is known nonetheless.
    pub(crate) known: Known,
}

impl From<Fault> for Broken {
    fn from(fault: Fault) -> Self {
        Self { faults: vec![fault], known: Known::default() }
    }
}

/// Reads `adapter.toml` of this folder.
///
/// # Errors
/// All faults.
pub(crate) fn read(folder: &Folder) -> Result<Manifest, Broken> {
    let Some(bytes) = folder.get(MANIFEST) else {
        let mend = "write one with name, version, format, [capabilities], [limits] and [[statuses]]";
        return Err(Fault::of_file(MANIFEST, "adapter.toml is missing: every adapter has a manifest")
            .mend(mend)
            .into());
    };
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(Fault::of_file(MANIFEST, "adapter.toml is not UTF-8 text").into());
    };
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let fault = |error: &toml::de::Error| {
            let at = error.span().map_or(0, |span| span.start);
            Fault::at(MANIFEST, text, at, error.message().replace('\n', "; "))
        };
        return Err(Broken { faults: errors.iter().map(fault).collect(), known: Known::default() });
    }
    let mut place = Place { file: MANIFEST, text, faults: Vec::new() };
    let mut known = Known::default();
    let manifest = manifest(document.get_ref(), folder.name(), &mut known, &mut place);
    match (manifest, place.faults.is_empty()) {
        (Some(manifest), true) => Ok(manifest),
        (_, _) => {
            place.faults.sort_by_key(|fault| (fault.line, fault.column));
            Err(Broken { faults: place.faults, known })
        }
    }
}

/// `None` only if a fault was noted.
fn manifest(document: &DeTable<'_>, folder: &str, known: &mut Known, place: &mut Place<'_>) -> Option<Manifest> {
    let mut top = Table::new(document, None, "", place);
    top.elsewhere("data-needs", "is derived from the mapping: what its rules read is what the adapter needs", place);
    top.elsewhere("accepted-losses", "stands in the mapping, beside the rules that it excuses", place);
    let name = top.text("name", place);
    let version = top.text("version", place);
    let format = top.text("format", place);
    let capabilities = top.table("capabilities", true, place).map(|mut table| {
        let mut is = |key: &str| table.boolean(key, place);
        let read = [is("cancel"), is("hold"), is("look-up"), is("poll"), is("push")];
        let amend = table.amend("amend", read[0] == Some(true), place);
        table.end(place);
        let [cancel, hold, look_up, poll, push] = read;
        Some(Capabilities {
            cancel: cancel?,
            hold: hold?,
            look_up: look_up?,
            poll: poll?,
            push: push?,
            status_link: false,
            amend: amend?,
        })
    });
    known.capabilities = capabilities.flatten();
    let limits = top.table("limits", true, place).map(|mut table| {
        let steps = table.number("steps", 1..=20, place);
        let answer_seconds = table.number("answer-seconds", 1..=300, place);
        let answer_bytes = table.number("answer-bytes", 1024..=64 * 1024 * 1024, place);
        let poll_seconds = table.number("poll-seconds", 1..=7 * 24 * 3600, place);
        let pace = table.table("pace", false, place).map(|mut table| {
            let requests_per_minute = table.optional_number("requests-per-minute", place);
            let burst = table.optional_number("burst", place);
            let at_once = table.optional_number("at-once", place);
            let requests_per_day = table.optional_number("requests-per-day", place);
            let urgent_per_day = table.optional_number("urgent-per-day", place);
            let day_starts_minute = table.optional_number_to("day-starts-minute", LAST_MINUTE, place);
            table.end(place);
            Pace { requests_per_minute, burst, at_once, requests_per_day, urgent_per_day, day_starts_minute }
        });
        table.end(place);
        known.steps = steps;
        Some(Limits {
            steps: steps?,
            answer_seconds: answer_seconds?,
            answer_bytes: answer_bytes?,
            poll_seconds: poll_seconds?,
            pace: pace.unwrap_or_default(),
        })
    });
    let read: Vec<_> = top.tables("statuses", place).into_iter().map(|table| status(table, place)).collect();
    let words: Option<Vec<String>> = read.iter().map(|(word, _)| word.clone()).collect();
    let statuses: Vec<_> = read.into_iter().map(|(_, row)| row).collect();
    known.statuses = words;
    let equivalent = top.tables("equivalent-mutants", place).into_iter().map(|table| equivalent(table, place));
    let equivalent = equivalent.collect::<Vec<_>>();
    twice(&statuses, place);
    check_name(name.as_ref(), folder, place);
    check_version(version.as_ref(), place);
    top.end(place);
    Some(Manifest {
        name: name?.0,
        version: version?.0,
        format: format?.0,
        capabilities: known.capabilities?,
        limits: limits.flatten()?,
        status_lines: statuses.iter().flatten().map(|(_, at)| Fault::at(MANIFEST, place.text, *at, "").line).collect(),
        statuses: statuses.into_iter().map(|row| Some(row?.0)).collect::<Option<_>>()?,
        equivalent: equivalent.into_iter().collect::<Option<_>>()?,
    })
}

/// One row of the status table: its word, and the row with the byte where the word stands.
fn status(mut table: Table<'_>, place: &mut Place<'_>) -> (Option<String>, Option<(StatusRow, usize)>) {
    let platform = table.text("platform", place);
    let status = table.optional_text("status", place).map(|(code, at)| {
        let read = code.parse::<TaskStatus>().ok();
        if read.is_none() {
            let all: Vec<&str> = TaskStatus::ALL.into_iter().map(TaskStatus::code).collect();
            place.suggest(at, format!("`{code}` is no FHIR R4 Task.status"), &code, &all);
        }
        read
    });
    let business = table.text("business-status", place);
    if let Some((code, at)) = &business
        && !business_statuses().contains(&code.as_str())
    {
        let words = format!("`{code}` is no code of the gateway's business-status code system (docs/status.md)");
        place.suggest(*at, words, code, &business_statuses());
    }
    table.end(place);
    let word = platform.as_ref().map(|(word, _)| word.clone());
    let row = || {
        let (platform, at) = platform?;
        // A status that was given and could not be read is a fault, not an absent one.
        let status = match status {
            None => None,
            Some(read) => Some(read?),
        };
        Some((StatusRow { platform, status, business_status: business?.0 }, at))
    };
    (word, row())
}

fn equivalent(mut table: Table<'_>, place: &mut Place<'_>) -> Option<EquivalentMutant> {
    let target = table.text("target", place);
    let change = table.text("change", place);
    table.text("because", place);
    table.end(place);
    let (target, at) = target?;
    Some(EquivalentMutant { target, change: change?.0, line: Fault::at(MANIFEST, place.text, at, "").line })
}

/// Two rows for one word would contradict each other or say nothing.
fn twice(rows: &[Option<(StatusRow, usize)>], place: &mut Place<'_>) {
    let mut seen = BTreeMap::new();
    for (row, at) in rows.iter().flatten() {
        if let Some(first) = seen.insert(row.platform.as_str(), *at) {
            let line = Fault::at(MANIFEST, place.text, first, "").line;
            place.fault(*at, format!("the word `{}` has a row already, at line {line}", row.platform), "keep one row");
        }
    }
}

fn check_name(name: Option<&(String, usize)>, folder: &str, place: &mut Place<'_>) {
    let Some((name, at)) = name else { return };
    if !is_name(name) {
        place.fault(
            *at,
            format!("`{name}` is no name of an adapter"),
            "use lower-case letters, digits and hyphens, a letter first, 64 at most",
        );
    } else if name != folder {
        let mend = format!("name the folder `{name}`, or write name = \"{folder}\"");
        place.fault(*at, format!("the adapter is named `{name}` but its folder `{folder}`"), mend);
    }
}

/// Whether an adapter may be called so.
pub(crate) fn is_name(name: &str) -> bool {
    let letters = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    name.len() <= 64 && name.starts_with(|first: char| first.is_ascii_lowercase()) && name.bytes().all(letters)
}

fn check_version(version: Option<&(String, usize)>, place: &mut Place<'_>) {
    let Some((version, at)) = version else { return };
    let parts: Vec<&str> = version.split('.').collect();
    let numeric = |part: &&str| !part.is_empty() && part.len() <= 9 && part.bytes().all(|byte| byte.is_ascii_digit());
    if parts.len() != 3 || !parts.iter().all(numeric) {
        place.fault(
            *at,
            format!("`{version}` is no version"),
            "write three numbers, for example \"0.1.0\"; the gateway adds the hash of the folder",
        );
    }
}

#[cfg(test)]
mod tests;
