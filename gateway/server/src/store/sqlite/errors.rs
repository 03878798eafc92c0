//! From SQLite's errors to ours. Texts name engine conditions and constraints, never a row's content.

use crate::store::{CommitError, StoreError};
use rusqlite::{ErrorCode, ffi};

/// A full disk is told apart from all else: SQLite says so itself, or cannot grow the log's index.
impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match &error {
            rusqlite::Error::SqliteFailure(failure, _)
                if failure.code == ErrorCode::DiskFull || failure.extended_code == ffi::SQLITE_IOERR_SHMSIZE =>
            {
                Self::Full
            }
            rusqlite::Error::SqliteFailure(..) => Self::Engine(error.to_string()),
            // The others may quote what they could not convert.
            _ => Self::Engine("a statement or value does not fit the schema".to_owned()),
        }
    }
}

impl From<rusqlite::Error> for CommitError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// One error told to several.
pub(super) fn again(error: &StoreError) -> StoreError {
    match error {
        StoreError::Full => StoreError::Full,
        StoreError::Closed => StoreError::Closed,
        StoreError::Engine(words) => StoreError::Engine(words.clone()),
    }
}

/// A stored value that cannot be read back.
pub(super) fn unreadable(what: &str) -> StoreError {
    StoreError::Engine(format!("a stored {what} cannot be read"))
}
