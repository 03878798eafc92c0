//! Rules for the outbox: claims, leases, fences, order.

use super::samples::{
    Shared, adapter, at, claim, commit, errand, must, platform, put_errand, referral_id, refused, write,
};
use gateway_core::change::{Change, Check, CheckFailure};
use gateway_core::fair::{Class, Turn};
use gateway_core::identity::TenantId;
use gateway_core::lane::{InstanceId, TakeLane, Term};
use gateway_core::outbox::{Attempt, ClaimRequest, Claimed, OutboxRow, OutboxState, POISON_ATTEMPTS};
use gateway_core::waiting::Ahead;
use std::collections::BTreeSet;
use tokio::task::JoinSet;

fn ids(claimed: &[Claimed]) -> Vec<&str> {
    claimed.iter().map(|claimed| claimed.row.id.as_str()).collect()
}

fn elsewhere(row: OutboxRow) -> OutboxRow {
    OutboxRow { platform: platform("walks"), ..row }
}

fn held(row: &OutboxRow) -> Check {
    Check::LeaseHeld { outbox: row.id.clone(), fence: row.fence }
}

/// Claims what is due at both platforms.
async fn everywhere(store: &Shared, seconds: i64) -> Vec<String> {
    let mut found = Vec::new();
    for platform in ["food-bank", "walks"] {
        let claimed = must(store.claim(claim(platform, seconds, 10)).await);
        found.extend(claimed.into_iter().map(|one| one.row.id));
    }
    found
}

/// Claims the only row that is due.
async fn claim_one(store: &Shared, seconds: i64) -> Claimed {
    let mut claimed = must(store.claim(claim("food-bank", seconds, 10)).await);
    assert_eq!(claimed.len(), 1, "one row is due at {seconds}");
    claimed.remove(0)
}

pub(super) async fn claims_lease_what_is_due_longest_waiting_first(store: Shared) {
    let rows =
        [errand("a", 1, 30), errand("b", 1, 10), elsewhere(errand("c", 1, 20)), errand("d", 1, 31), errand("e", 1, 10)];
    for row in &rows {
        write(&store, vec![put_errand(row.clone())]).await;
    }
    for state in [OutboxState::Held, OutboxState::Done, OutboxState::Dead, OutboxState::Dropped] {
        let idle = OutboxRow { state, ..errand(state.word(), 1, 0) };
        write(&store, vec![put_errand(idle)]).await;
    }
    assert_eq!(must(store.claim(claim("nobody", 99, 10)).await), []);
    assert_eq!(must(store.claim(claim("food-bank", 99, 0)).await), []);
    assert_eq!(everywhere(&store, 9).await, [] as [&str; 0]);
    assert_eq!(ids(&must(store.claim(claim("food-bank", 30, 2)).await)), ["b-1", "e-1"]);
    assert_eq!(ids(&must(store.claim(claim("walks", 30, 2)).await)), ["c-1"]);
    let early = ClaimRequest { due_by: at(29), ..claim("food-bank", 30, 3) };
    assert_eq!(must(store.claim(early).await), [], "due since then, not since now");
    let rest = must(store.claim(claim("food-bank", 30, 3)).await);
    assert_eq!(ids(&rest), ["a-1"], "due at its very time; the next is not yet");
    let taken = OutboxRow { state: OutboxState::Leased, fence: 1, attempts: 1, ..errand("a", 1, 30) };
    assert_eq!(rest, [Claimed { row: taken.clone(), interrupted: false, suspect: false, class: Class::Any }]);
    assert_eq!(must(store.outbox(&referral_id("a")).await), [taken]);
    let open = Attempt {
        outbox: "a-1".to_owned(),
        number: 1,
        started: at(30),
        finished: None,
        outcome: None,
        failure: None,
        adapter: Some(adapter()),
    };
    assert_eq!(must(store.attempts("a-1").await), [open]);
    assert_eq!(must(store.attempts("d-1").await), []);
}

/// An errand of `<tenant><number>`, due at a time, urgent from another on.
fn of_tenant(name: &str, due: i64, urgent: Option<i64>) -> OutboxRow {
    OutboxRow { tenant: TenantId(name[..1].to_owned()), urgent: urgent.map(at), ..errand(name, 1, due) }
}

pub(super) async fn tenants_take_turns(store: Shared) {
    // Many of one tenant, longer waiting than the few of the others.
    let many = (0..6).map(|number| of_tenant(&format!("a{number}"), number, None));
    let few =
        [of_tenant("b0", 10, None), of_tenant("b1", 11, None), of_tenant("c0", 12, None), of_tenant("d0", 99, None)];
    for row in many.chain(few) {
        write(&store, vec![put_errand(row)]).await;
    }
    let mut turn = Turn::default();
    let mut order = Vec::new();
    for limit in [2, 3, 1, 10] {
        let request = ClaimRequest { turn: turn.clone(), ..claim("food-bank", 50, limit) };
        for one in must(store.claim(request).await) {
            turn.went(&one.row.tenant, one.class);
            order.push(one.row.referral.0);
        }
    }
    assert_eq!(order.join(" "), "a0 b0 c0 a1 b1 a2 a3 a4 a5");
    assert_eq!(must(store.next_due(&[platform("food-bank")]).await), Some(at(99)), "of whichever tenant");
}

pub(super) async fn what_is_urgent_goes_first_from_its_time_on(store: Shared) {
    for row in [
        of_tenant("a0", 0, None),
        of_tenant("a1", 1, Some(5)),
        of_tenant("b0", 2, Some(0)),
        of_tenant("b1", 3, Some(60)),
        of_tenant("b2", 30, Some(0)),
    ] {
        write(&store, vec![put_errand(row)]).await;
    }
    let claimed = async |seconds, limit| {
        let claimed = must(store.claim(claim("food-bank", seconds, limit)).await);
        claimed.into_iter().map(|one| (one.row.referral.0, one.class)).collect::<Vec<_>>()
    };
    let urgent = |name: &str| (name.to_owned(), Class::Urgent);
    let any = |name: &str| (name.to_owned(), Class::Any);
    assert_eq!(claimed(4, 1).await, [urgent("b0")], "the other is urgent only later");
    assert_eq!(claimed(4, 1).await, [any("a0")]);
    assert_eq!(claimed(20, 2).await, [urgent("a1"), any("b1")], "what is not due yet is urgent for nobody");
    // Leases that run out leave what was urgent as urgent as before.
    assert_eq!(claimed(100, 9).await, [urgent("a1"), urgent("b2"), urgent("b0"), any("a0"), urgent("b1")]);
    let done = OutboxRow { state: OutboxState::Done, ..of_tenant("b2", 30, Some(0)) };
    let again = OutboxRow { not_before: at(150), ..of_tenant("a1", 1, Some(5)) };
    write(&store, vec![put_errand(done), put_errand(again)]).await;
    assert_eq!(claimed(155, 9).await, [urgent("a1")], "what was put back waits for its time");
}

pub(super) async fn what_is_urgent_can_be_claimed_alone(store: Shared) {
    for row in [of_tenant("a0", 0, None), of_tenant("b0", 1, Some(0)), of_tenant("b1", 2, Some(60))] {
        write(&store, vec![put_errand(row)]).await;
    }
    let claimed = async |seconds| {
        let request = ClaimRequest { urgent: true, ..claim("food-bank", seconds, 9) };
        must(store.claim(request).await).into_iter().map(|one| one.row.referral.0).collect::<Vec<_>>()
    };
    assert_eq!(claimed(30).await, ["b0"]);
    assert_eq!(claimed(30).await, Vec::<String>::new(), "the others wait");
    assert_eq!(claimed(60).await.last().map(String::as_str), Some("b1"), "from its time on");
    assert_eq!(must(store.claim(claim("food-bank", 60, 9)).await)[0].row.referral.0, "a0");
}

pub(super) async fn what_stands_before_a_row_is_counted(store: Shared) {
    let blocked = OutboxRow { sequence: 2, id: "a0-2".to_owned(), ..of_tenant("a0", 0, None) };
    for row in [
        of_tenant("a0", 0, None),
        of_tenant("a1", 1, Some(5)),
        of_tenant("a2", 2, None),
        of_tenant("a3", 2, None),
        of_tenant("b0", 30, Some(0)),
        of_tenant("b1", 40, Some(70)),
        of_tenant("c0", 90, None),
        blocked,
        elsewhere(of_tenant("a5", 0, None)),
    ] {
        write(&store, vec![put_errand(row)]).await;
    }
    let ahead = async |name: &str, seconds, most| must(store.ahead(name, at(seconds), most).await);
    let is = |own, tenants, urgent| Ahead { own, tenants, urgent };
    assert_eq!(ahead("a3-1", 50, 99).await, is(3, 2, 2), "of two that are due at once the earlier");
    assert_eq!(ahead("a3-1", 50, 1).await, is(1, 2, 1), "no more is counted than is asked");
    assert_eq!(ahead("a1-1", 50, 99).await, is(0, 2, 2), "among the urgent");
    assert_eq!(ahead("a1-1", 3, 99).await, is(1, 1, 0), "not urgent yet");
    assert_eq!(ahead("b1-1", 80, 99).await, is(1, 2, 3));
    assert_eq!(ahead("c0-1", 95, 99).await, is(0, 3, 3));
    for nothing in ["a0-2", "nobody"] {
        assert_eq!(ahead(nothing, 50, 99).await, Ahead::default(), "{nothing}");
    }
    assert_eq!(must(store.lane(&platform("food-bank")).await), None);
    let take = TakeLane {
        platform: platform("food-bank"),
        holder: InstanceId("one".to_owned()),
        term: Term::Alone,
        now: at(0),
        keep: None,
    };
    must(store.take_lane(&take).await);
    let lane = must(store.lane(&platform("food-bank")).await).expect("somebody holds it");
    assert_eq!((lane.holder, lane.fence), (Some(InstanceId("one".to_owned())), 1));
}

pub(super) async fn only_the_newest_fence_may_write(store: Shared) {
    write(&store, vec![put_errand(errand("a", 1, 0))]).await;
    let free = |fence| Check::NotLeased { outbox: "a-1".to_owned(), fence };
    must(commit(&store, vec![free(0)], vec![]).await);
    assert_eq!(refused(&store, vec![free(1)], vec![]).await, CheckFailure::LeaseLost);
    assert_eq!(refused(&store, vec![held(&errand("a", 1, 0))], vec![]).await, CheckFailure::LeaseLost, "never leased");
    let first = claim_one(&store, 0).await.row;
    must(commit(&store, vec![held(&first)], vec![]).await);
    assert_eq!(refused(&store, vec![free(1)], vec![]).await, CheckFailure::LeaseLost);
    let second = claim_one(&store, 60).await.row;
    assert_eq!((second.fence, second.attempts), (2, 2));
    let done = |row: &OutboxRow| put_errand(OutboxRow { state: OutboxState::Done, ..row.clone() });
    assert_eq!(refused(&store, vec![held(&first)], vec![done(&first)]).await, CheckFailure::LeaseLost);
    must(commit(&store, vec![held(&second)], vec![done(&second)]).await);
    assert_eq!(
        refused(&store, vec![held(&second)], vec![]).await,
        CheckFailure::LeaseLost,
        "it ended its lease itself"
    );
    must(commit(&store, vec![free(2)], vec![]).await);
    assert_eq!(refused(&store, vec![held(&errand("z", 1, 0))], vec![]).await, CheckFailure::LeaseLost, "unknown row");
    let unknown = Check::NotLeased { outbox: "z-1".to_owned(), fence: 0 };
    assert_eq!(refused(&store, vec![unknown], vec![]).await, CheckFailure::LeaseLost);
    assert_eq!(must(store.claim(claim("food-bank", 999, 10)).await), []);
}

pub(super) async fn what_waits_can_be_dropped_and_what_is_leased_is_its_holders(store: Shared) {
    let drop = |id: &str| Change::DropOutbox(id.to_owned());
    write(&store, vec![put_errand(errand("a", 1, 0)), put_errand(errand("b", 1, 1)), put_errand(errand("b", 2, 1))])
        .await;
    let mine = must(store.claim(claim("food-bank", 5, 1)).await).remove(0).row;
    write(&store, vec![drop("a-1"), drop("b-1"), drop("nobody")]).await;
    let row = async |of: &str| must(store.outbox(&referral_id(of)).await).remove(0);
    assert_eq!(row("a").await, mine, "its holder counts on it");
    assert_eq!(row("b").await, OutboxRow { state: OutboxState::Dropped, ..errand("b", 1, 1) });
    let next: Vec<_> = must(store.claim(claim("food-bank", 5, 9)).await).into_iter().map(|one| one.row.id).collect();
    assert_eq!(next, ["b-2"], "what waited behind it goes on");
    let ended = OutboxRow { state: OutboxState::Done, ..mine };
    write(&store, vec![put_errand(ended.clone()), drop("a-1")]).await;
    assert_eq!(row("a").await, ended);
}

pub(super) async fn an_expired_lease_is_claimed_as_interrupted(store: Shared) {
    write(&store, vec![put_errand(errand("a", 1, 0)), put_errand(errand("b", 1, 100))]).await;
    assert!(!claim_one(&store, 0).await.interrupted);
    assert_eq!(must(store.claim(claim("food-bank", 59, 10)).await), []);
    let again = claim_one(&store, 60).await;
    assert!(again.interrupted);
    let ended = Attempt {
        outbox: "a-1".to_owned(),
        number: 1,
        started: at(0),
        finished: Some(at(60)),
        outcome: Some("interrupted".to_owned()),
        failure: None,
        adapter: None,
    };
    write(&store, vec![Change::PutAttempt(ended.clone())]).await;
    let attempts = must(store.attempts("a-1").await);
    assert_eq!(attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(attempts.first(), Some(&ended));
    // Back in line: an ordinary claim, not an interrupted one, and later than b.
    let back = OutboxRow { state: OutboxState::Ready, not_before: at(110), ..again.row };
    write(&store, vec![put_errand(back)]).await;
    let both = must(store.claim(claim("food-bank", 200, 10)).await);
    assert_eq!(ids(&both), ["b-1", "a-1"]);
    assert!(both.iter().all(|claimed| !claimed.interrupted));
    assert_eq!(both.last().map(|claimed| (claimed.row.fence, claimed.row.attempts)), Some((3, 3)));
}

pub(super) async fn a_held_lease_survives_the_holders_writes(store: Shared) {
    write(&store, vec![put_errand(errand("a", 1, 0))]).await;
    let mut row = claim_one(&store, 10).await.row;
    row.in_flight = Some(adapter_contract::Repeat::Keyed);
    row.progress = Some(adapter_contract::Progress::at("ask").with("n", "1"));
    must(commit(&store, vec![held(&row)], vec![put_errand(row.clone())]).await);
    assert_eq!(must(store.outbox(&row.referral).await), [row.clone()]);
    assert_eq!(must(store.claim(claim("food-bank", 69, 10)).await), [], "the lease is the claim's");
    assert_eq!(must(store.next_due(&[platform("food-bank")]).await), Some(at(70)));
    let interrupted = |seconds| ClaimRequest { interrupted: true, ..claim("food-bank", seconds, 10) };
    write(&store, vec![put_errand(errand("other", 1, 0))]).await;
    assert_eq!(must(store.claim(interrupted(69)).await), [], "its holder lives, and the other was never held");
    let again = must(store.claim(interrupted(70)).await).remove(0);
    assert_eq!((again.row.in_flight, again.interrupted), (row.in_flight, true));
    assert_eq!(must(store.claim(interrupted(70)).await), []);
    assert_eq!(claim_one(&store, 70).await.row.id, "other-1");
    // A row that is put as leased without a claim has a lease that is over at its time.
    let orphan = OutboxRow { state: OutboxState::Leased, ..errand("b", 1, 75) };
    write(&store, vec![put_errand(orphan)]).await;
    assert!(claim_one(&store, 75).await.interrupted);
}

pub(super) async fn a_row_that_dies_with_its_process_is_bounded_at_the_claim(store: Shared) {
    write(&store, vec![put_errand(errand("a", 1, 0))]).await;
    let mut last = claim_one(&store, 10).await;
    for died in 1..POISON_ATTEMPTS {
        last = claim_one(&store, 10 + 60 * i64::from(died)).await;
        assert_eq!((last.row.died, last.row.attempts, last.row.is_poison()), (died, died + 1, false));
    }
    // However often whoever sets it aside dies as well.
    for over in 0..3 {
        let aside = claim_one(&store, 10 + 60 * i64::from(POISON_ATTEMPTS + over)).await;
        assert!(aside.interrupted && aside.row.is_poison());
        let counted = (aside.row.died, aside.row.attempts, aside.row.fence);
        assert_eq!(counted, (POISON_ATTEMPTS, POISON_ATTEMPTS, last.row.fence + 1), "no attempt, no death");
        last = aside;
    }
    let numbers: Vec<_> = must(store.attempts(&last.row.id).await).iter().map(|attempt| attempt.number).collect();
    assert_eq!(numbers, (1..=POISON_ATTEMPTS).collect::<Vec<_>>());
}

pub(super) async fn what_dies_among_others_is_tried_alone_before_it_is_blamed(store: Shared) {
    write(&store, vec![put_errand(errand("a", 1, 0)), put_errand(errand("b", 1, 0))]).await;
    assert_eq!(must(store.claim(claim("food-bank", 10, 9)).await).len(), 2);
    let alone = async |seconds| {
        let request = ClaimRequest { interrupted: true, ..claim("food-bank", seconds, 1) };
        must(store.claim(request).await).remove(0).row
    };
    let first = alone(70).await;
    assert_eq!((first.died, first.alone, first.attempts), (0, true, 2), "two were under way when the process died");
    let again = alone(130).await;
    assert_eq!((&again.id, again.died), (&"b-1".to_owned(), 0), "the other has waited longer");
    let blamed = alone(130).await;
    assert_eq!((&blamed.id, blamed.died), (&first.id, 1), "it died alone");
    write(&store, vec![put_errand(OutboxRow { state: OutboxState::Ready, not_before: at(140), ..blamed })]).await;
    let suspect = claim_one(&store, 140).await;
    assert!(suspect.suspect && !suspect.row.alone, "it has come to no end yet, and is not begun yet");
    let other = alone(201).await;
    assert_eq!((&other.id, other.died), (&again.id, 1), "the other died alone as well");
    let waits = alone(201).await;
    assert_eq!((&waits.id, waits.died), (&first.id, 1), "what was claimed and not begun is not blamed");
    let ready = OutboxRow { state: OutboxState::Ready, not_before: at(210), ..waits };
    write(&store, vec![put_errand(OutboxRow { state: OutboxState::Done, ..other }), put_errand(ready)]).await;
    let mut suspect = claim_one(&store, 210).await;
    let marked = suspect.made_alone();
    must(commit(&store, marked.checks, marked.changes).await);
    let ended = alone(280).await;
    assert_eq!((&ended.id, ended.died), (&first.id, 2), "it was begun alone, and died");
    write(
        &store,
        vec![put_errand(OutboxRow { alone: false, not_before: at(290), state: OutboxState::Ready, ..ended })],
    )
    .await;
    assert!(!claim_one(&store, 290).await.suspect, "it came to an end: among others again");
}

pub(super) async fn errands_of_a_referral_wait_for_earlier_ones(store: Shared) {
    let first = errand("a", 1, 50);
    let others = [errand("a", 2, 0), elsewhere(errand("a", 3, 0)), errand("b", 2, 0)];
    // Created in the wrong order: sequence counts, not creation.
    for row in others.iter().chain([&first]) {
        write(&store, vec![put_errand(row.clone())]).await;
    }
    let sequences: Vec<_> = must(store.outbox(&first.referral).await).iter().map(|row| row.sequence).collect();
    assert_eq!(sequences, [1, 2, 3]);
    assert_eq!(everywhere(&store, 10).await, ["b-2"], "another referral does not wait");
    for (seconds, state) in [(11, OutboxState::Ready), (12, OutboxState::Held), (13, OutboxState::Dead)] {
        write(&store, vec![put_errand(OutboxRow { state, ..first.clone() })]).await;
        assert_eq!(everywhere(&store, seconds).await, [] as [&str; 0], "waits behind {state:?}");
    }
    write(&store, vec![put_errand(OutboxRow { state: OutboxState::Ready, not_before: at(14), ..first.clone() })]).await;
    assert_eq!(everywhere(&store, 14).await, ["a-1"], "waits behind a lease, taken in the same claim");
    assert_eq!(everywhere(&store, 15).await, [] as [&str; 0]);
    for (row, next) in [(&first, "a-2"), (&others[0], "a-3")] {
        let state = if next == "a-2" { OutboxState::Done } else { OutboxState::Dropped };
        write(&store, vec![put_errand(OutboxRow { state, ..row.clone() })]).await;
        assert_eq!(everywhere(&store, 16).await, [next]);
    }
}

pub(super) async fn next_due_counts_only_what_a_claim_would_get(store: Shared) {
    let both = [platform("food-bank"), platform("walks")];
    assert_eq!(must(store.next_due(&both).await), None);
    write(&store, vec![put_errand(errand("a", 1, 40)), put_errand(elsewhere(errand("a", 2, 5)))]).await;
    assert_eq!(must(store.next_due(&both).await), Some(at(40)), "what waits behind another is not due");
    assert_eq!(must(store.next_due(&[platform("walks")]).await), None);
    assert_eq!(must(store.next_due(&[]).await), None);
    write(&store, vec![put_errand(elsewhere(errand("b", 1, 35)))]).await;
    assert_eq!(must(store.next_due(&both).await), Some(at(35)));
    assert_eq!(must(store.next_due(&[platform("food-bank")]).await), Some(at(40)));
    assert_eq!(everywhere(&store, 40).await, ["a-1", "b-1"]);
    assert_eq!(must(store.next_due(&both).await), Some(at(100)), "the leases' end");
    let done = OutboxRow { state: OutboxState::Done, ..errand("a", 1, 40) };
    write(&store, vec![put_errand(done)]).await;
    assert_eq!(must(store.next_due(&both).await), Some(at(5)), "a time past means now");
    let held = OutboxRow { state: OutboxState::Held, ..elsewhere(errand("a", 2, 5)) };
    write(&store, vec![put_errand(held)]).await;
    assert_eq!(must(store.next_due(&both).await), Some(at(100)));
}

pub(super) async fn the_backlog_is_what_waits_or_is_leased(store: Shared) {
    let waiting = async |most| must(store.backlog(most).await).all();
    assert_eq!(waiting(10).await, 0);
    assert_eq!(must(store.busy_platforms().await), []);
    write(&store, vec![put_errand(errand("a", 1, 40)), put_errand(elsewhere(errand("a", 2, 5)))]).await;
    write(&store, vec![put_errand(elsewhere(errand("b", 1, 35)))]).await;
    assert_eq!(waiting(10).await, 2, "also what is not due yet; not what waits for something else");
    assert_eq!(waiting(1).await, 1, "no more is counted than is asked");
    let busy = must(store.busy_platforms().await);
    assert_eq!(busy, [errand("a", 1, 40).platform, elsewhere(errand("b", 1, 35)).platform], "by name");
    must(store.claim(claim("food-bank", 40, 1)).await);
    assert_eq!(waiting(10).await, 2, "a leased row is not done");
    for (state, left) in
        [(OutboxState::Done, 2), (OutboxState::Held, 1), (OutboxState::Dead, 1), (OutboxState::Dropped, 2)]
    {
        write(&store, vec![put_errand(OutboxRow { state, ..errand("a", 1, 40) })]).await;
        assert_eq!(waiting(10).await, left, "{state:?}");
    }
    let theirs = OutboxRow { tenant: TenantId("other".to_owned()), ..elsewhere(errand("c", 1, 50)) };
    let mine = theirs_of(&store).await;
    write(&store, vec![put_errand(theirs.clone()), put_errand(elsewhere(errand("d", 1, 50)))]).await;
    let both = must(store.backlog(10).await);
    assert_eq!((both.of(&theirs.tenant), both.of(&errand("a", 1, 40).tenant), both.all()), (1, mine + 1, mine + 2));
}

/// How much waits of the tenant of these tests.
async fn theirs_of(store: &Shared) -> u64 {
    must(store.backlog(10).await).of(&errand("a", 1, 40).tenant)
}

pub(super) async fn concurrent_claims_never_share_a_row(store: Shared) {
    for number in 0..40 {
        write(&store, vec![put_errand(errand(&format!("r{number}"), 1, 0))]).await;
    }
    let mut claims = JoinSet::new();
    for _ in 0..10 {
        let store = Shared::clone(&store);
        claims.spawn(async move { must(store.claim(claim("food-bank", 1, 7)).await) });
    }
    let mut seen = BTreeSet::new();
    while let Some(claimed) = claims.join_next().await {
        for Claimed { row, interrupted, .. } in must(claimed) {
            assert!(!interrupted && row.fence == 1);
            assert!(seen.insert(row.id), "a row was claimed twice");
        }
    }
    assert_eq!(seen.len(), 40);
}

pub(super) async fn dead_letters_are_listed_by_creation(store: Shared) {
    let tenant = |id: &str| TenantId(id.to_owned());
    let south = OutboxRow { tenant: tenant("south"), ..errand("b", 1, 0) };
    for row in [errand("a", 1, 30), south, errand("c", 1, 10), errand("d", 1, 0)] {
        write(&store, vec![put_errand(OutboxRow { state: OutboxState::Ready, ..row })]).await;
    }
    let listed = async |tenant: Option<&TenantId>, after, limit| {
        let found = must(store.dead_letters(tenant, after, limit).await);
        let ids = found.iter().map(|(_, row)| row.id.clone()).collect::<Vec<_>>().join(" ");
        (ids, found.first().map_or(0, |(place, _)| *place))
    };
    assert_eq!(listed(None, 0, 9).await.0, "");
    // The last one dies first: the order is that of creation.
    for row in [errand("c", 1, 10), OutboxRow { tenant: tenant("south"), ..errand("b", 1, 0) }, errand("a", 1, 30)] {
        write(&store, vec![put_errand(OutboxRow { state: OutboxState::Dead, ..row })]).await;
    }
    let (all, first) = listed(None, 0, 9).await;
    assert_eq!(all, "a-1 b-1 c-1");
    assert_eq!(listed(None, first, 1).await.0, "b-1");
    assert_eq!(listed(Some(&tenant("south")), 0, 9).await.0, "b-1");
    assert_eq!(listed(Some(&tenant("nobody")), 0, 9).await.0, "");
    write(&store, vec![put_errand(OutboxRow { state: OutboxState::Done, ..errand("a", 1, 30) })]).await;
    assert_eq!(listed(None, 0, 9).await.0, "b-1 c-1");
}
