//! Three answers: yes, no, and "it cannot be told". A permit needs a yes; a deny is met by anything but a no (R4).

/// Whether a condition holds. Ordered, so that *and* is the least and *or* the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Truth {
    No,
    Unknown,
    Yes,
}

impl Truth {
    /// Yes or no.
    pub(super) fn of(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }

    /// Repeats of one element: any of them (R4). None at all is nobody's concern here: an absent element is not asked.
    pub(super) fn any(each: impl IntoIterator<Item = Self>) -> Self {
        each.into_iter().max().unwrap_or(Self::No)
    }
}
