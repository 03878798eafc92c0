//! One bit for each value of a document.

/// A set of small numbers that grows as it is written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bits {
    words: Vec<u64>,
}

const WIDTH: usize = 64;

impl Bits {
    /// An empty set with room for numbers below `count`.
    pub(crate) fn clear(&mut self, count: usize) {
        self.words.clear();
        self.words.resize(count.div_ceil(WIDTH), 0);
    }

    /// Puts a number in.
    #[inline]
    pub(crate) fn set(&mut self, number: usize) {
        let word = number / WIDTH;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        if let Some(word) = self.words.get_mut(word) {
            *word |= 1 << (number % WIDTH);
        }
    }

    /// Puts all numbers from `start` to before `end` in.
    pub(crate) fn set_range(&mut self, start: usize, end: usize) {
        if end == start + 1 {
            self.set(start);
        } else {
            (start..end).for_each(|number| self.set(number));
        }
    }

    /// Whether a number is in.
    #[inline]
    pub(crate) fn has(&self, number: usize) -> bool {
        self.words.get(number / WIDTH).is_some_and(|word| word >> (number % WIDTH) & 1 == 1)
    }

    /// Whether any number from `start` to before `end` is in.
    #[inline]
    pub(crate) fn has_any(&self, start: usize, end: usize) -> bool {
        let (mut at, last) = (start, end.min(self.words.len() * WIDTH));
        while at < last {
            let word = self.words.get(at / WIDTH).copied().unwrap_or_default() >> (at % WIDTH);
            let within = last - at;
            let wanted = if within >= WIDTH { word } else { word & ((1 << within) - 1) };
            if wanted != 0 {
                return true;
            }
            at = (at / WIDTH + 1) * WIDTH;
        }
        false
    }

    /// Puts in all that is in another.
    pub(crate) fn add(&mut self, other: &Self) {
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (word, more) in self.words.iter_mut().zip(&other.words) {
            *word |= more;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn a_plain_set_answers_the_same(numbers in proptest::collection::btree_set(0_usize..300, 0..8), start in 0_usize..320, length in 0_usize..320) {
            let mut bits = Bits::default();
            bits.clear(100);
            numbers.iter().for_each(|&number| bits.set(number));
            let end = start + length;
            prop_assert_eq!(bits.has_any(start, end), numbers.range(start..end).next().is_some());
            prop_assert_eq!((0..400).filter(|&number| bits.has(number)).collect::<BTreeSet<_>>(), numbers);
        }
    }

    #[test]
    fn sets_are_added_and_cleared() {
        let (mut few, mut many) = (Bits::default(), Bits::default());
        few.set(1);
        many.set_range(190, 200);
        few.add(&many);
        assert!(few.has(1) && few.has(199) && !few.has(200) && few.has_any(2, 191) && !few.has_any(2, 190));
        few.clear(10);
        assert!(!few.has_any(0, 1000));
    }
}
