//! Faults and how they are told: one `OperationOutcome.issue` each.

use crate::Json;
use serde_json::json;

/// `OperationOutcome.issue.severity` as the gateway uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The request was refused for this.
    Error,
    /// The request stands; the sender should know.
    Warning,
    /// For information.
    Information,
}

/// The codes of `http://hl7.org/fhir/issue-type` that the gateway emits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IssueCode {
    /// Not well-formed.
    Structure,
    /// A required element is missing.
    Required,
    /// A value is wrong.
    Value,
    /// An invariant is broken.
    Invariant,
    /// A code is outside its binding.
    CodeInvalid,
    /// An extension that may not be ignored is unknown.
    Extension,
    /// No such thing, or not yours.
    NotFound,
    /// It was there and has been erased.
    Deleted,
    /// It exists already.
    Duplicate,
    /// It clashes with the present state.
    Conflict,
    /// A criterion matches several.
    MultipleMatches,
    /// A rule of the gateway forbids it.
    BusinessRule,
    /// Not supported here.
    NotSupported,
    /// Over a size limit.
    TooLong,
    /// Over a cost limit.
    TooCostly,
    /// Nobody is logged in.
    Login,
    /// Not allowed.
    Forbidden,
    /// Too many requests.
    Throttled,
    /// Time ran out.
    Timeout,
    /// A temporary fault of ours.
    Transient,
    /// No room left.
    NoStore,
    /// A fault of ours.
    Exception,
    /// For information.
    Informational,
}

impl IssueCode {
    /// The code as FHIR spells it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Structure => "structure",
            Self::Required => "required",
            Self::Value => "value",
            Self::Invariant => "invariant",
            Self::CodeInvalid => "code-invalid",
            Self::Extension => "extension",
            Self::NotFound => "not-found",
            Self::Deleted => "deleted",
            Self::Duplicate => "duplicate",
            Self::Conflict => "conflict",
            Self::MultipleMatches => "multiple-matches",
            Self::BusinessRule => "business-rule",
            Self::NotSupported => "not-supported",
            Self::TooLong => "too-long",
            Self::TooCostly => "too-costly",
            Self::Login => "login",
            Self::Forbidden => "forbidden",
            Self::Throttled => "throttled",
            Self::Timeout => "timeout",
            Self::Transient => "transient",
            Self::NoStore => "no-store",
            Self::Exception => "exception",
            Self::Informational => "informational",
        }
    }
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// How bad.
    pub severity: Severity,
    /// What kind.
    pub code: IssueCode,
    /// What is wrong and how to mend it. Never a value that was received.
    pub diagnostics: String,
    /// Where: FHIRPath with indexes, for example `ServiceRequest.category[0].coding[0].system`.
    pub expression: Option<String>,
}

impl Issue {
    /// An error at a place.
    #[must_use]
    pub fn at(code: IssueCode, expression: impl Into<String>, diagnostics: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code, diagnostics: diagnostics.into(), expression: Some(expression.into()) }
    }

    /// An error that has no place in a document.
    #[must_use]
    pub fn general(code: IssueCode, diagnostics: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code, diagnostics: diagnostics.into(), expression: None }
    }

    /// The same fault seen from a document that holds this one below `prefix`: `Patient.name[0]` under
    /// `Bundle.entry[2].resource` becomes `Bundle.entry[2].resource.name[0]`.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        self.expression = Some(match self.expression.as_deref().and_then(|path| path.split_once('.')) {
            Some((_, rest)) => format!("{prefix}.{rest}"),
            None => prefix.to_owned(),
        });
        self
    }
}

/// An `OperationOutcome` of these issues (R4 requires at least one: an empty list becomes an informational one).
#[must_use]
pub fn operation_outcome(issues: &[Issue]) -> Json {
    let rows: Vec<serde_json::Value> = issues
        .iter()
        .map(|issue| {
            let severity = match issue.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Information => "information",
            };
            let mut row = json!({ "severity": severity, "code": issue.code.code(), "diagnostics": issue.diagnostics });
            if let (Some(place), Some(row)) = (&issue.expression, row.as_object_mut()) {
                row.insert("expression".to_owned(), json!([place]));
            }
            row
        })
        .collect();
    let rows = if rows.is_empty() {
        vec![json!({ "severity": "information", "code": "informational", "diagnostics": "All OK" })]
    } else {
        rows
    };
    json!({ "resourceType": "OperationOutcome", "issue": rows }).into()
}
