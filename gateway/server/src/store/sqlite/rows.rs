//! SQLite's rows as [`Columns`], and what reads them in place.

pub(super) use crate::store::rows::*;
pub(super) use crate::store::values::*;

use crate::store::StoreError;
use rusqlite::Row;
use serde::de::DeserializeOwned;
use std::borrow::Cow;

impl Columns for Row<'_> {
    fn text(&self, column: usize) -> Result<Cow<'_, str>, StoreError> {
        text(self, column).map(Cow::Borrowed)
    }

    fn text_or_null(&self, column: usize) -> Result<Option<String>, StoreError> {
        Ok(self.get(column)?)
    }

    fn integer(&self, column: usize) -> Result<i64, StoreError> {
        Ok(self.get(column)?)
    }

    fn integer_or_null(&self, column: usize) -> Result<Option<i64>, StoreError> {
        Ok(self.get(column)?)
    }

    fn bytes(&self, column: usize) -> Result<&[u8], StoreError> {
        self.get_ref(column)?.as_blob().map_err(|_| unreadable("bytes"))
    }

    fn bytes_or_null(&self, column: usize) -> Result<Option<&[u8]>, StoreError> {
        self.get_ref(column)?.as_blob_or_null().map_err(|_| unreadable("bytes"))
    }
}

/// A number as we keep it.
pub(super) fn natural(row: &Row<'_>, column: usize) -> Result<u64, StoreError> {
    Columns::natural(row, column)
}

/// A text column holding JSON.
pub(super) fn body<T: DeserializeOwned>(row: &Row<'_>, column: usize, what: &str) -> Result<T, StoreError> {
    Columns::json(row, column, what)
}

/// A text column, without a copy.
pub(super) fn text<'row>(row: &'row Row<'_>, column: usize) -> Result<&'row str, StoreError> {
    row.get_ref(column)?.as_str().map_err(|_| unreadable("text"))
}
