//! The chain of audit: each line has a number within its tenant, from 1, and a SHA-256 over the hash of the line before it
//! and its own content. What is changed, taken out, put in or moved later no longer fits.
//!
//! Content is hashed as the engine keeps it, each part with its length before it, so that also a change that leaves the
//! same meaning is found. Whoever can rewrite the file can compute a new chain: that, and lines missing at the very end, is
//! found only against a hash that was kept elsewhere.

use super::digest::hex;
use gateway_core::identity::TenantId;
use sha2::{Digest as _, Sha256};

/// Tells this hash from every other.
const KIND: &[u8] = b"vcse-gateway audit line 1";

/// Where a tenant's chain stands: number and hash of its last line. The default is the beginning, before any line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) number: u64,
    pub(super) hash: [u8; 32],
}

/// The content of a line, as it is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Content<'a> {
    /// Microseconds since 1970, UTC.
    pub(super) at: i64,
    pub(super) actor: &'a [u8],
    pub(super) action: &'a [u8],
    pub(super) referral: Option<&'a [u8]>,
    /// JSON text.
    pub(super) detail: &'a [u8],
}

impl Link {
    /// The link of the line that follows.
    pub(super) fn next(&self, tenant: &TenantId, line: &Content<'_>) -> Self {
        let number = self.number.saturating_add(1);
        let mut hasher = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hasher.update((bytes.len() as u64).to_be_bytes());
            hasher.update(bytes);
        };
        part(KIND);
        part(&self.hash);
        part(tenant.0.as_bytes());
        part(&number.to_be_bytes());
        part(&line.at.to_be_bytes());
        part(line.actor);
        part(line.action);
        // One part more than without a referral: an empty name is not the same as none.
        line.referral.into_iter().for_each(&mut part);
        part(line.detail);
        Self { number, hash: hasher.finalize().into() }
    }
}

/// What looking over one tenant's audit came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditChain {
    /// Whose.
    pub tenant: TenantId,
    /// Lines that hold, from the first on.
    pub lines: u64,
    /// The hash of the last of them, in lower-case hex: to be kept elsewhere. Absent where no line holds.
    pub last: Option<String>,
    /// The first line that does not hold, if one does not. Nothing is said of those behind it.
    pub broken: Option<BrokenLine>,
}

/// A line that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokenLine {
    /// Its number within the tenant.
    pub number: u64,
    /// What is wrong with it.
    pub fault: ChainFault,
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainFault {
    /// It is not there, and later ones are.
    Missing,
    /// There is another line under its number, or one under a number that is no place.
    OutOfPlace,
    /// Its content, or what came before it, is not what was written.
    Altered,
}

impl ChainFault {
    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::OutOfPlace => "out-of-place",
            Self::Altered => "altered",
        }
    }

    /// The same for people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Missing => "is not there, though later lines are",
            Self::OutOfPlace => "stands out of place: its number was given before, or is none",
            Self::Altered => "is not as it was written, or does not follow the line before it",
        }
    }
}

/// Looks over the lines of one tenant, which come by number.
pub(super) struct Walk {
    tenant: TenantId,
    link: Link,
    broken: Option<BrokenLine>,
}

impl Walk {
    /// Before the first line.
    pub(super) fn new(tenant: TenantId) -> Self {
        Self { tenant, link: Link::default(), broken: None }
    }

    /// The next line, under the number and hash that are kept with it. False once a line does not hold.
    pub(super) fn line(&mut self, number: i64, hash: &[u8], content: &Content<'_>) -> bool {
        if self.broken.is_some() {
            return false;
        }
        let next = self.link.next(&self.tenant, content);
        let expected = i64::try_from(next.number).unwrap_or(i64::MAX);
        let fault = match number.cmp(&expected) {
            std::cmp::Ordering::Greater => Some(ChainFault::Missing),
            std::cmp::Ordering::Less => Some(ChainFault::OutOfPlace),
            std::cmp::Ordering::Equal if next.hash != hash => Some(ChainFault::Altered),
            std::cmp::Ordering::Equal => None,
        };
        match fault {
            Some(fault) => {
                // A line too many is named by the number that it bears, if that is one.
                let own = u64::try_from(number).ok().filter(|_| fault == ChainFault::OutOfPlace);
                self.broken = Some(BrokenLine { number: own.unwrap_or(next.number), fault });
            }
            None => self.link = next,
        }
        fault.is_none()
    }

    /// What it came to.
    pub(super) fn end(self) -> AuditChain {
        let last = (self.link.number > 0).then(|| hex(&self.link.hash));
        AuditChain { tenant: self.tenant, lines: self.link.number, last, broken: self.broken }
    }
}

#[cfg(test)]
mod tests {
    use super::{Content, Link};
    use gateway_core::identity::TenantId;

    #[test]
    fn every_part_of_a_line_is_in_its_hash_at_its_place() {
        let tenant = TenantId("north".to_owned());
        let line = Content { at: 1, actor: b"a", action: b"b", referral: Some(b"c"), detail: b"d" };
        let first = Link::default().next(&tenant, &line);
        assert_eq!(first.number, 1);
        for other in [
            Content { at: 2, ..line },
            Content { actor: b"", ..line },
            Content { actor: b"ab", action: b"", ..line },
            Content { action: b"x", ..line },
            Content { referral: None, ..line },
            Content { referral: Some(b""), ..line },
            Content { detail: b"", ..line },
        ] {
            assert_ne!(Link::default().next(&tenant, &other).hash, first.hash, "{other:?}");
        }
        assert_ne!(Link::default().next(&TenantId("south".to_owned()), &line).hash, first.hash);
        assert_ne!(first.next(&tenant, &line).hash, first.hash, "the line before is part of it");
        assert_ne!(Link { number: 7, ..Link::default() }.next(&tenant, &line).hash, first.hash);
    }
}
