//! Leases on outbox rows, in the model.

use super::lane;
use super::state::{KeptRow, State};
use crate::store::StoreError;
use gateway_core::backlog::Backlog;
use gateway_core::fair::{Class, Waiting};
use gateway_core::identity::PlatformId;
use gateway_core::outbox::{ClaimRequest, Claimed, OutboxRow, OutboxState};
use gateway_core::referral::ReferralId;
use gateway_core::waiting::Ahead;
use std::collections::{BTreeSet, HashMap};
use time::OffsetDateTime;

/// Leases what is due, in fair turns.
pub(super) fn claim(state: &mut State, request: &ClaimRequest) -> Result<Vec<Claimed>, StoreError> {
    if request.lane.is_some_and(|fence| !lane::is_newest(state, &request.platform, fence)) {
        return Err(StoreError::LaneLost);
    }
    let open = open(state, std::slice::from_ref(&request.platform));
    if request.interrupted {
        let left = open.iter().filter(|(due, at)| {
            *due <= request.due_by && state.outbox.get(*at).is_some_and(|kept| kept.row.state == OutboxState::Leased)
        });
        let mut left: Vec<_> = left.copied().collect();
        left.sort_unstable();
        left.truncate(request.limit as usize);
        let left = left.into_iter().map(|(_, at)| at);
        return Ok(left.filter_map(|at| lease(state, request, at, Class::Any)).collect());
    }
    let mut waiting = Waiting::default();
    for class in request.classes().iter().copied() {
        let due = |kept: &KeptRow| match class {
            Class::Urgent => kept.due.and_then(|due| kept.row.urgent_due(due)),
            Class::Any => kept.due,
        };
        let rows = open.iter().filter_map(|(_, at)| state.outbox.get(*at).map(|kept| (*at, kept)));
        let mut rows: Vec<_> = rows.filter_map(|(at, kept)| Some((due(kept)?, at, kept))).collect();
        rows.retain(|(due, _, _)| *due <= request.due_by);
        rows.sort_by_key(|(due, at, _)| (*due, *at));
        for (_, at, kept) in rows {
            waiting.add(class, kept.row.tenant.clone(), at);
        }
    }
    let next = waiting.next(request.turn.clone(), request.limit as usize);
    Ok(next.into_iter().filter_map(|(at, class)| lease(state, request, at, class)).collect())
}

fn lease(state: &mut State, request: &ClaimRequest, at: usize, class: Class) -> Option<Claimed> {
    let kept = state.outbox.get_mut(at)?;
    let (leased, attempt) = request.lease(kept.row.clone(), class);
    kept.row = leased.row.clone();
    kept.due = Some(request.lease_until);
    state.attempts.extend(attempt.map(|attempt| ((attempt.outbox.clone(), attempt.number), attempt)));
    Some(leased)
}

/// What stands before a row at its platform.
pub(super) fn ahead(state: &State, outbox: &str, now: OffsetDateTime) -> Ahead {
    let Some(at) = state.outbox.iter().position(|kept| kept.row.id == outbox) else { return Ahead::default() };
    let Some(mine) = state.outbox.get(at) else { return Ahead::default() };
    let open = open(state, std::slice::from_ref(&mine.row.platform));
    let rows: Vec<_> = open.iter().filter_map(|(due, at)| Some((*due, *at, &state.outbox.get(*at)?.row))).collect();
    let Some((due, _, row)) = rows.iter().find(|(_, other, _)| *other == at) else { return Ahead::default() };
    let due_at = |due: OffsetDateTime, row: &OutboxRow, urgent| if urgent { row.urgent_due(due) } else { Some(due) };
    let urgent = due_at(*due, row, true).is_some_and(|urgent| urgent <= now);
    let own = (due_at(*due, row, urgent), at);
    let is_due = |(due, _, row): &&(OffsetDateTime, usize, &OutboxRow), urgent| {
        due_at(*due, row, urgent).is_some_and(|due| due <= now)
    };
    let before = rows.iter().filter(|one| one.2.tenant == row.tenant && is_due(one, urgent));
    let tenants: BTreeSet<_> = rows.iter().filter(|one| is_due(one, false)).map(|one| &one.2.tenant).collect();
    Ahead {
        own: before.filter(|(due, at, row)| (due_at(*due, row, urgent), *at) < own).count() as u64,
        tenants: tenants.len() as u64,
        urgent: rows.iter().filter(|one| is_due(one, true)).count() as u64,
    }
}

/// How many rows of each tenant wait for nothing but their time, or are leased; platform by platform, as the other stores count.
pub(super) fn backlog(state: &State, most: u64) -> Backlog {
    let waits = waits(state);
    let mut open: Vec<_> = state.outbox.iter().filter(|kept| kept.due.is_some() && !waits(kept)).collect();
    open.sort_by_key(|kept| (&kept.row.platform, &kept.row.tenant));
    let mut backlog = Backlog::default();
    open.into_iter()
        .take(usize::try_from(most).unwrap_or(usize::MAX))
        .for_each(|kept| backlog.add(&kept.row.tenant, 1));
    backlog
}

/// For which platforms anything waits for its time or is leased, by name.
pub(super) fn busy_platforms(state: &State) -> Vec<PlatformId> {
    let waits = waits(state);
    let open = state.outbox.iter().filter(|kept| kept.due.is_some() && !waits(kept));
    open.map(|kept| kept.row.platform.clone()).collect::<BTreeSet<_>>().into_iter().collect()
}

/// When the first row that nothing blocks is due.
pub(super) fn next_due(state: &State, platforms: &[PlatformId]) -> Option<OffsetDateTime> {
    open(state, platforms).into_iter().map(|(due, _)| due).min()
}

/// Rows of these platforms that wait for nothing but their time, with that time and their index.
fn open(state: &State, platforms: &[PlatformId]) -> Vec<(OffsetDateTime, usize)> {
    let waits = waits(state);
    let rows = state.outbox.iter().enumerate();
    rows.filter(|(_, kept)| platforms.contains(&kept.row.platform) && !waits(kept))
        .filter_map(|(at, kept)| Some((kept.due?, at)))
        .collect()
}

/// Whether a row waits for an earlier errand of its referral.
fn waits(state: &State) -> impl Fn(&KeptRow) -> bool {
    let mut first_blocking: HashMap<ReferralId, u32> = HashMap::new();
    for KeptRow { row, .. } in state.outbox.iter().filter(|kept| kept.row.state.blocks() && kept.row.sequence > 0) {
        let first = first_blocking.entry(row.referral.clone()).or_insert(row.sequence);
        *first = row.sequence.min(*first);
    }
    move |kept| first_blocking.get(&kept.row.referral).is_some_and(|first| *first < kept.row.sequence)
}
