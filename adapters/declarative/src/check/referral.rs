//! A fixture's referral: the form that the contract promises, and changes to it that a case asks for.

use serde_json::{Map, Value};

/// Most characters that a change may make.
const MOST: u64 = 2_000_000;

/// Puts `value` at a JSON Pointer; null removes what is there, `-` as the last part appends to an array. An object with
/// `$repeat` and `$times` stands for a text so often repeated.
///
/// # Errors
/// What does not exist, in words.
pub(super) fn change(document: &mut Value, pointer: &str, value: &Value) -> Result<(), String> {
    let (parent, last) = pointer.rsplit_once('/').ok_or("a JSON Pointer begins with /")?;
    let last = last.replace("~1", "/").replace("~0", "~");
    let parent = document.pointer_mut(parent).ok_or("leads nowhere: the element above it does not exist")?;
    let value = generated(value)?;
    match parent {
        Value::Object(members) if value.is_null() => {
            members.shift_remove(&last).ok_or("there is nothing to remove")?;
        }
        Value::Object(members) => {
            members.insert(last, value);
        }
        Value::Array(items) if last == "-" && !value.is_null() => items.push(value),
        Value::Array(items) => {
            let index: usize = last.parse().map_err(|_| "an array wants an index, or - to append")?;
            if index >= items.len() {
                return Err(format!("the array has {} items", items.len()));
            }
            if value.is_null() {
                items.remove(index);
            } else if let Some(item) = items.get_mut(index) {
                *item = value;
            }
        }
        _ => return Err("the element above it is neither an object nor an array".to_owned()),
    }
    Ok(())
}

fn generated(value: &Value) -> Result<Value, String> {
    match value {
        Value::Object(members) if members.contains_key("$repeat") => repeated(members),
        Value::Object(members) => {
            let made = members.iter().map(|(name, value)| Ok((name.clone(), generated(value)?)));
            Ok(Value::Object(made.collect::<Result<_, String>>()?))
        }
        Value::Array(items) => Ok(Value::Array(items.iter().map(generated).collect::<Result<_, _>>()?)),
        other => Ok(other.clone()),
    }
}

fn repeated(members: &Map<String, Value>) -> Result<Value, String> {
    let text = members.get("$repeat").and_then(Value::as_str).ok_or("$repeat must be text")?;
    let times = members.get("$times").and_then(Value::as_u64).ok_or("$times must be a number")?;
    if members.len() != 2 || times.saturating_mul(text.len() as u64) > MOST {
        return Err(format!("wants $repeat and $times alone, {MOST} bytes at most"));
    }
    Ok(Value::String(text.repeat(usize::try_from(times).unwrap_or_default())))
}

/// Whether this is a referral as the gateway's minimiser makes them.
///
/// # Errors
/// What is not as promised.
pub(super) fn check(bundle: &Value) -> Result<(), String> {
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    if text(bundle, "resourceType").as_deref() != Some("Bundle")
        || text(bundle, "type").as_deref() != Some("collection")
    {
        return Err("a referral is a Bundle of type collection".to_owned());
    }
    let entries = bundle.get("entry").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (index, entry) in entries.iter().enumerate() {
        if !text(entry, "fullUrl").is_some_and(|url| url.starts_with("urn:uuid:")) {
            return Err(format!("entry[{index}].fullUrl must be urn:uuid:…"));
        }
    }
    let kind = |entry: Option<&Value>| entry.and_then(|entry| text(entry.get("resource")?, "resourceType"));
    let wanted = [
        (entries.first(), "ServiceRequest", "first"),
        (entries.get(1), "Patient", "second"),
        (entries.last(), "Task", "last"),
    ];
    for (entry, name, place) in wanted {
        if kind(entry).as_deref() != Some(name) {
            return Err(format!("the {place} entry must be the {name}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{change, check};
    use serde_json::json;

    #[test]
    fn changes_set_append_remove_and_generate() {
        let mut document = json!({"entry": [{"a": 1}, {"b": [1]}]});
        for (pointer, value) in [
            ("/entry/0/a", json!("x")),
            ("/entry/0/new", json!({"text": {"$repeat": "ab", "$times": 3}})),
            ("/entry/1/b/-", json!(2)),
            ("/entry/1/b/0", json!(null)),
        ] {
            change(&mut document, pointer, &value).unwrap();
        }
        assert_eq!(document, json!({"entry": [{"a": "x", "new": {"text": "ababab"}}, {"b": [2]}]}));
        for (pointer, value, words) in [
            ("entry", json!(1), "begins with /"),
            ("/none/a", json!(1), "leads nowhere"),
            ("/entry/0/none", json!(null), "nothing to remove"),
            ("/entry/7", json!(1), "has 2 items"),
            ("/entry/x", json!(1), "wants an index"),
            ("/entry/0/a/b", json!(1), "neither"),
            ("/entry/0/a", json!({"$repeat": "a", "$times": 1_000_000_000}), "at most"),
            ("/entry/0/a", json!({"$repeat": 1, "$times": 1}), "must be text"),
        ] {
            let said = change(&mut document, pointer, &value).unwrap_err();
            assert!(said.contains(words), "{pointer}: {said}");
        }
    }

    #[test]
    fn a_referral_has_the_promised_form() {
        let entry = |kind: &str| json!({"fullUrl": "urn:uuid:1", "resource": {"resourceType": kind}});
        let bundle = |kinds: &[&str]| json!({"resourceType": "Bundle", "type": "collection", "entry": kinds.iter().map(|kind| entry(kind)).collect::<Vec<_>>()});
        assert_eq!(check(&bundle(&["ServiceRequest", "Patient", "Condition", "Task"])), Ok(()));
        for (kinds, words) in [
            (&["Patient", "ServiceRequest", "Task"][..], "the first entry must be the ServiceRequest"),
            (&["ServiceRequest", "Task"], "the second entry must be the Patient"),
            (&["ServiceRequest", "Patient"], "the last entry must be the Task"),
            (&[], "the first entry"),
        ] {
            assert!(check(&bundle(kinds)).unwrap_err().contains(words));
        }
        assert!(check(&json!({"resourceType": "Bundle", "type": "transaction"})).unwrap_err().contains("collection"));
        let mut plain = bundle(&["ServiceRequest", "Patient", "Task"]);
        plain["entry"][1]["fullUrl"] = json!("Patient/1");
        assert!(check(&plain).unwrap_err().contains("entry[1].fullUrl"));
    }
}
