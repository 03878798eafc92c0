//! Leases on outbox rows, in the model.

use super::lane;
use super::state::{KeptRow, State};
use crate::store::StoreError;
use gateway_core::identity::PlatformId;
use gateway_core::outbox::{ClaimRequest, Claimed};
use gateway_core::referral::ReferralId;
use std::collections::HashMap;
use time::OffsetDateTime;

/// Leases what is due, the longest waiting first.
pub(super) fn claim(state: &mut State, request: &ClaimRequest) -> Result<Vec<Claimed>, StoreError> {
    if let Some(fence) = request.lane
        && !request.platforms.iter().all(|platform| lane::is_newest(state, platform, fence))
    {
        return Err(StoreError::LaneLost);
    }
    let mut due: Vec<_> = open(state, &request.platforms).into_iter().filter(|(due, _)| *due <= request.now).collect();
    due.sort();
    due.truncate(request.limit as usize);
    let mut claimed = Vec::with_capacity(due.len());
    for (_, at) in due {
        let Some(kept) = state.outbox.get_mut(at) else { continue };
        let (leased, attempt) = request.lease(kept.row.clone());
        kept.row = leased.row.clone();
        kept.due = Some(request.lease_until);
        state.attempts.insert((attempt.outbox.clone(), attempt.number), attempt);
        claimed.push(leased);
    }
    Ok(claimed)
}

/// When the first row that nothing blocks is due.
pub(super) fn next_due(state: &State, platforms: &[PlatformId]) -> Option<OffsetDateTime> {
    open(state, platforms).into_iter().map(|(due, _)| due).min()
}

/// Rows of these platforms that wait for nothing but their time, with that time and their index.
fn open(state: &State, platforms: &[PlatformId]) -> Vec<(OffsetDateTime, usize)> {
    let mut first_blocking: HashMap<&ReferralId, u32> = HashMap::new();
    for KeptRow { row, .. } in state.outbox.iter().filter(|kept| kept.row.state.blocks() && kept.row.sequence > 0) {
        let first = first_blocking.entry(&row.referral).or_insert(row.sequence);
        *first = row.sequence.min(*first);
    }
    let waits = |kept: &KeptRow| first_blocking.get(&kept.row.referral).is_some_and(|first| *first < kept.row.sequence);
    let rows = state.outbox.iter().enumerate();
    rows.filter(|(_, kept)| platforms.contains(&kept.row.platform) && !waits(kept))
        .filter_map(|(at, kept)| Some((kept.due?, at)))
        .collect()
}
