//! `Task.status`: FHIR R4's twelve codes and nothing else.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// FHIR R4 `Task.status` (value set `http://hl7.org/fhir/ValueSet/task-status`, required binding).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskStatus {
    /// Not yet ready to be acted upon.
    Draft,
    /// Ready to be acted upon; action is sought.
    Requested,
    /// A potential performer has it and is considering.
    Received,
    /// The performer has agreed.
    Accepted,
    /// The performer will not do it.
    Rejected,
    /// Ready to be performed.
    Ready,
    /// Stopped by the requester.
    Cancelled,
    /// Started, not yet complete.
    InProgress,
    /// Started, work paused.
    OnHold,
    /// Attempted, could not be completed.
    Failed,
    /// Done.
    Completed,
    /// Should never have existed.
    EnteredInError,
}

impl TaskStatus {
    /// All twelve, in the order of the specification's value set.
    pub const ALL: [Self; 12] = [
        Self::Draft,
        Self::Requested,
        Self::Received,
        Self::Accepted,
        Self::Rejected,
        Self::Ready,
        Self::Cancelled,
        Self::InProgress,
        Self::OnHold,
        Self::Failed,
        Self::Completed,
        Self::EnteredInError,
    ];

    /// The code as FHIR spells it on the wire.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Requested => "requested",
            Self::Received => "received",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Ready => "ready",
            Self::Cancelled => "cancelled",
            Self::InProgress => "in-progress",
            Self::OnHold => "on-hold",
            Self::Failed => "failed",
            Self::Completed => "completed",
            Self::EnteredInError => "entered-in-error",
        }
    }

    /// True for states that no report moves again: rejected, cancelled, completed, failed, entered-in-error.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Rejected | Self::Cancelled | Self::Completed | Self::Failed | Self::EnteredInError)
    }
}

impl fmt::Display for TaskStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A word that is none of FHIR's twelve.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a FHIR R4 Task.status code")]
pub struct UnknownTaskStatus;

impl FromStr for TaskStatus {
    type Err = UnknownTaskStatus;

    fn from_str(code: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|status| status.code() == code).ok_or(UnknownTaskStatus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back_as_itself() {
        for status in TaskStatus::ALL {
            assert_eq!(status.code().parse(), Ok(status));
            assert_eq!(serde_json::to_value(status).expect("serialises"), status.code());
        }
        assert_eq!("done".parse::<TaskStatus>(), Err(UnknownTaskStatus));
    }
}
