//! Moves a stopped SQLite store into an empty database: keys, tombstones, audit with its hashes, every row as it is kept.
//! All in one transaction, which is committed only if the copy has the same content hash and the same chains as its source;
//! so a copy that breaks off leaves an empty database, and the source is as it was in any case.

use super::fault::Fault;
use super::sql::{Bind as _, ask, command, escaped, one, run};
use super::{PostgresOptions, connect, reads, schema, server_fits, writer};
use crate::gateway::Secret;
use crate::store::lane::NOBODYS;
use crate::store::rows::Columns as _;
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::dump::{self, Batch, Values};
use crate::store::{Store as _, StoreError};
use sqlx::PgConnection;
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc;

/// Batches that wait while one is written.
const QUEUE: usize = 4;

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Rows of all tables.
    pub rows: u64,
    /// Lines of audit, of all tenants.
    pub audit_lines: u64,
    /// The hash over the contents, the same on both sides.
    pub content_hash: String,
}

/// Copies. `progress` is told rows done and rows in all.
///
/// # Errors
/// If the source is missing, in use or broken, the target is not empty or cannot be reached, or the two then differ.
pub async fn copy(from: &Path, to: &Secret, mut progress: impl FnMut(u64, u64)) -> Result<Copied, StoreError> {
    if !from.is_file() {
        return Err(StoreError::Engine(format!("there is no store at {}", from.display())));
    }
    // Held to the end: its lock refuses a gateway that runs, and keeps one from starting.
    let source = SqliteStore::open(from)?;
    let chains = source.verify_audit().await?;
    if let Some(broken) = chains.iter().find(|chain| chain.broken.is_some()) {
        return Err(StoreError::Engine(format!(
            "the audit of {} does not hold: `vcse-gateway audit verify` says where. Nothing was copied",
            broken.tenant.0
        )));
    }
    let content_hash = source.content_hash().await?;
    // Statements over whole tables take their time, and there is nobody who waits for the lock.
    let options = PostgresOptions {
        statement: Duration::ZERO,
        idle_in_transaction: Duration::ZERO,
        ..PostgresOptions::default()
    };
    let mut on = connect::alone(&connect::options(to)?, &options).await?;
    server_fits(&mut on).await?;
    schema::migrate(&mut on, schema::MIGRATIONS).await?;
    command(&mut on, "BEGIN").await?;
    writer::lock(&mut on).await?;
    empty(&mut on).await?;
    let all = dump::count(from)?;
    let (give, mut take) = mpsc::channel::<Batch>(QUEUE);
    let path = from.to_path_buf();
    let giving = tokio::task::spawn_blocking(move || {
        dump::dump(&path, |batch| give.blocking_send(batch).map_err(|_| StoreError::Closed))
    });
    let mut rows = 0;
    while let Some(batch) = take.recv().await {
        rows += batch.rows;
        insert(&mut on, batch).await?;
        progress(rows, all);
    }
    giving.await.map_err(|_| StoreError::Closed)??;
    // Who held a lane held it over the file.
    run(&mut on, ask(NOBODYS)).await?;
    for (name, last) in dump::last_places(from)? {
        let set = ask("UPDATE last_place SET last = ?2 WHERE name = ?1 RETURNING name").text(&name).number(last);
        if one(&mut on, set, |row| row.string(0)).await?.is_none() {
            return Err(StoreError::Engine(format!("nobody has thought of the places of {name}: nothing was copied")));
        }
    }
    let copied = reads::content_hash(&mut on).await?;
    let copied_chains = reads::verify_audit(&mut on).await?;
    if copied != content_hash || copied_chains != chains {
        let words = "the copy is not the same as its source: it was given up, and the database is empty as before";
        return Err(StoreError::Engine(words.to_owned()));
    }
    command(&mut on, "COMMIT").await?;
    command(&mut on, "ANALYZE").await?;
    Ok(Copied { rows, audit_lines: chains.iter().map(|chain| chain.lines).sum(), content_hash })
}

/// Refuses a store that holds anything, and takes away what a new one holds.
async fn empty(on: &mut PgConnection) -> Result<(), Fault> {
    let held = "SELECT (EXISTS (SELECT 1 FROM last_place WHERE last > 0 AND name <> 'subject_key')
        OR EXISTS (SELECT 1 FROM attempt) OR EXISTS (SELECT 1 FROM cursor) OR EXISTS (SELECT 1 FROM lane) OR EXISTS (SELECT 1 FROM answer)
        OR EXISTS (SELECT 1 FROM sign_in)
        OR EXISTS (SELECT 1 FROM raw_report_about)
        OR EXISTS (SELECT 1 FROM subject_key WHERE subject <> 'store/tokens'))::int::bigint";
    if one(on, ask(held), |row| row.integer(0)).await? != Some(0) {
        let words = "the database already holds a store: give the copy an empty one";
        return Err(StoreError::Engine(words.to_owned()).into());
    }
    // The source brings the key that its tokens are hidden with.
    run(on, ask("DELETE FROM subject_key")).await
}

async fn insert(on: &mut PgConnection, batch: Batch) -> Result<(), Fault> {
    let (mut names, mut arrays) = (Vec::new(), Vec::new());
    for (at, (name, values)) in batch.columns.iter().enumerate() {
        let kind = match values {
            Values::Text(_) => "text",
            Values::Integer(_) => "bigint",
            Values::Bytes(_) => "bytea",
        };
        names.push(name.as_str());
        arrays.push(format!("?{}::{kind}[]", at + 1));
    }
    // Names are the schema's own.
    let sql = format!("INSERT INTO {} ({}) SELECT * FROM unnest({})", batch.table, names.join(", "), arrays.join(", "));
    let mut put = ask(&sql);
    for (_, values) in batch.columns {
        put = match values {
            Values::Text(values) => {
                put.bind(values.iter().map(|text| text.as_deref().map(escaped)).collect::<Vec<_>>())
            }
            Values::Integer(values) => put.bind(values),
            Values::Bytes(values) => put.bind(values),
        };
    }
    run(on, put).await
}
