//! Where each variable of a path stands. All paths of a mapping share one layout: the predeclared variables first, in
//! the order of [`Slot`], then those of [`Program::variables`](super::Program::variables) in their order. Which of them
//! a path may use depends on where it stands; the compiler has seen to that.

/// A predeclared variable; its number is its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Slot {
    /// `%referral`: the Bundle. Only while a referral is submitted.
    Referral,
    /// `%serviceRequest`: entry 0 of the Bundle. Only while a referral is submitted.
    ServiceRequest,
    /// `%patient`: entry 1 of the Bundle. Only while a referral is submitted.
    Patient,
    /// `%task`: the Bundle's last Task. Only while a referral is submitted.
    Task,
    /// `%settings`: an object with the declared settings as they are typed. Always.
    Settings,
    /// `%keys`: an object with `idempotency` and `correlation`. In requests and answers, but not in polls and reports.
    Keys,
    /// `%acceptedAt`: a date-time. Where `%keys` is.
    AcceptedAt,
    /// `%platformReferral`: text. In read, cancel, hold and release.
    PlatformReferral,
    /// `%progress`: an object with the notes of earlier steps, all text. From the second step on.
    Progress,
    /// `%cursor`: an object with what the last poll kept, all text; empty the first time. In poll.
    Cursor,
    /// `%reason`: text. In cancel, hold and release.
    Reason,
    /// `%status`: the HTTP status, an integer. In answers.
    Status,
    /// `%header`: an object with the headers of the answer that some path names, all text, names in small letters. In
    /// answers.
    Header,
}

impl Slot {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 13] = [
        Self::Referral,
        Self::ServiceRequest,
        Self::Patient,
        Self::Task,
        Self::Settings,
        Self::Keys,
        Self::AcceptedAt,
        Self::PlatformReferral,
        Self::Progress,
        Self::Cursor,
        Self::Reason,
        Self::Status,
        Self::Header,
    ];

    /// Slot of the first variable that the mapping names itself.
    pub const FIRST_NAMED: usize = Self::ALL.len();

    /// Its name in paths, without `%`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Referral => "referral",
            Self::ServiceRequest => "serviceRequest",
            Self::Patient => "patient",
            Self::Task => "task",
            Self::Settings => "settings",
            Self::Keys => "keys",
            Self::AcceptedAt => "acceptedAt",
            Self::PlatformReferral => "platformReferral",
            Self::Progress => "progress",
            Self::Cursor => "cursor",
            Self::Reason => "reason",
            Self::Status => "status",
            Self::Header => "header",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Slot;

    #[test]
    fn numbers_are_slots() {
        for (at, slot) in Slot::ALL.into_iter().enumerate() {
            assert_eq!(slot as usize, at, "{}", slot.name());
        }
    }
}
