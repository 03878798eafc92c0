//! Walks every table in the order that the digest prescribes, in one snapshot.

use crate::store::StoreError;
use crate::store::contents::Tables;
use rusqlite::Connection;

/// The hash over everything, as it was before it was sealed.
pub(super) fn content_hash(file: &Connection) -> Result<String, StoreError> {
    let file = file.unchecked_transaction()?;
    let mut tables = Tables::default();
    while let Some(sql) = tables.statement() {
        let mut statement = file.prepare_cached(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            tables.row(row)?;
        }
        tables.next();
    }
    Ok(tables.finish())
}
