//! Takes out what consent withholds, before the adapter's needs are asked. It only takes away.

use super::filter::CONTACT_PROHIBITED;
use crate::consent::Withheld;
use gateway_fhir::Json;

/// The entry that withholds a resource as a whole, if there is one.
pub(super) fn whole<'a>(resource: &Json, name: &str, withheld: &'a [Withheld]) -> Option<&'a Withheld> {
    let kind = resource.text("resourceType");
    withheld.iter().find(|one| one.resource == name && Some(one.path.as_str()) == kind)
}

/// What is left of a resource. Entries that took something away are added to `done`.
pub(super) fn strip(resource: &Json, name: &str, withheld: &[Withheld], done: &mut Vec<Withheld>) -> Json {
    let mut left = resource.clone();
    for one in withheld.iter().filter(|one| one.resource == name) {
        let steps: Vec<&str> = one.path.split('.').skip(1).collect();
        let is_order_detail = one.path == "ServiceRequest.orderDetail";
        let prohibitions = if is_order_detail { prohibitions(&left) } else { Vec::new() };
        if take(&mut left, &steps) {
            done.push(one.clone());
        }
        // The code that forbids to contact the person protects it, and stays whatever is withheld.
        if !prohibitions.is_empty() {
            left.set("orderDetail", Json::Array(prohibitions));
        }
    }
    left
}

/// Takes the element at these steps out, in every repeat; whether there was any. No steps stand for all content.
fn take(value: &mut Json, steps: &[&str]) -> bool {
    match (value, steps) {
        (Json::Array(items), _) => items.iter_mut().fold(false, |took, item| take(item, steps) | took),
        (Json::Object(members), []) => {
            members.retain(|(name, _)| matches!(name.as_str(), "resourceType" | "id"));
            true
        }
        (Json::Object(members), [last]) => {
            let before = members.len();
            members.retain(|(name, _)| name.trim_start_matches('_') != *last);
            members.len() < before
        }
        (Json::Object(members), [step, rest @ ..]) => members
            .iter_mut()
            .filter(|(name, _)| name.trim_start_matches('_') == *step)
            .fold(false, |took, (_, inner)| take(inner, rest) | took),
        _ => false,
    }
}

/// The items of `orderDetail` that forbid contact, with that code alone.
fn prohibitions(service_request: &Json) -> Vec<Json> {
    let details = service_request.items("orderDetail").iter();
    let codings = details.flat_map(|detail| detail.items("coding"));
    let forbidding = codings.filter(|coding| coding.text("code") == Some(CONTACT_PROHIBITED));
    forbidding
        .map(|coding| {
            let kept = ["system", "code"].into_iter();
            let members = kept.filter_map(|name| Some((name.to_owned(), coding.get(name)?.clone()))).collect();
            Json::Object(vec![("coding".to_owned(), Json::Array(vec![Json::Object(members)]))])
        })
        .collect()
}
