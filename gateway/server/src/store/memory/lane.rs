//! Lanes, in the model.

use super::state::State;
use gateway_core::identity::PlatformId;
use gateway_core::lane::{Lane, LeaveLane, TakeLane, Taken, Taking, taken_over};
use gateway_core::outbox::OutboxState;

/// Takes or keeps a lane. Where it was another's, what is leased of it can be claimed at once.
pub(super) fn take(state: &mut State, request: &TakeLane) -> Taken {
    let free = || Lane::free(request.platform.clone());
    let standing = state.lanes.get(&request.platform).cloned().unwrap_or_else(free);
    match standing.take(request, request.now) {
        Taking::Held { remaining } => Taken::Held { remaining },
        Taking::Put { lane, from_another } => {
            if from_another {
                let leased = |platform: &PlatformId, state| *platform == lane.platform && state == OutboxState::Leased;
                for kept in state.outbox.iter_mut().filter(|kept| leased(&kept.row.platform, kept.row.state)) {
                    let (row, due) = taken_over(kept.row.clone());
                    (kept.row, kept.due) = (row, Some(due));
                }
            }
            let taken = Taken::Ours { fence: lane.fence, state: lane.state.clone() };
            state.lanes.insert(lane.platform.clone(), lane);
            taken
        }
    }
}

/// Gives a lane back.
pub(super) fn leave(state: &mut State, request: &LeaveLane) {
    if let Some(lane) = state.lanes.get(&request.platform).cloned().and_then(|lane| lane.leave(request)) {
        state.lanes.insert(lane.platform.clone(), lane);
    }
}

/// Whether this fence is the newest of the lane.
pub(super) fn is_newest(state: &State, platform: &PlatformId, fence: u64) -> bool {
    state.lanes.get(platform).is_some_and(|lane| lane.fence == fence)
}
