//! References: each resolves inside the request or to a resource that the same client stored; anything else is refused.

use crate::ingest::rules;
use crate::ingest::submission::{Draft, Submission, Write};
use crate::ingest::{Accepted, Outcome};
use crate::refusal::{Refusal, pass_or_refuse};
use crate::resource::Token;
use gateway_fhir::references::{ReferenceForm, parse, rewrite, sites};
use gateway_fhir::{Issue, IssueCode, Json};
use std::collections::{BTreeMap, BTreeSet};

/// What has to be looked up before references can be resolved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wants {
    /// `Type/id` of resources that must exist in the client's compartment.
    pub exist: BTreeSet<String>,
    /// Conditional criteria: type and tokens.
    pub matches: BTreeSet<(String, Vec<Token>)>,
}

/// A resource as it stands in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// Current version.
    pub version: u64,
    /// Document as served.
    pub document: Json,
}

/// What the store answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// By `Type/id`.
    pub stored: BTreeMap<String, Stored>,
    /// Ids for each criterion.
    pub matches: BTreeMap<(String, Vec<Token>), Vec<String>>,
}

/// Lists what has to be looked up.
#[must_use]
pub fn wants(submission: &Submission) -> Wants {
    let inside = Inside::of(submission);
    let mut wants = Wants::default();
    for draft in &submission.drafts {
        if let Some(criteria) = draft.if_none_exist.as_deref().and_then(|query| criteria(query).ok()) {
            wants.matches.insert((draft.kind.clone(), criteria));
        }
        if let Write::Update { id, .. } = &draft.write {
            wants.exist.insert(format!("{}/{id}", draft.kind));
        }
        for site in sites(&draft.document) {
            if !site.logical || inside.find(&site.value).is_some() {
                continue;
            }
            match parse(&site.value) {
                ReferenceForm::Relative { kind, id, version: None } => {
                    wants.exist.insert(format!("{kind}/{id}"));
                }
                ReferenceForm::Conditional { kind, query } => {
                    if let Ok(tokens) = criteria(query) {
                        wants.matches.insert((kind.to_owned(), tokens));
                    }
                }
                _ => {}
            }
        }
    }
    wants
}

/// Which draft of the request a reference means.
struct Inside<'a> {
    by_url: BTreeMap<&'a str, usize>,
    by_id: BTreeMap<String, usize>,
}

impl<'a> Inside<'a> {
    fn of(submission: &'a Submission) -> Self {
        let mut by_url = BTreeMap::new();
        let mut by_id = BTreeMap::new();
        for (index, draft) in submission.drafts.iter().enumerate() {
            if let Some(url) = &draft.full_url {
                by_url.insert(url.as_str(), index);
            }
            let id = match &draft.write {
                Write::Update { id, .. } => Some(id),
                Write::Create => draft.sent_id.as_ref(),
            };
            if let Some(id) = id {
                by_id.insert(format!("{}/{id}", draft.kind), index);
            }
        }
        Self { by_url, by_id }
    }

    fn find(&self, reference: &str) -> Option<usize> {
        self.by_url.get(reference).or_else(|| self.by_id.get(reference)).copied()
    }
}

/// Gives ids, points every reference at a stored id, and holds the gateway's own rules.
///
/// `new_id` is asked once for each resource to be created. The outcomes stand in the order of the request.
///
/// # Errors
/// [`Refusal`] with every fault: references that lead nowhere, criteria that match several, rules that are broken.
pub fn resolve(
    submission: &Submission,
    found: &Found,
    new_id: &mut dyn FnMut() -> String,
) -> Result<Vec<Outcome>, Refusal> {
    let mut issues = Vec::new();
    let mut several = false;
    let mut outcomes = Vec::with_capacity(submission.drafts.len());
    let mut targets: Vec<String> = Vec::with_capacity(submission.drafts.len());
    for draft in &submission.drafts {
        let outcome = place_draft(draft, found, new_id, &mut issues, &mut several);
        targets.push(match &outcome {
            Outcome::Write(accepted) => format!("{}/{}", accepted.kind, accepted.id),
            Outcome::Exists { kind, id } => format!("{kind}/{id}"),
        });
        outcomes.push(outcome);
    }
    refuse_repeated_criteria(&outcomes, &mut issues);

    let inside = Inside::of(submission);
    for outcome in &mut outcomes {
        let Outcome::Write(accepted) = outcome else { continue };
        for site in sites(&accepted.document) {
            check_site(&site, &accepted.place, &accepted.kind, &inside, found, &mut issues, &mut several);
        }
        rewrite(&mut accepted.document, &mut |value, logical| {
            if let Some(index) = inside.find(value) {
                return targets.get(index).cloned();
            }
            match parse(value) {
                ReferenceForm::Conditional { kind, query } if logical => {
                    let key = (kind.to_owned(), criteria(query).ok()?);
                    found.matches.get(&key)?.first().map(|id| format!("{kind}/{id}"))
                }
                _ => None,
            }
        });
    }
    if several {
        return Err(Refusal::several(412, issues));
    }
    issues.extend(rules::check(&outcomes, found));
    pass_or_refuse(issues)?;
    Ok(outcomes)
}

fn place_draft(
    draft: &Draft,
    found: &Found,
    new_id: &mut dyn FnMut() -> String,
    issues: &mut Vec<Issue>,
    several: &mut bool,
) -> Outcome {
    let mut none_exist = None;
    if let Some(query) = &draft.if_none_exist {
        match criteria(query) {
            Err(why) => issues.push(Issue::at(IssueCode::NotSupported, &draft.place, format!("If-None-Exist: {why}"))),
            Ok(tokens) => {
                match found.matches.get(&(draft.kind.clone(), tokens.clone())).map(Vec::as_slice) {
                    Some([id]) => return Outcome::Exists { kind: draft.kind.clone(), id: id.clone() },
                    Some([_, _, ..]) => {
                        *several = true;
                        issues.push(Issue::at(
                            IssueCode::MultipleMatches,
                            &draft.place,
                            "If-None-Exist matches several resources; nothing was created. Use a criterion that names one.",
                        ));
                    }
                    _ => {}
                }
                none_exist = Some(tokens);
            }
        }
    }
    let (id, version) = match &draft.write {
        Write::Create => (new_id(), 1),
        Write::Update { id, if_match } => {
            let current = found.stored.get(&format!("{}/{id}", draft.kind)).map_or(0, |stored| stored.version);
            if if_match.is_some_and(|seen| seen != current) {
                *several = true;
                issues.push(Issue::at(
                    IssueCode::Conflict,
                    &draft.place,
                    "ifMatch names another version than the one that stands now. Read it again and decide anew.",
                ));
            }
            (id.clone(), current + 1)
        }
    };
    Outcome::Write(Box::new(Accepted {
        place: draft.place.clone(),
        kind: draft.kind.clone(),
        id,
        version,
        document: draft.document.clone(),
        none_exist,
    }))
}

fn refuse_repeated_criteria(outcomes: &[Outcome], issues: &mut Vec<Issue>) {
    let mut seen = BTreeSet::new();
    for outcome in outcomes {
        if let Outcome::Write(accepted) = outcome
            && let Some(tokens) = &accepted.none_exist
            && !seen.insert((accepted.kind.clone(), tokens.clone()))
        {
            issues.push(Issue::at(
                IssueCode::Duplicate,
                &accepted.place,
                "Two entries of this Bundle have the same If-None-Exist criteria. Send one of them.",
            ));
        }
    }
}

fn check_site(
    site: &gateway_fhir::references::Site,
    place: &str,
    kind: &str,
    inside: &Inside<'_>,
    found: &Found,
    issues: &mut Vec<Issue>,
    several: &mut bool,
) {
    if inside.find(&site.value).is_some() {
        return;
    }
    let expression = site.expression.replacen(kind, place, 1);
    if !site.logical {
        // A uri may be anything, except a pretended link into this Bundle that is not there.
        return;
    }
    let fault = match parse(&site.value) {
        ReferenceForm::Fragment(_) => return,
        ReferenceForm::Relative { version: Some(_), .. } => Some((
            IssueCode::NotSupported,
            "A reference to one version is not supported; refer to the resource itself.",
        )),
        ReferenceForm::Relative { kind, id, .. } => (!found.stored.contains_key(&format!("{kind}/{id}"))).then_some((
            IssueCode::NotFound,
            "This refers to nothing in the Bundle and to nothing that you stored here.",
        )),
        ReferenceForm::Conditional { kind, query } => match criteria(query) {
            Err(_) => {
                Some((IssueCode::NotSupported, "A conditional reference may only ask for identifier=system|value."))
            }
            Ok(tokens) => match found.matches.get(&(kind.to_owned(), tokens)).map(Vec::as_slice) {
                Some([_]) => None,
                Some([_, _, ..]) => {
                    *several = true;
                    Some((IssueCode::MultipleMatches, "This conditional reference matches several resources."))
                }
                _ => Some((IssueCode::NotFound, "This conditional reference matches nothing that you stored here.")),
            },
        },
        ReferenceForm::Urn(_) => Some((IssueCode::NotFound, "No entry of the Bundle has this fullUrl.")),
        ReferenceForm::Absolute { .. } => Some((
            IssueCode::NotSupported,
            "References to other servers are not followed. Put the resource into the Bundle.",
        )),
        ReferenceForm::Invalid => Some((IssueCode::Value, "This is no reference that R4 knows.")),
    };
    if let Some((code, words)) = fault {
        issues.push(Issue::at(code, expression, words));
    }
}

/// Tokens of a conditional query: `identifier=system|value`, joined by `&`.
///
/// # Errors
/// Words that say which form is supported.
pub(crate) fn criteria(query: &str) -> Result<Vec<Token>, &'static str> {
    const FORM: &str = "only identifier=system|value is supported.";
    let query = query.split_once('?').map_or(query, |(_, rest)| rest);
    let mut tokens = Vec::new();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').ok_or(FORM)?;
        let value = percent_decoded(value).ok_or(FORM)?;
        if name != "identifier" || value.starts_with('|') || value.ends_with('|') || !value.contains('|') {
            return Err(FORM);
        }
        tokens.push(Token::new("identifier", value));
    }
    tokens.sort();
    tokens.dedup();
    if tokens.is_empty() { Err(FORM) } else { Ok(tokens) }
}

fn percent_decoded(text: &str) -> Option<String> {
    percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}
