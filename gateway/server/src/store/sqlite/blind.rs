//! The file's key that hides the values of tokens.

use super::errors::unreadable;
use crate::store::StoreError;
use crate::store::blind::{Blind, NAME};
use crate::store::seal::new_key;
use rusqlite::{Connection, OptionalExtension as _};

/// The file's.
pub(super) fn read(file: &Connection) -> Result<Blind, StoreError> {
    find(file)?.ok_or_else(|| unreadable("key"))
}

/// Makes the file's key, if it has none yet.
pub(super) fn prepare(file: &Connection) -> Result<(), StoreError> {
    if find(file)?.is_none() {
        let sql = "INSERT INTO subject_key (subject, domain, key, made) VALUES (?1, ?2, ?3, 0)";
        file.execute(sql, (NAME.0, NAME.1, new_key()?))?;
    }
    Ok(())
}

fn find(file: &Connection) -> Result<Option<Blind>, StoreError> {
    let bytes: Option<Vec<u8>> = file
        .prepare_cached("SELECT key FROM subject_key WHERE subject = ?1 AND domain = ?2")?
        .query_row(NAME, |row| row.get(0))
        .optional()?;
    Ok(bytes.map(|bytes| Blind::new(&bytes)))
}
