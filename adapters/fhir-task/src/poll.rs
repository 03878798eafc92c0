//! Polling: `Task?_lastUpdated=ge…`, page by page (SDOH Clinical Care, "Checking Task status"; R4 search and paging).
//!
//! The cursor is `since:<start>` between polls and `page:<start> <reached> <relative address>` between the pages of one
//! poll; an instant that is not known is `-`. When the last page is read, the next poll starts at what was reached:
//! [`OVERLAP`] before the newest update seen. So updates that became visible late, or share an instant with the last
//! one, are shown again rather than lost, and the gateway drops what it has by the report's event.

use crate::http::get;
use crate::settings::Config;
use crate::task::{Known, key, read_task};
use adapter_contract::{
    Answer, Cursor, DeliveryError, FailureCode, PlatformReferralId, PlatformRequest, Progress, Reading, ReportPage,
    Step, TranslateError,
};
use adapter_fhir::answer::{status, success, unreadable};
use adapter_fhir::json::{Object, array};
use adapter_fhir::read::{bundle_entries, is_id};
use time::format_description::well_known::{Rfc2822, Rfc3339};
use time::{Duration, OffsetDateTime, UtcOffset};

/// Step whose answer is a page.
pub(crate) const PAGE: &str = "poll";

/// How far the next poll reaches back behind the newest update seen.
pub(crate) const OVERLAP: Duration = Duration::minutes(5);

/// Tasks on one page.
const COUNT: &str = "50";

/// Where polling stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stand {
    /// Start of this poll; absent = the beginning.
    since: Option<OffsetDateTime>,
    /// Start of the next poll, as far as the pages read so far can tell. Servers need not sort, so it holds only once
    /// all pages are read.
    reached: Option<OffsetDateTime>,
    /// The page that waits, relative to the base.
    page: Option<String>,
}

impl Stand {
    fn read(cursor: Option<&Cursor>) -> Result<Self, TranslateError> {
        let wrong = || TranslateError::new("exchange.cursor", "was not written by this adapter");
        let Some(Cursor(text)) = cursor else { return Ok(Self { since: None, reached: None, page: None }) };
        let bound = |text: &str| match text {
            "-" => Ok(None),
            _ => instant(text).map(Some).ok_or_else(wrong),
        };
        if let Some(since) = text.strip_prefix("since:") {
            return Ok(Self { since: bound(since)?, reached: None, page: None });
        }
        let mut parts = text.strip_prefix("page:").ok_or_else(wrong)?.splitn(3, ' ');
        let mut part = || parts.next().ok_or_else(wrong);
        Ok(Self { since: bound(part()?)?, reached: bound(part()?)?, page: Some(part()?.to_owned()) })
    }

    fn write(&self) -> Cursor {
        let bound =
            |at: Option<OffsetDateTime>| at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_else(|| "-".to_owned());
        Cursor(match &self.page {
            Some(page) => format!("page:{} {} {page}", bound(self.since), bound(self.reached)),
            None => format!("since:{}", bound(self.since)),
        })
    }
}

/// The request for the page that waits, or for the first one.
pub(crate) fn begin(cursor: Option<&Cursor>) -> Result<Step, TranslateError> {
    let stand = Stand::read(cursor)?;
    let request = match &stand.page {
        Some(page) => {
            let (path, query) = page.split_once('?').unwrap_or((page, ""));
            get(path, decoded(query))
        }
        None => {
            let since = stand.since.and_then(|since| since.format(&Rfc3339).ok());
            let mut query: Vec<_> =
                since.map(|since| ("_lastUpdated".to_owned(), format!("ge{since}"))).into_iter().collect();
            query.push(("_count".to_owned(), COUNT.to_owned()));
            query.push(("_sort".to_owned(), "_lastUpdated".to_owned()));
            get("Task", query)
        }
    };
    Ok(Step::Send(PlatformRequest::Http(request), Progress::at(PAGE)))
}

/// Reads one page.
pub(crate) fn resume(config: &Config<'_>, cursor: Option<&Cursor>, answer: &Answer) -> Result<Step, TranslateError> {
    let stand = Stand::read(cursor)?;
    if stand.page.is_some() && matches!(status(answer), 400 | 404 | 410) {
        // Servers keep pages for a while only. The next poll starts where this one did, so nothing is passed over.
        let cursor = Some(Stand { reached: None, page: None, ..stand }.write());
        return Ok(Step::Reports(ReportPage { readings: Vec::new(), cursor, more: false }));
    }
    Ok(page(config, &stand, answer).map_or_else(Step::Failed, Step::Reports))
}

fn page(config: &Config<'_>, stand: &Stand, answer: &Answer) -> Result<ReportPage, DeliveryError> {
    let body = success(answer)?;
    let entries = bundle_entries(body, "searchset")
        .ok_or_else(|| unreadable("the answer to the search is not a searchset Bundle"))?;
    let mut known = Known::default();
    for (full_url, entry) in &entries {
        if let Some(resource) = entry.raw("resource") {
            known.add(full_url.as_deref(), resource);
        }
    }
    let (mut readings, mut newest) = (Vec::new(), None);
    for text in entries.iter().filter_map(|(_, entry)| entry.raw("resource")) {
        let Some(task) = Object::read(text).filter(|task| task.string("resourceType").as_deref() == Some("Task"))
        else {
            continue;
        };
        let updated = task.raw("meta").and_then(Object::read).and_then(|meta| instant(&meta.string("lastUpdated")?));
        newest = newest.max(updated);
        if key(&task).is_some() {
            readings.extend(reading(&task, text, &mut known, config));
        }
    }
    let next = next_page(config, body)?;
    // A Task dated in the platform's own future must not push the cursor over updates that are still to come.
    let answered = answer.header("date").and_then(|date| OffsetDateTime::parse(date, &Rfc2822).ok());
    let newest = newest.map(|newest| answered.map_or(newest, |answered| newest.min(answered)));
    let reached = newest.and_then(|newest| newest.checked_sub(OVERLAP)).and_then(|at| at.replace_nanosecond(0).ok());
    if next.is_some() && next == stand.page {
        return Err(DeliveryError::new(FailureCode::Refused, "the link to the next page leads back to the same page"));
    }
    let reached = stand.reached.max(reached);
    let next = match next {
        Some(page) => Stand { since: stand.since, reached, page: Some(page) },
        None => Stand { since: stand.since.max(reached), reached: None, page: None },
    };
    let somewhere = next.page.is_some() || next.since.is_some();
    Ok(ReportPage { readings, more: next.page.is_some(), cursor: somewhere.then(|| next.write()) })
}

/// One Task's reading. A malformed one is named, so that it is read by itself and fails alone.
fn reading(task: &Object<'_>, text: &str, known: &mut Known, config: &Config<'_>) -> Option<Reading> {
    let changed = |id: String| is_id(&id).then_some(Reading::Changed(PlatformReferralId(id)));
    match read_task(text, known, Some(config.base_url)) {
        Ok(read) if read.unresolved.is_empty() => Some(Reading::Status(read.report)),
        Ok(read) => changed(read.report.platform_referral.0),
        Err(_) => changed(task.string("id")?),
    }
}

/// The link to the next page, relative to the base. A link elsewhere is refused: credentials must not follow it.
fn next_page(config: &Config<'_>, body: &str) -> Result<Option<String>, DeliveryError> {
    let links = Object::read(body).and_then(|bundle| bundle.raw("link")).map(array).unwrap_or_default();
    let next =
        links.into_iter().filter_map(Object::read).find(|link| link.string("relation").as_deref() == Some("next"));
    let Some(url) = next.and_then(|link| link.string("url")) else { return Ok(None) };
    let relative = match url.strip_prefix(config.base_url) {
        Some(rest) if rest.starts_with('?') => Some(rest),
        Some(rest) => rest.strip_prefix('/'),
        None => (!url.contains("://") && !url.starts_with('/')).then_some(url.as_str()),
    };
    let stays = |page: &&str| {
        let path = page.split('?').next().unwrap_or_default();
        !page.contains(['#', ' ', '\\'])
            && !path.starts_with('/')
            && !path.contains("//")
            && !path.contains("%2")
            && path.split('/').all(|segment| segment != ".." && segment != ".")
            && !path.contains(':')
    };
    match relative.filter(stays) {
        Some(page) => Ok(Some(page.to_owned())),
        None => {
            let said = "the link to the next page leads outside the platform's base address (setting base-url)";
            Err(DeliveryError::new(FailureCode::Refused, said))
        }
    }
}

/// A FHIR instant in UTC.
fn instant(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok().map(|instant| instant.to_offset(UtcOffset::UTC))
}

/// Name and value pairs of a query string, percent-decoded, as the contract wants them.
fn decoded(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        let escaped = || {
            let digits = tail.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
            u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
        };
        match (first, if first == b'%' { escaped() } else { None }) {
            (_, Some(byte)) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            (b'+', None) => bytes.push(b' '),
            (byte, None) => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests;
