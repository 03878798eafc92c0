//! Who is told at once: a bound for each party, each customer and in all, within which whoever does not answer leaves room for who does.

use super::{Destination, Notice};
use crate::identity::TenantId;

/// How many may be told at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Of one place: a client's server, or the Subscriptions of an organisation together.
    pub each: u32,
    /// Of one customer.
    pub tenant: u32,
    /// In all.
    pub all: u32,
}

/// Somebody who is being told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    place: String,
    tenant: TenantId,
    failed: bool,
}

impl Taken {
    /// What this notice takes while it is told. `notice` is as it stood before it was begun: one that was begun before has failed.
    #[must_use]
    pub fn by(notice: &Notice) -> Self {
        let compartment = &notice.compartment;
        // The Subscriptions of an organisation take their places together: however many it makes at endpoints that are slow, others
        // have room.
        let place = match &notice.destination {
            Destination::Subscription { .. } | Destination::Pulse { .. } => {
                format!("{}/{}/subscriptions", compartment.tenant.0, compartment.owner.key())
            }
            Destination::Server { .. } | Destination::Message { .. } | Destination::Letter { .. } => notice.party(),
        };
        Self { place, tenant: notice.tenant().clone(), failed: notice.attempts > 0 }
    }
}

/// Whether one more may be told beside those that are. Those that failed before never have all places: each costs its whole time-out
/// again, and the first word to whoever answers would wait for it.
#[must_use]
pub fn has_room<'a>(bounds: Bounds, under_way: impl Iterator<Item = &'a Taken> + Clone, next: &Taken) -> bool {
    let count = |is: &dyn Fn(&Taken) -> bool| under_way.clone().filter(|one| is(one)).count();
    let fits = |bound: u32, among: &dyn Fn(&Taken) -> bool| {
        count(among) < bound as usize
            && (!next.failed || count(&|one| one.failed && among(one)) < left_to_failed(bound) as usize)
    };
    fits(bounds.all, &|_| true)
        && fits(bounds.tenant, &|one| one.tenant == next.tenant)
        && fits(bounds.each, &|one| one.place == next.place)
}

/// Of so many places, those that may be taken by who failed before: one at least.
const fn left_to_failed(bound: u32) -> u32 {
    if bound < 2 { bound } else { bound - bound.div_ceil(4) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { each: 6, tenant: 12, all: 36 };

    fn taken(place: &str, tenant: &str, failed: bool) -> Taken {
        Taken { place: place.to_owned(), tenant: TenantId(tenant.to_owned()), failed }
    }

    /// As many as fit of this kind, one after the other.
    fn filled(mut under_way: Vec<Taken>, next: &dyn Fn(usize) -> Taken) -> Vec<Taken> {
        for turn in 0..1_000 {
            let one = next(turn);
            if has_room(BOUNDS, under_way.iter(), &one) {
                under_way.push(one);
            }
        }
        under_way
    }

    #[test]
    fn whoever_failed_leaves_room_at_each_bound() {
        for (next, failed, all) in [
            (&(|_| taken("a", "north", true)) as &dyn Fn(usize) -> Taken, 4, 6),
            (&|turn| taken(&turn.to_string(), "north", true), 9, 12),
            (&|turn| taken(&turn.to_string(), &turn.to_string(), true), 27, 36),
        ] {
            let dead = filled(Vec::new(), next);
            assert_eq!(dead.len(), failed);
            let fresh = filled(dead, &|turn| Taken { failed: false, ..next(turn) });
            assert_eq!(fresh.len(), all, "and no more");
        }
    }

    #[test]
    fn one_place_is_there_for_whoever_failed_as_well() {
        let bounds = Bounds { each: 1, tenant: 1, all: 1 };
        assert!(has_room(bounds, [].iter(), &taken("a", "north", true)));
        assert!(!has_room(bounds, [taken("a", "north", true)].iter(), &taken("a", "north", false)));
        assert_eq!((0..6).map(left_to_failed).collect::<Vec<_>>(), [0, 1, 1, 2, 3, 3]);
    }

    #[test]
    fn others_are_not_counted() {
        let under_way = [taken("a", "north", false), taken("c", "south", true)];
        let bounds = Bounds { each: 1, tenant: 2, all: 9 };
        assert!(has_room(bounds, under_way.iter(), &taken("b", "north", false)));
        assert!(!has_room(bounds, under_way.iter(), &taken("a", "north", false)));
    }
}
