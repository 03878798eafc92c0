//! Rules for lanes: one holder at a time, and nothing is claimed or written under an older fence.

use super::samples::{Shared, at, claim, commit, errand, must, platform, put_errand, refused, write};
use crate::store::StoreError;
use gateway_core::change::{Check, CheckFailure};
use gateway_core::lane::{InstanceId, LaneState, LeaveLane, TakeLane, Taken, Term};
use gateway_core::outbox::{ClaimRequest, Claimed, OutboxRow, OutboxState};
use gateway_core::quota::{Quota, Settings, Take};
use std::num::NonZeroU32;
use std::time::Duration;

/// Longer than any test.
const LONG: Term = Term::For(Duration::from_secs(3_600));
/// Over at once.
const NONE: Term = Term::For(Duration::ZERO);

fn ask(holder: &str, term: Term) -> TakeLane {
    let holder = InstanceId(holder.to_owned());
    TakeLane { platform: platform("food-bank"), holder, term, now: at(0), keep: None }
}

fn paused(seconds: i64) -> LaneState {
    LaneState { pause: Some(at(seconds)), ..LaneState::default() }
}

/// The fence of a lane that must be given.
async fn take(store: &Shared, request: TakeLane) -> (u64, LaneState) {
    match must(store.take_lane(&request).await) {
        Taken::Ours { fence, state } => (fence, state),
        Taken::Held { remaining } => panic!("it is held for {remaining:?}"),
    }
}

async fn leave(store: &Shared, holder: &str, fence: u64, state: LaneState) {
    let holder = InstanceId(holder.to_owned());
    must(store.leave_lane(&LeaveLane { platform: platform("food-bank"), holder, fence, state }).await);
}

async fn claim_under(store: &Shared, fence: u64) -> Result<Vec<Claimed>, StoreError> {
    let mut request = claim("food-bank", 5, 10);
    request.lane = Some(fence);
    store.claim(request).await
}

pub(super) async fn one_holds_a_lane_at_a_time(store: Shared) {
    assert_eq!(take(&store, ask("a", LONG)).await.0, 1);
    let Taken::Held { remaining: Some(remaining) } = must(store.take_lane(&ask("b", LONG)).await) else {
        panic!("it is another's");
    };
    assert!(remaining > Duration::from_secs(3_000) && remaining <= Duration::from_secs(3_600), "{remaining:?}");
    assert_eq!(take(&store, ask("a", LONG)).await.0, 1, "its holder keeps it");
    let elsewhere = TakeLane { platform: platform("walks"), ..ask("b", LONG) };
    assert_eq!(take(&store, elsewhere).await.0, 1, "each platform has its own");
    assert_eq!(take(&store, ask("a", NONE)).await.0, 1);
    assert_eq!(take(&store, ask("b", LONG)).await.0, 2, "what has run out is taken");
    assert_eq!(take(&store, ask("c", Term::Alone)).await.0, 3, "whoever is alone takes it from anybody");
    assert_eq!(must(store.take_lane(&ask("b", LONG)).await), Taken::Held { remaining: None });
}

pub(super) async fn a_lane_keeps_what_the_next_holder_has_to_know(store: Shared) {
    assert_eq!(take(&store, ask("a", LONG)).await, (1, LaneState::default()));
    let keeping = TakeLane { keep: Some((1, paused(60))), ..ask("a", NONE) };
    assert_eq!(take(&store, keeping).await, (1, paused(60)));
    assert_eq!(take(&store, ask("b", LONG)).await, (2, paused(60)));
    let late = TakeLane { keep: Some((1, LaneState::default())), ..ask("a", LONG) };
    assert!(matches!(must(store.take_lane(&late).await), Taken::Held { .. }), "an older fence keeps nothing");
    leave(&store, "a", 1, LaneState::default()).await;
    leave(&store, "b", 1, LaneState::default()).await;
    assert!(matches!(must(store.take_lane(&late).await), Taken::Held { .. }), "nor does it give anything back");
    leave(&store, "b", 2, paused(90)).await;
    assert_eq!(take(&store, ask("a", LONG)).await, (3, paused(90)), "free at once, and by another fence");
}

pub(super) async fn what_is_reserved_of_a_quota_is_not_taken_back(store: Shared) {
    let settings = Settings { per_day: NonZeroU32::new(10).expect("not zero"), urgent: 0, starts_minute: 0 };
    let mut quota = Quota::new(settings, None);
    let mut reserved = Vec::new();
    for _ in 0..2 {
        assert_eq!(quota.may_go(false, at(0)), Take::Reserve);
        reserved.push(LaneState { quota: Some(quota.to_reserve()), ..LaneState::default() });
        quota.stored(&quota.to_reserve());
        quota.goes();
    }
    take(&store, ask("a", LONG)).await;
    let keep = |state: &LaneState| TakeLane { keep: Some((1, state.clone())), ..ask("a", NONE) };
    assert_eq!(take(&store, keep(&reserved[1])).await.1, reserved[1]);
    assert_eq!(take(&store, keep(&reserved[0])).await.1, reserved[1], "that was written earlier, and came late");
    assert_eq!(take(&store, ask("b", LONG)).await.1, reserved[1], "the next holder counts it");
}

pub(super) async fn nothing_is_claimed_under_an_older_fence(store: Shared) {
    write(&store, vec![put_errand(errand("a", 1, 0)), put_errand(errand("b", 1, 0))]).await;
    assert!(matches!(claim_under(&store, 1).await, Err(StoreError::LaneLost)), "nobody holds it yet");
    take(&store, ask("a", NONE)).await;
    let first = must(store.claim(ClaimRequest { limit: 1, lane: Some(1), ..claim("food-bank", 5, 1) }).await);
    assert_eq!(first.len(), 1);
    take(&store, ask("b", LONG)).await;
    assert!(matches!(claim_under(&store, 1).await, Err(StoreError::LaneLost)));
    let hash = must(store.content_hash().await);
    assert!(claim_under(&store, 1).await.is_err());
    assert_eq!(must(store.content_hash().await), hash, "a refused claim leases nothing");
    assert_eq!(must(claim_under(&store, 2).await).len(), 2);
}

pub(super) async fn what_was_leased_is_claimed_at_once_by_the_next_holder(store: Shared) {
    write(&store, vec![put_errand(errand("a", 1, 0))]).await;
    write(&store, vec![put_errand(OutboxRow { platform: platform("walks"), ..errand("b", 1, 0) })]).await;
    take(&store, ask("a", NONE)).await;
    let mine = must(claim_under(&store, 1).await).remove(0).row;
    must(store.claim(claim("walks", 5, 10)).await);
    // Kept by its own holder: its rows are leased as before.
    take(&store, ask("a", NONE)).await;
    assert_eq!(must(claim_under(&store, 1).await), []);
    let held = || Check::LeaseHeld { outbox: mine.id.clone(), fence: mine.fence };
    must(commit(&store, vec![held()], vec![put_errand(mine.clone())]).await);
    take(&store, ask("b", LONG)).await;
    assert_eq!(
        refused(&store, vec![held()], vec![put_errand(mine.clone())]).await,
        CheckFailure::LeaseLost,
        "from that moment its former holder writes nothing to it, whether it is claimed again or not"
    );
    let claimed = must(claim_under(&store, 2).await).remove(0);
    assert!(claimed.interrupted, "nobody knows how that attempt ended");
    assert_eq!((claimed.row.fence, claimed.row.attempts), (mine.fence + 2, 2));
    assert_eq!(claimed.row.state, OutboxState::Leased);
    assert_eq!(must(store.claim(claim("walks", 6, 10)).await), [], "another platform's rows are as they were");
}

pub(super) async fn what_was_taken_over_is_claimed_the_least_tried_first(store: Shared) {
    for row in [errand("a", 1, 0), errand("b", 1, 1), errand("c", 1, 2)] {
        write(&store, vec![put_errand(row)]).await;
    }
    take(&store, ask("i1", NONE)).await;
    assert_eq!(must(claim_under(&store, 1).await).len(), 3);
    // Holder after holder dies with the first that it took up.
    for (fence, expected) in [(2, "a-1"), (3, "b-1"), (4, "c-1"), (5, "a-1")] {
        assert_eq!(take(&store, ask(&format!("i{fence}"), NONE)).await.0, fence);
        let one = ClaimRequest { limit: 1, lane: Some(fence), ..claim("food-bank", 5, 1) };
        assert_eq!(must(store.claim(one).await)[0].row.id, expected);
    }
}

pub(super) async fn lanes_are_no_content(store: Shared) {
    let hash = must(store.content_hash().await);
    take(&store, ask("a", LONG)).await;
    take(&store, TakeLane { keep: Some((1, paused(60))), ..ask("a", LONG) }).await;
    assert_eq!(must(store.content_hash().await), hash);
}
