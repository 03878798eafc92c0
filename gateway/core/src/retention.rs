//! Retention: for how long what is kept, as a table. What a row means for one Consent is decided here; the server looks for
//! what a row is about.

use gateway_fhir::Json;
use serde::{Deserialize, Serialize};
use time::Duration;

/// What a row of the table is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// Records of people whose referrals have all ended, counted from the last change.
    Records,
    /// Records of people who have withdrawn every Consent, counted likewise.
    Withdrawn,
    /// Consents of people of whom there is no record, unless they keep something from anybody.
    Consents,
    /// The bytes of requests.
    Received,
    /// Answers that are kept for repetitions.
    Answers,
    /// What platforms pushed, read or not, and statements that nobody could assign.
    RawReports,
}

impl What {
    /// All, in the order in which they are done.
    pub const ALL: [Self; 6] =
        [Self::Withdrawn, Self::Records, Self::Consents, Self::Received, Self::Answers, Self::RawReports];

    /// One word, as the configuration and audit have it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Withdrawn => "withdrawn",
            Self::Consents => "consents",
            Self::Received => "received",
            Self::Answers => "answers",
            Self::RawReports => "raw-reports",
        }
    }

    /// Days that it is kept at least. Answers: a client that got none may repeat its request for a week. The others: a day,
    /// in which a GP system reads how it ended.
    #[must_use]
    pub const fn least_days(self) -> u32 {
        match self {
            Self::Answers => 7,
            Self::Records | Self::Withdrawn | Self::Consents | Self::Received | Self::RawReports => 1,
        }
    }
}

/// One row: one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// What.
    pub what: What,
    /// For how long.
    pub keep: Duration,
}

/// Whether a Consent may still permit somebody something. What cannot be told does: then nothing was withdrawn. One that has
/// run out counts, for nobody withdrew it.
#[must_use]
pub fn may_permit(consent: &Json) -> bool {
    match consent.text("status") {
        Some("draft" | "proposed" | "rejected" | "inactive" | "entered-in-error") => false,
        _ => {
            let root = consent.get("provision");
            let kind = root.and_then(|root| root.text("type"));
            let nested = root.is_some_and(|root| root.items("provision").iter().any(|inner| says(inner, "permit")));
            nested || kind.is_none_or(|kind| kind != "deny")
        }
    }
}

/// Whether a Consent keeps nothing from anybody, so that nobody would get more without it. A refusal does, and so do a
/// withdrawal and a Consent that will run out: they win over a listing as direct care.
#[must_use]
pub fn only_permits(consent: &Json) -> bool {
    match consent.text("status") {
        Some("draft" | "proposed" | "entered-in-error") => true,
        Some("active") => {
            let Some(root) = consent.get("provision") else { return false };
            root.text("type") == Some("permit") && !says(root, "deny") && !ends(root)
        }
        _ => false,
    }
}

fn says(provision: &Json, kind: &str) -> bool {
    provision.text("type") == Some(kind) || provision.items("provision").iter().any(|inner| says(inner, kind))
}

fn ends(provision: &Json) -> bool {
    provision.get("period").is_some_and(|period| period.get("end").is_some())
        || provision.items("provision").iter().any(ends)
}

#[cfg(test)]
mod tests {
    use super::{may_permit, only_permits};
    use serde_json::json;

    #[test]
    fn what_cannot_be_told_was_not_withdrawn_and_keeps_something() {
        let consent =
            |status: &str, provision: serde_json::Value| json!({ "status": status, "provision": provision }).into();
        let (permit, deny) = (json!({ "type": "permit" }), json!({ "type": "deny" }));
        for (status, provision, may, only) in [
            ("active", permit.clone(), true, true),
            ("active", deny.clone(), false, false),
            ("inactive", permit.clone(), false, false),
            ("draft", permit.clone(), false, true),
            ("entered-in-error", deny.clone(), false, true),
            ("unknown", permit.clone(), true, false),
            ("active", json!({ "provision": [deny] }), true, false),
            ("active", json!({ "type": "deny", "provision": [permit] }), true, false),
            ("active", json!({ "type": "permit", "period": { "end": "2027" } }), true, false),
            (
                "active",
                json!({ "type": "permit", "provision": [{ "type": "permit", "period": { "end": "2027" } }] }),
                true,
                false,
            ),
            ("active", json!({}), true, false),
        ] {
            let document = consent(status, provision);
            assert_eq!((may_permit(&document), only_permits(&document)), (may, only), "{document:?}");
        }
        let bare = json!({ "resourceType": "Consent" }).into();
        assert_eq!((may_permit(&bare), only_permits(&bare)), (true, false));
    }
}
