//! What every engine reads of notices alike.

use super::StoreError;
use super::rows::Columns;
use gateway_core::notify::Notice;

/// A due notice with its time and place; `None` if it cannot be read, as one that a newer gateway has written: it is said, and hides
/// none of the others.
pub(super) fn readable(row: &impl Columns) -> Result<Option<(i64, i64, Notice)>, StoreError> {
    let (due, place) = (row.integer(1)?, row.integer(2)?);
    match row.json(0, "notice") {
        Ok(notice) => Ok(Some((due, place, notice))),
        Err(error) => {
            tracing::error!(place, error = %error, "a notice cannot be read; it is kept, and waits");
            Ok(None)
        }
    }
}

/// The longest due first.
pub(super) fn in_order(mut found: Vec<(i64, i64, Notice)>) -> Vec<Notice> {
    found.sort_by_key(|(due, place, _)| (*due, *place));
    found.into_iter().map(|(_, _, notice)| notice).collect()
}
