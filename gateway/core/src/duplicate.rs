//! Duplicate effort: the same person is referred for the same need to the same service again within some weeks. Whoever refers is shown
//! that before anything is sent, and decides.
//!
//! What is compared are referrals of the same customer that the service has, or of the sender's own may yet get: what is held, was
//! withdrawn or given up before anything left is no effort of anybody. Of another organisation's the sender learns, where the customer
//! has decided so, *that* the service has one, and nothing else: neither whose it is, nor when it was made, nor how it stands.

use crate::consent::london;
use crate::deliver::maybe_sent;
use crate::identity::{PlatformId, TenantId};
use crate::outbox::{Errand, OutboxRow};
use crate::referral::{Delivery, Referral};
use adapter_contract::TaskStatus;
use gateway_fhir::Json;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use time::{Duration, OffsetDateTime};

/// What is done about a duplicate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It is not looked for.
    #[default]
    Off,
    /// It is told in a preview, and on record.
    Tell,
    /// The referral waits until its sender lets it go.
    Hold,
}

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// What is done.
    pub mode: Mode,
    /// So many days in London, that of the new referral not counted, a referral counts.
    pub within_days: u16,
    /// Customers one of whose organisations may learn that a service has a referral of another's.
    pub organisations: BTreeSet<TenantId>,
}

impl Default for Policy {
    fn default() -> Self {
        Self { mode: Mode::Off, within_days: 28, organisations: BTreeSet::new() }
    }
}

/// How far a referral has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Nothing of it has left: the service does not have it, and as it stands will not.
    Nowhere,
    /// It is on its way, or may have arrived.
    UnderWay,
    /// The service has acknowledged it.
    There,
}

impl Reach {
    /// Of a referral with these outbox rows.
    #[must_use]
    pub fn of(referral: &Referral, outbox: &[OutboxRow]) -> Self {
        match referral.delivery {
            Delivery::Delivered { .. } => Self::There,
            Delivery::Queued => Self::UnderWay,
            Delivery::Held { .. } | Delivery::DeadLetter { .. } | Delivery::Withdrawn => {
                let may_be_there = outbox.iter().any(|row| row.errand == Errand::Submit && maybe_sent(row));
                if may_be_there { Self::UnderWay } else { Self::Nowhere }
            }
        }
    }

    /// Whether it counts: of the sender's own what the service has or may get, of another's only what it has.
    const fn counts(self, own: bool) -> bool {
        match self {
            Self::Nowhere => false,
            Self::UnderWay => own,
            Self::There => true,
        }
    }
}

/// Another referral of the same person.
#[derive(Debug, Clone, PartialEq)]
pub struct Other {
    /// The sender's own Task; absent if it is another organisation's, of which nothing is told.
    pub task: Option<String>,
    /// Where it went.
    pub platform: PlatformId,
    /// When it was taken.
    pub accepted_at: OffsetDateTime,
    /// How it stands.
    pub status: TaskStatus,
    /// How far it has come.
    pub reach: Reach,
    /// Its ServiceRequest.
    pub service_request: Json,
    /// Its Task.
    pub document: Json,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Duplicate {
    /// The sender's own Tasks.
    pub tasks: Vec<String>,
    /// Whether the service has one of another organisation's.
    pub elsewhere: bool,
}

impl Duplicate {
    /// What the sender reads, without anything of the person.
    #[must_use]
    pub fn words(&self) -> String {
        let own: Vec<String> = self.tasks.iter().map(|task| format!("Task/{task}")).collect();
        let has = match (own.as_slice(), self.elsewhere) {
            ([], _) => "the service has a referral of this person for the same need already, of another organisation"
                .to_owned(),
            (own, elsewhere) => {
                let other = if elsewhere { ", and one of another organisation" } else { "" };
                format!(
                    "the service has a referral of this person for the same need already: {}{other}",
                    own.join(", ")
                )
            }
        };
        format!("{has}. Cancel this one, or move its Task to requested to send it all the same.")
    }
}

/// A new referral.
#[derive(Clone, Copy)]
pub struct New<'a> {
    /// Its Task's id, and the Task.
    pub task: (&'a str, &'a Json),
    /// Its ServiceRequest.
    pub service_request: &'a Json,
    /// Where it would go.
    pub platform: &'a PlatformId,
    /// Now.
    pub now: OffsetDateTime,
}

/// Looks for referrals like a new one.
#[must_use]
pub fn find(new: New<'_>, others: &[Other], within_days: u16) -> Option<Duplicate> {
    let today = london::day(new.now)?;
    let first = today.checked_sub(Duration::days(i64::from(within_days)))?;
    let counts = |other: &&Other| {
        let itself = other.task.as_deref() == Some(new.task.0);
        // What came to nothing is no effort.
        let in_vain = matches!(
            other.status,
            TaskStatus::Rejected | TaskStatus::Cancelled | TaskStatus::Failed | TaskStatus::EnteredInError
        );
        let recent = london::day(other.accepted_at).is_some_and(|day| day >= first);
        let counts = other.reach.counts(other.task.is_some());
        !itself && !in_vain && counts && recent && other.platform == *new.platform
    };
    let mut found = Duplicate::default();
    for other in others.iter().filter(counts) {
        let same = same_need(new.service_request, &other.service_request)
            && same_service((new.task.1, new.service_request), (&other.document, &other.service_request));
        if !same {
            continue;
        }
        match &other.task {
            Some(task) => found.tasks.push(task.clone()),
            None => found.elsewhere = true,
        }
    }
    found.tasks.sort();
    (found.elsewhere || !found.tasks.is_empty()).then_some(found)
}

/// The same need: a code of `ServiceRequest.code` that both have. Where one of them has none, a category that both have together with a
/// reason that both have, or none of either; where nothing is coded, the same words.
#[must_use]
pub fn same_need(one: &Json, other: &Json) -> bool {
    let single = |request: &Json| request.get("code").map(std::slice::from_ref).map(codes).unwrap_or_default();
    let (code, its_code) = (single(one), single(other));
    if !code.is_empty() && !its_code.is_empty() {
        return !code.is_disjoint(&its_code);
    }
    let (words, its_words) = (text(one), text(other));
    if words.is_some() && its_words.is_some() {
        return words == its_words;
    }
    let of = |request: &Json, element: &str| codes(request.items(element));
    let shared = |element: &str| !of(one, element).is_disjoint(&of(other, element));
    let neither = |element: &str| of(one, element).is_empty() && of(other, element).is_empty();
    shared("category") && (shared("reasonCode") || neither("reasonCode"))
}

/// `system|code` of all codings.
fn codes(concepts: &[Json]) -> BTreeSet<String> {
    let codings = concepts.iter().flat_map(|concept| concept.items("coding"));
    codings
        .filter_map(|coding| Some(format!("{}|{}", coding.text("system").unwrap_or_default(), coding.text("code")?)))
        .collect()
}

/// The words of `code`, however they are spaced and written.
fn text(request: &Json) -> Option<String> {
    let text = request.get("code")?.text("text")?;
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// The same service, as far as both name one: a platform may stand for several.
fn same_service(one: (&Json, &Json), other: (&Json, &Json)) -> bool {
    let named = |(task, request): (&Json, &Json)| -> BTreeSet<String> {
        let references = task.get("owner").into_iter().chain(request.items("performer"));
        let name = |reference: &Json| match reference.get("identifier") {
            Some(identifier) => {
                Some(format!("{}|{}", identifier.text("system").unwrap_or_default(), identifier.text("value")?))
            }
            None => reference.text("reference").map(str::to_owned),
        };
        references.filter_map(name).collect()
    };
    let (ours, theirs) = (named(one), named(other));
    ours.is_empty() || theirs.is_empty() || !ours.is_disjoint(&theirs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-06-15 12:00 UTC);

    fn request(code: &str) -> Json {
        json!({"code": {"coding": [{"system": "http://s", "code": code}]}}).into()
    }

    fn other(task: Option<&str>, accepted_at: OffsetDateTime) -> Other {
        Other {
            task: task.map(str::to_owned),
            platform: PlatformId("food".to_owned()),
            accepted_at,
            status: TaskStatus::Requested,
            reach: Reach::There,
            service_request: request("parcel"),
            document: json!({}).into(),
        }
    }

    fn found(others: &[Other]) -> Option<Duplicate> {
        let (task, request, platform) = (json!({}).into(), request("parcel"), PlatformId("food".to_owned()));
        find(New { task: ("t", &task), service_request: &request, platform: &platform, now: NOW }, others, 28)
    }

    #[test]
    fn it_counts_for_so_many_london_days_unless_it_came_to_nothing() {
        let own = || other(Some("a"), NOW - Duration::days(28));
        assert_eq!(found(&[own()]).unwrap().tasks, ["a"]);
        // 23:30 UTC of the day before the first is London's first day in summer.
        let early = datetime!(2026-05-17 23:30 UTC);
        assert!(found(&[other(Some("a"), early)]).is_some());
        assert!(found(&[other(Some("a"), early - Duration::hours(1))]).is_none());
        for (status, counts) in [
            (TaskStatus::Completed, true),
            (TaskStatus::OnHold, true),
            (TaskStatus::Rejected, false),
            (TaskStatus::Cancelled, false),
            (TaskStatus::Failed, false),
            (TaskStatus::EnteredInError, false),
        ] {
            assert_eq!(found(&[Other { status, ..own() }]).is_some(), counts, "{status}");
        }
        assert!(found(&[Other { platform: PlatformId("advice".to_owned()), ..own() }]).is_none());
        assert!(found(&[Other { task: Some("t".to_owned()), ..own() }]).is_none(), "itself");
        assert!(found(&[Other { service_request: request("debt"), ..own() }]).is_none());
    }

    #[test]
    fn what_never_left_is_none_and_anothers_counts_once_the_service_has_it() {
        for (reach, own, anothers) in
            [(Reach::Nowhere, false, false), (Reach::UnderWay, true, false), (Reach::There, true, true)]
        {
            assert_eq!(found(&[Other { reach, ..other(Some("a"), NOW) }]).is_some(), own, "{reach:?}");
            assert_eq!(found(&[Other { reach, ..other(None, NOW) }]).is_some(), anothers, "{reach:?}");
        }
    }

    #[test]
    fn of_another_organisations_nothing_is_told_but_that_it_is_there() {
        let found = found(&[other(None, NOW)]).unwrap();
        assert_eq!((found.tasks.is_empty(), found.elsewhere), (true, true));
        assert!(!found.words().contains("Task/"), "{}", found.words());
    }

    #[test]
    fn needs_are_compared_by_code_then_words_then_kind_and_reason() {
        let coded = |element: &str, code: &str| json!({element: [{"coding": [{"system": "http://s", "code": code}]}]});
        let both = |one: Value, other: Value| {
            let mut all = one;
            all.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
            all
        };
        let same = |one: Value, other: Value| same_need(&one.into(), &other.into());
        let words = |words: &str| json!({"code": {"text": words}});
        assert!(same(words("Food  parcels"), words("food parcels")));
        assert!(!same(words("Food parcels"), words("Debt advice")));
        assert!(same(coded("category", "a"), coded("category", "a")));
        assert!(!same(coded("category", "a"), both(coded("category", "a"), coded("reasonCode", "r"))));
        let full = || both(coded("category", "a"), coded("reasonCode", "r"));
        assert!(same(full(), full()));
        assert!(!same(json!({}), json!({})));
    }

    #[test]
    fn services_of_one_platform_are_told_apart() {
        let to = |value: &str| -> Json { json!({"owner": {"identifier": {"system": "s", "value": value}}}).into() };
        let none: Json = json!({}).into();
        assert!(same_service((&to("1"), &none), (&to("1"), &none)));
        assert!(!same_service((&to("1"), &none), (&to("2"), &none)));
        assert!(same_service((&to("1"), &none), (&none, &none)));
    }
}
