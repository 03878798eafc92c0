//! Asking an organisation by mail: the first letter, reminders, new links, and what is never asked any more.

use crate::align_walk::{Scene, said};
use crate::builders::{
    NOW, Stand, UNABLE, Wrote as _, business_status, decision, delivered, error, ids, in_state, platform, recalled,
    referral, row, status_reason, step, task,
};
use adapter_contract::{Ask, Capabilities, FailureCode, PlatformReferralId, Receipt, Repeat, TaskStatus};
use gateway_core::change::{Change, Transaction};
use gateway_core::consent::Verdict;
use gateway_core::deliver::{Plan, acknowledged, asked, dead, failed, plan};
use gateway_core::outbox::{Errand, OutboxRow, OutboxState};
use gateway_core::referral::{Delivery, Referral, SenderState};
use gateway_core::retry::Schedule;
use gateway_core::status_link::{Again, Asks, IN_VAIN, LinkState, StatusLink, ask_again, may_be_asked};
use gateway_core::unanswered::{GONE_BACK, LATE, WORDS, Waited, has_gone_back, look};
use std::time::Duration as Span;
use time::{Duration, OffsetDateTime};

const DAY: u64 = 24 * 3_600;
const REMINDERS: [Span; 3] = [Span::from_secs(3 * DAY), Span::from_secs(6 * DAY), Span::from_secs(7 * DAY)];
const ASKS: Asks<'static> = Asks { reminders: &REMINDERS, companion: false };
const BY_LINK: Capabilities = Capabilities { status_link: true, ..UNABLE };

const fn ask(why: Ask, number: u32) -> Errand {
    Errand::Ask { why, number }
}

fn receipt() -> Receipt {
    Receipt { platform_referral: PlatformReferralId("42".to_owned()), reports: Vec::new() }
}

fn link(id: &str, made_at: OffsetDateTime) -> StatusLink {
    let about = (&referral().id, &platform());
    StatusLink::made(id.to_owned(), about, format!("hash-{id}"), made_at, Span::from_secs(14 * DAY))
}

fn days(days: i64) -> OffsetDateTime {
    NOW + Duration::days(days)
}

/// Delivered, and asked by mail.
fn waits() -> Referral {
    Referral { answer_due: Some(days(7)), reminders: vec![days(3), days(6)], ..delivered() }
}

struct Desk {
    referral: Referral,
    outbox: Vec<OutboxRow>,
    links: Vec<StatusLink>,
    by_link: bool,
}

impl Desk {
    fn new(referral: Referral) -> Self {
        Self { referral, outbox: Vec::new(), links: Vec::new(), by_link: true }
    }

    fn look(&self, now: OffsetDateTime) -> Option<Transaction> {
        look(
            &Waited {
                referral: &self.referral,
                task: (3, &task(TaskStatus::Requested)),
                outbox: &self.outbox,
                links: &self.links,
                by_link: self.by_link,
                schedule: &Schedule::default(),
                now,
            },
            "reminder".to_owned(),
        )
    }

    fn ask_again(&self, now: OffsetDateTime) -> Option<Transaction> {
        let schedule = Schedule::default();
        let from =
            Again { referral: &self.referral, links: &self.links, outbox: &self.outbox, schedule: &schedule, now };
        ask_again(&from, "again".to_owned())
    }
}

/// Every way in which a referral stands so that nobody is asked any more.
fn over() -> Vec<(&'static str, Referral)> {
    let erased = gateway_core::subject::Erasure { at: NOW, cause: gateway_core::subject::Cause::Request };
    vec![
        ("not delivered", Referral { delivery: Delivery::Queued, ..waits() }),
        ("withdrawn before", Referral { delivery: Delivery::Withdrawn, ..waits() }),
        ("cancelled", Referral { sender: SenderState::Cancelled, task_status: TaskStatus::Cancelled, ..waits() }),
        ("paused", Referral { sender: SenderState::Held, task_status: TaskStatus::OnHold, ..waits() }),
        ("recalled", recalled(waits())),
        ("ended", Referral { task_status: TaskStatus::Rejected, ..waits() }),
        ("erased", Referral { erased: Some(erased), ..waits() }),
        ("gone back", Referral { attention: Some(GONE_BACK.to_owned()), ..waits() }),
    ]
}

#[test]
fn the_acknowledgement_sets_the_reminders_that_come_before_the_deadline() {
    let mut stand = Stand::new(Errand::Submit);
    (stand.capabilities, stand.asks) = (BY_LINK, Some(ASKS));
    let written = acknowledged(&stand.job(), &receipt(), &[], &mut ids());
    let kept = written.referral();
    assert_eq!((kept.answer_due, kept.reminders.as_slice()), (Some(days(7)), [days(3), days(6)].as_slice()));
    assert_eq!(kept.next_look(), Some(days(3)));
    assert!(written.rows().iter().all(|row| row.errand == Errand::Submit), "the letter held its link");
    // Without a way to answer nobody is waited for, and nobody is reminded.
    (stand.capabilities, stand.asks) = (UNABLE, None);
    let kept = acknowledged(&stand.job(), &receipt(), &[], &mut ids()).referral();
    assert_eq!((kept.answer_due, kept.reminders.len()), (None, 0));
}

#[test]
fn an_organisation_that_has_it_by_another_way_is_asked_with_the_acknowledgement() {
    let mut stand = Stand::new(Errand::Submit);
    (stand.capabilities, stand.asks) = (BY_LINK, Some(Asks { companion: true, ..ASKS }));
    let written = acknowledged(&stand.job(), &receipt(), &[], &mut ids());
    let row = written.row();
    assert_eq!((row.errand, row.state, row.sequence, row.not_before), (ask(Ask::First, 1), OutboxState::Ready, 0, NOW));
    // What was withdrawn meanwhile is not asked about, and a move that was told is no delivery.
    let cancelled = Stand { capabilities: BY_LINK, asks: stand.asks, ..Stand::new(Errand::Submit).cancelled() };
    let rows = acknowledged(&cancelled.job(), &receipt(), &[], &mut ids()).rows();
    assert!(rows.iter().all(|row| row.errand == Errand::Submit), "{rows:?}");
    let mut told = Stand::new(Errand::Tell { sender_move: adapter_contract::SenderMove::Hold });
    (told.referral, told.asks) = (delivered(), stand.asks);
    assert_eq!(acknowledged(&told.job(), &receipt(), &[], &mut ids()).rows().len(), 1);
}

#[test]
fn nobody_is_asked_once_referral_sender_or_consent_stand_against_it() {
    for why in [Ask::First, Ask::Reminder, Ask::NewLink] {
        let mut stand = Stand { asks: Some(ASKS), capabilities: BY_LINK, ..Stand::new(ask(why, 1)) };
        stand.referral = waits();
        stand.row.progress = step("letter");
        assert_eq!(plan(&stand.job(), false, &decision(Verdict::Permit)), Plan::Run(step("letter")));
        let dropped = |stand: &Stand, verdict, lines: &[&str], name: &str| {
            let Plan::Stop(written) = plan(&stand.job(), false, &decision(verdict)) else { panic!("{why:?}: {name}") };
            written.assert_leased(&stand.row);
            assert_eq!(
                (written.row().state, written.audit()),
                (OutboxState::Dropped, lines.iter().map(|line| (*line).to_owned()).collect())
            );
            assert!(written.changes.iter().all(|change| !matches!(change, Change::PutReferral(_))), "{name}");
        };
        dropped(&stand, Verdict::Deny, &["consent-decision"], "no consent");
        let no_way = Stand { asks: None, ..Stand { referral: waits(), ..Stand::new(ask(why, 1)) } };
        dropped(&no_way, Verdict::Permit, &[], "no way");
        for (name, referral) in over() {
            assert!(!may_be_asked(&referral, why), "{name}");
            let stand = Stand { referral, asks: Some(ASKS), ..Stand::new(ask(why, 1)) };
            dropped(&stand, Verdict::Permit, &[], name);
        }
    }
    // Who has answered is not reminded, and may have a new link.
    let answered = Referral { task_status: TaskStatus::Accepted, answer_due: None, reminders: vec![], ..waits() };
    assert!(!may_be_asked(&answered, Ask::Reminder) && may_be_asked(&answered, Ask::NewLink));
}

#[test]
fn who_is_asked_in_vain_is_put_in_front_of_a_person_and_stays_delivered() {
    let mut stand = Stand { asks: Some(ASKS), ..Stand::new(ask(Ask::Reminder, 2)) };
    stand.referral = waits();
    let check = |written: &Transaction, what: &str| {
        let kept = written.referral();
        assert_eq!((kept.delivery, written.row().state), (waits().delivery, OutboxState::Dropped), "{what}");
        assert!(kept.attention.is_some_and(|words| words.starts_with(IN_VAIN)), "{what}");
        assert_eq!((written.task(), written.audit()), (None, vec!["ask-in-vain".to_owned()]), "{what}");
        // The time to answer goes on, and so do the reminders.
        assert_eq!((kept.answer_due, kept.reminders.len()), (Some(days(7)), 2), "{what}");
        assert_eq!(written.referral().next_look(), Some(days(3)), "{what}");
    };
    for code in [FailureCode::Untranslatable, FailureCode::UnsafeToSend, FailureCode::HttpStatus(401)] {
        check(&failed(&stand.job(), &error(code), None, Repeat::Keyed, 0.5), &format!("{code:?}"));
    }
    check(&dead(&stand.job(), &error(FailureCode::Interrupted)), "poison");
    // Before its window is over it is tried again.
    let again = failed(&stand.job(), &error(FailureCode::NotConnected), None, Repeat::Keyed, 0.5);
    assert_eq!((again.row().state, again.audit()), (OutboxState::Ready, vec!["attempt".to_owned()]));
    stand.row.expires_at = NOW;
    check(&failed(&stand.job(), &error(FailureCode::NotConnected), None, Repeat::Keyed, 0.5), "its window is over");
    // What a person has to settle already stays, and what has ended needs nobody.
    for referral in [
        Referral { attention: Some("look".to_owned()), task_status: TaskStatus::Accepted, ..waits() },
        Referral { task_status: TaskStatus::Completed, ..waits() },
    ] {
        let stand = Stand { referral, ..Stand::new(ask(Ask::NewLink, 1)) };
        let written = dead(&stand.job(), &error(FailureCode::Refused));
        assert!(written.changes.iter().all(|change| !matches!(change, Change::PutReferral(_))));
    }
}

#[test]
fn a_letter_that_left_is_done_and_ends_what_was_in_vain() {
    let mut stand = Stand { asks: Some(ASKS), ..Stand::new(ask(Ask::NewLink, 3)) };
    stand.referral = waits();
    let written = asked(&stand.job());
    assert_eq!((written.row().state, written.audit()), (OutboxState::Done, vec!["ask".to_owned()]));
    assert!(written.changes.iter().all(|change| !matches!(change, Change::PutReferral(_))));
    stand.referral.attention = Some(format!("{IN_VAIN}the mail server did not answer."));
    assert_eq!(asked(&stand.job()).referral().attention, None);
}

#[test]
fn reminders_go_out_one_by_one_each_with_its_number() {
    let mut desk = Desk::new(waits());
    assert_eq!(desk.look(days(3) - Duration::milliseconds(1)), None);
    let first = desk.look(days(3)).expect("a reminder");
    assert_eq!(
        (first.row().errand, first.row().sequence, first.audit()),
        (ask(Ask::Reminder, 1), 0, vec!["remind".to_owned()])
    );
    assert_eq!(first.referral().reminders, [days(6)]);
    assert_eq!((first.task(), first.referral().next_look()), (None, Some(days(6))));
    desk.referral = first.referral();
    desk.outbox = vec![in_state(ask(Ask::Reminder, 1), OutboxState::Done, 1)];
    assert_eq!(desk.look(days(5)), None);
    let second = desk.look(days(6)).expect("another");
    assert_eq!((second.row().errand, second.referral().next_look()), (ask(Ask::Reminder, 2), Some(days(7))));
    // Two that were missed are one letter, and none while one that asks is still to leave.
    let missed = Desk::new(waits()).look(days(6)).expect("one");
    assert_eq!((missed.rows().len(), missed.referral().reminders.len()), (1, 0));
    for state in [OutboxState::Ready, OutboxState::Leased] {
        let desk = Desk { outbox: vec![in_state(ask(Ask::NewLink, 1), state, 0)], ..Desk::new(waits()) };
        let written = desk.look(days(3)).expect("the time has passed");
        assert_eq!((written.rows().len(), written.referral().reminders.len()), (0, 1), "{state:?}");
    }
    // Its way over links was taken out of the configuration: nothing goes out, and a person is told in the end.
    let without = Desk { by_link: false, ..Desk::new(waits()) };
    assert_eq!(without.look(days(3)).expect("passed").rows(), []);
    assert_eq!(without.look(days(7)).expect("told").referral().attention.as_deref(), Some(WORDS));
}

#[test]
fn an_answer_a_cancellation_a_pause_or_a_recall_ends_the_reminders() {
    for (name, referral) in over() {
        assert_eq!(referral.next_look(), None, "{name}");
        assert_eq!(Desk::new(referral).look(days(9)), None, "{name}");
    }
    let mut scene = Scene { referral: waits(), capabilities: BY_LINK, ..Scene::new(TaskStatus::Requested) };
    let heard = scene.hear(&said("a", Some(TaskStatus::Received), 1)).referral();
    assert_eq!((heard.answer_due, heard.reminders.len(), heard.next_look()), (None, 0, None));
    let vain = Referral { attention: Some(format!("{IN_VAIN}no server")), ..waits() };
    let mut scene = Scene { referral: vain, capabilities: BY_LINK, ..Scene::new(TaskStatus::Requested) };
    assert_eq!(scene.hear(&said("a", Some(TaskStatus::Accepted), 1)).referral().attention, None);
}

#[test]
fn past_the_deadline_it_goes_back_and_its_links_open_nothing() {
    let open = link("b", days(3)).opened("session".to_owned(), days(8));
    let links = vec![link("a", NOW), open, link("c", days(6)).closed()];
    for attention in [None, Some(format!("{IN_VAIN}no server"))] {
        let referral = Referral { attention, reminders: vec![], ..waits() };
        let desk = Desk { links: links.clone(), ..Desk::new(referral) };
        assert_eq!(desk.look(days(7) - Duration::milliseconds(1)), None);
        let written = desk.look(days(7)).expect("it goes back");
        written.assert_valid();
        let shown = written.task().expect("the Task says so");
        assert_eq!((shown.text("status"), business_status(&shown)), (Some("on-hold"), "expired-no-response"));
        assert_eq!((status_reason(&shown), written.audit()), (GONE_BACK, vec!["expired".to_owned()]));
        let kept = written.referral();
        assert_eq!((kept.task_status, kept.answer_due, kept.next_look()), (TaskStatus::OnHold, None, None));
        assert!(has_gone_back(&kept) && written.rows().is_empty());
        let closed = written.changes.iter().filter_map(|change| match change {
            Change::PutLink(link) => Some((link.id.as_str(), link.revision, link.state.clone())),
            _ => None,
        });
        assert_eq!(closed.collect::<Vec<_>>(), [("a", 2, LinkState::Spent), ("b", 3, LinkState::Spent)]);
    }
}

#[test]
fn an_answer_after_it_went_back_is_shown_and_a_person_sees_that_it_came_late() {
    let back = || Referral { attention: Some(GONE_BACK.to_owned()), task_status: TaskStatus::OnHold, ..delivered() };
    let scene = || Scene { referral: back(), capabilities: BY_LINK, ..Scene::new(TaskStatus::OnHold) };
    let mut accepts = scene();
    let written = accepts.hear(&said("a", Some(TaskStatus::Accepted), 1));
    assert_eq!(
        (written.referral().task_status, written.referral().attention.as_deref()),
        (TaskStatus::Accepted, Some(LATE))
    );
    // A refusal needs nobody: it is the link worker's already.
    let written = scene().hear(&said("a", Some(TaskStatus::Rejected), 1));
    assert_eq!((written.referral().task_status, written.referral().attention), (TaskStatus::Rejected, None));
    // Nor does the end of what came late.
    assert_eq!(accepts.hear(&said("b", Some(TaskStatus::Completed), 2)).referral().attention, None);
    // What only repeats that it has it, or that nobody knows, takes nothing back.
    for status in [Some(TaskStatus::Requested), None] {
        let written = scene().hear(&said("a", status, 1));
        assert_eq!((written.task(), written.referral().task_status), (None, TaskStatus::OnHold), "{status:?}");
        assert!(has_gone_back(&written.referral()), "{status:?}");
    }
    // The sender had cancelled: that stands.
    let cancelled = Referral { sender: SenderState::Cancelled, task_status: TaskStatus::Cancelled, ..back() };
    let mut scene = Scene { referral: cancelled, ..Scene::new(TaskStatus::Cancelled) };
    assert_eq!(scene.hear(&said("a", Some(TaskStatus::Accepted), 1)).referral().task_status, TaskStatus::Cancelled);
}

#[test]
fn a_new_link_is_sent_once_in_ten_minutes_and_five_times_a_day() {
    let minutes = |minutes| NOW + Duration::minutes(minutes);
    let first = Desk::new(waits()).ask_again(NOW).expect("a new link");
    assert_eq!((first.row().errand, first.row().id.as_str()), (ask(Ask::NewLink, 1), "again"));
    assert_eq!((first.referral().revision, first.audit()), (waits().revision + 1, vec!["new-link".to_owned()]));
    let desk = Desk { links: vec![link("a", NOW)], ..Desk::new(waits()) };
    assert_eq!(desk.ask_again(minutes(10) - Duration::milliseconds(1)), None, "one was made just now");
    assert!(desk.ask_again(minutes(10)).is_some());
    let five = (0..5).map(|nth| link(&nth.to_string(), minutes(nth * 20))).collect();
    let outbox = vec![in_state(ask(Ask::NewLink, 4), OutboxState::Done, 1), row(Errand::Submit)];
    let mut desk = Desk { links: five, outbox, ..Desk::new(waits()) };
    assert_eq!(desk.ask_again(days(1) - Duration::milliseconds(1)), None, "five within a day");
    assert_eq!(desk.ask_again(days(1)).expect("the first was a day ago").row().errand, ask(Ask::NewLink, 5));
    desk.outbox.push(in_state(ask(Ask::Reminder, 1), OutboxState::Ready, 0));
    assert_eq!(desk.ask_again(days(9)), None, "one is on its way");
    for (name, referral) in over() {
        assert_eq!(Desk::new(referral).ask_again(NOW), None, "{name}");
    }
}
