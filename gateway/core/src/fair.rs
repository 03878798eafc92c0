//! Fair turns at a platform: which of the errands that wait for it go next.
//!
//! Tenants take turns by name, so that one that sends a thousand referrals keeps no other waiting for longer than one of them.
//! What is urgent goes first, tenant by tenant as well, but never more than [`URGENT_RUN`] in a row while anything else
//! waits: whoever marks everything as urgent stops nobody. Within a tenant the longest waiting goes first.
//!
//! A function of what waits and of who went last; the store finds what waits, and the worker of the platform remembers.

use crate::identity::TenantId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// So many urgent errands go in a row while others wait.
pub const URGENT_RUN: u32 = 3;

/// Which turn it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// For urgent errands alone.
    Urgent,
    /// For every errand, urgent or not.
    Any,
}

/// Who went last, and how many urgent errands since one went in its ordinary turn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Turn {
    urgent: Option<TenantId>,
    any: Option<TenantId>,
    run: u32,
}

impl Turn {
    /// An errand of this tenant went in a turn of this class.
    pub fn went(&mut self, tenant: &TenantId, class: Class) {
        match class {
            Class::Urgent => {
                self.urgent = Some(tenant.clone());
                self.run = self.run.saturating_add(1);
            }
            Class::Any => {
                self.any = Some(tenant.clone());
                self.run = 0;
            }
        }
    }

    /// Which class is asked first.
    const fn order(&self) -> [Class; 2] {
        if self.run < URGENT_RUN { [Class::Urgent, Class::Any] } else { [Class::Any, Class::Urgent] }
    }

    const fn last(&self, class: Class) -> Option<&TenantId> {
        match class {
            Class::Urgent => self.urgent.as_ref(),
            Class::Any => self.any.as_ref(),
        }
    }
}

/// What waits for a platform and may go now. `K` names an errand; those of a tenant come in the order in which they
/// are added, the longest waiting first.
#[derive(Debug, Clone)]
pub struct Waiting<K> {
    urgent: Queues<K>,
    any: Queues<K>,
}

type Queues<K> = BTreeMap<TenantId, VecDeque<K>>;

impl<K> Default for Waiting<K> {
    fn default() -> Self {
        Self { urgent: BTreeMap::new(), any: BTreeMap::new() }
    }
}

impl<K: Ord + Clone> Waiting<K> {
    /// An errand of this tenant, behind those that were added before. What is urgent is added to both classes.
    pub fn add(&mut self, class: Class, tenant: TenantId, key: K) {
        self.of(class).entry(tenant).or_default().push_back(key);
    }

    /// The next errands, in the order in which they go, at most so many. Of each tenant the first `limit` of each class have
    /// to be among what was added, if there are as many.
    #[must_use]
    pub fn next(mut self, mut turn: Turn, limit: usize) -> Vec<(K, Class)> {
        let mut picked = Vec::new();
        let mut taken = BTreeSet::new();
        while picked.len() < limit {
            let found = turn.order().into_iter().find_map(|class| {
                let (tenant, key) = first(self.of(class), turn.last(class), &taken)?;
                Some((tenant, key, class))
            });
            let Some((tenant, key, class)) = found else { break };
            turn.went(&tenant, class);
            taken.insert(key.clone());
            picked.push((key, class));
        }
        picked
    }

    const fn of(&mut self, class: Class) -> &mut Queues<K> {
        match class {
            Class::Urgent => &mut self.urgent,
            Class::Any => &mut self.any,
        }
    }
}

/// The first errand of the first tenant behind `last`, and round to it.
fn first<K: Ord>(queues: &mut Queues<K>, last: Option<&TenantId>, taken: &BTreeSet<K>) -> Option<(TenantId, K)> {
    for queue in queues.values_mut() {
        while queue.front().is_some_and(|key| taken.contains(key)) {
            queue.pop_front();
        }
    }
    queues.retain(|_, queue| !queue.is_empty());
    let behind = queues.keys().find(|tenant| last.is_none_or(|last| *tenant > last));
    let tenant = behind.or_else(|| queues.keys().next())?.clone();
    let key = queues.get_mut(&tenant)?.pop_front()?;
    Some((tenant, key))
}

#[cfg(test)]
mod tests {
    use super::{Class, Turn, URGENT_RUN, Waiting};
    use crate::identity::TenantId;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn tenant(name: &str) -> TenantId {
        TenantId(name.to_owned())
    }

    /// Errands by name: tenant, number, `!` where urgent.
    fn waiting(names: &str) -> Waiting<String> {
        let mut waiting = Waiting::default();
        for name in names.split(' ').filter(|name| !name.is_empty()) {
            let of = tenant(&name[..1]);
            if name.ends_with('!') {
                waiting.add(Class::Urgent, of.clone(), name.to_owned());
            }
            waiting.add(Class::Any, of, name.to_owned());
        }
        waiting
    }

    fn order(names: &str, limit: usize) -> String {
        let next = waiting(names).next(Turn::default(), limit);
        next.into_iter().map(|(name, _)| name).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn tenants_take_turns_and_what_is_urgent_goes_first() {
        assert_eq!(order("a1 a2 a3 b1 c1 c2", 9), "a1 b1 c1 a2 c2 a3");
        assert_eq!(order("a1 a2 a3 b1! c1 c2!", 9), "b1! c2! a1 c1 a2 a3");
        // Every fourth turn is anybody's, in the order of the tenants.
        assert_eq!(order("a1! a2! a3! a4! a5! a6! a7! b1 b2", 9), "a1! a2! a3! a4! a5! a6! a7! b1 b2");
        assert_eq!(order("b1! b2! b3! b4! b5! b6! b7! a1 a2", 9), "b1! b2! b3! a1 b4! b5! b6! b7! a2");
        assert_eq!(order("a1 b1", 1), "a1");
        assert_eq!(order("", 3), "");
    }

    #[test]
    fn turns_go_on_where_they_ended() {
        let mut turn = Turn::default();
        turn.went(&tenant("b"), Class::Any);
        let next = waiting("a1 b1 c1").next(turn, 2);
        assert_eq!(next, [("c1".to_owned(), Class::Any), ("a1".to_owned(), Class::Any)]);
    }

    proptest! {
        /// A tenant with anything waiting goes at least once in so many turns, whatever the others do.
        #[test]
        fn nobody_is_starved(
            many in prop::collection::vec((0_u8..5, any::<bool>()), 1..200),
            after in prop::option::of(0_u8..5),
        ) {
            let names = ["a", "b", "c", "d", "e"];
            let mut all = Waiting::default();
            let mut left: BTreeMap<TenantId, usize> = BTreeMap::new();
            for (number, (of, urgent)) in many.iter().enumerate() {
                let of = tenant(names[usize::from(*of)]);
                if *urgent {
                    all.add(Class::Urgent, of.clone(), number);
                }
                all.add(Class::Any, of.clone(), number);
                *left.entry(of).or_default() += 1;
            }
            let mut turn = Turn::default();
            if let Some(after) = after {
                turn.went(&tenant(names[usize::from(after)]), Class::Any);
            }
            let next = all.next(turn, many.len());
            // Everything goes, once.
            let mut seen: Vec<usize> = next.iter().map(|(number, _)| *number).collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..many.len()).collect::<Vec<_>>());
            // Each tenant's turn comes round while it has anything.
            let most = names.len() * (URGENT_RUN as usize + 1);
            let mut waited: BTreeMap<TenantId, usize> = left.keys().map(|of| (of.clone(), 0)).collect();
            for (number, _) in next {
                let of = tenant(names[usize::from(many[number].0)]);
                *left.get_mut(&of).unwrap() -= 1;
                for (other, count) in &mut waited {
                    *count = if *other == of || left[other] == 0 { 0 } else { *count + 1 };
                    prop_assert!(*count < most, "{:?} waited for {} turns", other, count);
                }
            }
        }
    }
}
