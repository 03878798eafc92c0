//! The configuration of the demonstration: one tenant, one GP system, six recipients behind four adapters.

use super::charities::{CASEWORK, FAMILIES, SILENT};
use super::world::{BARS_TOKEN, COLLECT_TOKEN, GP_TOKEN, REPORT_TOKEN, RETURN_ADDRESS};
use conformance_tests::generator::PRACTICE_ODS;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Who may be referred to.
pub(super) struct Recipient {
    /// Its platform's id.
    pub(super) id: &'static str,
    /// Its name.
    pub(super) name: &'static str,
    /// Its ODS code.
    pub(super) ods: &'static str,
    adapter: &'static str,
    settings: &'static str,
    /// Absent = not polled.
    poll_seconds: Option<u32>,
}

const REQUESTER: &str = "requester-ods = \"X26\", requester-name = \"Demo PCN referral gateway\"";

/// All of them. Poll times are so short that one can look on; an adapter's own pace holds all the same.
pub(super) const RECIPIENTS: &[Recipient] = &[
    Recipient {
        id: "food-bank",
        name: "Example Food Bank",
        ods: "VCSE1",
        adapter: "fhir-task",
        settings: "conditional-create = \"true\"",
        poll_seconds: Some(2),
    },
    Recipient {
        id: "befriending",
        name: "Example Befriending",
        ods: "VCSE2",
        adapter: "fhir-task",
        settings: "",
        poll_seconds: Some(1),
    },
    Recipient {
        id: "advice-centre",
        name: "Example Advice Centre",
        ods: "VCSE3",
        adapter: "fhir-task",
        settings: "mode = \"direct-light\"",
        poll_seconds: None,
    },
    Recipient {
        id: FAMILIES,
        name: "Example Family Support",
        ods: "VCSE4",
        adapter: "connect-families",
        settings: "service-id = \"42\", service-name = \"Family support\", organisation-id = \"7\", \
                   organisation-name = \"Example Family Support\", account-id = \"11\", \
                   account-email = \"link.workers@demo-pcn.example\", account-name = \"Demo PCN link workers\", \
                   account-team = \"Demo PCN\", account-phone = \"0113 496 0100\"",
        poll_seconds: Some(1),
    },
    Recipient {
        id: CASEWORK,
        name: "Example Older People's Project",
        ods: "VCSE5",
        adapter: "charitylog",
        settings: "org-type-id = \"7\", project = \"8\", poll-projects = \"8\", poll-from = \"2026-06-01\"",
        poll_seconds: Some(1),
    },
    Recipient {
        id: SILENT,
        name: "Example Community Garden",
        ods: "VCSE6",
        adapter: "lamplight",
        settings: "workarea-id = \"22\"",
        poll_seconds: None,
    },
];

/// How long a platform has to say whether anybody takes a referral on, before a person is told.
const ANSWER_SECONDS: u32 = 4;

pub(super) fn configuration(
    address: &str,
    base: &str,
    place: &str,
    retry: &str,
    addresses: &BTreeMap<&'static str, String>,
    credentials: &BTreeMap<&'static str, String>,
    responses: &str,
) -> String {
    let (gp, bars, collect) = (sha256(GP_TOKEN), sha256(BARS_TOKEN), sha256(COLLECT_TOKEN));
    let mut text = format!(
        r#"
[server]
listen = "{address}"
base-url = "{base}"
{place}

[retry]
answer-seconds = {ANSWER_SECONDS}
{retry}
[limits]
requests-per-minute = 4000000
burst = 1000000
at-once = 1000

[[client]]
id = "gp-system"
tenant = "demo-pcn"
organisation = "{PRACTICE_ODS}"
token-sha256 = "{gp}"
roles = ["referrer"]

[[client]]
id = "bars-system"
tenant = "demo-pcn"
organisation = "{PRACTICE_ODS}"
token-sha256 = "{bars}"
roles = ["referrer"]
profile = "bars"

[[client.notify.message]]
return-address = "{RETURN_ADDRESS}"
base-url = "{responses}"

[[client]]
id = "advice-centre"
tenant = "demo-pcn"
organisation = "VCSE3"
token-sha256 = "{collect}"
roles = ["platform"]
platform = "advice-centre"
"#
    );
    for recipient in RECIPIENTS {
        let lines = [
            addresses.get(recipient.id).map(|address| format!("base-url = \"{address}\"")),
            credentials.get(recipient.id).cloned(),
            (recipient.id == "food-bank").then(|| format!("report-token-sha256 = \"{}\"", sha256(REPORT_TOKEN))),
            // One wants to look on: the demonstration's own platforms are on loopback, and have no vendor.
            recipient
                .poll_seconds
                .map(|seconds| format!("simulator = true\npoll-seconds = {seconds}\npoll-longest-seconds = {seconds}")),
        ];
        let lines: Vec<String> = lines.into_iter().flatten().collect();
        // Writing to a String does not fail.
        let _ = text.write_str(&section(recipient, &lines.join("\n")));
    }
    text
}

/// Platform, route and policy of one.
fn section(recipient: &Recipient, lines: &str) -> String {
    let Recipient { id, name, ods, adapter, settings, .. } = recipient;
    let identifiers = format!("[{{ system = \"https://fhir.nhs.uk/Id/ods-organization-code\", value = \"{ods}\" }}]");
    let requester = if *adapter == "fhir-task" { REQUESTER } else { "" };
    let settings: Vec<&str> = [requester, settings].into_iter().filter(|one| !one.is_empty()).collect();
    let settings = settings.join(", ");
    format!(
        r#"
[[platform]]
id = "{id}"
name = "{name}"
adapter = "{adapter}"
identifiers = {identifiers}
{lines}
settings = {{ {settings} }}

[[route]]
name = "{id}"
platform = "{id}"
recipients = {identifiers}

[[policy]]
tenant = "demo-pcn"
platform = "{id}"
notes = "send"
"#
    )
}

fn sha256(token: &str) -> String {
    Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
