//! What a request, or an answer, tells of the person: element paths, and what was kept back of them.

use super::{Basis, KeptBack, versioned};
use crate::consent::Withheld;
use crate::minimise::Minimised;
use adapter_contract::{Account, LossReason};
use gateway_fhir::Json;
use std::collections::BTreeSet;

/// What one request, or one answer, tells of the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    pub(super) elements: Vec<String>,
    pub(super) basis: Basis,
    pub(super) withheld: Vec<KeptBack>,
}

impl Contents {
    /// Of a referral that an adapter is given and of which it makes what `account` says.
    #[must_use]
    pub fn of(minimised: &Minimised, account: Option<&Account>) -> Self {
        let mut elements = BTreeSet::new();
        for entry in minimised.document.items("entry") {
            entry.get("resource").into_iter().for_each(|resource| leaves_of(resource, &mut elements));
        }
        if let Some(account) = account {
            let unread: Vec<&str> = account
                .losses
                .iter()
                .filter(|loss| loss.reason == LossReason::NoField)
                .map(|loss| loss.element.as_str())
                .collect();
            let sources: BTreeSet<String> =
                account.fields.iter().flat_map(|field| &field.sources).map(|source| without_indexes(source)).collect();
            let is_read = |path: &str| sources.iter().any(|source| is_within(path, source) || is_within(source, path));
            elements.retain(|path| is_read(path) || !unread.iter().any(|above| is_within(path, above)));
        }
        let basis = if account.is_some() { Basis::Translated } else { Basis::Given };
        Self { elements: elements.into_iter().collect(), basis, withheld: kept_back(&minimised.withheld) }
    }

    /// Of a published resource that a platform reads. `withheld` is what the decision withholds; what it says of this type
    /// counts as kept back.
    #[must_use]
    pub fn read(resource: &Json, withheld: &[Withheld]) -> Self {
        let mut elements = BTreeSet::new();
        leaves_of(resource, &mut elements);
        let kind = resource.text("resourceType").unwrap_or_default();
        let own: Vec<Withheld> = withheld.iter().filter(|one| is_within(&one.path, kind)).cloned().collect();
        Self { elements: elements.into_iter().collect(), basis: Basis::Read, withheld: kept_back(&own) }
    }

    /// The element paths, without indexes, sorted.
    #[must_use]
    pub fn elements(&self) -> &[String] {
        &self.elements
    }
}

/// The same element of several resources is named once.
fn kept_back(withheld: &[Withheld]) -> Vec<KeptBack> {
    let all: BTreeSet<KeptBack> = withheld
        .iter()
        .map(|one| KeptBack {
            path: one.path.clone(),
            reason: one.reason.code().to_owned(),
            words: one.reason.words(),
            rule: one.rule.to_owned(),
            consent: one.consent.as_ref().map(|(id, version)| versioned("Consent", id, *version)),
        })
        .collect();
    all.into_iter().collect()
}

/// Adds the path of every value of a resource.
fn leaves_of(resource: &Json, found: &mut BTreeSet<String>) {
    leaves(resource, resource.text("resourceType").unwrap_or_default(), found);
}

fn leaves(value: &Json, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Json::Array(items) => items.iter().for_each(|item| leaves(item, path, found)),
        Json::Object(members) => {
            for (name, inner) in members.iter().filter(|(name, _)| name != "resourceType") {
                leaves(inner, &format!("{path}.{}", name.trim_start_matches('_')), found);
            }
        }
        Json::Null => {}
        _ => {
            found.insert(path.to_owned());
        }
    }
}

fn without_indexes(place: &str) -> String {
    let mut inside = false;
    place
        .chars()
        .filter(|letter| {
            inside = (inside || *letter == '[') && *letter != ']';
            !inside && *letter != ']'
        })
        .collect()
}

/// Whether a path is this one or lies below it.
fn is_within(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::Contents;
    use crate::minimise::Minimised;
    use adapter_contract::{Account, DataClass, FieldLine, Grade, Loss, LossReason, MinimisedReferral};
    use serde_json::json;

    fn minimised() -> Minimised {
        let patient = json!({
            "resourceType": "Patient",
            "name": [{ "family": "x", "given": ["y", null] }, { "family": "z" }],
            "_birthDate": { "extension": [{ "url": "u", "valueString": "v" }] },
            "telecom": [{ "value": "1" }],
        });
        let document = json!({ "entry": [{ "resource": patient }] }).into();
        let referral = MinimisedReferral::new(String::new());
        Minimised { referral, removed: Vec::new(), withheld: Vec::new(), document }
    }

    fn loss(element: &str, reason: LossReason) -> Loss {
        let (detail, rule, because) = (None, None, None);
        Loss { element: element.to_owned(), reason, grade: Grade::Notable, count: 1, detail, rule, because }
    }

    const ALL: [&str; 5] = [
        "Patient.birthDate.extension.url",
        "Patient.birthDate.extension.valueString",
        "Patient.name.family",
        "Patient.name.given",
        "Patient.telecom.value",
    ];

    #[test]
    fn without_an_account_all_that_was_given_is_named() {
        assert_eq!(Contents::of(&minimised(), None).elements(), ALL);
    }

    #[test]
    fn only_what_nothing_reads_is_left_out() {
        let left_out = |losses: Vec<Loss>, sources: &[&str]| {
            let sources = sources.iter().map(|one| (*one).to_owned()).collect();
            let (target, rule) = ("a".to_owned(), "b".to_owned());
            let field =
                FieldLine { target, sources, rule, steps: vec![], class: DataClass::Contact, value: String::new() };
            let account = Account { fields: vec![field], losses };
            let contents = Contents::of(&minimised(), Some(&account));
            let named = contents.elements().to_vec();
            ALL.into_iter().filter(|path| !named.iter().any(|one| one == path)).collect::<Vec<_>>()
        };
        let unread = loss("Patient.telecom", LossReason::NoField);
        assert_eq!(left_out(vec![unread.clone()], &[]), ["Patient.telecom.value"]);
        // What some are not chosen of, is told of others.
        assert_eq!(left_out(vec![loss("Patient.telecom", LossReason::NotChosen)], &[]), [""; 0]);
        // Whoever says both that it is read and that it is not, is not believed the latter.
        assert_eq!(left_out(vec![unread.clone()], &["Patient.telecom[0].value"]), [""; 0]);
        assert_eq!(left_out(vec![unread], &["Patient.telecom[12]"]), [""; 0]);
        // No path that only begins alike.
        assert_eq!(left_out(vec![loss("Patient.tele", LossReason::NoField)], &[]), [""; 0]);
        assert_eq!(left_out(vec![loss("Patient", LossReason::NoField)], &[]), ALL);
    }
}
