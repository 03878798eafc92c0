//! From SQLite's errors to ours. Texts name engine conditions and constraints, never a row's content.

pub(super) use crate::store::values::{again, unreadable};
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
