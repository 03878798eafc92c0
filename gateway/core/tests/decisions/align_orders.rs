//! Align, exhaustively and at random: 144 moves for each party, 720 orders of six statements with each of them said twice, and ten
//! thousand histories of which some is lost, doubled and turned around.

use crate::align_walk::{Scene, record, said};
use adapter_contract::StatusReport;
use adapter_contract::TaskStatus::{self, *};
use gateway_core::change::Disposition;
use gateway_core::status::{MOVES, is_move, performer_may, sender_may};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

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
fn ending(scene: &Scene) -> (serde_json::Value, TaskStatus, Option<TaskStatus>, Option<String>) {
    let mut task = scene.task.clone();
    task.remove("meta");
    task.remove("lastModified");
    let referral = &scene.referral;
    (task.to_value(), referral.task_status, referral.platform_status, referral.conflict.clone())
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
        let all = orders(reports.len());
        assert_eq!(all.len(), 720);
        for (number, order) in all.iter().enumerate() {
            for twice in 0..reports.len() {
                let mut scene = Scene::new(Requested);
                // Said again at once, or after everything: by turns.
                let mut said: Vec<usize> = order.clone();
                let place = if number % 2 == 0 { order.iter().position(|one| *one == twice).unwrap() } else { 5 };
                said.insert(place + 1, twice);
                for one in said {
                    scene.reports.push(record(&reports[one]));
                }
                scene.apply();
                let ended = ending(&scene);
                assert_eq!(ended, *expected.get_or_insert_with(|| ended.clone()), "{order:?}, {twice} twice");
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

#[test]
fn ten_thousand_histories_converge_after_one_look_at_the_platform() {
    let mut dice = StdRng::seed_from_u64(7);
    let mut late = 0;
    for number in 0..10_000 {
        let history = history(&mut dice);
        let stands = *history.last().unwrap();
        let mut said: Vec<StatusReport> = Vec::new();
        for (version, status) in (1..).zip(&history) {
            // Lost, said once, or said twice.
            for _ in 0..dice.random_range(0..3) {
                let place = dice.random_range(0..=said.len());
                said.insert(place, crate::align_walk::said(&format!("v{version}"), Some(*status), version));
            }
        }
        let mut scene = Scene::new(Requested);
        for part in said.chunks(3) {
            scene.reports.extend(part.iter().map(record));
            scene.apply();
        }
        late += usize::from(scene.referral.task_status != stands);
        // One look: the platform says where it stands, under the name of that change.
        let look = crate::align_walk::said(&format!("v{}", history.len()), Some(stands), history.len() as u64);
        scene.reports.push(record(&look));
        scene.apply();
        let (_, shown, platform, conflict) = ending(&scene);
        assert_eq!((shown, platform, conflict), (stands, Some(stands), None), "history {number}: {history:?}");
        let taken = |record: &gateway_core::change::ReportRecord| record.disposition != Disposition::Recorded;
        assert!(scene.reports.iter().all(taken), "history {number}");
    }
    assert!((1_000..9_000).contains(&late), "the look had something to mend in some, and not in all: {late}");
}
