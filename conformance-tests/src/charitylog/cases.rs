//! How cases are listed: filters and fields are pairs of the path, ids are told by name on demand.

use serde_json::{Map, Value, json};
use time::Date;

use super::{Case, Charitylog};
use crate::simulator::Asked;

/// Most pairs of one address.
const PAIRS: usize = 10;
/// What is answered without `field`.
const USUAL: &str = "id;client;project;stage;status";

impl Charitylog {
    pub(super) fn list(&self, path: &[&str], asked: &Asked) -> Result<Vec<Value>, &'static str> {
        if !path.len().is_multiple_of(2) || path.len() > 2 * PAIRS {
            return Err("The address is not made of up to ten pairs.");
        }
        let mut fields = USUAL;
        let mut found: Vec<&Case> =
            self.cases.iter().filter(|case| self.config.projects.contains(&case.project)).collect();
        for pair in path.chunks_exact(2) {
            let [key, value] = pair else { continue };
            match *key {
                "field" => fields = value,
                "id" => found.retain(|case| any(value, &case.id.to_string())),
                "project" => found.retain(|case| any(value, &case.project.to_string())),
                "client_external_id" => {
                    found.retain(|case| case.external_id.as_deref().is_some_and(|id| any(value, id)))
                }
                "date_active" => {
                    let (from, to) = days(value).ok_or("The dates are not two days.")?;
                    found.retain(|case| case.contacts.iter().any(|day| (from..=to).contains(day)));
                }
                _ => return Err("There is no such filter."),
            }
        }
        let resolved = asked.parameters().iter().any(|(name, value)| name == "resolveIds[]" && value == "ALL");
        found.iter().map(|case| self.shown(case, fields, resolved)).collect()
    }

    fn shown(&self, case: &Case, fields: &str, resolved: bool) -> Result<Value, &'static str> {
        let stage = self.config.stages.iter().find(|(id, _, _)| Some(*id) == case.stage);
        let mut shown = Map::new();
        for field in fields.split(';') {
            let value = match field {
                "id" => json!(case.id),
                "client" => json!(case.client),
                "client_external_id" => json!(case.external_id),
                "project" => json!(case.project),
                "stage" if resolved => json!(stage.map(|(_, name, _)| name)),
                "stage" => json!(case.stage),
                "status" if resolved => json!(stage.map(|(_, _, status)| status)),
                // Statuses have ids of their own.
                "status" => json!(stage.map(|(id, _, _)| id + 100)),
                _ => return Err("There is no such field."),
            };
            shown.insert(field.to_owned(), value);
        }
        Ok(Value::Object(shown))
    }
}

fn any(values: &str, one: &str) -> bool {
    values.split(';').any(|value| value == one)
}

fn days(value: &str) -> Option<(Date, Date)> {
    let format = time::macros::format_description!("[year]-[month]-[day]");
    let (from, to) = value.split_once(',')?;
    Some((Date::parse(from, &format).ok()?, Date::parse(to, &format).ok()?))
}
