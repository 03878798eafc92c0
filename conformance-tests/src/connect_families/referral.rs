//! What a referral must look like: one table of members that refuses, stores and answers by.
//!
//! It knows JSON and the published limits. What is not in the table is not stored, as at the real platform, and its
//! name is kept so that a test can ask what was lost.

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::store::Status;

/// What a member may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Object,
    /// The number 0 and no other.
    Zero,
    /// A number above 0.
    Positive,
    Number,
    /// At most so many characters, if there is a limit. As the platform counts them: UTF-16 units without CR.
    Text(Option<usize>),
    StatusName,
    Instant,
    Any,
}

const LONG: Kind = Kind::Text(Some(500));
const NAME: Kind = Kind::Text(Some(255));
const EMAIL: Kind = Kind::Text(Some(254));
const PHONE: Kind = Kind::Text(Some(64));
const TEXT: Kind = Kind::Text(None);

/// Path, kind, required. A parent stands before its members.
const MEMBERS: &[(&str, Kind, bool)] = &[
    ("Referral", Kind::Object, true),
    ("Referral.Id", Kind::Zero, true),
    ("Referral.ReferrerTelephone", PHONE, false),
    ("Referral.ReasonForSupport", LONG, true),
    ("Referral.EngageWithFamily", LONG, true),
    ("Referral.RecipientDto", Kind::Object, true),
    ("Referral.RecipientDto.Name", NAME, true),
    ("Referral.RecipientDto.Email", EMAIL, false),
    ("Referral.RecipientDto.Telephone", PHONE, false),
    ("Referral.RecipientDto.TextPhone", PHONE, false),
    ("Referral.RecipientDto.AddressLine1", TEXT, false),
    ("Referral.RecipientDto.AddressLine2", TEXT, false),
    ("Referral.RecipientDto.TownOrCity", TEXT, false),
    ("Referral.RecipientDto.County", TEXT, false),
    ("Referral.RecipientDto.PostCode", TEXT, false),
    ("Referral.ReferralUserAccountDto", Kind::Object, true),
    ("Referral.ReferralUserAccountDto.Id", Kind::Positive, true),
    ("Referral.ReferralUserAccountDto.EmailAddress", EMAIL, true),
    ("Referral.ReferralUserAccountDto.Name", NAME, false),
    ("Referral.ReferralUserAccountDto.PhoneNumber", PHONE, false),
    ("Referral.ReferralUserAccountDto.Team", TEXT, false),
    ("Referral.ReferralUserAccountDto.roles", Kind::Any, false),
    ("Referral.ReferralServiceDto", Kind::Object, true),
    ("Referral.ReferralServiceDto.Id", Kind::Number, true),
    ("Referral.ReferralServiceDto.Name", TEXT, false),
    ("Referral.ReferralServiceDto.Description", TEXT, false),
    ("Referral.ReferralServiceDto.Url", TEXT, false),
    ("Referral.ReferralServiceDto.OrganisationDto", Kind::Object, true),
    ("Referral.ReferralServiceDto.OrganisationDto.Id", Kind::Number, true),
    ("Referral.ReferralServiceDto.OrganisationDto.Name", TEXT, false),
    ("Referral.ReferralServiceDto.OrganisationDto.Description", TEXT, false),
    ("Referral.Status", Kind::Object, true),
    ("Referral.Status.Id", Kind::Number, false),
    ("Referral.Status.Name", Kind::StatusName, true),
    ("Referral.ReasonForDecliningSupport", LONG, false),
    ("Metrics", Kind::Object, true),
    ("Metrics.RequestTimestamp", Kind::Instant, true),
];

/// A referral that the platform takes.
#[derive(Debug, Clone)]
pub(super) struct Accepted {
    /// As the platform answers with it: names in camel case, absent members null. Without what changes later.
    pub(super) referral: Value,
    pub(super) account: i64,
    pub(super) organisation: i64,
    pub(super) status: Status,
    pub(super) reason: Option<String>,
    /// Paths of the request that the platform has no member for.
    pub(super) ignored: Vec<String>,
}

/// One fault: the member's path and a sentence without its value.
pub(super) type Fault = (&'static str, String);

/// Reads the body of a create.
pub(super) fn read(body: &Value) -> Result<Accepted, Vec<Fault>> {
    let mut faults = Vec::new();
    for (path, kind, required) in MEMBERS {
        let (parent, _) = path.rsplit_once('.').unwrap_or_default();
        // A parent that is missing has a fault of its own.
        if !parent.is_empty() && !at(body, parent).is_some_and(Value::is_object) {
            continue;
        }
        if let Some(words) = fault(at(body, path), *kind, *required) {
            faults.push((*path, words));
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let text = |path| at(body, path).and_then(Value::as_str);
    let number = |path| at(body, path).and_then(Value::as_i64).unwrap_or_default();
    let mut referral = answer(body, "Referral");
    for later in ["id", "status", "reasonForDecliningSupport"] {
        referral.shift_remove(later);
    }
    Ok(Accepted {
        referral: Value::Object(referral),
        account: number("Referral.ReferralUserAccountDto.Id"),
        organisation: number("Referral.ReferralServiceDto.OrganisationDto.Id"),
        status: text("Referral.Status.Name").and_then(Status::named).unwrap_or(Status::New),
        reason: text("Referral.ReasonForDecliningSupport").map(str::to_owned),
        ignored: unknown(body, ""),
    })
}

/// The platform's count of a text.
pub(super) fn count(text: &str) -> usize {
    text.chars().filter(|one| *one != '\r').map(char::len_utf16).sum()
}

fn at<'v>(body: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(body, |value, name| value.get(name)).filter(|value| !value.is_null())
}

fn fault(value: Option<&Value>, kind: Kind, required: bool) -> Option<String> {
    let Some(value) = value else { return required.then(|| "is required".to_owned()) };
    let right = match kind {
        Kind::Object => value.is_object(),
        Kind::Zero => value.as_i64() == Some(0),
        Kind::Positive => value.as_i64().is_some_and(|number| number > 0),
        Kind::Number => value.is_i64(),
        Kind::Text(_) => value.is_string(),
        Kind::StatusName => value.as_str().is_some_and(|name| Status::named(name).is_some()),
        Kind::Instant => value.as_str().is_some_and(|text| OffsetDateTime::parse(text, &Rfc3339).is_ok()),
        Kind::Any => true,
    };
    let words = match kind {
        Kind::Object => "must be an object",
        Kind::Zero => "must be 0",
        Kind::Positive => "must be greater than 0",
        Kind::Number => "must be a whole number",
        Kind::StatusName => "must be the name of a status",
        Kind::Instant => "must be a date and time with an offset",
        Kind::Text(_) | Kind::Any => "must be text",
    };
    if !right {
        return Some(words.to_owned());
    }
    let text = value.as_str()?;
    match kind {
        Kind::Text(_) if required && text.trim().is_empty() => Some("must not be empty".to_owned()),
        Kind::Text(Some(limit)) if count(text) > limit => Some(format!("must be {limit} characters or fewer")),
        _ => None,
    }
}

/// The members below `parent` that the table has, as the platform answers with them.
fn answer(body: &Value, parent: &str) -> Map<String, Value> {
    let mut members = Map::new();
    for (path, kind, _) in MEMBERS {
        let Some((_, name)) = path.rsplit_once('.').filter(|(above, _)| *above == parent) else { continue };
        let value = match kind {
            Kind::Object => Value::Object(answer(body, path)),
            _ => at(body, path).cloned().unwrap_or_default(),
        };
        members.insert(camel(name), value);
    }
    members
}

fn camel(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_lowercase().to_string() + letters.as_str()).unwrap_or_default()
}

/// Paths of members that the table does not have.
fn unknown(value: &Value, parent: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (name, member) in value.as_object().into_iter().flatten() {
        let path = if parent.is_empty() { name.clone() } else { format!("{parent}.{name}") };
        match MEMBERS.iter().find(|(known, _, _)| *known == path) {
            Some((_, Kind::Object, _)) => found.extend(unknown(member, &path)),
            Some(_) => {}
            None => found.push(path),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_member_has_its_parent_before_it() {
        for (index, (path, _, _)) in MEMBERS.iter().enumerate() {
            let Some((parent, _)) = path.rsplit_once('.') else { continue };
            let before = MEMBERS.iter().take(index).any(|(one, kind, _)| *one == parent && *kind == Kind::Object);
            assert!(before, "{path}");
        }
    }

    #[test]
    fn a_carriage_return_is_not_counted_and_a_face_counts_twice() {
        assert_eq!([count("a\r\nb"), count("é"), count("\u{1F600}")], [3, 1, 2]);
    }

    #[test]
    fn an_empty_body_lacks_its_two_parts_and_nothing_below_them() {
        let faults = read(&json!({})).unwrap_err();
        assert_eq!(faults.iter().map(|(path, _)| *path).collect::<Vec<_>>(), ["Referral", "Metrics"]);
        assert!(read(&json!([])).is_err() && read(&json!({ "Referral": 1, "Metrics": "x" })).is_err());
    }
}
