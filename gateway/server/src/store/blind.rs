//! What a search looks for does not stand in the store: the values of tokens, NHS numbers among them, are kept as a keyed
//! hash. Values are compared whole, so that is enough to find them; and what an engine leaves behind of a token that was
//! removed tells nothing.

use super::seal::Row;
use aws_lc_rs::hmac;
use gateway_core::resource::Token;

/// Bytes of a hash that are kept.
const KEPT: usize = 16;
/// Subject and domain of the key that hides values.
pub(super) const NAME: (&str, &str) = ("store/tokens", "shared");

/// The key that hides values.
#[derive(Clone)]
pub(super) struct Blind(hmac::Key);

impl Blind {
    /// From what is stored.
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// What stands for a token of a resource of this owner and kind.
    pub(super) fn value(&self, owner: &str, kind: &str, token: &Token) -> Vec<u8> {
        let row = Row::of("token", &[owner, kind, &token.parameter, &token.value]);
        hmac::sign(&self.0, row.bytes()).as_ref().iter().take(KEPT).copied().collect()
    }
}
