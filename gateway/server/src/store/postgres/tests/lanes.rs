//! Lanes of several instances over one database.

use super::{database, open, server};
use crate::store::suite::samples;
use crate::store::{Store as _, StoreError};
use gateway_core::change::Transaction;
use gateway_core::lane::{InstanceId, LaneState, LeaveLane, TakeLane, Taken, Term};
use gateway_core::outbox::ClaimRequest;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const MINUTE: Term = Term::For(Duration::from_secs(60));

fn ask(holder: &str, term: Term) -> TakeLane {
    let holder = InstanceId(holder.to_owned());
    TakeLane { platform: samples::platform("food-bank"), holder, term, now: samples::at(0), keep: None }
}

fn fence(taken: &Taken) -> u64 {
    match taken {
        Taken::Ours { fence, .. } => *fence,
        Taken::Held { .. } => panic!("it is held"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terms_go_by_the_clock_of_the_database() {
    let Some(server) = server() else { return };
    let url = database(server);
    let (first, second) = (open(&url).await, open(&url).await);
    assert_eq!(fence(&first.take_lane(&ask("a", MINUTE)).await.expect("answers")), 1);
    for now in [samples::at(-1_000_000_000), samples::at(1_000_000_000)] {
        let taken = second.take_lane(&TakeLane { now, ..ask("b", MINUTE) }).await.expect("answers");
        let Taken::Held { remaining: Some(remaining) } = taken else { panic!("its clock is wrong: {taken:?}") };
        assert!(remaining > Duration::from_secs(30) && remaining <= Duration::from_secs(60), "{remaining:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_that_is_given_back_is_heard_of_by_the_others() {
    let Some(server) = server() else { return };
    let url = database(server);
    let (first, second) = (open(&url).await, open(&url).await);
    let mut heard = second.wakes().expect("instances wake each other");
    // Said once it listens.
    heard.wait_for(|wakes| wakes.lanes > 0).await.expect("listens");
    let before = *heard.borrow_and_update();
    assert_eq!(fence(&first.take_lane(&ask("a", MINUTE)).await.expect("answers")), 1);
    let leave = LeaveLane {
        platform: samples::platform("food-bank"),
        holder: InstanceId("a".to_owned()),
        fence: 1,
        state: LaneState::default(),
    };
    first.leave_lane(&leave).await.expect("answers");
    heard.wait_for(|wakes| wakes.lanes > before.lanes).await.expect("hears");
    assert_eq!(fence(&second.take_lane(&ask("b", MINUTE)).await.expect("answers")), 2);
}

/// Three at once ask for a lane that nobody has ever held: one has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_those_who_ask_at_once_one_has_it() {
    let Some(server) = server() else { return };
    let url = database(server);
    let stores = [open(&url).await, open(&url).await, open(&url).await].map(Arc::new);
    let mut asking = tokio::task::JoinSet::new();
    for (number, store) in stores.iter().cycle().take(9).cloned().enumerate() {
        asking.spawn(async move { store.take_lane(&ask(&format!("i{number}"), MINUTE)).await.expect("answers") });
    }
    let ours = asking.join_all().await.into_iter().filter(|taken| matches!(taken, Taken::Ours { .. })).count();
    assert_eq!(ours, 1);
}

/// Takeovers and claims race for a lane: whatever is claimed under a fence was claimed before the next one was given, so each
/// row's claims follow the lane's fences, and no claim is made under one that is not the newest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_and_a_takeover_exclude_each_other() {
    let Some(server) = server() else { return };
    let url = database(server);
    let stores = [open(&url).await, open(&url).await, open(&url).await].map(Arc::new);
    let changes = (0..30).map(|row| samples::put_errand(samples::errand(&format!("r{row}"), 1, 0))).collect();
    stores[0].commit(Transaction { checks: Vec::new(), changes }).await.expect("commits");
    let mut racing = tokio::task::JoinSet::new();
    for (number, store) in stores.into_iter().enumerate() {
        racing.spawn(async move {
            let (mut claimed, mut refused) = (Vec::new(), 0_u32);
            for _ in 0..25 {
                // A term that is over at once: every other instance takes it at any moment.
                let taken = store.take_lane(&ask(&format!("i{number}"), Term::For(Duration::ZERO))).await;
                let fence = fence(&taken.expect("answers"));
                for _ in 0..2 {
                    let request = ClaimRequest { lane: Some(fence), ..samples::claim("food-bank", 5, 3) };
                    match store.claim(request).await {
                        Ok(rows) => claimed.extend(rows.into_iter().map(|row| (row.row.id, row.row.fence, fence))),
                        Err(StoreError::LaneLost) => refused += 1,
                        Err(error) => panic!("{error}"),
                    }
                }
            }
            (claimed, refused)
        });
    }
    let (mut by_row, mut refused) = (BTreeMap::<String, Vec<(u64, u64)>>::new(), 0);
    for (claimed, lost) in racing.join_all().await {
        refused += lost;
        for (id, row, lane) in claimed {
            by_row.entry(id).or_default().push((row, lane));
        }
    }
    assert!(refused > 0, "they did meet");
    for (id, mut claims) in by_row {
        claims.sort_unstable();
        // A row is leased for a minute: what is claimed again was taken over in between, by a newer fence of the lane.
        assert!(claims.windows(2).all(|two| two[0].0 < two[1].0 && two[0].1 < two[1].1), "{id}: {claims:?}");
    }
}
