//! Backlog: how much may wait to be delivered, and how much of that one tenant may have.
//!
//! Beyond the bound no new referral is taken. So that whoever fills it closes the door on nobody else, a tenant may have at most
//! [`PARTS`] times what is still free (a *dynamic threshold*, as switches use for their queues): one tenant that sends without end comes to
//! a stand at three quarters, two at six sevenths, and some of it is always left for those who have little waiting.

use crate::identity::TenantId;
use std::collections::BTreeMap;

/// So many times what is free may one tenant have waiting.
pub const PARTS: u64 = 3;

/// How many errands of each tenant wait.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backlog {
    waiting: BTreeMap<TenantId, u64>,
}

/// Whether one more is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// It is.
    Free,
    /// This tenant has its part; others are served.
    TenantFull,
    /// Nobody's is.
    Full,
}

impl Backlog {
    /// So many more of this tenant.
    pub fn add(&mut self, tenant: &TenantId, more: u64) {
        let waiting = self.waiting.entry(tenant.clone()).or_default();
        *waiting = waiting.saturating_add(more);
    }

    /// Of this tenant.
    #[must_use]
    pub fn of(&self, tenant: &TenantId) -> u64 {
        self.waiting.get(tenant).copied().unwrap_or(0)
    }

    /// Of all tenants.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.waiting.values().fold(0, |sum, one| sum.saturating_add(*one))
    }

    /// Whether one more of `tenant` is taken where `most` may wait. `alone`: there is no other tenant, so nothing is kept for one.
    #[must_use]
    pub fn room(&self, tenant: &TenantId, most: u64, alone: bool) -> Room {
        let free = most.saturating_sub(self.all());
        if free == 0 {
            Room::Full
        } else if alone || self.of(tenant) < free.saturating_mul(PARTS) {
            Room::Free
        } else {
            Room::TenantFull
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str) -> TenantId {
        TenantId(name.to_owned())
    }

    /// Each of these in turn sends until nothing of anybody's is taken.
    fn flooded(tenants: &[&str], most: u64) -> Backlog {
        let mut backlog = Backlog::default();
        loop {
            let mut taken = false;
            for name in tenants {
                if backlog.room(&tenant(name), most, false) == Room::Free {
                    backlog.add(&tenant(name), 1);
                    taken = true;
                }
            }
            if !taken {
                return backlog;
            }
        }
    }

    #[test]
    fn whoever_floods_leaves_room_for_others() {
        let one = flooded(&["a"], 100);
        assert_eq!((one.all(), one.room(&tenant("a"), 100, false)), (75, Room::TenantFull));
        assert_eq!(one.room(&tenant("b"), 100, false), Room::Free);
        let two = flooded(&["a", "b"], 700);
        assert_eq!((two.of(&tenant("a")), two.of(&tenant("b"))), (300, 300));
        for floods in 1..20 {
            let names: Vec<_> = (0..floods).map(|n| format!("flood-{n}")).collect();
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            let backlog = flooded(&names, 1000);
            assert_eq!(backlog.room(&tenant("quiet"), 1000, false), Room::Free, "{floods} of them");
        }
    }

    #[test]
    fn whoever_is_alone_has_all_of_it() {
        let mut backlog = Backlog::default();
        backlog.add(&tenant("a"), 99);
        assert_eq!(backlog.room(&tenant("a"), 100, true), Room::Free);
        backlog.add(&tenant("a"), 1);
        assert_eq!(backlog.room(&tenant("a"), 100, true), Room::Full);
        assert_eq!(backlog.room(&tenant("b"), 100, false), Room::Full);
    }

    #[test]
    fn the_smallest_backlog_takes_one() {
        assert_eq!(Backlog::default().room(&tenant("a"), 1, false), Room::Free);
        assert_eq!(flooded(&["a", "b"], 1).all(), 1);
    }
}
