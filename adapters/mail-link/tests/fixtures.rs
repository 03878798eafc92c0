//! Runs every folder under `fixtures/`: each is one exchange or one report. A new case needs no Rust. Write `case.json` (and what came
//! in), run with `UPDATE_FIXTURES=1`, and review what was written.
//!
//! Files of a case: `case.json` (purpose, settings, referral, requirements); `1-request.json` and `1-request.txt` (the mail, and its
//! text); `page.json` (what the page shows); `losses.json` (what it does not); `report.eml` or `report.json` (what came in);
//! `result.json`. Nobody reads PDF in a review: what is in one is tested beside the code.

use adapter_contract::{
    Adapter, Answer, Ask, Exchange, IdempotencyKey, Keys, MailRequest, MinimisedReferral, PlatformReferralId,
    PlatformRequest, Purpose, Reading, Report, ReportSource, SenderMove, Settings, Step, TranslateError,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const KEY: &str = "0b0f7c52-6c1e-4d0c-9a55-3f1f5ac0a001";
const ACCEPTED: &str = "2026-11-22T09:00:00.000Z";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// One fixture folder, and the files of it that were used.
struct Case {
    folder: PathBuf,
    case: Value,
    used: BTreeSet<String>,
}

impl Case {
    fn open(folder: PathBuf) -> Self {
        let mut case = Self { folder, case: Value::Null, used: BTreeSet::new() };
        let bytes = case.bytes("case.json").expect("every case has a case.json");
        case.case = serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{:?}: {error}", case.folder));
        assert!(case.case["about"].is_string(), "{:?} says what it is about", case.folder);
        case
    }

    fn bytes(&mut self, name: &str) -> Option<Vec<u8>> {
        let bytes = std::fs::read(self.folder.join(name)).ok()?;
        self.used.insert(name.to_owned());
        Some(bytes)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.case.get(name).and_then(Value::as_str)
    }

    /// Compares with the stored file, or writes it when asked to.
    fn expect(&mut self, name: &str, seen: &str) {
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            std::fs::write(self.folder.join(name), seen).expect("writes");
        }
        let wanted = self.bytes(name).unwrap_or_else(|| panic!("{:?} has no {name}", self.folder));
        assert_eq!(seen, String::from_utf8_lossy(&wanted), "{:?} {name}", self.folder);
    }

    fn expect_json(&mut self, name: &str, seen: &Value) {
        let text = serde_json::to_string_pretty(seen).expect("serialises") + "\n";
        self.expect(name, &text);
    }

    fn settings(&self) -> Settings {
        let given = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut settings: Settings = [given("sender-name", "Leeds social prescribing")].into();
        for (name, value) in self.case.get("settings").and_then(Value::as_object).into_iter().flatten() {
            match value.as_str() {
                Some(value) => settings.insert(name.clone(), value.to_owned()),
                None => settings.remove(name),
            };
        }
        settings
    }

    fn all_used(&self) {
        let entries = std::fs::read_dir(&self.folder).expect("lists");
        let there: BTreeSet<String> =
            entries.map(|entry| entry.expect("entry").file_name().into_string().expect("UTF-8 name")).collect();
        assert_eq!(there, self.used, "{:?}: files that no step reads prove nothing", self.folder);
    }
}

#[test]
fn every_fixture_folder_holds() {
    let entries = std::fs::read_dir(root()).expect("lists");
    let mut folders: Vec<PathBuf> =
        entries.map(|entry| entry.expect("entry").path()).filter(|path| !path.ends_with("referrals")).collect();
    folders.sort();
    assert!(folders.len() >= 80, "the fixtures are there");
    let adapter = adapter_mail_link::adapter();
    for folder in folders {
        let mut case = Case::open(folder);
        match case.text("purpose") {
            Some("settings") => {
                let seen =
                    adapter.check_settings(&case.settings()).map_or_else(|error| refused(&error), |()| json!("right"));
                case.expect_json("result.json", &seen);
            }
            Some("report") => report(adapter.as_ref(), &mut case),
            _ => exchange(adapter.as_ref(), &mut case),
        }
        case.all_used();
    }
}

fn report(adapter: &dyn Adapter, case: &mut Case) {
    let (source, file) = match case.text("source").expect("a source") {
        "mail" => (ReportSource::Mail, "report.eml"),
        "status-link" => (ReportSource::StatusLink, "report.json"),
        other => panic!("unknown source {other}"),
    };
    let body = case.bytes(file).expect("a report");
    let report = Report { source, content_type: None, body: &body };
    let read = adapter.read_report(&report);
    assert_eq!(read, adapter.read_report(&report), "the same report says the same");
    let seen = read.map_or_else(|error| refused(&error), |readings| json!({ "readings": all(&readings) }));
    case.expect_json("result.json", &seen);
}

fn exchange(adapter: &dyn Adapter, case: &mut Case) {
    let settings = case.settings();
    let referral = case.text("referral").map(|name| {
        let path = root().join("referrals").join(format!("{name}.json"));
        MinimisedReferral::new(std::fs::read_to_string(path).expect("the referral is there"))
    });
    let platform_referral = PlatformReferralId(case.text("platform-referral").unwrap_or(KEY).to_owned());
    let reason = case.text("reason").map(str::to_owned);
    let tell =
        |sender_move| Purpose::Tell { platform_referral: &platform_referral, sender_move, reason: reason.as_deref() };
    let purpose = match case.text("purpose").expect("a purpose") {
        "submit" => Purpose::Submit { referral: referral.as_ref().expect("a referral") },
        "update" => {
            Purpose::Update { platform_referral: &platform_referral, referral: referral.as_ref().expect("a referral") }
        }
        "cancel" => tell(SenderMove::Cancel),
        "hold" => tell(SenderMove::Hold),
        "release" => tell(SenderMove::Release),
        "ask" => {
            let why: Ask = serde_json::from_value(case.case["why"].clone()).expect("why");
            let number = case.case["number"].as_u64().and_then(|number| u32::try_from(number).ok()).expect("a number");
            Purpose::Ask { platform_referral: &platform_referral, why, number }
        }
        "look-up" => Purpose::LookUp,
        other => panic!("unknown purpose {other}"),
    };
    let key = IdempotencyKey(case.text("key").unwrap_or(KEY).to_owned());
    let keys = Keys { idempotency: &key, correlation: "conversation-1" };
    let exchange = Exchange { purpose, at: None, keys, settings: &settings, accepted_at: ACCEPTED };
    let mut step = adapter.begin(&exchange);
    assert_eq!(step, adapter.begin(&exchange), "the same exchange gives the same step");
    if let Ok(Step::Send(request, progress)) = &step {
        let PlatformRequest::Mail(mail) = request else { panic!("the adapter writes mails alone") };
        case.expect("1-request.txt", &mail.text);
        case.expect_json(
            "1-request.json",
            &json!({ "request": seen(mail), "repeat": mail.repeat, "progress": progress }),
        );
        step = adapter.resume(&exchange, progress, &Answer::Mailed);
    }
    case.expect_json("result.json", &result(&step));
    if matches!(purpose, Purpose::Submit { .. }) {
        shown(adapter, &exchange, case);
    }
}

/// What the page shows, and what it does not.
fn shown(adapter: &dyn Adapter, exchange: &Exchange<'_>, case: &mut Case) {
    if let Ok(Some(page)) = adapter.page(exchange) {
        let section =
            |section: &adapter_contract::PageSection| json!({ "heading": section.heading, "lines": section.lines });
        let sections: Vec<Value> = page.sections.iter().map(section).collect();
        case.expect_json("page.json", &json!({ "warnings": page.warnings, "sections": sections }));
    }
    if let Ok(Some(account)) = adapter.account(exchange) {
        case.expect_json("losses.json", &json!(account.losses));
    }
}

fn seen(mail: &MailRequest) -> Value {
    let attached = |one: &adapter_contract::Attachment| json!({ "name": one.name, "media-type": one.media_type, "sealed": one.sealed, "empty": one.content.is_empty() });
    let attachments: Vec<Value> = mail.attachments.iter().map(attached).collect();
    json!({ "mail": mail.key, "thread": mail.thread, "follows": mail.follows, "subject": mail.subject, "attachments": attachments })
}

fn all(readings: &[Reading]) -> Vec<Value> {
    let one = |reading: &Reading| match reading {
        Reading::Status(report) => json!(report),
        Reading::Changed(id) => json!({ "changed": id }),
    };
    readings.iter().map(one).collect()
}

fn result(step: &Result<Step, TranslateError>) -> Value {
    match step {
        Ok(Step::Send(..)) => panic!("an exchange ends"),
        Ok(Step::Delivered(receipt)) => json!({ "delivered": receipt.platform_referral, "reports": receipt.reports }),
        Ok(Step::Absent) => json!("absent"),
        Ok(Step::Reports(page)) => json!({ "readings": all(&page.readings), "cursor": page.cursor, "more": page.more }),
        Ok(Step::Failed(error)) => json!({ "failed": error }),
        Err(error) => refused(error),
    }
}

fn refused(error: &TranslateError) -> Value {
    json!({ "refused": { "path": error.path, "reason": error.reason, "unsafe-to-send": error.unsafe_to_send } })
}
