//! From PostgreSQL's errors to ours. Texts name conditions and constraints, never a row's content: a message of the server
//! may quote a value, so none is passed on.

use crate::store::{CommitError, StoreError};
use gateway_core::change::CheckFailure;

/// Why a step did not come off.
#[derive(Debug)]
pub(super) enum Fault {
    /// A check did not hold.
    Refused(CheckFailure),
    /// The store failed; doing it again would not help.
    Store(StoreError),
    /// The server or the way to it went away, or never answered.
    Lost(String),
    /// Another stood in the way: nothing was done, and doing it again helps.
    Conflict(String),
}

impl From<CheckFailure> for Fault {
    fn from(failure: CheckFailure) -> Self {
        Self::Refused(failure)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(told) => {
                let code = told.code().unwrap_or_default().into_owned();
                let constraint = told.constraint().map(|name| format!(", {name}")).unwrap_or_default();
                let words = format!("PostgreSQL says {code}{constraint}");
                match code.as_str() {
                    // disk_full
                    "53100" => Self::Store(StoreError::Full),
                    // serialization_failure, deadlock_detected, lock_not_available, query_canceled (it took too long)
                    "40001" | "40P01" | "55P03" | "57014" => Self::Conflict(words),
                    // Too many connections, the server stops or starts, our transaction was idle for too long.
                    "53300" | "57P01" | "57P02" | "57P03" | "57P05" | "25P03" => Self::Lost(words),
                    // What was a primary has become a standby: the connection leads to the wrong server now.
                    "25006" => Self::Lost(words),
                    _ if code.starts_with("08") => Self::Lost(words),
                    _ => Self::Store(StoreError::Engine(words)),
                }
            }
            sqlx::Error::Io(error) => Self::Lost(format!("PostgreSQL cannot be reached: {}", error.kind())),
            sqlx::Error::PoolTimedOut => {
                Self::Lost("PostgreSQL cannot be reached: no connection became free".to_owned())
            }
            sqlx::Error::Tls(_) => Self::Lost("PostgreSQL cannot be reached: TLS failed".to_owned()),
            sqlx::Error::Protocol(_) | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
                Self::Lost("the connection to PostgreSQL broke".to_owned())
            }
            sqlx::Error::Configuration(_) => {
                Self::Store(StoreError::Engine("the address of the database is not one of PostgreSQL".to_owned()))
            }
            // The others may quote what they could not convert.
            _ => Self::Store(StoreError::Engine("a statement or value does not fit the schema".to_owned())),
        }
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refused(failure) => Self::Engine(failure.to_string()),
            Fault::Store(error) => error,
            Fault::Lost(words) | Fault::Conflict(words) => Self::Away(words),
        }
    }
}

impl From<Fault> for CommitError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refused(failure) => Self::Refused(failure),
            other => Self::Store(other.into()),
        }
    }
}
