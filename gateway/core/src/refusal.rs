//! A request that is refused: the HTTP status and every fault that was found.

use gateway_fhir::{Issue, IssueCode, issue};

/// Why a request was refused. Nothing of it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// All faults at once.
    pub issues: Vec<Issue>,
}

impl Refusal {
    /// One fault with its own status.
    #[must_use]
    pub fn one(status: u16, issue: Issue) -> Self {
        Self { status, issues: vec![issue] }
    }

    /// Faults of a document: `400` if it is not what it claims to be, `422` if it breaks a rule.
    #[must_use]
    pub fn of_document(issues: Vec<Issue>) -> Self {
        let malformed = issues.iter().any(|issue| issue.code == IssueCode::Structure && is_error(issue));
        Self { status: if malformed { 400 } else { 422 }, issues }
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
