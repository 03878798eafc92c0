//! Lists of which only what is asked for is kept, while they are read: no vector, no allocation.

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// What becomes of the items of a list.
pub(super) trait Keep<'de>: Default {
    /// What one item is read as.
    type Item: Deserialize<'de>;

    /// Looks at the next item.
    fn see(&mut self, item: Self::Item);
}

/// A list that was looked at; empty if the element is absent.
#[derive(Debug, Default)]
pub(super) struct Kept<K> {
    pub(super) kept: K,
}

impl<'de, K: Keep<'de>> Deserialize<'de> for Kept<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Look(PhantomData))
    }
}

struct Look<K>(PhantomData<K>);

impl<'de, K: Keep<'de>> Visitor<'de> for Look<K> {
    type Value = Kept<K>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Kept<K>, A::Error> {
        let mut kept = K::default();
        while let Some(item) = items.next_element::<K::Item>()? {
            kept.see(item);
        }
        Ok(Kept { kept })
    }
}
