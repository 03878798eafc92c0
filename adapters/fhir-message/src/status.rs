//! What a platform's words mean: the status table of `adapter.toml`.
//!
//! A Task says it twice, in its status and in its business status. Where the two contradict each other neither is
//! believed: an example of BSeR itself pairs `requested` with "fulfilment completed".

use crate::descriptor;
use crate::settings::ONTARIO_EVENTS;
use adapter_contract::{Concept, StatusRow, TaskStatus};

/// Code system of R4's own `Task.status` codes.
pub(crate) const TASK_STATUS: &str = "http://hl7.org/fhir/task-status";

/// Business status of what the table does not have.
pub(crate) const UNMAPPED: &str = "unmapped";
/// Business status of a contradiction.
pub(crate) const ERROR: &str = "error";

/// Whose words a message is written in. Only Ontario's folders take several of R4's together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vocabulary {
    /// Ontario's guide, as Ocean reads it.
    Ontario,
    /// Everybody else.
    Common,
}

impl Vocabulary {
    /// Of a message whose event is of this code system.
    pub(crate) fn of(event_system: Option<&str>) -> Self {
        let plain = event_system.unwrap_or_default();
        // Addresses come with a version behind a bar, and the bar escaped.
        let plain = plain.split(['|', '%']).next().unwrap_or_default();
        if plain == ONTARIO_EVENTS { Self::Ontario } else { Self::Common }
    }
}

/// A status as the gateway understands it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Meaning {
    /// `None` if the word moves nothing or is unknown.
    pub(crate) status: Option<TaskStatus>,
    /// Code of the gateway's business-status code system.
    pub(crate) business_status: String,
    /// True if status and business status cannot both be so.
    pub(crate) contradiction: bool,
}

impl Meaning {
    fn of(row: &StatusRow) -> Self {
        Self { status: row.status, business_status: row.business_status.clone(), contradiction: false }
    }

    fn contradiction() -> Self {
        Self { status: None, business_status: ERROR.to_owned(), contradiction: true }
    }
}

/// The row of a word that is not `Task.status`: an appointment's, a folder's, an event's.
pub(crate) fn word(word: &str) -> Option<Meaning> {
    row(word).map(Meaning::of)
}

/// What `Task.status` and `Task.businessStatus` say together.
pub(crate) fn task(vocabulary: Vocabulary, status: &str, business: Option<&Concept>) -> Meaning {
    let Some(common) = row(status).filter(|_| status.parse::<TaskStatus>().is_ok()) else {
        return Meaning { status: None, business_status: UNMAPPED.to_owned(), contradiction: false };
    };
    let own = match vocabulary {
        Vocabulary::Ontario => row(&format!("{status} (Ontario)")).unwrap_or(common),
        Vocabulary::Common => common,
    };
    let Some(business) = business else { return Meaning::of(own) };
    if is_bser(business) {
        return bser(own, status, business.code.as_deref().unwrap_or_default());
    }
    let named = [&business.text, &business.code].into_iter().flatten().find_map(|word| sub_status(word));
    let Some(named) = named else { return Meaning::of(own) };
    // Ontario's rows say in which of Ocean's folders a Task lies by its status, so they hold beside a folder's name. R4's own
    // word is meant beside a word of Caredove, and where it and the folder say the same (a cancelled Task in Cancelled).
    let is_folder = OCEAN_FOLDERS.contains(&named.platform.as_str());
    let stated = if is_folder && named.status != common.status { own } else { common };
    if contradict(stated, named) {
        return Meaning::contradiction();
    }
    Meaning { status: stated.status, ..Meaning::of(named) }
}

/// Ocean's folders. Of the words for people the rest are Caredove's.
const OCEAN_FOLDERS: [&str; 7] =
    ["New", "Pending Booking", "Booking Unconfirmed", "Booking Confirmed", "Awaiting Reply", "Declined", "Cancelled"];

/// Whether the two cannot both be so: they differ, and one of them is an end.
fn contradict(one: &StatusRow, other: &StatusRow) -> bool {
    match (one.status, other.status) {
        (Some(one), Some(other)) => one != other && (one.is_final() || other.is_final()),
        _ => false,
    }
}

/// A word of Ocean's folders or of Caredove; not a code of `Task.status` or of BSeR.
fn sub_status(word: &str) -> Option<&'static StatusRow> {
    let other = |row: &&StatusRow| row.platform.starts_with(char::is_uppercase);
    row(word).filter(other)
}

fn row(word: &str) -> Option<&'static StatusRow> {
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let wanted = plain(word);
    let mut rows = descriptor().statuses.iter();
    // A code is what it is; words for people come in either case.
    rows.clone()
        .find(|row| row.platform == word)
        .or_else(|| rows.find(|row| row.platform.starts_with(char::is_uppercase) && plain(&row.platform) == wanted))
}

fn is_bser(business: &Concept) -> bool {
    business
        .system
        .as_deref()
        .is_some_and(|system| system.split(['|', '%']).next().unwrap_or_default().ends_with("TaskBusinessStatusCS"))
}

/// BSeR's codes: each goes with some of R4's, and with no other.
fn bser(own: &StatusRow, status: &str, code: &str) -> Meaning {
    let fits = match code {
        "2.0" => matches!(status, "requested" | "received"),
        "3.0" => matches!(status, "accepted" | "ready"),
        "4.0" => status == "rejected",
        "5.1.1" | "5.1.2" | "5.1.3" | "5.1.4" => matches!(status, "accepted" | "ready" | "in-progress"),
        // A wish, not an end: it stands beside whatever goes on.
        "5.2" | "5.4" => own.status.is_some_and(|status| !status.is_final()),
        "6.0" => status == "cancelled",
        "7.0" => status == "completed",
        _ => return Meaning { status: own.status, business_status: UNMAPPED.to_owned(), contradiction: false },
    };
    match row(code).filter(|_| fits) {
        Some(found) => Meaning::of(found),
        None => Meaning::contradiction(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use TaskStatus::{Accepted, Cancelled, Completed, Failed, InProgress, OnHold, Received, Rejected, Requested};

    fn said(vocabulary: Vocabulary, status: &str, words: Option<&str>) -> (Option<TaskStatus>, String, bool) {
        let business = words.map(|words| Concept { text: Some(words.to_owned()), ..Concept::default() });
        let meaning = task(vocabulary, status, business.as_ref());
        (meaning.status, meaning.business_status, meaning.contradiction)
    }

    fn coded(status: &str, code: &str) -> (Option<TaskStatus>, String, bool) {
        let business = Concept {
            system: Some("http://hl7.org/fhir/us/bser/CodeSystem/TaskBusinessStatusCS%7C2.0.0".to_owned()),
            code: Some(code.to_owned()),
            text: None,
        };
        let meaning = task(Vocabulary::Common, status, Some(&business));
        (meaning.status, meaning.business_status, meaning.contradiction)
    }

    #[test]
    fn four_of_r4s_words_are_one_folder_in_ontario_and_two_another() {
        for status in ["accepted", "in-progress", "on-hold", "ready"] {
            let seen = said(Vocabulary::Ontario, status, None);
            assert_eq!(seen, (Some(Accepted), "accepted".to_owned(), false), "{status}");
        }
        for status in ["requested", "received"] {
            assert_eq!(said(Vocabulary::Ontario, status, None), (Some(Requested), "delivered".to_owned(), false));
        }
        for status in ["rejected", "cancelled"] {
            assert_eq!(said(Vocabulary::Ontario, status, None), (Some(Rejected), "declined-other".to_owned(), false));
        }
        let seen = said(Vocabulary::Ontario, "completed", None);
        assert_eq!(seen, (Some(Completed), "outcome-recorded".to_owned(), false));
    }

    #[test]
    fn elsewhere_each_of_r4s_words_stands_for_itself() {
        for (status, means, business) in [
            ("requested", Requested, "delivered"),
            ("received", Received, "seen"),
            ("accepted", Accepted, "accepted"),
            ("ready", Accepted, "accepted"),
            ("in-progress", InProgress, "in-support"),
            ("on-hold", OnHold, "on-hold"),
            ("rejected", Rejected, "declined-other"),
            ("cancelled", Cancelled, "revoked"),
            ("failed", Failed, "not-helped"),
            ("completed", Completed, "outcome-recorded"),
            ("draft", TaskStatus::Draft, "staged"),
            ("entered-in-error", TaskStatus::EnteredInError, "error"),
        ] {
            assert_eq!(said(Vocabulary::Common, status, None), (Some(means), business.to_owned(), false), "{status}");
        }
        // A folder's name is no status of a Task, and neither is a word that nobody published.
        for word in ["Declined", "2.0", "done", ""] {
            assert_eq!(said(Vocabulary::Common, word, None), (None, UNMAPPED.to_owned(), false), "{word}");
        }
    }

    #[test]
    fn caredoves_words_refine_and_a_contradiction_moves_nothing() {
        for (status, words, means, business) in [
            ("requested", "Submitted", Requested, "delivered"),
            ("requested", "Requested", Requested, "delivered"),
            ("requested", "Ready", Requested, "delivered"),
            ("received", "Received", Received, "seen"),
            ("accepted", "Accepted", Accepted, "accepted"),
            ("in-progress", "In  progress", InProgress, "in-support"),
            ("on-hold", "On hold (waitlisted)", OnHold, "waitlisted"),
            ("accepted", "booked", Accepted, "booked"),
            ("in-progress", "Booked", InProgress, "booked"),
            ("completed", "Completed (Admitted)", Completed, "helped"),
            ("completed", "Completed (Outcome not recorded)", Completed, "outcome-recorded"),
            ("failed", "Failed (No show)", Failed, "did-not-attend"),
            ("failed", "Failed (Incomplete)", Failed, "not-helped"),
            ("rejected", "Rejected (Ineligible)", Rejected, "declined-ineligible"),
            ("cancelled", "Cancelled (by registrant)", Cancelled, "person-declined"),
            ("cancelled", "Cancelled (by provider)", Cancelled, "revoked"),
            ("completed", "Archived", Completed, "outcome-recorded"),
        ] {
            // Ontario's event system is the default, and says nothing of Caredove's words.
            for vocabulary in [Vocabulary::Common, Vocabulary::Ontario] {
                let seen = said(vocabulary, status, Some(words));
                assert_eq!(seen, (Some(means), business.to_owned(), false), "{vocabulary:?} {status} {words}");
            }
        }
        for vocabulary in [Vocabulary::Common, Vocabulary::Ontario] {
            let seen = said(vocabulary, "requested", Some("Failed (No show)"));
            assert_eq!(seen, (None, ERROR.to_owned(), true));
        }
        assert_eq!(said(Vocabulary::Common, "completed", Some("Booked")), (None, ERROR.to_owned(), true));
    }

    #[test]
    fn bsers_codes_go_with_some_statuses_and_with_no_other() {
        for (status, code, means, business) in [
            ("requested", "2.0", Some(Requested), "sent"),
            ("received", "2.0", Some(Requested), "sent"),
            ("accepted", "3.0", Some(Accepted), "accepted"),
            ("rejected", "4.0", Some(Rejected), "declined-other"),
            ("in-progress", "5.1.1", Some(InProgress), "booked"),
            ("in-progress", "5.1.2", Some(InProgress), "did-not-attend"),
            ("accepted", "5.1.3", Some(InProgress), "booking-cancelled"),
            ("in-progress", "5.1.4", Some(InProgress), "attended"),
            ("in-progress", "5.2", None, "withdrawn-by-referrer"),
            ("accepted", "5.4", None, "withdrawn-by-referrer"),
            ("cancelled", "6.0", Some(Cancelled), "revoked"),
            ("completed", "7.0", Some(Completed), "outcome-recorded"),
            ("accepted", "8.0", Some(Accepted), UNMAPPED),
        ] {
            assert_eq!(coded(status, code), (means, business.to_owned(), false), "{status} {code}");
        }
        for (status, code) in [
            ("requested", "7.0"),
            ("accepted", "2.0"),
            ("requested", "3.0"),
            ("accepted", "4.0"),
            ("requested", "5.1.1"),
            ("completed", "5.2"),
            ("cancelled", "5.4"),
            ("completed", "6.0"),
            ("in-progress", "7.0"),
        ] {
            assert_eq!(coded(status, code), (None, ERROR.to_owned(), true), "{status} {code}");
        }
    }

    #[test]
    fn a_version_behind_the_system_changes_nothing() {
        for system in [ONTARIO_EVENTS.to_owned(), format!("{ONTARIO_EVENTS}|1.0"), format!("{ONTARIO_EVENTS}%7C1.0")] {
            assert_eq!(Vocabulary::of(Some(&system)), Vocabulary::Ontario);
        }
        assert_eq!(Vocabulary::of(Some(&format!("{ONTARIO_EVENTS}s"))), Vocabulary::Common);
        assert_eq!(Vocabulary::of(None), Vocabulary::Common);
    }
}
