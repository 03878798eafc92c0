//! The alignment figure: who agrees, who knows why not, and how long it took.

use crate::align_walk::{record, said};
use crate::builders::*;
use adapter_contract::{PlatformOrder, TaskStatus};
use gateway_core::alignment::{Figures, Known, Shown, Stand, lags, stand};
use gateway_core::change::{Disposition, ReportRecord};
use gateway_core::referral::{Delivery, HoldReason, Referral, SenderState};
use std::time::Duration as Span;
use time::Duration;

fn shown(status: TaskStatus, after: i64) -> Shown {
    Shown { at: NOW + Duration::seconds(after), status }
}

/// A statement that was made, came in, and was applied.
fn heard(event: &str, status: TaskStatus, made: Option<i64>, came: i64) -> ReportRecord {
    let mut report = said(event, Some(status), 1);
    let at = |seconds: i64| gateway_fhir::instant::to_instant(NOW + Duration::seconds(seconds));
    report.order = PlatformOrder { version: None, instant: made.map(at) };
    ReportRecord { received: NOW + Duration::seconds(came), disposition: Disposition::Applied, ..record(&report) }
}

fn of(referral: &Referral, reports: &[ReportRecord], status: TaskStatus) -> Option<Stand> {
    stand(&Known { referral, versions: &[shown(status, 0)], reports })
}

#[test]
fn a_referral_agrees_is_known_to_differ_or_drifts() {
    let accepted = Referral { task_status: TaskStatus::Accepted, ..delivered() };
    let report = heard("e1", TaskStatus::Accepted, None, 1);
    let reports = std::slice::from_ref(&report);
    assert_eq!(of(&accepted, reports, TaskStatus::Accepted), Some(Stand::Agrees));
    assert_eq!(of(&delivered(), &[], TaskStatus::Requested), Some(Stand::Apart("unheard")), "nothing is said yet");
    let word = ReportRecord { disposition: Disposition::Unmapped, ..record(&said("e1", None, 1)) };
    assert_eq!(of(&delivered(), &[word], TaskStatus::Requested), Some(Stand::Apart("unheard")), "no status is said");
    let has_it = heard("e1", TaskStatus::Requested, None, 1);
    assert_eq!(of(&delivered(), &[has_it], TaskStatus::Requested), Some(Stand::Agrees), "it says that it has it");
    assert_eq!(of(&accepted, reports, TaskStatus::Requested), Some(Stand::Drifts("task-differs")));
    let unread = ReportRecord { disposition: Disposition::Recorded, ..report.clone() };
    assert_eq!(of(&delivered(), &[unread], TaskStatus::Requested), Some(Stand::Drifts("not-applied")));
    assert_eq!(of(&delivered(), reports, TaskStatus::Requested), Some(Stand::Drifts("status-differs")));
    let with = |change: &dyn Fn(&mut Referral)| {
        let mut referral = accepted.clone();
        change(&mut referral);
        of(&referral, reports, TaskStatus::Accepted)
    };
    assert_eq!(with(&|one| one.attention = Some("Ask.".to_owned())), Some(Stand::Known("attention")));
    assert_eq!(with(&|one| one.conflict = Some("Both.".to_owned())), Some(Stand::Known("conflict")));
    assert_eq!(with(&|one| one.delivery = Delivery::Queued), Some(Stand::Apart("under-way")));
    assert_eq!(with(&|one| one.delivery = Delivery::Withdrawn), Some(Stand::Apart("withdrawn")));
    let dead = Delivery::DeadLetter { reason: String::new() };
    assert_eq!(with(&|one| one.delivery = dead.clone()), Some(Stand::Apart("dead-letter")));
    assert_eq!(
        with(&|one| one.delivery = Delivery::Held { reason: HoldReason::SenderHold }),
        Some(Stand::Apart("held"))
    );
    let withheld = ReportRecord { disposition: Disposition::Withheld, ..report.clone() };
    assert_eq!(of(&delivered(), &[withheld], TaskStatus::Requested), Some(Stand::Known("withheld")));
    let cancelled = Referral { sender: SenderState::Cancelled, task_status: TaskStatus::Cancelled, ..delivered() };
    assert_eq!(of(&cancelled, reports, TaskStatus::Cancelled), Some(Stand::Known("contradicted")), "it goes on there");
    assert_eq!(of(&cancelled, &[], TaskStatus::Cancelled), Some(Stand::Apart("unheard")));
    let stopped = heard("e2", TaskStatus::Cancelled, Some(5), 6);
    assert_eq!(of(&cancelled, &[stopped], TaskStatus::Cancelled), Some(Stand::Agrees), "it says that it stopped");
    let recall = Referral { task_status: TaskStatus::Cancelled, ..recalled(delivered()) };
    assert_eq!(of(&recall, reports, TaskStatus::Cancelled), Some(Stand::Known("recalled")));
}

#[test]
fn the_lag_runs_from_what_the_platform_said_to_the_version_that_shows_it() {
    let referral = Referral { task_status: TaskStatus::Completed, ..delivered() };
    let versions = [
        shown(TaskStatus::Requested, 0),
        shown(TaskStatus::Accepted, 700),
        shown(TaskStatus::InProgress, 1_000),
        shown(TaskStatus::Accepted, 1_050),
        shown(TaskStatus::Completed, 1_100),
    ];
    let of = |report: ReportRecord| lags(&Known { referral: &referral, versions: &versions, reports: &[report] });
    let seconds = |number: u64| vec![Span::from_secs(number)];
    assert_eq!(of(heard("a", TaskStatus::Accepted, Some(100), 690)), seconds(600), "by the platform's own time");
    assert_eq!(of(heard("a", TaskStatus::Accepted, None, 690)), seconds(10), "else from its arrival");
    assert_eq!(of(heard("a", TaskStatus::Accepted, Some(5_000), 690)), seconds(10), "no clock of theirs is ahead");
    assert_eq!(
        of(heard("a", TaskStatus::Accepted, Some(-5), 690)),
        seconds(10),
        "nor behind: it was not sent yet then"
    );
    assert_eq!(of(heard("a", TaskStatus::Accepted, Some(1_040), 1_045)), seconds(10), "not an earlier version");
    let mut day = heard("a", TaskStatus::Completed, None, 1_099);
    day.report.order.instant = Some("2026-06-15".to_owned());
    assert_eq!(of(day), seconds(1), "what names a day may have been said at any time of it");
    let unchanged = ReportRecord { disposition: Disposition::Unchanged, ..heard("a", TaskStatus::Accepted, None, 690) };
    assert_eq!(of(unchanged), Vec::<Span>::new());
}

#[test]
fn figures_are_counted_and_added_and_their_percentiles_are_of_the_nearest_rank() {
    let referral = Referral { task_status: TaskStatus::Accepted, ..delivered() };
    let mut all = Figures::default();
    assert_eq!((all.percent(), all.lag(50), all.referrals()), (None, None, 0), "of none");
    for seconds in 1..=100 {
        let report = heard("a", TaskStatus::Accepted, None, 0);
        let mut one = Figures::default();
        one.take(&Known { referral: &referral, versions: &[shown(TaskStatus::Accepted, seconds)], reports: &[report] });
        all.add(&one);
    }
    assert_eq!((all.referrals(), all.statements(), all.percent()), (100, 100, Some(100.0)));
    let lag = |percent| all.lag(percent).map(|lag| lag.as_secs());
    assert_eq!((lag(0), lag(50), lag(99), lag(100)), (Some(1), Some(50), Some(99), Some(100)));
    let mut drifting = Figures::default();
    drifting.take(&Known { referral: &referral, versions: &[shown(TaskStatus::Requested, 0)], reports: &[] });
    all.add(&drifting);
    assert_eq!(all.drift.get("task-differs"), Some(&1));
    assert_eq!(all.percent(), Some(100.0 * 100.0 / 101.0));
    // What cannot be compared stands beside it and changes no share; what is known to differ is no agreement.
    let mut more = Figures::default();
    more.take(&Known { referral: &delivered(), versions: &[shown(TaskStatus::Requested, 0)], reports: &[] });
    assert_eq!((more.percent(), more.referrals(), more.compared()), (None, 1, 0));
    let told = Referral { attention: Some("Ask.".to_owned()), ..referral.clone() };
    let report = heard("a", TaskStatus::Accepted, None, 0);
    more.take(&Known { referral: &told, versions: &[shown(TaskStatus::Accepted, 1)], reports: &[report] });
    assert_eq!((more.percent(), more.known.get("attention")), (Some(0.0), Some(&1)));
    all.add(&more);
    assert_eq!((all.referrals(), all.compared(), all.apart.get("unheard")), (103, 102, Some(&1)));
}
