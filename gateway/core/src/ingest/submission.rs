//! What was sent: a transaction Bundle or a single resource, as drafts, with all faults of form.

use crate::ingest::{STAND_ALONE, STORED};
use crate::refusal::{Refusal, pass_or_refuse};
use gateway_fhir::{Issue, IssueCode, Json, bundle, typed, validate};

/// What a request wants written.
#[derive(Debug, Clone, PartialEq)]
pub struct Submission {
    /// In the order of the request.
    pub drafts: Vec<Draft>,
}

/// One resource as it was sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Where it stands in the request: `Bundle.entry[2].resource`, or the type for a single resource.
    pub place: String,
    /// `fullUrl`, by which others refer to it.
    pub full_url: Option<String>,
    /// Type.
    pub kind: String,
    /// The `id` that it carried; ignored on create, as R4 requires, except that entries of the same Bundle may refer
    /// to it.
    pub sent_id: Option<String>,
    /// Create or update.
    pub write: Write,
    /// `If-None-Exist`.
    pub if_none_exist: Option<String>,
    /// The resource.
    pub document: Json,
}

/// How a draft is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Under a new id.
    Create,
    /// Under this id; a supporting resource that does not exist yet is created there.
    Update {
        /// The id.
        id: String,
        /// The version that the sender saw.
        if_match: Option<u64>,
    },
}

/// Reads a transaction Bundle.
///
/// # Errors
/// [`Refusal`] with all faults of form: of the Bundle and of every resource in it.
pub fn read(document: &Json, max_entries: usize) -> Result<Submission, Refusal> {
    let mut issues = validate::resource(document);
    let entries = match bundle::transaction(document, max_entries) {
        Ok(entries) => entries,
        Err(faults) => {
            issues.extend(faults);
            return Err(Refusal::of_document(deduplicated(issues)));
        }
    };
    let valid = pass_or_refuse(issues.clone()).is_ok();
    let mut drafts = Vec::with_capacity(entries.len());
    for entry in entries {
        let place = format!("Bundle.entry[{}].resource", entry.index);
        let Some(resource) = entry.resource else { continue };
        let kind = resource.text("resourceType").unwrap_or_default().to_owned();
        if !STORED.contains(&kind.as_str()) {
            issues.push(Issue::at(
                IssueCode::NotSupported,
                &place,
                format!("This type is not stored here. Stored types: {}.", STORED.join(", ")),
            ));
            continue;
        }
        issues.extend(implicit_rules(&resource, &place));
        // A second opinion on what our own validation let pass; on the rest it could only repeat it, less exactly.
        if valid {
            issues.extend(typed::check(&resource).into_iter().map(|issue| issue.under(&place)));
        }
        if entry.if_match.as_deref().is_some_and(|text| parse_etag(text).is_none()) {
            issues.push(Issue::at(
                IssueCode::Value,
                format!("Bundle.entry[{}].request.ifMatch", entry.index),
                "ifMatch takes the ETag of one version, for example W/\"3\".",
            ));
        }
        let write = match entry.method.as_str() {
            "PUT" if kind == "Task" => {
                issues.push(Issue::at(
                    IssueCode::NotSupported,
                    format!("Bundle.entry[{}].request.method", entry.index),
                    "A Task is not updated inside a transaction: send PUT or PATCH to the Task itself.",
                ));
                continue;
            }
            "PUT" if kind == "ServiceRequest" && entry.if_match.is_none() => {
                issues.push(Issue::at(
                    IssueCode::Required,
                    format!("Bundle.entry[{}].request.ifMatch", entry.index),
                    "Say which version you have read: a ServiceRequest is changed with ifMatch.",
                ));
                continue;
            }
            "PUT" => Write::Update {
                id: entry.url.split_once('/').map(|(_, id)| id.to_owned()).unwrap_or_default(),
                if_match: entry.if_match.as_deref().and_then(parse_etag),
            },
            _ => Write::Create,
        };
        drafts.push(Draft {
            place,
            full_url: entry.full_url,
            sent_id: resource.text("id").map(str::to_owned),
            kind,
            write,
            if_none_exist: entry.if_none_exist,
            document: resource,
        });
    }
    pass_or_refuse(deduplicated(issues))?;
    if drafts.is_empty() {
        let fault = Issue::at(IssueCode::Required, "Bundle.entry", "The transaction holds no resource.");
        return Err(Refusal::one(422, fault));
    }
    Ok(Submission { drafts })
}

/// Reads a single resource that was posted to its type's address.
///
/// # Errors
/// [`Refusal`] with all faults of form, or if this type is not created by itself.
pub fn read_single(document: Json, kind: &str, if_none_exist: Option<String>) -> Result<Submission, Refusal> {
    if !STAND_ALONE.contains(&kind) {
        let words =
            format!("This type comes inside a transaction Bundle. Created by themselves: {}.", STAND_ALONE.join(", "));
        return Err(Refusal::one(422, Issue::general(IssueCode::NotSupported, words)));
    }
    pass_or_refuse(check_single(&document, kind))?;
    Ok(Submission {
        drafts: vec![Draft {
            place: kind.to_owned(),
            full_url: None,
            kind: kind.to_owned(),
            sent_id: None,
            write: Write::Create,
            if_none_exist,
            document,
        }],
    })
}

/// Faults of form of one resource that must be of this type.
#[must_use]
pub fn check_single(document: &Json, kind: &str) -> Vec<Issue> {
    if document.text("resourceType") != Some(kind) {
        return vec![Issue::at(
            IssueCode::Structure,
            "resourceType",
            format!("The address is for {kind}; the body is of another type."),
        )];
    }
    let mut issues = validate::resource(document);
    issues.extend(implicit_rules(document, kind));
    if pass_or_refuse(issues.clone()).is_err() { deduplicated(issues) } else { typed::check(document) }
}

/// `implicitRules` changes what a resource means, and the gateway understands no such rules.
fn implicit_rules(document: &Json, place: &str) -> Option<Issue> {
    document.get("implicitRules")?;
    let words = "The gateway follows no implicit rules. Send the resource without this element if it means the same.";
    Some(Issue::at(IssueCode::NotSupported, format!("{place}.implicitRules"), words))
}

/// Our validator and the typed model often see the same fault: it is told once for each place.
pub(crate) fn deduplicated(issues: Vec<Issue>) -> Vec<Issue> {
    let mut kept: Vec<Issue> = Vec::with_capacity(issues.len());
    for issue in issues {
        let known = kept.iter().any(|other| {
            other.expression.is_some() && other.expression == issue.expression && other.severity == issue.severity
        });
        if !known {
            kept.push(issue);
        }
    }
    kept
}

/// The version in a weak `ETag`: `W/"3"` or `"3"`.
#[must_use]
pub fn parse_etag(text: &str) -> Option<u64> {
    text.trim().trim_start_matches("W/").trim_matches('"').parse().ok()
}
