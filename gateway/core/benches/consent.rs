//! How long a consent decision takes: 1 to 1,000 Consents of one person, a referral of some thirty items. Prints the
//! median and the 99th percentile, and what one Consent more costs, which must not grow with their number.
//!
//! The limit is 200 µs at the 99th percentile for 50 Consents. What counts is processor time of the thread; the 99th
//! percentile by the clock stands beside it, and on a busy machine says how busy that is. `--strict` fails on the limit.

use gateway_core::consent::*;
use gateway_core::identity::{PlatformId, TenantId};
use gateway_fhir::Json;
use gateway_fhir::identifiers::ODS_CODE;
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use std::hint::black_box;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use time::macros::datetime;

/// How many Consents are on record, and how often each number is measured.
const SIZES: [(usize, usize); 5] = [(1, 4_000), (50, 4_000), (100, 2_000), (500, 600), (1_000, 400)];

/// What 50 Consents may take at the 99th percentile.
const LIMIT: Duration = Duration::from_micros(200);

const ACT: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";

fn actor(code: &str) -> Value {
    json!([{"role": {"coding": [{"code": "PRCP"}]},
        "reference": {"reference": format!("Organization/{code}"), "identifier": {"system": ODS_CODE, "value": code}}}])
}

/// One in four limits itself by data, one in four has provisions within, one in eight is withdrawn, one in five is about
/// this recipient; none refuses it.
fn consent(number: usize) -> Value {
    let is_ours = number.is_multiple_of(5) && number % 8 != 5;
    let to = if is_ours { "B001".to_owned() } else { format!("X{number:03}") };
    let except = if is_ours { "X001" } else { &to };
    let mut provision = json!({
        "type": if number % 8 == 5 { "deny" } else { "permit" },
        "period": {"start": "2026-01-01", "end": "2026-12-31"},
        "actor": actor(&to),
        "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "COC"}],
    });
    match number % 4 {
        1 => provision["class"] = json!([{"system": "http://hl7.org/fhir/resource-types", "code": "Observation"}]),
        2 => {
            provision["provision"] = json!([
                {"type": "deny", "securityLabel": [{"system": ACT, "code": "MH"}], "actor": actor(except),
                    "provision": [{"type": "permit", "actor": actor("H001")}]},
                {"type": "deny", "dataPeriod": {"end": "2020"}, "actor": actor(except)}]);
        }
        _ => {}
    }
    json!({
        "resourceType": "Consent", "status": if number % 8 == 7 { "inactive" } else { "active" },
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": ACT, "code": "IDSCL"}]}],
        "patient": {"reference": "Patient/p"}, "dateTime": "2026-01-01", "performer": [{"reference": "Patient/p"}],
        "organization": [{"reference": "Organization/gp"}], "sourceAttachment": {"title": "signed"},
        "policyRule": {"coding": [{"system": ACT, "code": if number % 8 == 5 { "OPTOUT" } else { "OPTIN" }}]},
        "verification": [{"verified": true, "verifiedWith": {"reference": "Patient/p"}}],
        "provision": provision,
    })
}

fn referral() -> Vec<Json> {
    let codes = |code: &str| json!({"coding": [{"system": "http://snomed.info/sct", "code": code}]});
    let mut resources = vec![
        json!({"resourceType": "ServiceRequest", "id": "sr", "status": "active", "intent": "order",
            "category": [codes("1")], "code": codes("2"), "subject": {"reference": "Patient/p"},
            "authoredOn": "2026-06-15", "reasonCode": [codes("3")], "priority": "routine",
            "requester": {"reference": "PractitionerRole/gp"}}),
        json!({"resourceType": "Patient", "id": "p", "birthDate": "1986-01-01", "gender": "female",
            "name": [{"family": "Sample"}], "telecom": [{"value": "07700 900123"}],
            "address": [{"postalCode": "ZZ99 3WZ"}], "identifier": [{"value": "9990000018"}],
            "communication": [{"language": {"coding": [{"code": "en"}]}}]}),
        json!({"resourceType": "Task", "id": "t", "status": "requested", "intent": "order",
            "focus": {"reference": "ServiceRequest/sr"}, "for": {"reference": "Patient/p"}}),
    ];
    resources.extend((0..8).map(|number| {
        json!({"resourceType": "Observation", "id": format!("o{number}"), "code": codes("4"),
            "effectiveDateTime": "2026-05-01", "subject": {"reference": "Patient/p"}, "valueInteger": number})
    }));
    resources.into_iter().map(Json::from).collect()
}

fn main() -> ExitCode {
    let tenant = TenantId("pcn".to_owned());
    let resources = referral();
    let recipient = Recipient {
        platform: PlatformId("befriending".to_owned()),
        name: "Befriending".to_owned(),
        identifiers: vec![(ODS_CODE.to_owned(), "B001".to_owned())],
    };
    let (policy, standing) = (Policy::default(), Standing::default());
    let organisation: Json = json!({"resourceType": "Organization", "id": "o", "name": "An organisation of usual size",
        "identifier": [{"system": "urn:charity", "value": "1"}, {"system": "urn:company", "value": "2"}],
        "telecom": [{"system": "phone", "value": "0113 496 0000"}], "address": [{"city": "Leeds"}]})
    .into();
    let mut held = true;
    say(&format!("{:>8} {:>12} {:>12} {:>12} {:>16}", "consents", "median", "p99", "by the clock", "median/consent"));
    for (count, runs) in SIZES {
        let consents: Vec<ConsentDocument> = (0..count)
            .map(|number| ConsentDocument {
                tenant: tenant.clone(),
                id: format!("c{number}"),
                version: 1,
                document: consent(number).into(),
            })
            .collect();
        let decision = || {
            // The items are made anew each time: that is part of a decision.
            let items = items(&resources);
            decide(&Question {
                stage: Stage::Attempt,
                tenant: &tenant,
                consents: &consents,
                complete: true,
                overrides: &[],
                directory: &|reference| directory(&organisation, reference),
                policy: &policy,
                subject: Subject {
                    references: vec!["Patient/p".to_owned()],
                    nhs_number: Some("9990000018"),
                    patient: &resources[1],
                    also: Vec::new(),
                    standing: &standing,
                },
                recipient: &recipient,
                items: &items,
                needs: &[],
                purpose: "COC",
                now: datetime!(2026-06-15 12:00 UTC),
            })
        };
        assert_eq!(decision().word(), "permit", "the longest way is measured");
        let (mut times, mut clock): (Vec<Duration>, Vec<Duration>) =
            (0..runs).map(|_| time(|| drop(black_box(decision())))).unzip();
        times.sort_unstable();
        clock.sort_unstable();
        let (median, p99, by_clock) = (times[runs / 2], times[runs * 99 / 100], clock[runs * 99 / 100]);
        let each = median / u32::try_from(count).expect("a small number");
        say(&format!("{count:>8} {median:>12.1?} {p99:>12.1?} {by_clock:>12.1?} {each:>16.2?}"));
        held &= count != 50 || p99 <= LIMIT;
    }
    say(&format!("50 consents within {LIMIT:?} at p99: {}", if held { "yes" } else { "NO" }));
    let strict = std::env::args().any(|argument| argument == "--strict");
    if held || !strict { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Resolves every organisation, as the server does: to a copy.
fn directory(organisation: &Json, reference: &str) -> Option<Json> {
    reference.starts_with("Organization/").then(|| organisation.clone())
}

/// Processor time of this thread, and time by the clock.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time; nothing is decided by it")]
fn time(work: impl FnOnce()) -> (Duration, Duration) {
    let own = || {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(now.tv_sec.try_into().unwrap_or_default(), now.tv_nsec.try_into().unwrap_or_default())
    };
    let (start, start_own) = (Instant::now(), own());
    work();
    (own() - start_own, start.elapsed())
}

/// A closed pipe is not a fault of ours.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
