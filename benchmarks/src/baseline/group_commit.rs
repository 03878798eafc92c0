//! One thread that writes, and makes everything that waits durable with one sync: the way the gateway's store commits,
//! with the same settings of SQLite, and nothing else.

use anyhow::{Context as _, Result};
use rusqlite::Connection;
use rustix::time::{ClockId, clock_gettime};
use std::cell::Cell;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// As in the gateway's store: transactions of one sync, those that wait, pages of log until it is folded in.
const BATCH: usize = 256;
const QUEUE: usize = 1_024;
const FOLD_IDLE: i32 = 1_024;
const FOLD_BUSY: i32 = 8_192;

thread_local! {
    static LOG_PAGES: Cell<i32> = const { Cell::new(0) };
}

type Finish = Box<dyn FnOnce(bool) + Send>;
type Job = Box<dyn FnOnce(&Connection) -> Finish + Send>;

/// The handle to the thread. Clones share it; it ends with the last of them.
#[derive(Clone)]
pub(crate) struct GroupCommit(mpsc::Sender<Job>);

/// The thread: what it ends with is the processor time that it took.
pub(crate) struct Writer(JoinHandle<Result<Duration>>);

impl Writer {
    /// Waits for its end, once no handle is left.
    ///
    /// # Errors
    /// What it failed with.
    pub(crate) fn end(self) -> Result<Duration> {
        self.0.join().map_err(|_| anyhow::anyhow!("the writer panicked"))?
    }
}

impl GroupCommit {
    /// Opens the file and starts the thread.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(crate) fn open(path: &Path) -> Result<(Self, Writer)> {
        let file = Connection::open(path)?;
        file.set_prepared_statement_cache_capacity(96);
        file.pragma_update(None, "journal_mode", "WAL")?;
        file.pragma_update(None, "synchronous", "FULL")?;
        file.pragma_update(None, "secure_delete", true)?;
        file.pragma_update(None, "foreign_keys", true)?;
        file.pragma_update(None, "trusted_schema", false)?;
        file.pragma_update(None, "temp_store", "MEMORY")?;
        file.pragma_update(None, "cache_size", -16_384)?;
        file.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
        let (jobs, waiting) = mpsc::channel(QUEUE);
        let thread =
            std::thread::Builder::new().name("group-commit".to_owned()).spawn(move || write(&file, waiting))?;
        Ok((Self(jobs), Writer(thread)))
    }

    /// Does this in a transaction with whatever else waits, and answers when it is durable.
    ///
    /// # Errors
    /// When it fails, or the commit.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |file| {
            let result = work(file);
            Box::new(move |kept| {
                // Whoever asked may have gone.
                let _ = reply.send(kept.then_some(result));
            })
        });
        self.0.send(job).await.ok().context("the writer has ended")?;
        Ok(answer.await?.context("the commit failed")??)
    }
}

fn write(file: &Connection, mut waiting: mpsc::Receiver<Job>) -> Result<Duration> {
    file.wal_hook(Some(|_, pages| {
        LOG_PAGES.set(pages);
        Ok(())
    }));
    let mut jobs = Vec::with_capacity(BATCH);
    while waiting.blocking_recv_many(&mut jobs, BATCH) > 0 {
        file.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let done: Vec<Finish> = jobs.drain(..).map(|job| job(file)).collect();
        let kept = file.prepare_cached("COMMIT")?.execute([]).is_ok();
        done.into_iter().for_each(|finish| finish(kept));
        let pages = LOG_PAGES.get();
        if pages >= FOLD_BUSY || (pages >= FOLD_IDLE && waiting.is_empty()) {
            LOG_PAGES.set(0);
            file.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        }
    }
    let taken = clock_gettime(ClockId::ThreadCPUTime);
    Ok(Duration::new(u64::try_from(taken.tv_sec)?, u32::try_from(taken.tv_nsec)?))
}
