//! Tests of `letter`.

use super::*;
use crate::identity::{Compartment, Owner, TenantId};
use gateway_fhir::Severity;
use proptest::prelude::*;
use time::Duration;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-11-30 09:00:00 UTC);

fn letter() -> Letter {
    let id = |last: u8| format!("00000000-0000-4000-8000-0000000000{last:02}");
    Letter {
        id: id(1),
        version: 0,
        referral: "r1".to_owned(),
        number: NonZeroU32::MIN,
        contents: "digest".to_owned(),
        kept: Kept::Nothing,
        binaries: [id(2), id(3)],
        identifiers: [id(4), id(5)],
        message_ids: vec![id(4), id(6)],
        envelope: ["GPPROVIDER_9990000018_09011955_Canary".to_owned(), "Outcome for Canary".to_owned()],
        state: State::Made,
        code: None,
        network: None,
        leaving: None,
        sent_at: None,
        due: None,
        heard: Vec::new(),
        follow_ups: Vec::new(),
    }
}

fn written(letter: &Letter) -> Json {
    let subject: Json = serde_json::json!({ "reference": "Patient/p" }).into();
    let facts = Facts {
        subject: &subject,
        title: "Outcome of a social prescribing referral",
        kind: ("371531000", "Report of clinical encounter (record artifact)"),
        sender: ("Example Valley Social Prescribing", "A1B2C"),
        author: "Sam Example",
        about: ("t", "s"),
        replaces: Some("before"),
        sizes: [4, 5],
        media_types: ["application/pdf", "application/fhir+xml"],
        now: NOW,
    };
    document(letter, &facts)
}

fn key(kind: &str, id: &str) -> ResourceKey {
    let compartment = Compartment { tenant: TenantId("t".to_owned()), owner: Owner::Organisation("A81001".to_owned()) };
    ResourceKey { compartment, kind: kind.to_owned(), id: id.to_owned() }
}

fn heard(code: &str, ok: bool) -> Heard {
    Heard { code: code.to_owned(), ok, at: NOW }
}

fn acknowledged(code: &str, ok: bool, state: State) -> Answer {
    Answer::Acknowledged { heard: heard(code, ok), state, code: Some(code.to_owned()) }
}

fn taken() -> Answer {
    Answer::Taken { network: "20261130_1".to_owned(), due: NOW + Duration::days(5) }
}

#[test]
fn what_is_written_is_valid_and_read_back() {
    let mut letter = letter();
    for state in State::ALL {
        letter.state = state;
        letter.code = state.is_trouble().then(|| "30002".to_owned());
        letter.heard = vec![heard("20013", true), heard("", false)];
        (letter.kept, letter.leaving, letter.follow_ups) = (Kept::Words, Some(NOW), vec!["f".to_owned()]);
        (letter.network, letter.sent_at, letter.due) = (Some("n".to_owned()), Some(NOW), Some(NOW + Duration::days(5)));
        let document = written(&letter);
        let stored = stored(key("DocumentReference", &letter.id), &letter, document, NOW);
        let text =
            gateway_fhir::door::admit(stored.body.as_bytes(), &gateway_fhir::door::DoorLimits::default()).unwrap();
        let faults = gateway_fhir::validate::resource(&text);
        assert!(faults.iter().all(|issue| issue.severity != Severity::Error), "{faults:?}");
        assert_eq!(read(&letter.id, 0, &text), Some(letter.clone()));
        assert_eq!(State::from_code(state.code()), Some(state));
        let awaited = stored.tokens.iter().any(|token| token.parameter == IN_STATE && token.value == AWAITED);
        assert_eq!(awaited, state.is_awaited() || state == State::Made, "{state:?}");
        assert!(stored.tokens.contains(&crate::resource::Token::new(OF_REFERRAL, "r1")));
    }
    assert_eq!(read("x", 1, &serde_json::json!({ "resourceType": "DocumentReference" }).into()), None);
    assert!(!format!("{letter:?}").contains("Canary"));
}

#[test]
fn a_binary_is_valid() {
    let stored = binary(key("Binary", "b"), "application/pdf", "JVBERg==", "d", NOW);
    let text = gateway_fhir::door::admit(stored.body.as_bytes(), &gateway_fhir::door::DoorLimits::default()).unwrap();
    let faults = gateway_fhir::validate::resource(&text);
    assert!(faults.iter().all(|issue| issue.severity != Severity::Error), "{faults:?}");
}

#[test]
fn both_acknowledgements_and_repetitions() {
    let sent = letter().after(&taken(), NOW).unwrap();
    assert_eq!((sent.state, sent.network.as_deref()), (State::Sent, Some("20261130_1")));
    assert_eq!(sent.after(&taken(), NOW), None);
    let received = sent.after(&acknowledged("20013", true, State::Received), NOW).unwrap();
    assert_eq!(received.after(&acknowledged("20013", true, State::Received), NOW), None, "the same changes nothing");
    let known = received.after(&acknowledged("30001", true, State::Known), NOW).unwrap();
    assert_eq!((known.state, known.heard.len()), (State::Known, 2));
    assert!(known.state.is_well() && !known.state.is_awaited());
    // The network's word comes too late to count.
    assert_eq!(known.after(&Answer::Undelivered { code: "14".to_owned() }, NOW), None);
    assert_eq!(known.after(&Answer::Overdue, NOW + Duration::days(9)), None);
}

#[test]
fn an_acknowledgement_that_overtakes_our_own_answer_stays() {
    let known = letter().after(&acknowledged("30001", true, State::Known), NOW).unwrap();
    let sent = known.after(&taken(), NOW).unwrap();
    assert_eq!((sent.state, sent.network.is_some()), (State::Known, true));
}

#[test]
fn what_is_missed_is_missed_once_and_a_late_answer_counts() {
    let sent = letter().after(&taken(), NOW).unwrap();
    let received = sent.after(&acknowledged("20013", true, State::Received), NOW).unwrap();
    for open in [&sent, &received] {
        assert_eq!(open.after(&Answer::Overdue, NOW + Duration::days(5) - Duration::SECOND), None);
        let missed = open.after(&Answer::Overdue, NOW + Duration::days(5)).unwrap();
        assert!(missed.state.is_trouble() && !missed.state.is_awaited());
        assert_eq!(missed.after(&Answer::Overdue, NOW + Duration::days(6)), None);
        let late = missed.after(&acknowledged("30001", true, State::Known), NOW + Duration::days(7)).unwrap();
        assert_eq!(late.state, State::Known);
    }
    assert_eq!(letter().after(&Answer::Overdue, NOW + Duration::days(99)), None, "nothing was sent yet");
}

#[test]
fn a_letter_that_was_sent_is_never_called_not_sent() {
    let sent = letter().after(&taken(), NOW).unwrap();
    assert_eq!(sent.after(&Answer::Dead, NOW), None);
    assert_eq!(letter().after(&Answer::Dead, NOW).unwrap().state, State::NotSent);
}

#[test]
fn one_that_may_have_left_is_waited_for_and_one_that_has_not_is_withdrawn() {
    let due = NOW + Duration::days(5);
    let leaving = letter().after(&Answer::Leaving { due }, NOW).unwrap();
    assert!(leaving.is_awaited() && !leaving.is_taken() && !leaving.stands());
    assert_eq!(leaving.after(&Answer::Withdrawn, NOW), None, "it may have left");
    assert_eq!(leaving.after(&Answer::Overdue, due).unwrap().state, State::Unanswered);
    let again =
        leaving.after(&Answer::Overdue, due).and_then(|missed| missed.after(&Answer::Leaving { due }, due)).unwrap();
    assert!(again.is_awaited(), "sent again it is waited for again");
    let back = leaving.after(&Answer::NotTaken, NOW).unwrap();
    assert!(!back.is_awaited() && back.leaving.is_none() && back.due.is_none());
    let withdrawn = back.after(&Answer::Withdrawn, NOW).unwrap();
    assert_eq!(withdrawn.state, State::Withdrawn);
    assert!(!withdrawn.state.is_trouble(), "nobody has to act");
    // The answer of the practice says that it left, whatever our own request said.
    let known = leaving.after(&acknowledged("30001", true, State::Known), NOW).unwrap();
    assert!(known.is_taken() && known.stands());
    assert_eq!(known.after(&Answer::Leaving { due }, NOW), None);
    let refused = leaving.after(&acknowledged("20003", false, State::Refused), NOW).unwrap();
    assert!(refused.is_taken() && !refused.stands());
}

#[test]
fn what_a_task_says_of_a_letter_makes_no_new_letter() {
    let task: Json = serde_json::json!({ "resourceType": "Task", "id": "t", "status": "completed",
        "meta": { "versionId": "4" }, "lastModified": "2026-11-30T08:00:00Z",
        "extension": [{ "url": "urn:theirs", "valueString": "kept" }] })
    .into();
    let mut next = touched(&task, NOW);
    reference::show(&mut next, &letter(), NOW);
    assert!(differ_in_letter_alone(&task, &next));
    assert!(next.to_text().contains("kept"));
    let faults = gateway_fhir::validate::resource(&next);
    assert!(!faults.iter().any(|issue| format!("{issue:?}").contains("extension")), "{faults:?}");
    let mut again = next.clone();
    let mut sent = letter();
    sent.state = State::Known;
    reference::show(&mut again, &sent, NOW);
    assert_eq!(again.items("extension").len(), 2, "in the place of what was said before");
    assert!(differ_in_letter_alone(&task, &again));
    again.set("status", Json::string("failed"));
    assert!(!differ_in_letter_alone(&task, &again));
}

proptest! {
    // Whatever comes in whatever order: nothing heard is ever lost, and a letter never goes back to not being sent.
    #[test]
    fn no_answer_is_lost(answers in proptest::collection::vec(0_u8..7, 0..12)) {
        let mut letter = letter();
        let mut codes = std::collections::BTreeSet::new();
        for answer in answers {
            let answer = match answer {
                0 => taken(),
                1 => acknowledged("20013", true, State::Received),
                2 => acknowledged("30001", true, State::Known),
                3 => acknowledged("30002", false, State::Refused),
                4 => Answer::Undelivered { code: "14".to_owned() },
                5 => Answer::Overdue,
                _ => Answer::Dead,
            };
            let before = letter.clone();
            if let Some(next) = letter.after(&answer, NOW + Duration::days(6)) {
                letter = next;
            }
            if let Answer::Acknowledged { heard, .. } = &answer {
                codes.insert(heard.code.clone());
            }
            let heard: std::collections::BTreeSet<String> = letter.heard.iter().map(|one| one.code.clone()).collect();
            prop_assert_eq!(&heard, &codes);
            prop_assert!(before.state == State::Made || !matches!(letter.state, State::Made));
            prop_assert!(letter.network.is_none() || letter.state != State::NotSent || before.network.is_none());
        }
    }
}
