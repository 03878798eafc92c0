//! Reduces a referral to what one adapter has declared that it needs. What is not declared does not exist afterwards.
//!
//! Works on element paths without indexes (`Patient.name.family`): an element stays if it is declared, lies below a
//! declared one, or leads to one. Beyond that, whatever is declared: narrative (`text`), `meta`, `contained` and
//! extensions that are not declared by their own path (`Patient.extension`) go; `resourceType`, the ids of
//! ServiceRequest and Task, and the code that forbids to contact the person stay. A reference to the person loses
//! `display` and `identifier` unless these are declared by their own path, since otherwise they would carry a name past
//! the declaration. A modifier extension that is not declared takes the element that it modifies with it.
//!
//! It knows no consent: what consent takes away has been taken from `needs` or the source before.

mod bundle;
mod filter;
mod whole;

pub use whole::Whole;

use adapter_contract::{DataNeed, IdempotencyKey, MinimisedReferral};
use filter::Filter;
use gateway_fhir::Json;
use std::collections::BTreeSet;

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
}

/// What is left, and what is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Minimised {
    /// What the adapter is given.
    pub referral: MinimisedReferral,
    /// Paths of elements that were there and are not sent, each the topmost that went; a type alone stands for whole
    /// resources. Sorted, without values.
    pub removed: Vec<String>,
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
    let mut kept = keep(source, needs);
    let unknown: Vec<String> = [source.service_request, source.patient, source.task]
        .into_iter()
        .filter_map(|resource| kept.filter.undeclared_modifier(resource))
        .collect();
    if !unknown.is_empty() {
        return Err(MissingNeeded { paths: unknown });
    }
    let names = bundle::full_urls(&kept.resources, key);
    for (_, resource) in &mut kept.resources {
        let kind = resource.text("resourceType").unwrap_or_default().to_owned();
        bundle::rewrite(resource, &kind, &names, &mut kept.removed);
    }
    let paths = missing(needs, &kept.resources);
    if !paths.is_empty() {
        return Err(MissingNeeded { paths });
    }
    let document = bundle::collection(kept.resources, &names);
    let referral = MinimisedReferral::new(document.to_text());
    Ok(Minimised { referral, removed: kept.removed.into_iter().collect(), document })
}

/// Filtered resources by `Type/id`, in the Bundle's order.
struct Kept<'a> {
    filter: Filter<'a>,
    resources: Vec<(String, Json)>,
    removed: BTreeSet<String>,
}

fn keep<'a>(source: &Source<'_>, needs: &'a [DataNeed]) -> Kept<'a> {
    let filter = Filter::new(needs, bundle::name(source.patient));
    let mut removed = BTreeSet::new();
    let mut resources = vec![
        (bundle::name(source.service_request), filter.resource(source.service_request, &mut removed)),
        (bundle::name(source.patient), filter.resource(source.patient, &mut removed)),
    ];
    let task = (bundle::name(source.task), filter.resource(source.task, &mut removed));
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
        // Nobody else's record and nothing that is labelled restricted, however it came to be referred to.
        if name.starts_with("Patient/") || is_anothers(resource, source.patient) || is_restricted(resource) {
            removed.insert(resource.text("resourceType").unwrap_or_default().to_owned());
            continue;
        }
        let resource = filter.resource(resource, &mut removed);
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
    Kept { filter, resources, removed }
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
