//! Align, exhaustively and at random: 144 moves for each party, 720 orders of six statements with each of them said twice, and ten
//! thousand histories of which some is lost, doubled and turned around, until one reconciliation.

use crate::align_walk::{Scene, record, said};
use crate::builders::{NOW, Wrote as _, ids};
use adapter_contract::TaskStatus::{self, *};
use adapter_contract::{Concept, OutputValue, PlatformOrder, ReportedOutput, StatusReport};
use gateway_core::change::{Change, Disposition};
use gateway_core::consent::Kept;
use gateway_core::reconcile::{Compared, Finding, There, compare};
use gateway_core::retry::Schedule;
use gateway_core::status::{MOVES, is_move, performer_may, sender_may};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::collections::BTreeMap;

/// The columns and rows of what follows.
const STATUSES: [TaskStatus; 12] = [
    Draft,
    Requested,
    Received,
    Accepted,
    Ready,
    InProgress,
    OnHold,
    Rejected,
    Cancelled,
    Completed,
    Failed,
    EnteredInError,
];

/// Written out from design 6.3, not made from the table in the code. `m` = a move of the table.
const TABLE: [&str; 12] = [
    ".m......m..m",
    "..mm..mmm.mm",
    "...m..mmm.mm",
    "....mmmmm.mm",
    ".....mm.m.mm",
    "......mmmmmm",
    ".mmmmm.mmmmm",
    "...........m",
    "...........m",
    "...........m",
    "...........m",
    "............",
];

/// What the sender may write. `.` is refused; to stay is never refused.
const SENDERS: [&str; 12] = [
    "mm......m..m",
    ".m....m.m..m",
    "..m...m.m..m",
    "...m..m.m..m",
    "....m.m.m..m",
    ".....mm.m..m",
    ".m....m.m..m",
    ".......m...m",
    "........m..m",
    ".........m.m",
    "..........mm",
    "...........m",
];

/// What a platform that collects its referrals here may write: also skips of several moves.
const PERFORMERS: [&str; 12] = [
    "m.......m...",
    ".mmmmmmmmmm.",
    "..mmmmmmmmm.",
    "..mmmmmmmmm.",
    "..mmmmmmmmm.",
    "..mmmmmmmmm.",
    "..mmmmmmmmm.",
    ".......m....",
    "........m...",
    ".........m..",
    "..........m.",
    "...........m",
];

fn pairs() -> impl Iterator<Item = (usize, usize, TaskStatus, TaskStatus)> {
    (0..12).flat_map(|from| (0..12).map(move |to| (from, to, STATUSES[from], STATUSES[to])))
}

fn at(table: &[&str; 12], from: usize, to: usize) -> bool {
    table[from].as_bytes()[to] == b'm'
}

#[test]
fn each_of_144_moves_is_as_designed_for_whoever_makes_it() {
    let mut tried = 0;
    for (row, column, from, to) in pairs() {
        assert_eq!(is_move(from, to), at(&TABLE, row, column), "the table: {from} {to}");
        assert_eq!(sender_may(from, to).is_ok(), at(&SENDERS, row, column), "the sender: {from} {to}");
        assert_eq!(performer_may(from, to).is_ok(), at(&PERFORMERS, row, column), "the performer: {from} {to}");
        tried += 1;
    }
    assert_eq!(tried, 144);
}

#[test]
fn each_of_144_pairs_of_statements_moves_the_task_or_is_a_conflict() {
    for (_, _, from, to) in pairs() {
        let mut scene = Scene::new(Requested);
        scene.hear(&said("first", Some(from), 1));
        // Nobody but the sender makes drafts or takes back.
        let stands = if matches!(from, Draft | EnteredInError) { Requested } else { from };
        assert_eq!(scene.referral.task_status, stands, "{from}");
        scene.hear(&said("second", Some(to), 2));
        let moves = to == stands || (!stands.is_final() && !matches!(to, Draft | EnteredInError));
        let expected = if moves { to } else { stands };
        assert_eq!(scene.referral.task_status, expected, "{from} {to}");
        assert_eq!(scene.referral.conflict.is_some(), !moves, "{from} {to}: {:?}", scene.referral.conflict);
    }
}

/// Every order of `count` things.
fn orders(count: usize) -> Vec<Vec<usize>> {
    (0..count).fold(vec![Vec::new()], |all, next| {
        let longer = |order: Vec<usize>| {
            (0..=order.len()).map(move |place| {
                let mut longer = order.clone();
                longer.insert(place, next);
                longer
            })
        };
        all.into_iter().flat_map(longer).collect()
    })
}

/// What a GP reads in the end, and what the referral says beside it.
#[derive(Debug, Clone, PartialEq)]
struct Ending {
    task: serde_json::Value,
    service_request: Option<String>,
    status: TaskStatus,
    platform_status: Option<TaskStatus>,
    conflict: Option<String>,
    /// Statements, and what became of each.
    dispositions: BTreeMap<String, Disposition>,
}

fn ending(scene: &Scene) -> Ending {
    let mut task = scene.task.clone();
    task.remove("meta");
    task.remove("lastModified");
    let referral = &scene.referral;
    Ending {
        task: task.to_value(),
        service_request: scene.service_request.text("status").map(str::to_owned),
        status: referral.task_status,
        platform_status: referral.platform_status,
        conflict: referral.conflict.clone(),
        dispositions: scene.reports.iter().map(|record| (record.id.clone(), record.disposition)).collect(),
    }
}

/// Each statement has words and an output of its own.
fn with_words_and_output(report: StatusReport) -> StatusReport {
    let word = |text: String| Concept { text: Some(text), ..Concept::default() };
    let given = OutputValue::Concept(word(format!("What {} gave", report.event)));
    StatusReport {
        reason: report.status.map(|status| format!("{status}, says {}", report.event)),
        outputs: vec![ReportedOutput { kind: word("Given".to_owned()), value: given }],
        ..report
    }
}

#[test]
fn six_statements_end_alike_in_all_720_orders_with_any_one_of_them_said_twice() {
    let without_version = |event: &str, status, instant: &str| {
        let mut report = said(event, status, 0);
        report.order.version = None;
        report.order.instant = Some(instant.to_owned());
        report
    };
    let sets: [Vec<StatusReport>; 3] = [
        // A whole life by versions, with a word that nobody knows in it.
        vec![
            said("a", Some(Received), 1),
            said("b", Some(Accepted), 2),
            said("c", None, 3),
            said("d", Some(OnHold), 4),
            said("e", Some(InProgress), 5),
            said("f", Some(Completed), 6),
        ],
        // By time alone, two of the same moment, and a platform that goes back.
        vec![
            without_version("a", Some(Accepted), "2026-03-01T10:00:00Z"),
            without_version("b", Some(InProgress), "2026-03-01T10:00:00Z"),
            without_version("c", Some(OnHold), "2026-03-02T10:00:00+01:00"),
            without_version("d", Some(Accepted), "2026-03-02T09:30:00Z"),
            without_version("e", Some(InProgress), "2026-03-04"),
            without_version("f", None, "2026-03-05T10:00:00Z"),
        ],
        // Two ends that contradict each other, and one more after both.
        vec![
            said("a", Some(Accepted), 1),
            said("b", Some(InProgress), 2),
            said("c", Some(Completed), 3),
            said("d", Some(Rejected), 4),
            said("e", Some(InProgress), 5),
            said("f", None, 6),
        ],
    ];
    for reports in sets {
        let mut expected = None;
        let reports: Vec<StatusReport> = reports.into_iter().map(with_words_and_output).collect();
        let all = orders(reports.len());
        assert_eq!(all.len(), 720);
        for (number, order) in all.iter().enumerate() {
            for twice in 0..reports.len() {
                // Said again at once, or after everything: by turns.
                let mut said: Vec<usize> = order.clone();
                let place = if number % 2 == 0 { order.iter().position(|one| *one == twice).unwrap() } else { 5 };
                said.insert(place + 1, twice);
                // Each is applied before the next one comes; and, by turns, some come together.
                let together = [1, 7, 3][(number + twice) % 3];
                let mut scene = Scene::new(Requested);
                for part in said.chunks(together) {
                    scene.reports.extend(part.iter().map(|one| record(&reports[*one])));
                    scene.apply();
                }
                let ended = ending(&scene);
                let expected = expected.get_or_insert_with(|| ended.clone());
                assert_eq!(ended, *expected, "{order:?}, {twice} twice, {together} together");
            }
        }
    }
}

/// A platform's history: where it stood, one after the other.
fn history(dice: &mut StdRng) -> Vec<TaskStatus> {
    let mut stands = Requested;
    let mut history = Vec::new();
    for _ in 0..dice.random_range(1..9) {
        let targets = MOVES.iter().find(|(status, _)| *status == stands).map_or(&[][..], |(_, targets)| targets);
        let Some(next) = targets.get(dice.random_range(0..targets.len().max(1))) else { break };
        stands = *next;
        history.push(stands);
    }
    history
}

/// One nightly comparison with what the platform says, and the alignment that follows: what was found.
fn reconciled(scene: &mut Scene, says: &[StatusReport]) -> Vec<Finding> {
    let schedule = Schedule::default();
    let found = compare(
        &Compared {
            referral: &scene.referral,
            task: (scene.version, &scene.task),
            service_request: ((2, &scene.service_request), None),
            reports: &scene.reports,
            outbox: &scene.outbox,
            there: There::Says(says),
            capabilities: scene.capabilities,
            permitted: true,
            kept: Kept::Nothing,
            schedule: &schedule,
            author: "gateway",
            now: NOW,
        },
        &mut ids(),
    );
    found.transaction.assert_valid();
    let mut to_align = false;
    for change in found.transaction.changes {
        match change {
            Change::RecordReport(record) => {
                to_align = true;
                scene.reports.push(*record);
            }
            Change::DisposeReport { id, disposition } => {
                to_align = true;
                scene.reports.iter_mut().filter(|record| record.id == id).for_each(|it| it.disposition = disposition);
            }
            Change::PutReferral(referral) => scene.referral = *referral,
            Change::Audit(_) => {}
            other => panic!("a comparison of what was said writes nothing else: {other:?}"),
        }
    }
    if to_align {
        scene.apply();
    }
    found.findings
}

#[test]
fn ten_thousand_histories_converge_after_one_reconciliation() {
    let mut dice = StdRng::seed_from_u64(7);
    let (mut mended, mut agreed) = (0, 0);
    for number in 0..10_000 {
        let history = history(&mut dice);
        let stands = *history.last().unwrap();
        // Half of the platforms count their changes, the others tell the time alone.
        let by_time = number % 2 == 0;
        let statement = |place: usize| {
            let version = place as u64 + 1;
            let mut report = said(&format!("v{version}"), Some(history[place]), version);
            if by_time {
                let instant = format!("2026-03-01T10:00:{version:02}Z");
                report.order = PlatformOrder { version: None, instant: Some(instant) };
            }
            with_words_and_output(report)
        };
        let mut heard: Vec<StatusReport> = Vec::new();
        for place in 0..history.len() {
            // Lost, said once, or said twice.
            for _ in 0..dice.random_range(0..3) {
                heard.insert(dice.random_range(0..=heard.len()), statement(place));
            }
        }
        let mut scene = Scene::new(Requested);
        for part in heard.chunks(3) {
            scene.reports.extend(part.iter().map(record));
            scene.apply();
        }
        let late = scene.referral.task_status != stands;
        // The platform says where it stands, as it would have said it then.
        let look = [statement(history.len() - 1)];
        let findings = reconciled(&mut scene, &look);
        assert!(!late || !findings.is_empty(), "history {number}: a difference was not found: {history:?}");
        let ended = ending(&scene);
        assert_eq!((ended.status, &ended.conflict), (stands, &None), "history {number}: {history:?}");
        assert_eq!(ended.platform_status, Some(stands), "history {number}: {history:?}");
        assert!(
            ended.dispositions.values().all(|one| *one != Disposition::Recorded),
            "history {number}: something was not read"
        );
        // Nothing is left to find, and looking again changes nothing.
        assert_eq!(reconciled(&mut scene, &look), [], "history {number}: {history:?}");
        assert_eq!(ending(&scene), ended, "history {number}");
        match late {
            true => mended += 1,
            false => agreed += 1,
        }
    }
    assert!(mended > 1_000 && agreed > 1_000, "there was something to mend in some, and not in all: {mended} {agreed}");
}
