//! What a Task says of the work on it on the sender's side: to whom it was handed over, and what was settled by a person. It stands in
//! one extension of the Task, so that a clinical system reads and writes the same as the gateway's pages:
//!
//! ```text
//! { "url": EXTENSION, "extension": [
//!     { "url": "assigned-to", "valueIdentifier": { "system": ACCOUNT, "value": "anna" } },
//!     { "url": "settle", "valueCode": "resolved" } ] }
//! ```
//!
//! `unassign` (`valueBoolean` true) hands it back to everybody: who only leaves `assigned-to` out with the rest of the extension, as a
//! client does that knows nothing of it, takes nothing back.
//!
//! `settle` is a wish: the gateway answers it with `settled`, `settled-at` and `settled-by`, which are its own.

use crate::account::AccountId;
use crate::refusal::Refusal;
use gateway_fhir::{Issue, IssueCode, Json, instant};
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::OffsetDateTime;

/// URL of the extension: a name, not an address.
pub const EXTENSION: &str = "https://vcse-gateway.example/fhir/StructureDefinition/work-item";
/// System of the names with which people sign in.
pub const ACCOUNT: &str = "https://vcse-gateway.example/fhir/account";

const PLACE: &str = "Task.extension";
const ASSIGNED: &str = "assigned-to";
const UNASSIGN: &str = "unassign";
const SETTLE: &str = "settle";
/// What the gateway alone writes.
const SETTLED: [&str; 3] = ["settled", "settled-at", "settled-by"];

/// How a person settled what a referral waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// The service's question was answered.
    Answered,
    /// The person was referred elsewhere.
    ReReferred,
    /// It was settled with the organisation, by telephone or face to face.
    Resolved,
    /// The person has other help.
    OtherHelp,
    /// The person does not want help any more.
    NotWanted,
    /// The person could not be reached.
    NotReached,
    /// Another reason, which stands in `Task.note`.
    Other,
}

impl How {
    /// All.
    pub const ALL: [Self; 7] = [
        Self::Answered,
        Self::ReReferred,
        Self::Resolved,
        Self::OtherHelp,
        Self::NotWanted,
        Self::NotReached,
        Self::Other,
    ];

    /// Its code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::ReReferred => "re-referred",
            Self::Resolved => "resolved",
            Self::OtherHelp => "other-help",
            Self::NotWanted => "not-wanted",
            Self::NotReached => "not-reached",
            Self::Other => "other",
        }
    }

    /// What this code names.
    #[must_use]
    pub fn named(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|how| how.code() == code)
    }

    /// As people read it.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Answered => "The question was answered",
            Self::ReReferred => "The person was referred to another service",
            Self::Resolved => "Settled with the organisation",
            Self::OtherHelp => "The person has other help",
            Self::NotWanted => "The person does not want help any more",
            Self::NotReached => "The person could not be reached",
            Self::Other => "Another reason",
        }
    }
}

/// To whom the work on this Task was handed over.
#[must_use]
pub fn assigned(task: &Json) -> Option<AccountId> {
    let part = parts(task).iter().find(|part| part.text("url") == Some(ASSIGNED))?;
    let identifier = part.get("valueIdentifier")?;
    let ours = identifier.text("system") == Some(ACCOUNT);
    identifier.text("value").filter(|_| ours).and_then(|value| AccountId::read(value).ok())
}

/// How it was settled last, and when; what stands there is not taken back when something else comes up.
#[must_use]
pub fn settled(task: &Json) -> Option<(How, Option<OffsetDateTime>)> {
    let part = |url: &str| parts(task).iter().find(|part| part.text("url") == Some(url));
    let how = part("settled")?.text("valueCode").and_then(How::named)?;
    let at = part("settled-at").and_then(|part| part.text("valueInstant")).and_then(instant::parse);
    Some((how, at.map(|moment| moment.earliest)))
}

/// The Task handed over to this account, or back to everybody.
pub fn assign(task: &mut Json, to: Option<&AccountId>) {
    let mut kept: Vec<Json> = parts(task).iter().filter(|part| part.text("url") != Some(ASSIGNED)).cloned().collect();
    kept.push(match to {
        Some(to) => json!({ "url": ASSIGNED, "valueIdentifier": { "system": ACCOUNT, "value": to.0 } }).into(),
        None => json!({ "url": UNASSIGN, "valueBoolean": true }).into(),
    });
    put(task, kept);
}

/// The Task with the wish that what it waits for is settled.
pub fn settle(task: &mut Json, how: How) {
    let mut kept = parts(task).to_vec();
    kept.push(json!({ "url": SETTLE, "valueCode": how.code() }).into());
    put(task, kept);
}

/// A Task with one more note of somebody; `author` is a name, not an identifier.
pub fn note(task: &mut Json, author: &str, at: OffsetDateTime, words: &str) {
    let mut notes = task.items("note").to_vec();
    notes.push(json!({ "authorString": author, "time": instant::to_instant(at), "text": words }).into());
    task.set("note", Json::Array(notes));
}

/// Takes the wish out of a proposed Task, and puts what the gateway says in its place. A sender that leaves the extension out, or alters
/// what is the gateway's, means nothing by it.
///
/// # Errors
/// [`Refusal`]: 422 where it is not said well.
pub fn taken(current: &Json, proposed: &mut Json, author: &str, now: OffsetDateTime) -> Result<Option<How>, Refusal> {
    if proposed.items("extension").iter().filter(|one| is_ours(one)).count() > 1 {
        return Err(refused("There is one extension about the work on a Task. Put all of its parts into one."));
    }
    let given = proposed.items("extension").iter().any(is_ours);
    let said = if given { parts(proposed).to_vec() } else { parts(current).to_vec() };
    let all = |url: &str| said.iter().filter(|part| part.text("url") == Some(url)).cloned().collect::<Vec<_>>();
    let handed_back = all(UNASSIGN).iter().any(|part| part.get("valueBoolean") == Some(&Json::Bool(true)));
    let mut kept = if handed_back { Vec::new() } else { all(ASSIGNED) };
    let known = |part: &Json| {
        let identifier = part.get("valueIdentifier");
        let value = identifier.and_then(|one| one.text("value")).unwrap_or_default();
        identifier.and_then(|one| one.text("system")) == Some(ACCOUNT)
            && AccountId::read(value).is_ok_and(|id| id.0 == value)
    };
    if kept.len() > 1 || !kept.iter().all(known) {
        let words =
            "`assigned-to` is one valueIdentifier: the account's system, and the name that somebody signs in with.";
        return Err(refused(words));
    }
    let wish = match all(SETTLE).as_slice() {
        [] => None,
        [one] => match one.text("valueCode").and_then(How::named) {
            Some(how) => Some(how),
            None => return Err(refused("`settle` is one valueCode: one of the codes of the link worker's page.")),
        },
        _ => return Err(refused("A Task is settled in one way at a time.")),
    };
    match wish {
        Some(how) => kept.extend([
            json!({ "url": "settled", "valueCode": how.code() }).into(),
            json!({ "url": "settled-at", "valueInstant": instant::to_instant(now) }).into(),
            json!({ "url": "settled-by", "valueString": author }).into(),
        ]),
        None => kept.extend(
            parts(current).iter().filter(|part| part.text("url").is_some_and(|url| SETTLED.contains(&url))).cloned(),
        ),
    }
    put(proposed, kept);
    Ok(wish)
}

fn refused(words: &str) -> Refusal {
    Refusal::one(422, Issue::at(IssueCode::BusinessRule, PLACE, words))
}

fn is_ours(extension: &Json) -> bool {
    extension.text("url") == Some(EXTENSION)
}

fn parts(task: &Json) -> &[Json] {
    task.items("extension").iter().find(|one| is_ours(one)).map_or(&[][..], |one| one.items("extension"))
}

/// An extension without parts is none; the place that it had is kept.
fn put(task: &mut Json, parts: Vec<Json>) {
    let mut all = task.items("extension").to_vec();
    let place = all.iter().position(is_ours);
    let mut own = Json::from(json!({ "url": EXTENSION }));
    own.set("extension", Json::Array(parts.clone()));
    match (place, parts.is_empty()) {
        (Some(place), true) => {
            all.remove(place);
        }
        (Some(place), false) => {
            if let Some(slot) = all.get_mut(place) {
                *slot = own;
            }
        }
        (None, true) => return,
        (None, false) => all.push(own),
    }
    if all.is_empty() {
        task.remove("extension");
    } else {
        task.set("extension", Json::Array(all));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-06-15 09:00 UTC);

    fn task() -> Json {
        json!({ "resourceType": "Task", "extension": [{ "url": "http://other", "valueString": "x" }], "status": "on-hold" }).into()
    }

    fn anna() -> AccountId {
        AccountId("anna".to_owned())
    }

    #[test]
    fn a_task_is_handed_over_and_back_and_other_extensions_stay() {
        let mut task = task();
        assert_eq!(assigned(&task), None);
        assign(&mut task, Some(&anna()));
        assert_eq!(assigned(&task), Some(anna()));
        assign(&mut task, Some(&AccountId("ben".to_owned())));
        assert_eq!((assigned(&task).map(|id| id.0), task.items("extension").len()), (Some("ben".to_owned()), 2));
        let mut back = task.clone();
        assign(&mut back, None);
        assert_eq!(taken(&task, &mut back, "account/ben", NOW), Ok(None));
        assert_eq!(back, self::task(), "nothing of it is left");
        let mut bare: Json = json!({ "resourceType": "Task" }).into();
        assign(&mut bare, None);
        assert_eq!((taken(&task, &mut bare, "account/ben", NOW), bare.get("extension")), (Ok(None), None));
    }

    #[test]
    fn a_wish_becomes_what_the_gateway_says_of_it_once() {
        let (current, mut proposed) = (task(), task());
        assign(&mut proposed, Some(&anna()));
        settle(&mut proposed, How::Resolved);
        assert_eq!(taken(&current, &mut proposed, "account/anna", NOW), Ok(Some(How::Resolved)));
        assert_eq!((settled(&proposed), assigned(&proposed)), (Some((How::Resolved, Some(NOW))), Some(anna())));
        assert!(proposed.to_text().contains("account/anna") && !proposed.to_text().contains("\"settle\""));
        // Sent back as it was read it is no wish, and nobody else writes it.
        let mut again = proposed.clone();
        assert_eq!(taken(&proposed, &mut again, "client/gp", NOW + time::Duration::HOUR), Ok(None));
        assert_eq!(again, proposed);
        let mut forged = Json::from(
            serde_json::from_str::<serde_json::Value>(&proposed.to_text().replace("resolved", "answered"))
                .expect("is JSON"),
        );
        assert_eq!(taken(&proposed, &mut forged, "client/gp", NOW), Ok(None));
        assert_eq!(settled(&forged), Some((How::Resolved, Some(NOW))));
        // Nor does who leaves it out take it back.
        let mut without = task();
        assert_eq!(taken(&proposed, &mut without, "client/gp", NOW), Ok(None));
        assert_eq!((settled(&without), assigned(&without)), (Some((How::Resolved, Some(NOW))), Some(anna())));
    }

    #[test]
    fn what_is_not_said_well_is_refused() {
        let with = |parts: serde_json::Value| -> Json {
            json!({ "resourceType": "Task", "extension": [{ "url": EXTENSION, "extension": parts }] }).into()
        };
        let name = |system: &str, value: &str| json!({ "url": "assigned-to", "valueIdentifier": { "system": system, "value": value } });
        for (case, mut proposed) in [
            ("no code", with(json!([{ "url": "settle", "valueCode": "somehow" }]))),
            (
                "twice",
                with(json!([{ "url": "settle", "valueCode": "other" }, { "url": "settle", "valueCode": "other" }])),
            ),
            ("strange system", with(json!([name("http://other", "anna")]))),
            ("no name", with(json!([name(ACCOUNT, "Anna Link")]))),
            ("two people", with(json!([name(ACCOUNT, "anna"), name(ACCOUNT, "ben")]))),
        ] {
            let refusal = taken(&task(), &mut proposed, "client/gp", NOW).expect_err(case);
            assert_eq!(refusal.status, 422, "{case}");
        }
        let mut two: Json = json!({ "extension": [{ "url": EXTENSION }, { "url": EXTENSION }] }).into();
        assert!(taken(&task(), &mut two, "client/gp", NOW).is_err());
    }

    #[test]
    fn notes_are_added_behind_those_that_are_there() {
        let mut task: Json = json!({ "note": [{ "text": "first" }] }).into();
        note(&mut task, "Anna Link", NOW, "second");
        let texts: Vec<_> = task.items("note").iter().filter_map(|note| note.text("text")).collect();
        assert_eq!(texts, ["first", "second"]);
        assert_eq!(task.items("note")[1].text("time"), Some("2026-06-15T09:00:00.000Z"));
    }
}
