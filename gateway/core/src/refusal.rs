//! A request that is refused: the HTTP status and every fault that was found.

use gateway_fhir::{Issue, IssueCode, issue};

/// Why a request was refused. Nothing of it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// All faults at once.
    pub issues: Vec<Issue>,
    /// Seconds after which the same request may pass; absent where waiting does not help, or nobody knows how long.
    pub retry_after: Option<u32>,
}

impl Refusal {
    /// Several faults.
    #[must_use]
    pub fn several(status: u16, issues: Vec<Issue>) -> Self {
        Self { status, issues, retry_after: None }
    }

    /// One fault with its own status.
    #[must_use]
    pub fn one(status: u16, issue: Issue) -> Self {
        Self::several(status, vec![issue])
    }

    /// It passes if it is sent again after so many seconds.
    #[must_use]
    pub fn wait(status: u16, issue: Issue, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..Self::one(status, issue) }
    }

    /// Faults of a document: `400` if it is not what it claims to be, `422` if it breaks a rule.
    #[must_use]
    pub fn of_document(issues: Vec<Issue>) -> Self {
        let malformed = issues.iter().any(|issue| issue.code == IssueCode::Structure && is_error(issue));
        Self::several(if malformed { 400 } else { 422 }, issues)
    }

    /// The answer for a thing that does not exist, or is another's: always the same words.
    #[must_use]
    pub fn not_found() -> Self {
        Self::one(404, Issue::general(IssueCode::NotFound, "There is no such resource here."))
    }
}

/// `Err` with all of them if any is an error; warnings alone pass.
///
/// # Errors
/// [`Refusal`] when at least one issue is an error.
pub fn pass_or_refuse(issues: Vec<Issue>) -> Result<(), Refusal> {
    if issues.iter().any(is_error) { Err(Refusal::of_document(issues)) } else { Ok(()) }
}

fn is_error(issue: &Issue) -> bool {
    issue.severity == issue::Severity::Error
}
