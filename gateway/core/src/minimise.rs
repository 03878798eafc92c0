//! Reduces a referral to what one adapter has declared that it needs. What is not declared does not exist afterwards.
//!
//! Works on element paths without indexes (`Patient.name.family`): an element stays if it is declared, lies below a
//! declared one, or leads to one. Beyond that, whatever is declared: narrative (`text`), `meta`, `contained` and
//! extensions that are not declared by their own path (`Patient.extension`) go; `resourceType`, the ids of
//! ServiceRequest and Task, and the code that forbids to contact the person stay. A reference to the person loses
//! `display` and `identifier` unless these are declared by their own path, since otherwise they would carry a name past
//! the declaration. A modifier extension that is not declared takes the element that it modifies with it.
//!
//! What consent withholds ([`Source::withheld`]) is taken out before anything else, whatever is declared; it decides
//! nothing about consent itself.

mod bundle;
mod filter;
mod whole;
mod withhold;

pub use whole::Whole;

use crate::consent::Withheld;
use adapter_contract::{DataNeed, IdempotencyKey, MinimisedReferral};
use filter::Filter;
use gateway_fhir::Json;
use std::collections::{BTreeMap, BTreeSet};

/// The whole referral, with references as the store has them (`Type/id`).
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The sender's ServiceRequest.
    pub service_request: &'a Json,
    /// The person.
    pub patient: &'a Json,
    /// The sender's Task.
    pub task: &'a Json,
    /// What these may refer to, by `Type/id`.
    pub related: &'a [(String, Json)],
    /// What the consent decision for this very attempt withholds.
    pub withheld: &'a [Withheld],
}

/// What is left, and what is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Minimised {
    /// What the adapter is given.
    pub referral: MinimisedReferral,
    /// Paths of elements that were there and are not sent, each the topmost that went; a type alone stands for whole
    /// resources. Sorted, without values.
    pub removed: Vec<String>,
    /// What consent withheld that was there and would otherwise have been sent, with the reason.
    pub withheld: Vec<Withheld>,
    /// The same as `referral`, as a document.
    pub document: Json,
}

/// The referral makes no sense to this recipient without these elements, and they are missing or may not be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the recipient needs elements that are missing or may not be sent: {}", .paths.join(", "))]
pub struct MissingNeeded {
    /// Element paths, in the order of the declaration.
    pub paths: Vec<String>,
}

/// Builds the Bundle that [`MinimisedReferral`] describes. The sender's Task comes last.
///
/// The same source, needs and key give the same text: full URLs are made from the key and `Type/id`.
///
/// # Errors
/// [`MissingNeeded`] if a declared element with `needed` is not in the result, or if ServiceRequest, Patient or Task as a
/// whole carries a modifier extension that is not declared, so that its meaning could not be conveyed.
pub fn minimise(source: &Source<'_>, needs: &[DataNeed], key: &IdempotencyKey) -> Result<Minimised, MissingNeeded> {
    let mut kept = keep(source, needs, Consent::Heeded);
    let unknown: Vec<String> = [source.service_request, source.patient, source.task]
        .into_iter()
        .filter_map(|resource| kept.filter.undeclared_modifier(resource))
        .collect();
    if !unknown.is_empty() {
        return Err(MissingNeeded { paths: unknown });
    }
    let names = kept.resolve(key);
    let paths = missing(needs, &kept.resources);
    if !paths.is_empty() {
        return Err(MissingNeeded { paths });
    }
    let document = bundle::collection(kept.resources, &names);
    let referral = MinimisedReferral::new(document.to_text());
    Ok(Minimised { referral, removed: kept.removed.into_iter().collect(), withheld: kept.withheld, document })
}

/// The Bundle if consent withheld nothing. It is made to be compared with, to tell what consent takes away, and never leaves.
pub(crate) struct Unwithheld {
    /// Paths of elements that are not in it, as in [`Minimised::removed`].
    pub(crate) removed: Vec<String>,
    /// The Bundle.
    pub(crate) document: Json,
}

/// What would be sent if consent withheld nothing.
pub(crate) fn unwithheld(source: &Source<'_>, needs: &[DataNeed], key: &IdempotencyKey) -> Unwithheld {
    let mut kept = keep(source, needs, Consent::Disregarded);
    let names = kept.resolve(key);
    let document = bundle::collection(kept.resources, &names);
    Unwithheld { removed: kept.removed.into_iter().collect(), document }
}

/// Whether what consent withholds is taken away.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Consent {
    /// It is.
    Heeded,
    /// It is not: only to tell what consent takes away.
    Disregarded,
}

/// Filtered resources by `Type/id`, in the Bundle's order.
struct Kept<'a> {
    filter: Filter<'a>,
    resources: Vec<(String, Json)>,
    removed: BTreeSet<String>,
    withheld: Vec<Withheld>,
}

impl Kept<'_> {
    /// Makes references point within the Bundle. Full URLs by `Type/id`.
    fn resolve(&mut self, key: &IdempotencyKey) -> BTreeMap<String, String> {
        let names = bundle::full_urls(&self.resources, key);
        for (_, resource) in &mut self.resources {
            let kind = resource.text("resourceType").unwrap_or_default().to_owned();
            bundle::rewrite(resource, &kind, &names, &mut self.removed);
        }
        names
    }
}

fn keep<'a>(source: &Source<'_>, needs: &'a [DataNeed], consent: Consent) -> Kept<'a> {
    let withholds = if consent == Consent::Heeded { source.withheld } else { &[] };
    let filter = Filter::new(needs, bundle::name(source.patient));
    let (mut removed, mut withheld) = (BTreeSet::new(), Vec::new());
    // Consent first: what it withholds does not exist for the filter.
    let mut whole = |resource: &Json| {
        let name = bundle::name(resource);
        let left = withhold::strip(resource, &name, withholds, &mut withheld);
        (name, filter.resource(&left, &mut removed))
    };
    let mut resources = vec![whole(source.service_request), whole(source.patient)];
    let task = whole(source.task);
    let mut wanted: Vec<String> = Vec::new();
    for (_, resource) in resources.iter().chain([&task]) {
        bundle::references(resource, &mut wanted);
    }
    // First come, first listed: the order of the references, which is the sender's.
    let mut place = 0;
    while let Some(reference) = wanted.get(place).cloned() {
        place += 1;
        if task.0 == reference || resources.iter().any(|(name, _)| *name == reference) {
            continue;
        }
        let Some((name, resource)) = source.related.iter().find(|(name, _)| *name == reference) else { continue };
        if !filter.declares(resource) || filter.undeclared_modifier(resource).is_some() {
            continue;
        }
        // Nobody else's record and nothing that is labelled restricted, however it came to be referred to. Where consent
        // withholds what is labelled so, consent is the reason.
        let own = bundle::name(resource);
        let by = withhold::whole(resource, &own, source.withheld);
        if name.starts_with("Patient/")
            || is_anothers(resource, source.patient)
            || (is_restricted(resource) && by.is_none())
        {
            removed.insert(resource.text("resourceType").unwrap_or_default().to_owned());
            continue;
        }
        if let Some(by) = by.filter(|_| consent == Consent::Heeded) {
            removed.insert(by.path.clone());
            withheld.push(by.clone());
            continue;
        }
        let left = withhold::strip(resource, &own, withholds, &mut withheld);
        let resource = filter.resource(&left, &mut removed);
        bundle::references(&resource, &mut wanted);
        resources.push((name.clone(), resource));
    }
    for (name, resource) in source.related {
        let is_in = task.0 == *name || resources.iter().any(|(other, _)| other == name);
        if let (false, Some(kind)) = (is_in, resource.text("resourceType")) {
            removed.insert(kind.to_owned());
        }
    }
    resources.push(task);
    removed.extend(withheld.iter().map(|one| one.path.clone()));
    withheld.retain(|one| filter.declares_path(&one.path));
    Kept { filter, resources, removed, withheld }
}

/// Whether a resource says that it is about another person than this Patient.
fn is_anothers(resource: &Json, patient: &Json) -> bool {
    ["subject", "patient"]
        .iter()
        .filter_map(|element| resource.get(element)?.text("reference"))
        .any(|reference| reference.starts_with("Patient/") && reference != bundle::name(patient))
}

/// Whether a resource is labelled Confidentiality R or V (`http://terminology.hl7.org/CodeSystem/v3-Confidentiality`).
#[must_use]
pub fn is_restricted(resource: &Json) -> bool {
    let labels = resource.get("meta").map(|meta| meta.items("security")).unwrap_or_default();
    labels.iter().any(|label| matches!(label.text("code"), Some("R" | "V")))
}

/// Whether a resource that was minimised earlier holds anything that is withheld now. Its id says nothing, so what is
/// withheld of one resource counts for all of its type. Where the adapter declares no need nothing came from the sender:
/// it has put its own there, such as the requester of the Task.
#[must_use]
pub fn holds_withheld(resource: &Json, withheld: &[Withheld], needs: &[DataNeed]) -> bool {
    let kind = resource.text("resourceType").unwrap_or_default();
    let filter = Filter::new(needs, String::new());
    let same_kind = withheld.iter().filter(|one| one.path.split('.').next() == Some(kind));
    let same_kind = same_kind.filter(|one| filter.declares_path(&one.path));
    let as_ours: Vec<Withheld> = same_kind.map(|one| Withheld { resource: kind.to_owned(), ..one.clone() }).collect();
    let mut done = Vec::new();
    withhold::strip(resource, kind, &as_ours, &mut done);
    !done.is_empty()
}

/// Needed elements that no resource of the result has.
fn missing(needs: &[DataNeed], resources: &[(String, Json)]) -> Vec<String> {
    needs
        .iter()
        .filter(|need| need.needed)
        .filter(|need| {
            let mut steps = need.path.split('.');
            let kind = steps.next();
            let rest: Vec<&str> = steps.collect();
            !resources.iter().any(|(_, resource)| resource.text("resourceType") == kind && has(resource, &rest))
        })
        .map(|need| need.path.clone())
        .collect()
}

fn has(value: &Json, steps: &[&str]) -> bool {
    match (value, steps) {
        (Json::Array(items), _) => items.iter().any(|item| has(item, steps)),
        (Json::Null, _) => false,
        (_, []) => true,
        (_, [step, rest @ ..]) => value.get(step).is_some_and(|inner| has(inner, rest)),
    }
}

#[cfg(test)]
mod tests;
