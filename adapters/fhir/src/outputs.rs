//! How much may be made of the outputs of what a platform sent.
//!
//! Outputs point to resources, and many may point to one: a small message could make the gateway write out many times
//! its own size. So outputs are counted, and each resource is carried once.

use std::collections::HashSet;

/// What may still be taken of one message, page or answer.
#[derive(Debug)]
pub struct Allowance {
    outputs: usize,
    bytes: usize,
    taken: HashSet<usize>,
}

impl Allowance {
    /// At most so many outputs, and so many bytes of the resources that they point to.
    #[must_use]
    pub fn new(outputs: usize, bytes: usize) -> Self {
        Self { outputs, bytes, taken: HashSet::new() }
    }

    /// How many of so many outputs may be read. They count as read.
    pub fn outputs(&mut self, wanted: usize) -> usize {
        let granted = wanted.min(self.outputs);
        self.outputs = self.outputs.saturating_sub(granted);
        granted
    }

    /// Whether so many bytes of the resource may be carried: once each, and as long as there is room.
    pub fn carries(&mut self, resource: &str, bytes: usize) -> bool {
        if bytes > self.bytes || !self.taken.insert(place(resource)) {
            return false;
        }
        self.bytes = self.bytes.saturating_sub(bytes);
        true
    }

    /// Lets resources be carried once more: another Task begins. What is left of the room stays.
    pub fn begin_again(&mut self) {
        self.taken.clear();
    }
}

/// Where a text stands, by which one is known again without reading it.
#[must_use]
pub fn place(text: &str) -> usize {
    text.as_ptr().addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_counted_and_a_resource_is_carried_once() {
        let mut allowance = Allowance::new(5, 10);
        assert_eq!([3, 3, 1].map(|wanted| allowance.outputs(wanted)), [3, 2, 0]);
        let text = "abcdefgh";
        let (one, other) = text.split_at(4);
        assert!(allowance.carries(one, 4) && !allowance.carries(one, 4));
        assert!(!allowance.carries(other, 7), "six are left");
        assert!(allowance.carries(other, 4), "what did not fit was not taken");
        allowance.begin_again();
        assert!(allowance.carries(one, 2) && !allowance.carries(other, 1), "the room does not grow");
    }
}
