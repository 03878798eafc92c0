//! What a search looks for does not stand in the file: the values of tokens, NHS numbers among them, are kept as a keyed
//! hash. Values are compared whole, so that is enough to find them; and what SQLite leaves behind of a token that was
//! removed tells nothing.

use super::errors::unreadable;
use super::seal::{Row, new_key};
use crate::store::StoreError;
use aws_lc_rs::hmac;
use gateway_core::resource::Token;
use rusqlite::{Connection, OptionalExtension as _};

/// Bytes of a hash that are kept.
const KEPT: usize = 16;
const NAME: (&str, &str) = ("store/tokens", "shared");

/// The key that hides values.
pub(super) struct Blind(hmac::Key);

impl Blind {
    /// The file's.
    pub(super) fn read(file: &Connection) -> Result<Self, StoreError> {
        Self::find(file)?.ok_or_else(|| unreadable("key"))
    }

    /// Makes the file's key, if it has none yet.
    pub(super) fn prepare(file: &Connection) -> Result<(), StoreError> {
        if Self::find(file)?.is_none() {
            let sql = "INSERT INTO subject_key (subject, domain, key, made) VALUES (?1, ?2, ?3, 0)";
            file.execute(sql, (NAME.0, NAME.1, new_key()?))?;
        }
        Ok(())
    }

    fn find(file: &Connection) -> Result<Option<Self>, StoreError> {
        let bytes: Option<Vec<u8>> = file
            .prepare_cached("SELECT key FROM subject_key WHERE subject = ?1 AND domain = ?2")?
            .query_row(NAME, |row| row.get(0))
            .optional()?;
        Ok(bytes.map(|bytes| Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes))))
    }

    /// What stands for a token's value.
    pub(super) fn value(&self, token: &Token) -> Vec<u8> {
        let row = Row::of("token", &[&token.parameter, &token.value]);
        hmac::sign(&self.0, row.bytes()).as_ref().iter().take(KEPT).copied().collect()
    }
}
