//! What the adapter promises whatever it is given.

use adapter_contract::business_status::BUSINESS_STATUSES;
use adapter_contract::{
    Account, Answer, Ask, Exchange, Grade, IdempotencyKey, Keys, LinkAnswer, MailRequest, MinimisedReferral,
    PlatformReferralId, PlatformRequest, Progress, Purpose, Reading, ReferralPage, Report, ReportSource, STATUS_LINK,
    Says, SenderMove, Settings, Step, TranslateError,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const KEY: &str = "0b0f7c52-6c1e-4d0c-9a55-3f1f5ac0a001";
const CANARY: &str = "CANARY";

fn settings(more: &[(&str, &str)]) -> Settings {
    let all = [("sender-name", "Leeds social prescribing"), ("base-url", "https://mail.example")];
    all.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn full() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/referrals/full.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect("the fixture is there")).expect("JSON")
}

fn with_exchange<R>(purpose: Purpose<'_>, settings: &Settings, check: impl FnOnce(&Exchange<'_>) -> R) -> R {
    let key = IdempotencyKey(KEY.to_owned());
    let keys = Keys { idempotency: &key, correlation: "conversation-1" };
    check(&Exchange { purpose, at: None, keys, settings, accepted_at: "2026-11-22T09:00:00.000Z" })
}

fn sent(step: Step) -> (MailRequest, Progress) {
    let Step::Send(PlatformRequest::Mail(mail), progress) = step else { panic!("expected a mail, got {step:?}") };
    (mail, progress)
}

fn submitted(bundle: &Value, settings: &Settings) -> (MailRequest, Progress, ReferralPage, Account) {
    let referral = MinimisedReferral::new(bundle.to_string());
    with_exchange(Purpose::Submit { referral: &referral }, settings, |exchange| {
        let adapter = adapter_mail_link::adapter();
        let (mail, progress) = sent(adapter.begin(exchange).expect("translates"));
        let page = adapter.page(exchange).expect("translates").expect("shows");
        (mail, progress, page, adapter.account(exchange).expect("translates").expect("explains itself"))
    })
}

/// All words of a page.
fn words(page: &ReferralPage) -> String {
    let lines =
        page.sections.iter().flat_map(|section| section.lines.iter().map(|(name, says)| format!("{name}: {says}")));
    page.warnings.iter().cloned().chain(lines).collect::<Vec<_>>().join("\n")
}

/// Calls `visit` for each leaf of a resource with its element path. References, URLs and types are no content.
fn leaves(value: &mut Value, path: &str, visit: &mut impl FnMut(&str, &mut Value)) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| leaves(value, path, visit)),
        Value::Object(members) => {
            let url = members.get("url").and_then(Value::as_str).map(|url| format!("({url})")).unwrap_or_default();
            for (name, inner) in members.iter_mut() {
                if !matches!(name.as_str(), "resourceType" | "reference" | "url" | "id") {
                    leaves(inner, &format!("{path}{url}.{name}"), visit);
                }
            }
        }
        leaf => visit(path, leaf),
    }
}

fn each_leaf(bundle: &mut Value, mut visit: impl FnMut(&str, &mut Value)) {
    for entry in bundle["entry"].as_array_mut().expect("entries") {
        let kind = entry["resource"]["resourceType"].as_str().expect("a type").to_owned();
        leaves(&mut entry["resource"], &kind, &mut visit);
    }
}

#[test]
fn the_descriptor_is_whole() {
    let adapter = adapter_mail_link::adapter();
    let descriptor = adapter.descriptor();
    assert_eq!((descriptor.name.as_str(), descriptor.version.as_str()), ("mail-link", env!("CARGO_PKG_VERSION")));
    let codes: BTreeSet<&str> = BUSINESS_STATUSES.iter().filter(|one| one.for_adapters).map(|one| one.code).collect();
    for row in &descriptor.statuses {
        assert!(codes.contains(row.business_status.as_str()), "{}", row.business_status);
    }
    let words: BTreeSet<&str> = descriptor.statuses.iter().map(|row| row.platform.as_str()).collect();
    let needs: BTreeSet<&str> = descriptor.data_needs.iter().map(|need| need.path.as_str()).collect();
    assert_eq!(
        (words.len(), needs.len()),
        (descriptor.statuses.len(), descriptor.data_needs.len()),
        "each stands once"
    );
    for says in Says::ALL {
        assert!(words.contains(says.word()), "{says:?}");
    }
    assert_eq!(words.len(), Says::ALL.len() + 4, "and what mails say");
    let can = descriptor.capabilities;
    assert!(can.cancel && can.push && can.status_link && !can.hold && !can.poll && !can.look_up);
}

/// What can be said is written as the pages write it, and its word means what the table says.
#[test]
fn every_answer_is_read_by_the_table() {
    let adapter = adapter_mail_link::adapter();
    for says in Says::ALL {
        let answer = LinkAnswer {
            referral: PlatformReferralId("their-name".to_owned()),
            key: IdempotencyKey(KEY.to_owned()),
            event: "answer-1".to_owned(),
            at: "2026-11-23T10:00:00Z".to_owned(),
            says,
            today: None,
            words: Some("In our words.".to_owned()),
        };
        let body = serde_json::to_vec(&answer).expect("serialises");
        let report = Report { source: ReportSource::StatusLink, content_type: None, body: &body };
        let read = adapter.read_report(&report).expect("reads");
        let [Reading::Status(report)] = read.as_slice() else { panic!("one statement: {read:?}") };
        let row = adapter.descriptor().statuses.iter().find(|row| row.platform == says.word()).expect("a row");
        assert_eq!((report.status, &report.business_status), (row.status, &row.business_status), "{says:?}");
        assert_eq!((report.platform_referral.0.as_str(), report.event.as_str()), ("their-name", "answer-1"));
        assert_eq!(report.order.instant.as_deref(), Some("2026-11-23T10:00:00Z"));
        let reason = report.reason.as_deref().expect("words");
        let calls = says.word().starts_with("needs-more");
        assert!(reason.ends_with("In our words.") && calls == (reason != "In our words."), "{says:?}: {reason}");
        assert_eq!(report.outputs.len(), usize::from(says.word().starts_with("finished")));
    }
}

/// No value of a referral stands in a mail in clear, nor in what is stored or logged beside it.
#[test]
fn no_patient_data_in_a_mail_in_clear() {
    let mut bundle = full();
    each_leaf(&mut bundle, |element, leaf| {
        // Which name is the usual one is a code, and decides.
        if leaf.is_string() && !element.ends_with(".use") {
            *leaf = json!(format!("{CANARY} {}", leaf.as_str().unwrap_or_default()));
        }
    });
    for more in [vec![], vec![("attachment", "encrypted-pdf")]] {
        let (mail, progress, page, account) = submitted(&bundle, &settings(&more));
        let told =
            format!("{} {} {:?} {} {} {progress:?}", mail.key, mail.thread, mail.follows, mail.subject, mail.text);
        let names: Vec<&str> = mail.attachments.iter().map(|one| one.name.as_str()).collect();
        assert!(!told.contains(CANARY) && !names.join(" ").contains(CANARY), "{told}");
        assert!(mail.attachments.iter().all(|one| one.sealed), "nothing leaves in clear");
        assert!(words(&page).contains("CANARY Zoë Ó Briain"), "the canary is on the page");
        let losses = serde_json::to_string(&account).expect("serialises");
        assert!(!losses.contains(CANARY) && !format!("{account:?}").contains(CANARY), "{losses}");
    }
    let (mail, ..) = submitted(&bundle, &settings(&[("body", "full"), ("accredited", "yes")]));
    assert!(mail.text.contains("CANARY Zoë Ó Briain") && !mail.subject.contains(CANARY));
}

#[test]
fn no_patient_data_in_other_letters() {
    let adapter = adapter_mail_link::adapter();
    let id = PlatformReferralId(format!("{CANARY} at home"));
    let (settings, reason) = (settings(&[]), Some("CANARY moved away"));
    let mut purposes = vec![Purpose::Tell { platform_referral: &id, sender_move: SenderMove::Cancel, reason }];
    for why in [Ask::First, Ask::Reminder, Ask::NewLink] {
        purposes.push(Purpose::Ask { platform_referral: &id, why, number: 3 });
    }
    let mut keys = BTreeSet::new();
    for purpose in purposes {
        with_exchange(purpose, &settings, |exchange| {
            let (mail, progress) = sent(adapter.begin(exchange).expect("translates"));
            assert!(!format!("{mail:?} {progress:?}").contains(CANARY), "{mail:?}");
            assert_eq!(mail.text.contains(STATUS_LINK), matches!(purpose, Purpose::Ask { .. }));
            assert!(mail.text.ends_with(&format!("Reference: {KEY}\n")) && mail.thread == KEY);
            assert!(mail.key.starts_with(&format!("{KEY}-")) && keys.insert(mail.key));
            let Ok(Step::Delivered(receipt)) = adapter.resume(exchange, &progress, &Answer::Mailed) else {
                panic!("a mail that was taken is delivered")
            };
            assert_eq!(receipt.platform_referral, id);
            assert!(adapter.resume(exchange, &Progress::at("other"), &Answer::Mailed).is_err());
            assert!(adapter.resume(exchange, &progress, &Answer::Published(Vec::new())).is_err());
        });
    }
}

#[test]
fn no_patient_data_in_refusals() {
    let adapter = adapter_mail_link::adapter();
    let refused = |bundle: &Value, settings: &Settings| -> TranslateError {
        let referral = MinimisedReferral::new(bundle.to_string());
        with_exchange(Purpose::Submit { referral: &referral }, settings, |exchange| {
            let refused = adapter.begin(exchange).expect_err("is refused");
            assert_eq!(adapter.account(exchange).expect_err("is refused"), refused, "the account says the same");
            refused
        })
    };
    let place = |path: &str, value: Value| {
        let mut bundle = full();
        *bundle.pointer_mut(path).expect("is there") = value;
        bundle
    };
    let (plain, pdf) = (settings(&[]), settings(&[("attachment", "encrypted-pdf")]));
    let full_body = settings(&[("accredited", "yes"), ("body", "full")]);
    let mut dead = full();
    dead["entry"][1]["resource"]["deceasedDateTime"] = json!("CANARY");
    for (error, harm) in [
        (refused(&dead, &plain), true),
        (
            refused(
                &place("/entry/0/resource/orderDetail/1", json!({"extension": [{"valueString": "CANARY"}]})),
                &plain,
            ),
            true,
        ),
        (refused(&place("/entry/2/resource/code", json!({"extension": [{"valueString": "CANARY"}]})), &plain), true),
        (refused(&place("/entry/1/resource/name/1/text", json!("CANARY 王")), &pdf), false),
        (refused(&place("/entry/0/resource/note/0/text", json!("CANARY {status-link}")), &full_body), false),
    ] {
        assert!(!error.to_string().contains(CANARY), "{error}");
        assert_eq!(error.unsafe_to_send, harm, "{error}");
    }
    for (source, body) in [
        (ReportSource::StatusLink, "{\"says\": \"CANARY\", \"CANARY\": 1}"),
        (ReportSource::Mail, "CANARY"),
        (ReportSource::Mail, "From: CANARY\nMessage-ID: <CANARY>\nSubject: CANARY\n\nCANARY"),
        (ReportSource::Mail, "From: postmaster@CANARY\nMessage-ID: <CANARY>\nSubject: CANARY\n\nCANARY"),
        (ReportSource::Webhook, "CANARY"),
    ] {
        let report = Report { source, content_type: None, body: body.as_bytes() };
        let error = adapter.read_report(&report).expect_err("is refused");
        assert!(!error.to_string().contains(CANARY), "{error}");
    }
}

/// Each value of the document is on the page, or is counted as lost: once, and under its own name.
#[test]
fn every_value_is_shown_or_lost() {
    // What decides and is not spelt out.
    let decides = |element: &str| {
        element.ends_with(".system")
            || matches!(element, "Patient.name.use" | "Flag.status" | "ServiceRequest.orderDetail.coding.code")
    };
    let mut bundle = full();
    let mut planted: Vec<(String, String)> = Vec::new();
    each_leaf(&mut bundle, |element, leaf| {
        if leaf.is_string() && !decides(element) {
            let old =
                if element.ends_with(".use") { leaf.as_str().unwrap_or_default().to_owned() } else { String::new() };
            // An old address stays old, so that it is left out.
            if old != "old" {
                let canary = format!("{CANARY}{:04}", planted.len());
                planted.push((element.to_owned(), canary.clone()));
                *leaf = json!(canary);
            }
        }
    });
    let (_, _, page, account) = submitted(&bundle, &settings(&[]));
    let words = words(&page);
    let mut counts: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for (element, canary) in &planted {
        let (all, shown) = counts.entry(element).or_default();
        *all += 1;
        *shown += u32::from(words.contains(canary.as_str()));
    }
    assert!(planted.len() > 90, "{}", planted.len());
    let lost = |element: &str| {
        account.losses.iter().filter(|loss| loss.element == element).map(|loss| loss.count).sum::<u32>()
    };
    for (element, (all, shown)) in &counts {
        // Of these some are old, and so lost besides.
        let old = u32::from(*element == "Patient.address.use") + 2 * u32::from(*element == "Patient.telecom.use");
        assert_eq!(shown + lost(element), all + old, "{element}: {shown} of {all} shown, {} lost", lost(element));
    }
    assert!(counts.values().map(|(_, shown)| shown).sum::<u32>() > 70);
    assert!(account.losses.iter().all(|loss| loss.grade != Grade::Unsafe), "what keeps a person safe is never lost");
}

/// Numbers, truth values and codes that decide are accounted for as well.
#[test]
fn every_element_is_accounted_for() {
    let mut bundle = full();
    let (_, _, _, account) = submitted(&bundle, &settings(&[]));
    let mut told: BTreeSet<String> = account.losses.iter().map(|loss| loss.element.clone()).collect();
    for line in &account.fields {
        assert!(
            !line.sources.is_empty() || line.target.contains("who-sent-this"),
            "{} is made of nothing",
            line.target
        );
        told.extend(line.sources.iter().cloned());
    }
    let mut seen = BTreeSet::new();
    each_leaf(&mut bundle, |element, _| {
        seen.insert(element.to_owned());
    });
    let unsaid: Vec<&String> = seen.difference(&told).collect();
    assert!(unsaid.is_empty(), "{unsaid:?}");
    assert!(seen.len() > 80, "{}", seen.len());
}

/// An element that nobody reads is lost, and said to be.
#[test]
fn what_nobody_reads_is_lost() {
    let mut bundle = full();
    bundle["entry"][1]["resource"]["name"][1]["period"] = json!({"start": "2001"});
    bundle["entry"][0]["resource"]["supportingInfo"][0]["reference"] = json!("urn:uuid:elsewhere");
    let (.., account) = submitted(&bundle, &settings(&[]));
    for element in ["Patient.name.period.start", "ServiceRequest.supportingInfo.reference"] {
        assert!(account.losses.iter().any(|loss| loss.element == element && loss.count == 1), "{element}");
    }
}

/// Until when an answer is wanted stands in mails in clear: it is made of dates, or left out.
#[test]
fn a_term_that_is_no_date_stays_out_of_mails() {
    for (start, told) in [("2026-11-30", true), ("CANARY", false)] {
        let mut bundle = full();
        bundle["entry"][13]["resource"]["restriction"]["period"] = json!({"start": start, "end": "2026-12-05"});
        let (mail, ..) = submitted(&bundle, &settings(&[]));
        assert_eq!(mail.text.contains("An answer is wanted"), told, "{}", mail.text);
        assert!(!mail.text.contains(CANARY));
    }
}

#[test]
fn nesting_that_no_referral_has_is_refused() {
    let adapter = adapter_mail_link::adapter();
    let (mut bundle, settings) = (full(), settings(&[]));
    let nested = |depth: usize| (0..depth).fold(json!({"start": "2001"}), |inner, _| json!({ "period": inner }));
    for (depth, right) in [(50, true), (70, false)] {
        bundle["entry"][1]["resource"]["name"][1]["period"] = nested(depth);
        let referral = MinimisedReferral::new(bundle.to_string());
        with_exchange(Purpose::Submit { referral: &referral }, &settings, |exchange| {
            assert_eq!(adapter.begin(exchange).is_ok(), right, "{depth}");
        });
    }
}

#[test]
fn a_prohibition_is_seen_first_wherever_it_stands() {
    for path in ["/entry/0/resource/orderDetail/1", "/entry/2/resource/code", "/entry/0/resource/reasonCode/0"] {
        let mut bundle = full();
        bundle["entry"][0]["resource"]["orderDetail"][0] = json!({"text": "Something else"});
        *bundle.pointer_mut(path).expect("is there") = json!({"coding": [{"code": "contacting-subject-prohibited"}]});
        let (_, _, page, account) = submitted(&bundle, &settings(&[]));
        assert!(page.warnings[0].starts_with("Do not contact this person"), "{path}: {:?}", page.warnings);
        assert_eq!(account.fields[0].target, "page.warnings[0]");
    }
    let mut bundle = full();
    bundle["entry"][0]["resource"]["orderDetail"] = json!([{"text": "Something else"}]);
    let (_, _, page, _) = submitted(&bundle, &settings(&[]));
    assert!(!page.warnings.join(" ").contains("Do not contact"), "{:?}", page.warnings);
}

#[test]
fn every_fixture_names_requirements_that_conformance_toml_claims() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(folder.join("conformance.toml")).expect("is there");
    let claims: toml::Table = toml::from_str(&text).expect("TOML");
    let claimed = |id: &str| claims["adapter"].as_table().is_some_and(|table| table.contains_key(id));
    for entry in std::fs::read_dir(folder.join("fixtures")).expect("lists") {
        let Ok(case) = std::fs::read_to_string(entry.expect("entry").path().join("case.json")) else { continue };
        let case: Value = serde_json::from_str(&case).expect("JSON");
        for id in case["requirements"].as_array().expect("requirements") {
            assert!(id.as_str().is_some_and(claimed), "{id} is not claimed");
        }
    }
}

/// The page that an operator reads names each setting.
#[test]
fn the_readme_has_every_setting() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("is there");
    let error = adapter_mail_link::adapter().check_settings(&settings(&[("no-such", "")])).expect_err("is refused");
    let named = error.reason.split_once("there are ").expect("names them").1;
    assert_eq!(named.split(", ").count(), 4, "{named}");
    for name in named.split(", ") {
        assert!(page.contains(&format!("| `{name}` |")), "{name}");
    }
}
