//! The fold: worked cases, and the proof that arrival order and repetition do not matter.

use super::*;
use adapter_contract::TaskStatus::*;
use adapter_contract::{Concept, OutputValue, PlatformOrder, PlatformReferralId, ReportedOutput};
use proptest::prelude::*;

/// `event`, status, version, instant.
type Said<'a> = (&'a str, Option<TaskStatus>, Option<u64>, Option<&'a str>);

fn report((event, status, version, instant): Said<'_>) -> StatusReport {
    StatusReport {
        platform_referral: PlatformReferralId("42".to_owned()),
        key: None,
        event: event.to_owned(),
        order: PlatformOrder { version, instant: instant.map(str::to_owned) },
        platform_status: Concept::default(),
        status,
        business_status: if status.is_some() { format!("business-{event}") } else { "unmapped".to_owned() },
        reason: None,
        outputs: Vec::new(),
    }
}

fn folded(said: &[Said<'_>], sender: SenderState) -> Folded {
    fold(&said.iter().map(|one| report(*one)).collect::<Vec<_>>(), sender)
}

use Disposition as D;

/// Statements, the status they come to, what becomes of each, whether a conflict is left.
type Row<'a> = (&'a [Said<'a>], Option<TaskStatus>, &'a [Disposition], bool);

fn check(rows: &[Row<'_>]) {
    for (said, status, dispositions, conflict) in rows {
        let folded = folded(said, SenderState::Active);
        assert_eq!(folded.status, *status, "{said:?}");
        assert_eq!(folded.dispositions, *dispositions, "{said:?}");
        assert_eq!(folded.conflict.is_some(), *conflict, "{said:?}");
    }
}

#[test]
fn active_referrals() {
    let rows: &[Row<'_>] = &[
        (&[], None, &[], false),
        (&[("a", Some(Requested), Some(1), None)], Some(Requested), &[D::Unchanged], false),
        (&[("a", None, Some(1), None)], None, &[D::Unmapped], false),
        (
            &[("a", Some(Accepted), Some(1), None), ("b", Some(InProgress), Some(2), None)],
            Some(InProgress),
            &[D::Applied, D::Applied],
            false,
        ),
        // The later one came first.
        (
            &[("a", Some(Completed), Some(3), None), ("b", Some(Accepted), Some(1), None)],
            Some(Completed),
            &[D::Inferred, D::Applied],
            false,
        ),
        // Instants are compared as instants: 10:30+01:00 is before 10:00Z.
        (
            &[
                ("a", Some(Completed), None, Some("2026-06-01T10:00:00Z")),
                ("b", Some(InProgress), None, Some("2026-06-01T10:30:00+01:00")),
            ],
            Some(Completed),
            &[D::Applied, D::Inferred],
            false,
        ),
        // Without evidence of time a step back is late, with it the platform went back over a pause.
        (
            &[("a", Some(InProgress), None, None), ("b", Some(Accepted), None, None)],
            Some(InProgress),
            &[D::Inferred, D::Late],
            false,
        ),
        (
            &[("a", Some(InProgress), Some(1), None), ("b", Some(Accepted), Some(2), None)],
            Some(Accepted),
            &[D::Inferred, D::Inferred],
            false,
        ),
    ];
    check(rows);
}

#[test]
fn ends_repetitions_and_acknowledgements() {
    let rows: &[Row<'_>] = &[
        // A reopening is a conflict if it is proven to be one, and over once the platform agrees again.
        (
            &[("a", Some(Completed), Some(1), None), ("b", Some(InProgress), Some(2), None)],
            Some(Completed),
            &[D::Inferred, D::Conflict],
            true,
        ),
        (
            &[
                ("a", Some(Completed), Some(1), None),
                ("b", Some(InProgress), Some(2), None),
                ("c", Some(Completed), Some(3), None),
            ],
            Some(Completed),
            &[D::Inferred, D::Conflict, D::Unchanged],
            false,
        ),
        (
            &[("a", Some(Completed), None, None), ("b", Some(Accepted), None, None)],
            Some(Completed),
            &[D::Inferred, D::Late],
            false,
        ),
        (
            &[("a", Some(Completed), None, None), ("b", Some(Rejected), None, None)],
            Some(Completed),
            &[D::Inferred, D::Conflict],
            true,
        ),
        (&[("a", Some(EnteredInError), Some(1), None)], None, &[D::Conflict], true),
        (&[("a", Some(Draft), Some(1), None)], None, &[D::Conflict], true),
        // The same event twice.
        (
            &[("a", Some(Accepted), Some(1), None), ("a", Some(Accepted), Some(1), None)],
            Some(Accepted),
            &[D::Applied, D::Applied],
            false,
        ),
        // An acknowledgement without a place in time comes first.
        (
            &[("z", Some(Requested), None, None), ("a", Some(Accepted), Some(7), None)],
            Some(Accepted),
            &[D::Unchanged, D::Applied],
            false,
        ),
    ];
    check(rows);
}

#[test]
fn after_a_withdrawal_the_platform_can_only_confirm_or_contradict() {
    for (status, disposition, conflict) in [
        (Some(Cancelled), D::Unchanged, false),
        (Some(Rejected), D::Unchanged, false),
        (Some(Failed), D::Unchanged, false),
        (Some(EnteredInError), D::Unchanged, false),
        (Some(Completed), D::Conflict, true),
        (Some(Accepted), D::Late, false),
        (None, D::Unmapped, false),
    ] {
        let folded = folded(&[("a", status, Some(1), None)], SenderState::Cancelled);
        assert_eq!(folded.status, Some(Cancelled), "{status:?}");
        assert_eq!(folded.dispositions, [disposition], "{status:?}");
        assert_eq!(folded.conflict.is_some(), conflict, "{status:?}");
        assert!(folded.steps.is_empty() && folded.outputs.is_empty());
    }
    assert_eq!(folded(&[], SenderState::Cancelled).status, Some(Cancelled));
}

#[test]
fn a_paused_referral_stays_paused_until_the_platform_ends_it() {
    let going = [("a", Some(InProgress), Some(1), None)];
    let held = folded(&going, SenderState::Held);
    assert_eq!((held.status, held.platform_status), (Some(OnHold), Some(InProgress)));
    let ended = [("a", Some(InProgress), Some(1), None), ("b", Some(Completed), Some(2), None)];
    assert_eq!(folded(&ended, SenderState::Held).status, Some(Completed));
    assert_eq!(folded(&[], SenderState::Held).status, Some(OnHold));
}

#[test]
fn steps_say_what_was_inferred_and_outputs_of_conflicts_count() {
    let mut reports = vec![
        report(("c", Some(InProgress), Some(3), None)),
        report(("b", Some(Completed), Some(2), None)),
        report(("a", Some(Accepted), Some(1), None)),
    ];
    for one in &mut reports {
        one.outputs.push(ReportedOutput { kind: Concept::default(), value: OutputValue::Concept(Concept::default()) });
    }
    let folded = fold(&reports, SenderState::Active);
    let step = |status, inferred, report| FoldStep { status, inferred, report };
    assert_eq!(folded.steps, [step(Accepted, false, 2), step(InProgress, true, 1), step(Completed, false, 1)]);
    assert_eq!(folded.outputs, [2, 1, 0]);
    assert_eq!(folded.decisive, Some(1));
    assert_eq!(
        folded.conflict.as_deref(),
        Some("The platform reports in-progress, which cannot follow completed; completed stays shown.")
    );
}

#[test]
fn the_shown_words_are_the_newest_that_count() {
    let folded = folded(
        &[("a", Some(Accepted), Some(1), None), ("b", Some(Accepted), Some(2), None), ("c", None, Some(3), None)],
        SenderState::Active,
    );
    assert_eq!((folded.status, folded.decisive), (Some(Accepted), Some(2)));
}

/// What has to be the same whatever the order: indexes are told as events.
type Essence = (
    Option<TaskStatus>,
    Option<TaskStatus>,
    Option<(String, String)>,
    Vec<(TaskStatus, bool, String)>,
    BTreeMap<String, Disposition>,
    Option<String>,
    Vec<String>,
);

fn essence(reports: &[StatusReport], sender: SenderState) -> Essence {
    let folded = fold(reports, sender);
    let event = |index: usize| reports[index].event.clone();
    (
        folded.status,
        folded.platform_status,
        folded.decisive.map(|index| (event(index), reports[index].business_status.clone())),
        folded.steps.iter().map(|step| (step.status, step.inferred, event(step.report))).collect(),
        reports.iter().map(|one| one.event.clone()).zip(folded.dispositions).collect(),
        folded.conflict,
        folded.outputs.into_iter().map(event).collect(),
    )
}

fn any_report() -> impl Strategy<Value = StatusReport> {
    let status = proptest::option::weighted(0.85, (0..12usize).prop_map(|index| TaskStatus::ALL[index]));
    let instant = proptest::option::of(prop_oneof![
        Just("2026-06-01"),
        Just("2026-06-01T10:00:00Z"),
        Just("2026-06-01T10:30:00+01:00"),
        Just("2026-06-02T00:00:00.5Z"),
        Just("yesterday"),
    ]);
    // Few names, so that some statements share one and contradict each other.
    ("[a-h]", status, proptest::option::of(0u64..4), instant, any::<bool>()).prop_map(
        |(event, status, version, instant, output)| {
            let mut made = report((&event, status, version, instant));
            if output {
                let value = OutputValue::Concept(Concept::default());
                made.outputs.push(ReportedOutput { kind: Concept::default(), value });
            }
            made
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]
    #[test]
    fn order_and_repetition_do_not_matter(
        (first, second) in proptest::collection::vec(any_report(), 0..=6).prop_flat_map(|reports| {
            let repeated: Vec<StatusReport> = reports.iter().chain(reports.iter().take(3)).cloned().collect();
            (Just(reports), Just(repeated).prop_shuffle())
        }),
        sender in prop_oneof![Just(SenderState::Active), Just(SenderState::Held), Just(SenderState::Cancelled)],
    ) {
        prop_assert_eq!(essence(&first, sender), essence(&second, sender));
    }

    #[test]
    fn the_steps_are_moves_and_a_final_status_is_never_left(
        reports in proptest::collection::vec(any_report(), 0..=6),
    ) {
        let folded = fold(&reports, SenderState::Active);
        let mut at = Requested;
        for step in &folded.steps {
            prop_assert!(is_move(at, step.status) && !at.is_final());
            at = step.status;
        }
        prop_assert!(folded.status.is_none_or(|status| status == at));
        prop_assert!(folded.dispositions.iter().all(|one| *one != Disposition::Recorded));
    }
}
