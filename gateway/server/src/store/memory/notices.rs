//! What is fed, and notices, in the model.

use super::state::State;
use gateway_core::change::{CheckFailure, Removed};
use gateway_core::identity::TenantId;
use gateway_core::notify::{Fed, Notice, NoticeState};
use gateway_core::subject::Subject;
use std::collections::BTreeMap;
use time::OffsetDateTime;

/// By place in the order of making.
pub(super) type Kept = BTreeMap<u64, Notice>;

/// Whether a notice may be written on what `kept` then are; it stands among them afterwards.
pub(super) fn follows(kept: &mut Kept, notice: &Notice) -> Result<(), CheckFailure> {
    let standing = kept.values().find(|one| one.id == notice.id);
    let current = standing.map_or(0, |one| one.revision);
    if current.checked_add(1) != Some(notice.revision) {
        return Err(CheckFailure::Revision(current));
    }
    let queue = notice.queue();
    if standing.is_none() && kept.values().any(|one| one.sequence == notice.sequence && one.queue() == queue) {
        return Err(CheckFailure::Changed);
    }
    let next = kept.last_key_value().map_or(0, |(place, _)| *place) + 1;
    put(kept, next, notice.clone());
    Ok(())
}

fn put(kept: &mut Kept, next: u64, notice: Notice) {
    match kept.values_mut().find(|one| one.id == notice.id) {
        // Whom it tells, of what and under which number does not change.
        Some(one) => *one = notice,
        None => {
            kept.insert(next, notice);
        }
    }
}

/// Removes what is to be removed of notices.
pub(super) fn remove(kept: &mut Kept, removed: &[Removed]) {
    kept.retain(|_, one| !removed.iter().any(|gone| matches!(gone, Removed::Notice(id) if *id == one.id)));
}

/// A version is fed.
pub(super) fn feed(state: &mut State, mut fed: Fed) {
    state.feed_last += 1;
    fed.place = state.feed_last;
    state.feed.insert(fed.place, fed);
}

/// A notice is written.
pub(super) fn write(state: &mut State, notice: Notice) {
    let next = state.notice_last + 1;
    put(&mut state.notices, next, notice);
    state.notice_last = state.notices.last_key_value().map_or(0, |(place, _)| *place).max(state.notice_last);
}

/// The first open one of each queue, with its place.
pub(super) fn heads(state: &State) -> impl Iterator<Item = (u64, &Notice)> {
    state.notices.iter().map(|(place, notice)| (*place, notice)).filter(|(_, notice)| {
        let queue = notice.queue();
        let earlier = |one: &Notice| one.sequence < notice.sequence && one.state.is_open() && one.queue() == queue;
        notice.state.is_open() && !state.notices.values().any(earlier)
    })
}

/// Those that are due, so many of each party, the longest due first.
pub(super) fn due(state: &State, now: OffsetDateTime, each: u32) -> Vec<Notice> {
    let mut due: Vec<_> = heads(state).filter(|(_, notice)| notice.due <= now).collect();
    due.sort_by_key(|(place, notice)| (notice.due, *place));
    let mut of = BTreeMap::new();
    let mut has_room = |notice: &Notice| {
        let count: &mut u32 = of.entry(notice.party()).or_default();
        *count += 1;
        *count <= each
    };
    due.into_iter().filter(|(_, notice)| has_room(notice)).map(|(_, notice)| notice.clone()).collect()
}

/// Those of a queue behind a number, by number.
pub(super) fn of_queue(state: &State, queue: &str, after: u64, limit: u32) -> Vec<Notice> {
    let behind = |notice: &&Notice| notice.sequence > after && notice.queue() == queue;
    let mut found: Vec<Notice> = state.notices.values().filter(behind).cloned().collect();
    found.sort_by_key(|notice| notice.sequence);
    found.truncate(limit as usize);
    found
}

/// Those that ended before a time and are not the last of a queue that may get another.
pub(super) fn ended(state: &State, before: OffsetDateTime, limit: u32) -> Vec<Notice> {
    let is_last = |notice: &Notice| {
        let queue = notice.queue();
        !state.notices.values().any(|one| one.sequence > notice.sequence && one.queue() == queue)
    };
    let is_erased = |notice: &Notice| {
        let referral = state.referrals.iter().find(|one| Some(&one.id) == notice.referral.as_ref());
        let subject = referral.and_then(|referral| referral.subject.as_ref()).map(Subject::record);
        subject.is_some_and(|subject| state.erased.contains_key(&subject))
    };
    let stays = |notice: &Notice| is_last(notice) && (notice.destination.outlives_referral() || !is_erased(notice));
    let over = |notice: &&Notice| !notice.state.is_open() && notice.due < before && !stays(notice);
    let mut ended: Vec<Notice> = state.notices.values().filter(over).cloned().collect();
    ended.sort_by_key(|notice| notice.due);
    ended.truncate(limit as usize);
    ended
}

/// Dead ones with their places.
pub(super) fn dead(state: &State, tenant: Option<&TenantId>, after: u64, limit: u32) -> Vec<(u64, Notice)> {
    let behind = state.notices.range(after.saturating_add(1)..).map(|(place, notice)| (*place, notice));
    let dead = behind.filter(|(_, notice)| notice.state == NoticeState::Dead);
    let own = dead.filter(|(_, notice)| tenant.is_none_or(|tenant| notice.tenant() == tenant));
    own.take(limit as usize).map(|(place, notice)| (place, notice.clone())).collect()
}
