//! What is taken into the staging area.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Charitylog, Staged};
use crate::simulator::Asked;

/// Members that every external referral may have.
const COMMON: [&str; 9] = [
    "org_type_id",
    "first_name",
    "surname",
    "description",
    "project",
    "source",
    "referral_role",
    "date",
    "relationships",
];

impl Charitylog {
    /// Stages everybody of a body, or nobody.
    pub(super) fn stage(&mut self, asked: &Asked) -> Result<Vec<i64>, &'static str> {
        let kind = asked.header("content-type").unwrap_or_default().to_ascii_lowercase();
        if !kind.starts_with("application/x-www-form-urlencoded") {
            return Err("The body is not of the agreed media type.");
        }
        let Ok(Value::Array(people)) = serde_json::from_slice::<Value>(&asked.body) else {
            return Err("The body is no array.");
        };
        if people.is_empty() {
            return Err("The array is empty.");
        }
        let mut all = Vec::new();
        for person in &people {
            all.push(self.checked(person)?);
        }
        let mut ids = Vec::new();
        for members in all {
            let id = self.next_id();
            self.staged.push(Staged { id, members });
            ids.push(id);
        }
        Ok(ids)
    }

    fn checked(&self, person: &Value) -> Result<BTreeMap<String, String>, &'static str> {
        let Value::Object(person) = person else { return Err("Somebody is no object.") };
        if person.keys().any(|name| !COMMON.contains(&name.as_str()) && !self.config.fields.contains(name)) {
            return Err("There is no such field.");
        }
        if ["first_name", "surname"].iter().any(|name| text(person, name).is_none_or(|value| value.trim().is_empty())) {
            return Err("First name and surname are needed.");
        }
        if !number(person, "org_type_id").is_some_and(|id| self.config.types.contains(&id)) {
            return Err("There is no such type.");
        }
        if person.contains_key("project")
            && !number(person, "project").is_some_and(|id| self.config.projects.contains(&id))
        {
            return Err("There is no such project.");
        }
        if person.contains_key("source") != person.contains_key("referral_role") {
            return Err("A source needs a role.");
        }
        Ok(person.keys().filter_map(|name| Some((name.clone(), text(person, name)?))).collect())
    }
}

/// Numbers may be texts, as on the page.
fn text(person: &Map<String, Value>, name: &str) -> Option<String> {
    match person.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn number(person: &Map<String, Value>, name: &str) -> Option<i64> {
    text(person, name)?.parse().ok()
}
