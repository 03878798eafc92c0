//! Reach: which of an organisation's referrals somebody who signed in sees. The compartment comes first (tenant and sending
//! organisation); within it a link worker employed by a charity sees what names the charity, and one with an identity of their own
//! what names them or nobody. A colleague whom nothing identifies is somebody all the same.
//!
//! What somebody does not reach answers exactly as what is not there.

use crate::account::AccountId;
use crate::work_item;
use gateway_fhir::Json;
use gateway_fhir::identifiers::same_system;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// References are followed so far: PractitionerRole to its Organization.
const DEPTH: u8 = 2;

/// An identifier that names an organisation or a person.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Name {
    /// Identifier system.
    pub system: String,
    /// Identifier value.
    pub value: String,
}

impl Name {
    /// Reads `system|value`.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(text: &str) -> Result<Self, String> {
        match text.rsplit_once('|') {
            Some((system, value)) if system.contains(':') && !value.trim().is_empty() => {
                Ok(Self { system: system.trim().to_owned(), value: value.trim().to_owned() })
            }
            _ => Err(
                "write an identifier as system|value, for example https://fhir.nhs.uk/Id/ods-organization-code|8JK12"
                    .to_owned(),
            ),
        }
    }

    fn is(&self, other: &Self) -> bool {
        same_system(&self.system, &other.system) && self.value == other.value
    }
}

/// What somebody sees within the compartments of their account. Empty = everything there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reach {
    /// The organisation that employs a link worker who is not the sending organisation's own, such as a charity: only what names it
    /// as requester or owner is seen. Empty = the sending organisation's own staff.
    pub works_for: Vec<Name>,
    /// The person: where a referral names practitioners, it has to name this one. Empty = whoever is named.
    pub practitioner: Vec<Name>,
}

/// Whom a Task and its ServiceRequest name as theirs: requester and owner of the Task, requester of the request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parties {
    /// Organisations.
    pub organisations: Vec<Name>,
    /// Practitioners.
    pub practitioners: Vec<Name>,
    /// A practitioner is named of whom no identifier is known: somebody, and nobody who can be told from others.
    pub unidentified: bool,
    /// To whom it was handed over, if it was.
    pub assigned: Option<AccountId>,
}

impl Parties {
    /// Takes them out of a Task and the ServiceRequest that it is for. `resolve` answers a literal reference with what it names;
    /// `recipient` are the identifiers of whoever receives the referral: an owner that is the recipient is nobody on the sender's
    /// side, and gives nobody a look at what the sender has.
    #[must_use]
    pub fn of<'l>(
        task: &Json,
        service_request: Option<&Json>,
        recipient: &[Name],
        resolve: &dyn Fn(&str) -> Option<&'l Json>,
    ) -> Self {
        let mut found = Self { assigned: work_item::assigned(task), ..Self::default() };
        if let Some(requester) = task.get("requester") {
            found.add(requester, task, resolve, DEPTH);
        }
        if let Some((requester, request)) = service_request.and_then(|one| Some((one.get("requester")?, one))) {
            found.add(requester, request, resolve, DEPTH);
        }
        if let Some(owner) = task.get("owner") {
            let mut named = Self::default();
            named.add(owner, task, resolve, DEPTH);
            let is_recipient = |name: &Name| recipient.iter().any(|one| one.is(name));
            if !named.organisations.iter().any(is_recipient) {
                found.organisations.append(&mut named.organisations);
                found.practitioners.append(&mut named.practitioners);
                found.unidentified |= named.unidentified;
            }
        }
        found
    }

    fn add<'l>(&mut self, reference: &Json, holder: &Json, resolve: &dyn Fn(&str) -> Option<&'l Json>, depth: u8) {
        let literal = reference.text("reference");
        let target = literal.and_then(|literal| match literal.strip_prefix('#') {
            Some(local) => holder.items("contained").iter().find(|one| one.text("id") == Some(local)),
            None => resolve(literal),
        });
        let kind = target.and_then(|target| target.text("resourceType"));
        let kind = kind.or_else(|| reference.text("type")).or_else(|| literal?.split_once('/').map(|(kind, _)| kind));
        let is_person = matches!(kind, Some("Practitioner" | "PractitionerRole"));
        let own =
            reference.get("identifier").into_iter().chain(target.map_or(&[][..], |target| target.items("identifier")));
        let names: Vec<Name> = own.filter_map(name).collect();
        // A role says by its practitioner who it is; one that is not there may be anybody's.
        let role = target.filter(|_| kind == Some("PractitionerRole"));
        self.unidentified |= is_person && names.is_empty() && role.is_none();
        if is_person {
            self.practitioners.extend(names)
        } else {
            self.organisations.extend(names)
        }
        let (Some(role), Some(depth)) = (role, depth.checked_sub(1)) else { return };
        for next in role.get("practitioner").into_iter().chain(role.get("organization")) {
            self.add(next, role, resolve, depth);
        }
    }
}

fn name(identifier: &Json) -> Option<Name> {
    Some(Name { system: identifier.text("system")?.to_owned(), value: identifier.text("value")?.to_owned() })
}

impl Reach {
    /// Whether the account sees what these parties are named on.
    #[must_use]
    pub fn sees(&self, account: &AccountId, parties: &Parties) -> bool {
        if parties.assigned.as_ref() == Some(account) {
            return true;
        }
        let any = |wanted: &[Name], named: &[Name]| wanted.iter().any(|one| named.iter().any(|other| one.is(other)));
        let of_employer = self.works_for.is_empty() || any(&self.works_for, &parties.organisations);
        let of_person = self.practitioner.is_empty()
            || (parties.practitioners.is_empty() && !parties.unidentified)
            || any(&self.practitioner, &parties.practitioners);
        of_employer && of_person
    }
}

/// Literal references that say who the parties are, to be read beforehand.
#[must_use]
pub fn references(task: &Json, service_request: Option<&Json>) -> BTreeSet<String> {
    let named = [task.get("requester"), task.get("owner"), service_request.and_then(|one| one.get("requester"))];
    let literals = named.into_iter().flatten().filter_map(|one| one.text("reference"));
    literals.filter(|literal| !literal.starts_with('#')).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::collections::BTreeMap;

    const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
    const SDS: &str = "https://fhir.nhs.uk/Id/sds-user-id";

    fn ods(value: &str) -> Name {
        Name { system: ODS.to_owned(), value: value.to_owned() }
    }

    fn sds(value: &str) -> Name {
        Name { system: SDS.to_owned(), value: value.to_owned() }
    }

    fn parties(task: Value, request: Value) -> Parties {
        let directory: BTreeMap<&str, Json> = [
            (
                "PractitionerRole/anna",
                json!({"resourceType": "PractitionerRole", "practitioner": {"reference": "Practitioner/anna"},
                "organization": {"reference": "Organization/charity"}}),
            ),
            (
                "Practitioner/anna",
                json!({"resourceType": "Practitioner", "identifier": [{"system": SDS, "value": "1"}]}),
            ),
            ("Practitioner/ben", json!({"resourceType": "Practitioner", "name": [{"family": "Ben"}]})),
            (
                "PractitionerRole/ben",
                json!({"resourceType": "PractitionerRole", "practitioner": {"reference": "Practitioner/ben"}}),
            ),
            (
                "PractitionerRole/post",
                json!({"resourceType": "PractitionerRole", "organization": {"reference": "Organization/charity"}}),
            ),
            (
                "Organization/charity",
                json!({"resourceType": "Organization", "identifier": [{"system": ODS, "value": "8JK12"}]}),
            ),
            (
                "Organization/food",
                json!({"resourceType": "Organization", "identifier": [{"system": ODS, "value": "VCSE1"}]}),
            ),
        ]
        .into_iter()
        .map(|(name, value)| (name, value.into()))
        .collect();
        Parties::of(&task.into(), Some(&request.into()), &[ods("VCSE1")], &|reference| directory.get(reference))
    }

    fn anna() -> AccountId {
        AccountId("anna".to_owned())
    }

    #[test]
    fn a_role_names_its_person_and_its_organisation() {
        let found = parties(json!({"requester": {"reference": "PractitionerRole/anna"}}), json!({}));
        assert_eq!((found.organisations, found.practitioners), (vec![ods("8JK12")], vec![sds("1")]));
        let found = parties(
            json!({}),
            json!({"requester": {"type": "Organization", "identifier": {"system": ODS, "value": "8JK12"}}}),
        );
        assert_eq!(found.organisations, [ods("8JK12")]);
    }

    #[test]
    fn the_recipient_is_nobody_on_the_senders_side() {
        let found = parties(json!({"owner": {"reference": "Organization/food"}}), json!({}));
        assert_eq!(found, Parties::default());
        let food = Reach { works_for: vec![ods("VCSE1")], practitioner: Vec::new() };
        assert!(!food.sees(&anna(), &found), "who receives sees nothing of what the sender has");
        let found = parties(json!({"owner": {"reference": "Organization/charity"}}), json!({}));
        assert_eq!(found.organisations, [ods("8JK12")]);
    }

    #[test]
    fn a_charitys_link_worker_sees_what_names_the_charity_and_a_person_what_names_them_or_nobody() {
        let of_charity = parties(json!({"requester": {"reference": "PractitionerRole/anna"}}), json!({}));
        let of_organisation = parties(json!({"requester": {"reference": "Organization/charity"}}), json!({}));
        let of_nobody = parties(json!({}), json!({}));
        let staff = Reach::default();
        let charity = Reach { works_for: vec![ods("8JK12")], ..Reach::default() };
        let own = Reach { practitioner: vec![sds("1")], ..Reach::default() };
        let other = Reach { practitioner: vec![sds("2")], ..Reach::default() };
        let strangers = Reach { works_for: vec![ods("8JK13")], ..Reach::default() };
        let seen = |reach: &Reach| [&of_charity, &of_organisation, &of_nobody].map(|one| reach.sees(&anna(), one));
        assert_eq!(seen(&staff), [true, true, true]);
        assert_eq!(seen(&charity), [true, true, false]);
        assert_eq!(seen(&own), [true, true, true]);
        assert_eq!(seen(&other), [false, true, true]);
        assert_eq!(seen(&strangers), [false, false, false]);
        // What was handed over is theirs.
        let handed = Parties { assigned: Some(anna()), ..of_nobody };
        assert!(strangers.sees(&anna(), &handed) && !strangers.sees(&AccountId("ben".to_owned()), &handed));
    }

    #[test]
    fn a_colleague_without_an_identifier_is_another_all_the_same() {
        let own = Reach { practitioner: vec![sds("1")], ..Reach::default() };
        for (requester, seen) in [
            (json!({"reference": "Practitioner/ben"}), false),
            (json!({"reference": "PractitionerRole/ben"}), false),
            (json!({"reference": "#ben"}), false),
            (json!({"reference": "Practitioner/gone"}), false),
            (json!({"reference": "PractitionerRole/gone"}), false),
            (json!({"type": "Practitioner", "display": "Ben"}), false),
            // A post at an organisation names nobody.
            (json!({"reference": "PractitionerRole/post"}), true),
            (json!({"reference": "Organization/charity"}), true),
            (json!({"reference": "PractitionerRole/anna"}), true),
        ] {
            let contained = json!([{"resourceType": "Practitioner", "id": "ben"}]);
            let found = parties(json!({"requester": requester, "contained": contained}), json!({}));
            assert_eq!(own.sees(&anna(), &found), seen, "{requester}");
            assert!(Reach::default().sees(&anna(), &found), "{requester}: the practice's own staff see it");
        }
        // Named beside another, it is theirs.
        let both = parties(
            json!({"requester": {"reference": "Practitioner/ben"}}),
            json!({"requester": {"reference": "PractitionerRole/anna"}}),
        );
        assert!(own.sees(&anna(), &both));
    }

    #[test]
    fn identifiers_are_read_with_their_system() {
        assert_eq!(Name::read(&format!("{ODS}|8JK12")), Ok(ods("8JK12")));
        for text in ["8JK12", "|8JK12", "ods|8JK12", "https://fhir.nhs.uk/Id/ods-organization-code|"] {
            assert!(Name::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_says_who_the_parties_are_is_read_beforehand() {
        let task: Json =
            json!({"requester": {"reference": "PractitionerRole/anna"}, "owner": {"reference": "#o"}}).into();
        let request: Json = json!({"requester": {"reference": "Organization/charity"}}).into();
        let found = references(&task, Some(&request));
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["Organization/charity", "PractitionerRole/anna"]);
    }
}
