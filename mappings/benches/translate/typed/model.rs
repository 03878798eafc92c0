//! What the typed translator reads of a Bundle: borrowed from the text, only the elements that the task needs.
//!
//! Everything else is skipped by the parser without being kept. Texts borrow unless they hold escapes. Where only one
//! item of a list is wanted, or only whether there is one, the list is looked at while it is read and never made.

use super::kept::{Keep, Kept};
use super::sought::{
    Category, CodeAndWords, Extensions, IsHousehold, LivesAlone, NhsNumberSystem, OdsSystem, Preferred, Prohibited,
    ReferralSystem, Spoken, ValueIn,
};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, IgnoredAny, IntoDeserializer as _, MapAccess, Visitor};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

/// A text. A newtype, because serde borrows a `Cow` only where the field says so, not inside `Option` or `Vec`.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

impl Text<'_> {
    pub(super) fn get(&self) -> &str {
        &self.0
    }
}

/// What an optional text says.
pub(super) fn text<'a>(value: &'a Option<Text<'_>>) -> Option<&'a str> {
    value.as_ref().map(Text::get)
}

#[derive(Debug, Deserialize)]
pub(super) struct Bundle<'a> {
    #[serde(borrow, default)]
    pub(super) entry: Kept<Parts<'a>>,
}

/// The resources that matter, by what they are; those that a reference may lead to with their addresses.
#[derive(Debug, Default)]
pub(super) struct Parts<'a> {
    pub(super) request: Option<Box<ServiceRequest<'a>>>,
    pub(super) patient: Option<Box<Patient<'a>>>,
    pub(super) roles: Vec<(Text<'a>, PractitionerRole<'a>)>,
    pub(super) organizations: Vec<(Text<'a>, Organization<'a>)>,
    pub(super) conditions: Vec<(Text<'a>, Condition<'a>)>,
    pub(super) household_size: Option<i64>,
    pub(super) lives_alone: Option<bool>,
    pub(super) deadline: Option<Text<'a>>,
}

impl<'de: 'a, 'a> Keep<'de> for Parts<'a> {
    type Item = Entry<'a>;

    fn see(&mut self, Entry { full_url, resource }: Entry<'a>) {
        match resource {
            Resource::ServiceRequest(found) => {
                self.request.get_or_insert(found);
            }
            Resource::Patient(found) => {
                self.patient.get_or_insert(found);
            }
            Resource::PractitionerRole(found) => self.roles.push((full_url, found)),
            Resource::Organization(found) => self.organizations.push((full_url, found)),
            Resource::Condition(found) => self.conditions.push((full_url, found)),
            Resource::Observation(found) => {
                let is_household = found.code.is_some_and(|code| code.coding.kept.any);
                self.household_size = self.household_size.or(found.value_integer.filter(|_| is_household));
            }
            Resource::QuestionnaireResponse(found) => self.lives_alone = self.lives_alone.or(found.item.kept.first),
            Resource::Task(found) => {
                let end = found.restriction.and_then(|restriction| restriction.period?.end);
                self.deadline = self.deadline.take().or(end);
            }
            Resource::Other => {}
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry<'a> {
    #[serde(borrow)]
    full_url: Text<'a>,
    resource: Resource<'a>,
}

/// One resource, by its type.
#[derive(Debug)]
enum Resource<'a> {
    ServiceRequest(Box<ServiceRequest<'a>>),
    Patient(Box<Patient<'a>>),
    PractitionerRole(PractitionerRole<'a>),
    Organization(Organization<'a>),
    Condition(Condition<'a>),
    Observation(Observation),
    QuestionnaireResponse(QuestionnaireResponse),
    Task(Task<'a>),
    Other,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServiceRequest<'a> {
    #[serde(borrow, default)]
    pub(super) identifier: Kept<ValueIn<'a, ReferralSystem>>,
    #[serde(default)]
    pub(super) category: Kept<Category<'a>>,
    pub(super) priority: Option<Text<'a>>,
    pub(super) code: Option<Concept<'a>>,
    #[serde(default)]
    pub(super) order_detail: Kept<Prohibited>,
    pub(super) authored_on: Option<Text<'a>>,
    pub(super) requester: Option<Reference<'a>>,
    #[serde(default)]
    pub(super) reason_reference: Vec<Reference<'a>>,
    #[serde(default)]
    pub(super) note: Vec<Annotation<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Patient<'a> {
    #[serde(borrow, default)]
    pub(super) extension: Kept<Extensions<'a>>,
    #[serde(default)]
    pub(super) identifier: Kept<ValueIn<'a, NhsNumberSystem>>,
    #[serde(default)]
    pub(super) name: Kept<Preferred<Name<'a>>>,
    #[serde(default)]
    pub(super) telecom: Vec<ContactPoint<'a>>,
    pub(super) gender: Option<Text<'a>>,
    pub(super) birth_date: Option<Text<'a>>,
    #[serde(default)]
    pub(super) address: Kept<Preferred<Address<'a>>>,
    #[serde(default)]
    pub(super) communication: Kept<Spoken<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct PractitionerRole<'a> {
    #[serde(borrow)]
    pub(super) organization: Option<Reference<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Organization<'a> {
    #[serde(borrow, default)]
    pub(super) identifier: Kept<ValueIn<'a, OdsSystem>>,
    pub(super) name: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Condition<'a> {
    #[serde(borrow)]
    pub(super) code: Option<Concept<'a>>,
    pub(super) onset_date_time: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Observation {
    code: Option<Codings<IsHousehold>>,
    value_integer: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct QuestionnaireResponse {
    #[serde(default)]
    item: Kept<LivesAlone>,
}

#[derive(Debug, Deserialize)]
struct Task<'a> {
    #[serde(borrow)]
    restriction: Option<Restriction<'a>>,
}

#[derive(Debug, Deserialize)]
struct Restriction<'a> {
    #[serde(borrow)]
    period: Option<Period<'a>>,
}

#[derive(Debug, Deserialize)]
struct Period<'a> {
    #[serde(borrow)]
    end: Option<Text<'a>>,
}

/// A concept of which the SNOMED code and the words are wanted.
#[derive(Debug, Deserialize)]
pub(super) struct Concept<'a> {
    #[serde(borrow, default)]
    pub(super) coding: Kept<CodeAndWords<'a>>,
    pub(super) text: Option<Text<'a>>,
}

/// A concept of which only the codings are of use.
#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "K: Keep<'de>"))]
pub(super) struct Codings<K> {
    #[serde(default)]
    pub(super) coding: Kept<K>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Reference<'a> {
    #[serde(borrow)]
    pub(super) reference: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Annotation<'a> {
    #[serde(borrow)]
    pub(super) text: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Name<'a> {
    #[serde(borrow, rename = "use")]
    pub(super) used_for: Option<Text<'a>>,
    pub(super) family: Option<Text<'a>>,
    #[serde(default)]
    pub(super) given: Vec<Text<'a>>,
    #[serde(default)]
    pub(super) prefix: Vec<Text<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ContactPoint<'a> {
    #[serde(borrow)]
    pub(super) system: Option<Text<'a>>,
    pub(super) value: Option<Text<'a>>,
    #[serde(rename = "use")]
    pub(super) used_for: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Address<'a> {
    #[serde(borrow, rename = "use")]
    pub(super) used_for: Option<Text<'a>>,
    #[serde(default)]
    pub(super) line: Vec<Text<'a>>,
    pub(super) city: Option<Text<'a>>,
    pub(super) postal_code: Option<Text<'a>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Resource<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ByType)
    }
}

/// Reads `resourceType` and then the rest straight into the struct of that type, in one pass.
struct ByType;

impl<'de> Visitor<'de> for ByType {
    type Value = Resource<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a FHIR resource")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Some(Text(first)) = map.next_key::<Text<'de>>()? else {
            return Err(de::Error::missing_field("resourceType"));
        };
        if first == "resourceType" {
            let Text(kind) = map.next_value()?;
            return by_type(&kind, MapAccessDeserializer::new(map));
        }
        // The type comes later, which few senders do: the members are put by until it is known.
        let mut members = serde_json::Map::new();
        members.insert(first.into_owned(), map.next_value()?);
        while let Some((name, value)) = map.next_entry()? {
            members.insert(name, value);
        }
        let Some(Value::String(kind)) = members.shift_remove("resourceType") else {
            return Err(de::Error::missing_field("resourceType"));
        };
        by_type(&kind, Value::Object(members).into_deserializer()).map_err(de::Error::custom)
    }
}

fn by_type<'de, D: Deserializer<'de>>(kind: &str, members: D) -> Result<Resource<'de>, D::Error> {
    Ok(match kind {
        "ServiceRequest" => Resource::ServiceRequest(Box::deserialize(members)?),
        "Patient" => Resource::Patient(Box::deserialize(members)?),
        "PractitionerRole" => Resource::PractitionerRole(PractitionerRole::deserialize(members)?),
        "Organization" => Resource::Organization(Organization::deserialize(members)?),
        "Condition" => Resource::Condition(Condition::deserialize(members)?),
        "Observation" => Resource::Observation(Observation::deserialize(members)?),
        "QuestionnaireResponse" => Resource::QuestionnaireResponse(QuestionnaireResponse::deserialize(members)?),
        "Task" => Resource::Task(Task::deserialize(members)?),
        _ => {
            IgnoredAny::deserialize(members)?;
            Resource::Other
        }
    })
}
