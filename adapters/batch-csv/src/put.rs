//! Files that leave.

use crate::problems::rows;
use crate::settings::{Config, of_the_mapping};
use adapter_contract::{Adapter as _, Exchange, FilePut, PlatformRequest, Repeat, Step, TranslateError};
use adapter_declarative::DeclarativeAdapter;

/// The byte order mark in UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";
/// What files are (RFC 7111).
const CSV: &str = "text/csv; charset=utf-8; header=present";
/// First cell of the last row.
pub(crate) const TOTAL: &str = "TOTAL";

/// The key as a file name can have it.
///
/// # Errors
/// If it has anything but letters, digits and hyphens: nobody is led into another folder.
pub(crate) fn key(key: &str) -> Result<String, TranslateError> {
    let plain =
        !key.is_empty() && key.len() <= 100 && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if plain { Ok(key.to_owned()) } else { Err(TranslateError::new("keys.idempotency", "cannot be a file's name")) }
}

/// A file that is the same whenever it is made.
pub(crate) fn file(key: String, content: Vec<u8>, repeat: Repeat) -> FilePut {
    FilePut { name: format!("{key}.csv"), key, media_type: CSV.to_owned(), content, repeat }
}

/// The file of a referral: what the mapping makes of it, and a totals row.
///
/// # Errors
/// As the mapping's: the referral cannot be said in this format.
pub(crate) fn referral(
    way_out: &DeclarativeAdapter,
    exchange: &Exchange<'_>,
    config: &Config,
) -> Result<FilePut, TranslateError> {
    let key = key(&exchange.keys.idempotency.0)?;
    let settings = of_the_mapping(exchange.settings);
    let step = way_out.begin(&Exchange { settings: &settings, at: None, ..*exchange })?;
    let Step::Send(PlatformRequest::Http(request), _) = step else {
        return Err(TranslateError::new("mapping", "made no row"));
    };
    let row = request.body.unwrap_or_default();
    let mut content = if config.bom { BOM.to_vec() } else { Vec::new() };
    content.extend_from_slice(&row);
    // As wide as the others, which strict readers want.
    let columns =
        row.split(|byte| *byte == b'\n').next().map_or(1, |header| header.split(|byte| *byte == b',').count());
    content.extend_from_slice(&total(1, columns));
    Ok(file(key, content, config.repeat))
}

/// The totals row of a file with so many columns: how many rows there are beside header and itself.
pub(crate) fn total(count: usize, columns: usize) -> Vec<u8> {
    let mut row = vec![TOTAL.to_owned(), count.to_string()];
    row.resize(columns.max(2), String::new());
    rows(&[row])
}

/// The file that takes a referral back. A second one says the same.
///
/// # Errors
/// As [`key`].
pub(crate) fn withdrawal(referral: &str) -> Result<FilePut, TranslateError> {
    let name = key(&format!("{referral}-withdrawn"))?;
    let header = ["ref", "status"].map(str::to_owned).to_vec();
    let mut content = rows(&[header, vec![referral.to_owned(), "withdrawn".to_owned()]]);
    content.extend_from_slice(&total(1, 2));
    Ok(file(name, content, Repeat::Keyed))
}
