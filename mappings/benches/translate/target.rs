//! What the platform takes, as the structs that both hand-written Rust translators write. The order of the fields is the
//! order of the members; what is `None` or empty is left out.

use crate::rules::DayMonthYear;
use serde::Serialize;
use std::borrow::Cow;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Target<'a> {
    pub(crate) schema_version: &'static str,
    pub(crate) idempotency_key: &'a str,
    pub(crate) source: Source<'a>,
    pub(crate) person: Person<'a>,
    pub(crate) referral: Referral<'a>,
    pub(crate) referrer: Referrer<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Source<'a> {
    pub(crate) reference: &'a str,
    pub(crate) made_on: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Person<'a> {
    pub(crate) nhs_number: &'a str,
    pub(crate) full_name: String,
    pub(crate) date_of_birth: DayMonthYear,
    pub(crate) gender: &'static str,
    pub(crate) language: &'a str,
    pub(crate) interpreter_needed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) household_size: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lives_alone: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<Address<'a>>,
    pub(crate) contact: Contact<'a>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Address<'a> {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) street: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) town: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) postcode: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Contact<'a> {
    pub(crate) may_contact: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) phone: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) preference: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) telecoms: Vec<Telecom<'a>>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Telecom<'a> {
    pub(crate) kind: &'static str,
    pub(crate) value: &'a str,
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    pub(crate) used_for: Option<&'a str>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Referral<'a> {
    pub(crate) summary: &'a str,
    pub(crate) category: &'static str,
    pub(crate) priority: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) deadline: Option<DayMonthYear>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) needs: Vec<Need<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<&'a str>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Need<'a> {
    pub(crate) category: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) label: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<DayMonthYear>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Referrer<'a> {
    pub(crate) organisation: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ods_code: Option<&'a str>,
}
