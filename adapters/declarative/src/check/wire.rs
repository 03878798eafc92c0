//! How requests, answers and results stand in fixture files.

use adapter_contract::{
    Answer, FieldLine, HttpRequest, Loss, PlatformRequest, Progress, Reading, Step, TranslateError,
};
use serde_json::{Map, Value, json};

/// A request as `N-request.json` has it, with the progress that is stored before it leaves.
pub(super) fn request(request: &PlatformRequest, progress: &Progress) -> Value {
    let request = match request {
        PlatformRequest::Http(request) => http(request),
        // A mapping makes HTTP requests only.
        PlatformRequest::Publish(_)
        | PlatformRequest::Amend(_)
        | PlatformRequest::File(_)
        | PlatformRequest::Mail(_) => json!("not HTTP"),
    };
    json!({ "request": request, "progress": progress })
}

/// One HTTP request as people read it: a JSON body as JSON, a form as its fields, other text as lines.
pub(crate) fn http(request: &HttpRequest) -> Value {
    let mut members = Map::new();
    members.insert("method".to_owned(), json!(request.method));
    members.insert("path".to_owned(), json!(request.path));
    members.insert("query".to_owned(), json!(request.query));
    members.insert("headers".to_owned(), json!(request.headers));
    members.insert("repeat".to_owned(), json!(request.repeat));
    if let Some(bytes) = &request.body {
        let kind = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let (name, value) = body(bytes, kind.map(|(_, kind)| kind.as_str()).unwrap_or_default());
        members.insert(name.to_owned(), value);
    }
    Value::Object(members)
}

fn body(bytes: &[u8], kind: &str) -> (&'static str, Value) {
    if kind.contains("json")
        && let Ok(value) = serde_json::from_slice::<Value>(bytes)
    {
        return ("body", value);
    }
    if kind.starts_with("application/x-www-form-urlencoded") {
        return ("form", form_urlencoded::parse(bytes).map(|(name, value)| json!([name, value])).collect());
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if text.contains('\n') => ("text", json!(text.split('\n').collect::<Vec<_>>())),
        Ok(text) => ("text", json!(text)),
        Err(_) => ("bytes", json!(bytes)),
    }
}

/// What a platform answers, from `N-answer.json`.
///
/// # Errors
/// What is wrong with the file, in words.
pub(super) fn answer(value: &Value) -> Result<Answer, String> {
    let members = value.as_object().ok_or("must be an object with `status` and, if need be, `headers` and `body`")?;
    for name in members.keys() {
        if !["status", "headers", "body", "text"].contains(&name.as_str()) {
            return Err(format!("there is no member `{name}`; there are: status, headers, body, text"));
        }
    }
    let status = members.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
    let status = status.filter(|status| (100..=599).contains(status)).ok_or("`status` must be an HTTP status")?;
    let mut headers = Vec::new();
    if let Some(given) = members.get("headers") {
        for (name, value) in given.as_object().ok_or("`headers` must be an object")? {
            let value = value.as_str().ok_or("each header is text")?;
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
    }
    let body = match (members.get("body"), members.get("text")) {
        (Some(_), Some(_)) => return Err("an answer has `body` (JSON) or `text`, not both".to_owned()),
        (Some(body), None) => body.to_string().into_bytes(),
        (None, Some(text)) => text_of(text).ok_or("`text` must be text or a list of lines")?.into_bytes(),
        (None, None) => Vec::new(),
    };
    Ok(Answer::Http { status, headers, body })
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(lines) => {
            let lines: Option<Vec<&str>> = lines.iter().map(Value::as_str).collect();
            Some(lines?.join("\n"))
        }
        _ => None,
    }
}

/// How an exchange ended, as `result.json` has it.
pub(super) fn result(step: &Result<Step, TranslateError>) -> Value {
    match step {
        Ok(Step::Send(..)) => json!("more steps than the manifest's limits.steps"),
        Ok(Step::Delivered(receipt)) => json!({ "delivered": receipt.platform_referral, "reports": receipt.reports }),
        Ok(Step::Absent) => json!("absent"),
        Ok(Step::Reports(page)) => {
            let cursor = page.cursor.as_ref().map(|cursor| parsed(&cursor.0));
            json!({ "readings": readings(&page.readings), "cursor": cursor, "more": page.more })
        }
        Ok(Step::Failed(error)) => json!({ "failed": error }),
        Err(error) => refused(error),
    }
}

/// A cursor is JSON text; it is easier to read as JSON.
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| json!(text))
}

/// What was read of a report.
pub(super) fn readings(readings: &[Reading]) -> Vec<Value> {
    let one = |reading: &Reading| match reading {
        Reading::Status(report) => json!({ "status": report }),
        Reading::Changed(id) => json!({ "changed": id }),
    };
    readings.iter().map(one).collect()
}

/// A refusal to translate, without the place of the rule: it moves with every line that is added above it.
pub(super) fn refused(error: &TranslateError) -> Value {
    let reason = without_place(&error.reason);
    json!({ "refused": { "path": error.path, "reason": reason, "unsafe-to-send": error.unsafe_to_send } })
}

/// `… (for field, mapping.yaml:41)` becomes `… (for field)`, and `… (mapping.yaml:41)` becomes `…`.
fn without_place(reason: &str) -> String {
    let Some((words, place)) = reason.strip_suffix(')').and_then(|reason| reason.rsplit_once([' '])) else {
        return reason.to_owned();
    };
    let is_place = place.rsplit_once(".yaml:").is_some_and(|(_, line)| line.parse::<u32>().is_ok());
    match (is_place, place.starts_with('('), words.strip_suffix(',')) {
        (true, true, _) => words.to_owned(),
        (true, false, Some(words)) => format!("{words})"),
        _ => reason.to_owned(),
    }
}

/// The loss report, without the places of rules: they move with every line that is added above them.
pub(super) fn losses(losses: &[Loss]) -> Value {
    let without = losses.iter().map(|loss| Loss { rule: None, ..loss.clone() });
    json!(without.collect::<Vec<_>>())
}

/// The explanation, likewise without places.
pub(super) fn account(fields: &[FieldLine]) -> Value {
    let lines = fields.iter().map(
        |line| json!({ "target": line.target, "sources": line.sources, "steps": line.steps, "class": line.class }),
    );
    Value::Array(lines.collect())
}

#[cfg(test)]
mod tests {
    use super::{answer, without_place};
    use adapter_contract::Answer;
    use serde_json::json;

    #[test]
    fn places_of_rules_are_left_out() {
        for (given, left) in [
            ("is missing (for create.body.Name, mapping.yaml:41)", "is missing (for create.body.Name)"),
            ("Not to be sent. (mapping-base.yaml:7)", "Not to be sent."),
            ("as it stands (for a, b)", "as it stands (for a, b)"),
            ("no place", "no place"),
        ] {
            assert_eq!(without_place(given), left);
        }
    }

    #[test]
    fn answers_are_read_or_refused_in_words() {
        let read = answer(&json!({"status": 200, "headers": {"ETag": "1"}, "text": ["a", "b"]})).unwrap();
        let headers = vec![("etag".to_owned(), "1".to_owned())];
        assert_eq!(read, Answer::Http { status: 200, headers, body: b"a\nb".to_vec() });
        for (wrong, words) in [
            (json!([]), "must be an object"),
            (json!({"status": 200, "boddy": 1}), "no member `boddy`"),
            (json!({"status": 9}), "HTTP status"),
            (json!({"status": 200, "body": 1, "text": ""}), "not both"),
            (json!({"status": 200, "text": 1}), "`text` must be"),
            (json!({"status": 200, "headers": []}), "`headers` must be"),
            (json!({"status": 200, "headers": {"a": 1}}), "each header is text"),
        ] {
            let said = answer(&wrong).unwrap_err();
            assert!(said.contains(words), "{wrong}: {said}");
        }
    }
}
