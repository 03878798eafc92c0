//! Canaries: marked values, by which what goes where it should not is found.

use serde_json::Value;

/// Stands before every planted text.
pub const CANARY: &str = "CANARY";

/// Every string of the value becomes a canary, but for what a referral cannot do without.
pub fn plant(value: &mut Value) {
    match value {
        Value::String(text) => *text = format!("{CANARY} {text}"),
        Value::Array(values) => values.iter_mut().for_each(plant),
        Value::Object(members) => {
            members.iter_mut().filter(|(name, _)| *name != "resourceType").for_each(|(_, value)| plant(value));
        }
        _ => {}
    }
}
