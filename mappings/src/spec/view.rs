//! Reads keys of a checked map. What has the wrong kind was reported by the check and is simply not there.

use crate::source::Span;
use crate::yaml::{Entry, Node, Scalar};

/// A text and where it stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'t> {
    pub(crate) text: &'t str,
    pub(crate) scalar: &'t Scalar,
    pub(crate) at: Span,
}

impl Node {
    /// The node as text, if it is a scalar that is not null.
    pub(crate) fn as_text(&self) -> Option<Text<'_>> {
        let scalar = self.scalar().filter(|scalar| !scalar.is_null())?;
        Some(Text { text: &scalar.text, scalar, at: self.at })
    }

    pub(crate) fn text(&self, key: &str) -> Option<Text<'_>> {
        self.get(key)?.as_text()
    }

    pub(crate) fn flag(&self, key: &str) -> bool {
        self.get(key).and_then(Self::scalar).and_then(Scalar::boolean).unwrap_or(false)
    }

    /// A number from 1; others were reported.
    pub(crate) fn count(&self, key: &str) -> Option<u32> {
        self.integer(key).and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0)
    }

    pub(crate) fn integer(&self, key: &str) -> Option<i64> {
        self.get(key)?.scalar()?.integer()
    }

    pub(crate) fn list(&self, key: &str) -> &[Self] {
        self.get(key).map(Self::items).unwrap_or_default()
    }

    pub(crate) fn map(&self, key: &str) -> &[Entry] {
        self.get(key).map(Self::entries).unwrap_or_default()
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Where a key stands; the node's beginning if it is not there.
    pub(crate) fn key_at(&self, key: &str) -> Span {
        self.entry(key).map_or(self.at, |entry| entry.key_at)
    }

    /// Where its value stands; the node's beginning if it is not there.
    pub(crate) fn value_at(&self, key: &str) -> Span {
        self.get(key).map_or(self.at, |node| node.at)
    }
}
