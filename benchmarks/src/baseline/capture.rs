//! The rows that accepts write, taken from a real gateway's file: each accept by itself, in the columns and bytes in which
//! it stands there, compressed and sealed.

use crate::load::Connection;
use crate::process::Process;
use crate::scene::{Referral, Scene};
use anyhow::{Result, ensure};
use rusqlite::OpenFlags;
use rusqlite::types::Value;

/// A table that an accept writes into, and the column by which what is new in it is found.
const TABLES: [(&str, &str); 9] = [
    ("subject_key", "id"),
    ("received", "place"),
    ("resource_current", "place"),
    ("resource_version", "rowid"),
    // Found by the resource whose it is: it has no row number of its own.
    ("token", "place"),
    ("referral", "place"),
    ("outbox", "place"),
    ("answer", "rowid"),
    ("audit", "place"),
];

/// What one accept wrote: rows, each with the place of its table in [`Accepts::statements`].
pub(crate) type Accept = Vec<(usize, Vec<Value>)>;

/// What accepts wrote.
#[derive(Debug)]
pub(crate) struct Accepts {
    /// The statement that writes a row of each table.
    pub(crate) statements: Vec<String>,
    /// By accept.
    pub(crate) accepts: Vec<Accept>,
}

impl Accepts {
    /// Rows of one accept, on the average.
    pub(crate) fn rows(&self) -> f64 {
        self.accepts.iter().map(Vec::len).sum::<usize>() as f64 / self.accepts.len() as f64
    }
}

/// Lets a gateway that only takes in accept these, one after the other, and reads after each what is new.
///
/// # Errors
/// When one is not accepted, or an accept writes into a table that is not known here.
pub(crate) async fn capture(scene: &Scene, gateway: &Process, referrals: &[Referral]) -> Result<Accepts> {
    let file = rusqlite::Connection::open_with_flags(scene.file(), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut statements = Vec::with_capacity(TABLES.len());
    let mut seen = [0_i64; TABLES.len()];
    for ((table, by), seen) in TABLES.iter().zip(&mut seen) {
        let columns = file.prepare(&format!("SELECT * FROM {table}"))?.column_count();
        let marks = vec!["?"; columns].join(", ");
        statements.push(format!("INSERT INTO {table} VALUES ({marks})"));
        *seen = last(&file, table, by)?;
    }
    let mut connection = Connection::open(scene.address).await?;
    let mut accepts = Vec::with_capacity(referrals.len());
    for referral in referrals {
        let answer = connection.ask(&referral.request).await?;
        ensure!(answer.status == 201, "a referral was answered {}", answer.status);
        let mut accept = Vec::new();
        for (at, ((table, by), seen)) in TABLES.iter().zip(&mut seen).enumerate() {
            let mut new = file.prepare_cached(&format!("SELECT * FROM {table} WHERE {by} > ?1 ORDER BY {by}"))?;
            let columns = new.column_count();
            let mut rows = new.query([*seen])?;
            while let Some(row) = rows.next()? {
                let row: Vec<Value> = (0..columns).map(|column| row.get(column)).collect::<Result<_, _>>()?;
                accept.push((at, row));
            }
            *seen = last(&file, table, by)?;
        }
        accepts.push(accept);
    }
    ensure!(total(&file)? == written(&accepts) + 1, "accepts write into a table that is not captured");
    // It stands for the whole run: whoever ended it would have to begin anew.
    gateway.usage()?;
    Ok(Accepts { statements, accepts })
}

fn last(file: &rusqlite::Connection, table: &str, by: &str) -> Result<i64> {
    Ok(file.prepare_cached(&format!("SELECT ifnull(max({by}), 0) FROM {table}"))?.query_row([], |row| row.get(0))?)
}

fn written(accepts: &[Accept]) -> usize {
    accepts.iter().map(Vec::len).sum()
}

/// Rows of all tables, but for the schema's own.
fn total(file: &rusqlite::Connection) -> Result<usize> {
    let names = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'schema_migration'";
    let tables: Vec<String> = file.prepare(names)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut total = 0_i64;
    for table in tables {
        total += file.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0))?;
    }
    Ok(usize::try_from(total)?)
}
