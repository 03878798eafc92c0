//! What `translate` prints: consent, the requests, one line for each field, the loss report.

use super::choose::Chosen;
use super::decide::{Decided, UNDECIDED};
use super::{Said, Translation, Wanted, fresh_key, say};
use adapter_contract::{FieldLine, FileRequest, Grade, HttpRequest, Loss, PlatformRequest, Repeat};
use gateway_core::loss::{INCOMPLETE, LossReport, grade_word, reason_words};
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use std::fmt::Write as _;

/// Bytes of a hash that are shown.
const SHOWN: usize = 8;

pub(super) fn show(wanted: &Wanted, chosen: &Chosen, notes: &[String], translations: &[Translation]) {
    let key = fresh_key();
    if wanted.json {
        let descriptor = chosen.adapter.as_adapter().descriptor();
        let all: Vec<Value> = translations.iter().map(|one| as_json(wanted, one, &key)).collect();
        let value = json!({
            "adapter": descriptor.name, "version": descriptor.version, "notes": notes, "translations": all,
        });
        say(&format!("{value:#}"));
        return;
    }
    for note in notes {
        say(&format!("note: {note}"));
    }
    for translation in translations {
        say(&as_text(wanted, chosen, translation, &key));
    }
}

fn hash(key: &str, value: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("a key may have any length");
    mac.update(value.as_bytes());
    let bytes = mac.finalize().into_bytes();
    bytes.iter().take(SHOWN).fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn as_json(wanted: &Wanted, translation: &Translation, key: &str) -> Value {
    let consent = consent_json(translation.consent.as_ref());
    match &translation.said {
        Err(words) => json!({ "task": translation.task, "consent": consent, "refused": words }),
        Ok(said) => {
            let mut value = json!({
                "task": translation.task,
                "consent": consent,
                "requests": said.requests.iter().map(request_json).collect::<Vec<_>>(),
                "more-requests": said.more,
                "losses": said.report,
            });
            if wanted.explain {
                let lines = said.account.as_ref().map(|account| &account.fields);
                value["fields"] = match lines {
                    Some(lines) => lines.iter().map(|line| field_json(wanted, line, key)).collect(),
                    None => Value::Null,
                };
            }
            value
        }
    }
}

fn consent_json(decided: Option<&Decided>) -> Value {
    let Some(Decided { decision, words }) = decided else { return json!({ "decided": false, "because": UNDECIDED }) };
    let withheld = decision.withheld.iter().map(|one| {
        json!({ "element": one.path, "reason": one.reason.code(), "words": one.reason.words(), "rule": one.rule })
    });
    json!({
        "decided": true, "verdict": decision.word(), "reason": decision.reason.code(), "words": words,
        "rules": decision.rules, "path": decision.rule_path, "withheld": withheld.collect::<Vec<_>>(),
    })
}

fn consent(text: &mut String, decided: Option<&Decided>) {
    let Some(Decided { decision, words }) = decided else {
        let _ = writeln!(text, "\n{UNDECIDED}");
        return;
    };
    let rule = decision.rule_path.last().map(String::as_str).unwrap_or_default();
    let _ = writeln!(text, "\nConsent: {}; {words} [{rule}]", decision.word());
    for one in &decision.withheld {
        let _ = writeln!(text, "  withheld {}: {} [{}]", one.path, one.reason.words(), one.rule);
    }
}

fn field_json(wanted: &Wanted, line: &FieldLine, key: &str) -> Value {
    let mut value = json!(line);
    value["hash"] = json!(hash(key, &line.value));
    if wanted.reveal {
        value["value"] = json!(line.value);
    }
    value
}

fn request_json(request: &PlatformRequest) -> Value {
    let parsed = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| json!(text));
    match request {
        PlatformRequest::Http(http) => {
            let mut value = json!({
                "method": http.method, "path": http.path, "query": http.query, "headers": http.headers,
                "repeat": http.repeat,
            });
            if let Some(body) = &http.body {
                value["body"] = match std::str::from_utf8(body) {
                    Ok(text) => parsed(text),
                    Err(_) => json!(body),
                };
            }
            value
        }
        PlatformRequest::Publish(publication) => {
            let resources = publication.resources.iter();
            json!({ "publish": resources.map(|one| parsed(&one.resource)).collect::<Vec<_>>() })
        }
        PlatformRequest::Amend(amendment) => {
            json!({ "amend": amendment.task, "status": amendment.status, "reason": amendment.reason })
        }
        PlatformRequest::File(FileRequest::Put(put)) => json!({
            "file": put.name, "key": put.key, "media-type": put.media_type, "repeat": put.repeat,
            "content": String::from_utf8_lossy(&put.content),
        }),
        // A submission leaves files and nothing else.
        PlatformRequest::File(_) => json!({ "file": null }),
        PlatformRequest::Mail(mail) => json!({
            "mail": mail.key,
            "subject": mail.subject,
            "text": mail.text,
            "attachments": mail.attachments.iter().map(|one| json!({
                "name": one.name,
                "media-type": one.media_type,
                "sealed": one.sealed,
                "bytes": one.content.len(),
            })).collect::<Vec<_>>(),
        }),
    }
}

fn as_text(wanted: &Wanted, chosen: &Chosen, translation: &Translation, key: &str) -> String {
    let descriptor = chosen.adapter.as_adapter().descriptor();
    let mut text = format!("{} to {} {}\n", translation.task, descriptor.name, descriptor.version);
    consent(&mut text, translation.consent.as_ref());
    let said = match &translation.said {
        Err(words) => {
            let _ = writeln!(text, "\nNothing is sent. {words}");
            return text;
        }
        Ok(said) => said,
    };
    requests(&mut text, said);
    if wanted.explain {
        explanation(&mut text, wanted, said, key);
    }
    losses(&mut text, &said.report);
    text
}

fn requests(text: &mut String, said: &Said) {
    let all = said.requests.len();
    for (index, request) in said.requests.iter().enumerate() {
        let _ = writeln!(text, "\nRequest {} of {all}{}", index + 1, if said.more { " or more" } else { "" });
        match request {
            PlatformRequest::Http(http) => http_request(text, http),
            other => {
                let _ = writeln!(text, "{:#}", request_json(other));
            }
        }
    }
    if said.more {
        let _ = writeln!(text, "\nWhat follows depends on the platform's answer, and is not shown.");
    }
    if all == 0 {
        let _ = writeln!(text, "\nNo request is made.");
    }
}

fn http_request(text: &mut String, http: &HttpRequest) {
    let path = if http.path.is_empty() { "(the base address)" } else { &http.path };
    let query: Vec<String> = http.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    let _ = writeln!(text, "{} {}{query}", json!(http.method).as_str().unwrap_or_default(), path);
    for (name, value) in &http.headers {
        let _ = writeln!(text, "{name}: {value}");
    }
    let again = match http.repeat {
        Repeat::Safe => "changes nothing",
        Repeat::Keyed => "is recognised by our key",
        Repeat::LookUpFirst => "would make a second one: the gateway asks first",
    };
    let _ = writeln!(text, "(sent twice, it {again})");
    if let Some(body) = &http.body {
        let body = match serde_json::from_slice::<Value>(body) {
            Ok(value) => format!("{value:#}"),
            Err(_) => String::from_utf8_lossy(body).into_owned(),
        };
        let _ = writeln!(text, "\n{body}");
    }
}

fn explanation(text: &mut String, wanted: &Wanted, said: &Said, key: &str) {
    let Some(account) = said.account.as_ref().filter(|account| !account.fields.is_empty()) else {
        let _ = writeln!(text, "\nFields: this adapter does not explain its fields.");
        return;
    };
    let _ = writeln!(text, "\nFields ({})", account.fields.len());
    for line in &account.fields {
        let from = if line.sources.is_empty() { "-".to_owned() } else { line.sources.join(", ") };
        let rule = if line.rule.is_empty() { String::new() } else { format!(" [{}]", line.rule) };
        let class = json!(line.class);
        let class = class.as_str().unwrap_or_default();
        let steps = if line.steps.is_empty() { String::new() } else { format!("; {}", line.steps.join("; ")) };
        let shown = if wanted.reveal { json!(line.value).to_string() } else { format!("#{}", hash(key, &line.value)) };
        let _ = writeln!(text, "  {} <- {from}{rule} {class} {shown}{steps}", line.target);
    }
}

fn losses(text: &mut String, report: &LossReport) {
    let grades = [Grade::Unsafe, Grade::Notable, Grade::Informational];
    let counts: Vec<String> = grades
        .into_iter()
        .filter(|grade| report.count(*grade) > 0)
        .map(|grade| format!("{} {}", report.count(grade), grade_word(grade)))
        .collect();
    if report.losses.is_empty() {
        let _ = writeln!(text, "\nLosses: none");
    } else {
        let _ = writeln!(text, "\nLosses ({})", counts.join(", "));
    }
    for loss in &report.losses {
        let _ = writeln!(text, "  {}", loss_line(loss));
    }
    if report.more > 0 {
        let _ = writeln!(text, "  and {} more, none of them graver", report.more);
    }
    if !report.complete {
        let _ = writeln!(text, "  {INCOMPLETE}");
    }
    // Which grade holds is each platform's setting; unless it says otherwise, this one.
    if report.count(Grade::Unsafe) > 0 {
        let _ = writeln!(
            text,
            "\nWith the usual policy this referral waits until its sender has seen what is lost and lets it go."
        );
    }
}

fn loss_line(loss: &Loss) -> String {
    let mut line = format!("{:<13} {}: {}", grade_word(loss.grade), loss.element, reason_words(loss.reason));
    if loss.count > 1 {
        let _ = write!(line, " ({} times)", loss.count);
    }
    if let Some(detail) = &loss.detail {
        let _ = write!(line, ", {detail}");
    }
    if let Some(rule) = &loss.rule {
        let _ = write!(line, " [{rule}]");
    }
    if let Some(because) = &loss.because {
        let _ = write!(line, " - {because}");
    }
    line
}
