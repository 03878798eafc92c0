//! *Group writer*: the rows of real accepts, written into a file of the same schema by so many at a time, with group
//! commit, on the same disk. No HTTP, no document, no decision, no compression, no encryption.

use super::capture::Accepts;
use super::group_commit::GroupCommit;
use crate::process::own_usage;
use anyhow::{Result, ensure};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;
use vcse_gateway::store::sqlite::SqliteStore;

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Written {
    /// Accepts a second.
    pub(crate) rate: f64,
    /// Processor time of the thread that writes, for each accept.
    pub(crate) cpu: Duration,
    /// Bytes that went to the disk, for each accept.
    pub(crate) bytes: f64,
}

/// Writes them all.
///
/// # Errors
/// When one is not written.
pub(crate) async fn run(accepts: &Arc<Accepts>, scratch: &Path, together: usize) -> Result<Written> {
    let folder = tempfile::Builder::new().prefix("group-writer-").tempdir_in(scratch)?;
    let path = folder.path().join("gateway.db");
    // The gateway's own schema, with the row that it begins with.
    drop(SqliteStore::open(&path)?);
    let (commit, writer) = GroupCommit::open(&path)?;
    let next = Arc::new(AtomicUsize::new(0));
    let before = own_usage()?;
    let begun = Instant::now();
    let mut writers: JoinSet<Result<()>> = JoinSet::new();
    for _ in 0..together {
        let (accepts, next, commit) = (Arc::clone(accepts), Arc::clone(&next), commit.clone());
        writers.spawn(async move {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                if at >= accepts.accepts.len() {
                    return Ok(());
                }
                let accepts = Arc::clone(&accepts);
                commit.run(move |file| write(file, &accepts, at)).await?;
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done??;
    }
    let took = begun.elapsed();
    let bytes = (own_usage()? - before).written;
    drop(commit);
    let cpu = writer.end()?;
    let written: i64 =
        rusqlite::Connection::open(&path)?.query_row("SELECT count(*) FROM referral", [], |row| row.get(0))?;
    let count = accepts.accepts.len();
    ensure!(usize::try_from(written)? == count, "{written} of {count} accepts were written");
    Ok(Written {
        rate: count as f64 / took.as_secs_f64(),
        cpu: cpu / u32::try_from(count)?,
        bytes: bytes as f64 / count as f64,
    })
}

fn write(file: &rusqlite::Connection, accepts: &Accepts, at: usize) -> rusqlite::Result<()> {
    for (table, row) in accepts.accepts.get(at).into_iter().flatten() {
        let Some(statement) = accepts.statements.get(*table) else { continue };
        file.prepare_cached(statement)?.execute(rusqlite::params_from_iter(row))?;
    }
    Ok(())
}
