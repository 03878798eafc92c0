//! Gives out every row as it is kept, sealed, for another engine: by table, in the order in which rows came to be.

use super::connect;
use super::rows::unreadable;
use crate::store::StoreError;
use rusqlite::Connection;
use std::path::Path;

/// Every table, those first to which others refer.
const TABLES: &[&str] = &[
    "subject_key",
    "received",
    "resource_current",
    "resource_version",
    "token",
    "referral",
    "referral_former",
    "outbox",
    "attempt",
    "raw_report",
    "raw_report_about",
    "report",
    "status_link",
    "feed",
    "notice",
    "account",
    "sign_in",
    "cursor",
    "lane",
    "answer",
    "audit",
];
/// Rows that are given at once: a body may have a megabyte.
const BATCH: usize = 200;

/// Some rows of a table, by column.
pub(in crate::store) struct Batch {
    /// Which table.
    pub(in crate::store) table: &'static str,
    /// Names and values.
    pub(in crate::store) columns: Vec<(String, Values)>,
    /// How many rows.
    pub(in crate::store) rows: u64,
}

/// The values of a column.
pub(in crate::store) enum Values {
    /// Text.
    Text(Vec<Option<String>>),
    /// Numbers.
    Integer(Vec<Option<i64>>),
    /// Bytes.
    Bytes(Vec<Option<Vec<u8>>>),
}

/// How many rows there are in all.
pub(in crate::store) fn count(path: &Path) -> Result<u64, StoreError> {
    let file = connect::reader(path)?;
    let mut rows = 0;
    for table in TABLES {
        rows +=
            file.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0))?.unsigned_abs();
    }
    Ok(rows)
}

/// The place that each table gave last.
pub(in crate::store) fn last_places(path: &Path) -> Result<Vec<(String, i64)>, StoreError> {
    let file = connect::reader(path)?;
    let sql = "SELECT name, seq FROM sqlite_sequence UNION ALL SELECT 'subject_key', max(id) FROM subject_key";
    super::reads::all(&file, sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Gives all rows, batch by batch.
pub(in crate::store) fn dump(
    path: &Path,
    mut give: impl FnMut(Batch) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let file = connect::reader(path)?;
    let file = file.unchecked_transaction()?;
    let known = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
        AND name <> 'schema_migration'";
    for table in super::reads::all(&file, known, [], |row| Ok(row.get::<_, String>(0)?))? {
        if !TABLES.contains(&table.as_str()) {
            return Err(StoreError::Engine(format!("nobody has thought of the table {table}: nothing was copied")));
        }
    }
    for table in TABLES {
        give_table(&file, table, &mut give)?;
    }
    Ok(())
}

fn give_table(
    file: &Connection,
    table: &'static str,
    give: &mut impl FnMut(Batch) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let columns = super::reads::all(file, "SELECT name, type FROM pragma_table_info(?1)", [table], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
    })?;
    let empty = || -> Result<Vec<(String, Values)>, StoreError> {
        let column = |(name, kind): &(String, String)| {
            let values = match kind.as_str() {
                "TEXT" => Values::Text(Vec::new()),
                "INTEGER" => Values::Integer(Vec::new()),
                "BLOB" => Values::Bytes(Vec::new()),
                _ => return Err(unreadable("column")),
            };
            Ok((name.clone(), values))
        };
        columns.iter().map(column).collect()
    };
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    // A table has a place, or else its own key: both are its first columns.
    let mut statement = file.prepare(&format!("SELECT {} FROM {table} ORDER BY 1, 2", names.join(", ")))?;
    let mut rows = statement.query([])?;
    let mut batch = Batch { table, columns: empty()?, rows: 0 };
    while let Some(row) = rows.next()? {
        for (at, (_, values)) in batch.columns.iter_mut().enumerate() {
            match values {
                Values::Text(values) => values.push(row.get(at)?),
                Values::Integer(values) => values.push(row.get(at)?),
                Values::Bytes(values) => values.push(row.get(at)?),
            }
        }
        batch.rows += 1;
        if batch.rows as usize == BATCH {
            give(std::mem::replace(&mut batch, Batch { table, columns: empty()?, rows: 0 }))?;
        }
    }
    if batch.rows > 0 {
        give(batch)?;
    }
    Ok(())
}
