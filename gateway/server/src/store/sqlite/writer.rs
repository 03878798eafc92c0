//! The thread that writes. It takes all transactions that wait, up to a limit, applies each in a savepoint of its own,
//! and makes them durable with one sync; only then is anybody answered. So the number of syncs, which a disk limits,
//! does not limit the number of transactions.

use super::errors::again;
use super::{apply, blind, claim, connect, lane, schema};
use crate::store::{CommitError, StoreError};
use gateway_core::change::{Change, Transaction};
use gateway_core::lane::{LeaveLane, TakeLane, Taken};
use gateway_core::outbox::{ClaimRequest, Claimed};
use rusqlite::Connection;
use std::cell::Cell;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};

/// Transactions made durable by one sync, at most.
const BATCH: usize = 256;
/// Transactions that wait, at most; further callers wait for a place.
const QUEUE: usize = 1_024;
/// Pages of log after which it is folded into the file when nothing waits (16 MiB), and even if something does (32 MiB). A page
/// that is written often goes into the file once for all that the log holds of it.
const FOLD_IDLE: i32 = 4_096;
const FOLD_BUSY: i32 = 8_192;

thread_local! {
    /// Pages in the log after this thread's last commit. SQLite's hook carries no state, hence no field of [`Loop`].
    static LOG_PAGES: Cell<i32> = const { Cell::new(0) };
}

/// The handle to the thread.
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    closing: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

enum Job {
    Commit(Transaction, oneshot::Sender<Result<(), CommitError>>),
    Claim(ClaimRequest, oneshot::Sender<Result<Vec<Claimed>, StoreError>>),
    TakeLane(TakeLane, oneshot::Sender<Result<Taken, StoreError>>),
    LeaveLane(LeaveLane, oneshot::Sender<Result<(), StoreError>>),
    /// Wakes the thread so that it sees that it should close.
    Wake,
}

/// What a job came to, kept back until it is durable: even a refusal may rest on what is not durable yet.
enum Outcome {
    Commit(Result<(), CommitError>, oneshot::Sender<Result<(), CommitError>>),
    Claim(Result<Vec<Claimed>, StoreError>, oneshot::Sender<Result<Vec<Claimed>, StoreError>>),
    TakeLane(Result<Taken, StoreError>, oneshot::Sender<Result<Taken, StoreError>>),
    LeaveLane(Result<(), StoreError>, oneshot::Sender<Result<(), StoreError>>),
}

impl Writer {
    /// Locks the file, brings it up to date, and starts the thread.
    pub(super) fn start(path: &Path, max_pages: Option<u32>) -> Result<Self, StoreError> {
        let lock = connect::lock(path)?;
        let mut file = connect::writer(path, max_pages)?;
        schema::migrate(&mut file, schema::MIGRATIONS)?;
        blind::prepare(&file)?;
        // What was erased just before a crash may still stand in the log.
        checkpoint(&file, "TRUNCATE")?;
        // We hold the file's lock, so whoever held a lease has died: waiting for its end would only delay referrals.
        file.execute("UPDATE outbox SET due = 0 WHERE state = 'leased'", [])?;
        let (jobs, waiting) = mpsc::channel(QUEUE);
        let closing = Arc::new(AtomicBool::new(false));
        let work = Loop { file, waiting, closing: Arc::clone(&closing), _lock: lock, unclean: Cell::new(false) };
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || work.run())
            .map_err(|error| StoreError::Engine(format!("cannot start the writer: {error}")))?;
        Ok(Self { jobs, closing, thread: Mutex::new(Some(thread)) })
    }

    pub(super) async fn commit(&self, transaction: Transaction) -> Result<(), CommitError> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Commit(transaction, reply)).await?;
        answer.await.unwrap_or(Err(CommitError::Store(StoreError::Closed)))
    }

    pub(super) async fn claim(&self, request: ClaimRequest) -> Result<Vec<Claimed>, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Claim(request, reply)).await?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    pub(super) async fn take_lane(&self, request: TakeLane) -> Result<Taken, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::TakeLane(request, reply)).await?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    pub(super) async fn leave_lane(&self, request: LeaveLane) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::LeaveLane(request, reply)).await?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    async fn send(&self, job: Job) -> Result<(), StoreError> {
        self.jobs.send(job).await.map_err(|_| StoreError::Closed)
    }

    /// Ends the thread after what waits, and waits for its end.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
        // If there is no room the thread is awake anyway.
        let _ = self.jobs.try_send(Job::Wake);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A writer that panicked has answered everybody by dropping their channels.
            let _ = thread.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

struct Loop {
    file: Connection,
    waiting: mpsc::Receiver<Job>,
    closing: Arc<AtomicBool>,
    /// Held until the connection is closed: fields are dropped in this order.
    _lock: File,
    /// Something was erased or removed, and the log may still hold it.
    unclean: Cell<bool>,
}

impl Loop {
    fn run(mut self) {
        self.file.wal_hook(Some(|_, pages| {
            LOG_PAGES.set(pages);
            Ok(())
        }));
        let mut jobs = Vec::with_capacity(BATCH);
        while self.waiting.blocking_recv_many(&mut jobs, BATCH) > 0 {
            self.batch(&mut jobs);
            self.fold();
            if self.closing.load(Ordering::Acquire) {
                break;
            }
        }
        // Not until it is empty for good: a caller that has its place but never uses it must not keep us.
        self.waiting.close();
        while let Ok(job) = self.waiting.try_recv() {
            jobs.push(job);
        }
        self.batch(&mut jobs);
        if let Err(error) = checkpoint(&self.file, "TRUNCATE") {
            tracing::warn!(%error, "the log was not folded into the file at closing; the next start reads it");
        }
    }

    /// Applies jobs together; empties the list.
    fn batch(&mut self, jobs: &mut Vec<Job>) {
        let mut jobs = jobs.drain(..).peekable();
        while jobs.peek().is_some() {
            let mut outcomes = Vec::with_capacity(jobs.len());
            let end = self.together(&mut jobs, &mut outcomes);
            for outcome in outcomes {
                outcome.tell(end.as_ref().err());
            }
        }
    }

    /// One transaction of SQLite's. It ends early if it cannot be kept whole; later jobs then get another.
    fn together(&self, jobs: &mut impl Iterator<Item = Job>, outcomes: &mut Vec<Outcome>) -> Result<(), StoreError> {
        let begun = execute(&self.file, "BEGIN IMMEDIATE");
        for job in jobs {
            let whole = match (&begun, job) {
                (_, Job::Wake) => Ok(()),
                (Ok(()), Job::Commit(transaction, reply)) => {
                    if transaction
                        .changes
                        .iter()
                        .any(|change| matches!(change, Change::Erase { .. } | Change::Remove(_)))
                    {
                        self.unclean.set(true);
                    }
                    let (result, whole) = alone(&self.file, |file| apply::apply(file, &transaction));
                    outcomes.push(Outcome::Commit(result, reply));
                    whole
                }
                (Ok(()), Job::Claim(request, reply)) => {
                    let (result, whole) = alone(&self.file, |file| claim::claim(file, &request));
                    outcomes.push(Outcome::Claim(result, reply));
                    whole
                }
                (Ok(()), Job::TakeLane(request, reply)) => {
                    let (result, whole) = alone(&self.file, |file| lane::take(file, &request));
                    outcomes.push(Outcome::TakeLane(result, reply));
                    whole
                }
                (Ok(()), Job::LeaveLane(request, reply)) => {
                    let (result, whole) = alone(&self.file, |file| lane::leave(file, &request));
                    outcomes.push(Outcome::LeaveLane(result, reply));
                    whole
                }
                (Err(error), Job::Commit(_, reply)) => {
                    outcomes.push(Outcome::Commit(Err(again(error).into()), reply));
                    Ok(())
                }
                (Err(error), Job::Claim(_, reply)) => {
                    outcomes.push(Outcome::Claim(Err(again(error)), reply));
                    Ok(())
                }
                (Err(error), Job::TakeLane(_, reply)) => {
                    outcomes.push(Outcome::TakeLane(Err(again(error)), reply));
                    Ok(())
                }
                (Err(error), Job::LeaveLane(_, reply)) => {
                    outcomes.push(Outcome::LeaveLane(Err(again(error)), reply));
                    Ok(())
                }
            };
            if let Err(lost) = whole {
                self.abandon();
                return Err(outcomes.last().and_then(Outcome::failure).unwrap_or(lost));
            }
        }
        begun?;
        execute(&self.file, "COMMIT").inspect_err(|_| self.abandon())
    }

    fn abandon(&self) {
        if !self.file.is_autocommit() {
            // If this fails, so does the next BEGIN, and says so.
            let _ = execute(&self.file, "ROLLBACK");
        }
    }

    /// Folds the log into the file: when nothing waits, or when it has grown too long to go on. After an erasure the log is
    /// cut to nothing, so that neither file nor log holds the key any more; at the latest when a reader that holds it back
    /// has ended and somebody writes.
    fn fold(&self) {
        let pages = LOG_PAGES.get();
        if self.unclean.get() {
            match checkpoint(&self.file, "TRUNCATE") {
                Ok(whole) => {
                    self.unclean.set(!whole);
                    LOG_PAGES.set(0);
                }
                Err(error) => {
                    tracing::warn!(%error, "the log still holds what was erased; it is cut at the next write")
                }
            }
            return;
        }
        if pages >= FOLD_BUSY || (pages >= FOLD_IDLE && self.waiting.is_empty()) {
            // A reader may hold back a part; the count then stands until the next commit.
            LOG_PAGES.set(0);
            if let Err(error) = checkpoint(&self.file, "PASSIVE") {
                tracing::warn!(%error, "the log was not folded into the file; it grows until it is");
            }
        }
    }
}

impl Outcome {
    /// Answers; nobody may be listening any more. `lost` is why nothing of the whole batch was kept.
    fn tell(self, lost: Option<&StoreError>) {
        match self {
            Self::Commit(result, reply) => {
                let _ = reply.send(lost.map_or(result, |error| Err(again(error).into())));
            }
            Self::Claim(result, reply) => {
                let _ = reply.send(lost.map_or(result, |error| Err(again(error))));
            }
            Self::TakeLane(result, reply) => {
                let _ = reply.send(lost.map_or(result, |error| Err(again(error))));
            }
            Self::LeaveLane(result, reply) => {
                let _ = reply.send(lost.map_or(result, |error| Err(again(error))));
            }
        }
    }

    fn failure(&self) -> Option<StoreError> {
        match self {
            Self::Commit(Err(CommitError::Store(error)), _)
            | Self::Claim(Err(error), _)
            | Self::TakeLane(Err(error), _)
            | Self::LeaveLane(Err(error), _) => Some(again(error)),
            _ => None,
        }
    }
}

/// Runs one job so that it can be undone alone. Second: whether what surrounds it is still whole. It is not if SQLite
/// rolled everything back, as a full disk can make it.
fn alone<T, E: From<StoreError>>(
    file: &Connection,
    job: impl FnOnce(&Connection) -> Result<T, E>,
) -> (Result<T, E>, Result<(), StoreError>) {
    if let Err(error) = execute(file, "SAVEPOINT job") {
        return (Err(again(&error).into()), Err(error));
    }
    let result = job(file);
    if file.is_autocommit() {
        return (result, Err(StoreError::Engine("the engine gave the transaction up".to_owned())));
    }
    let undone = if result.is_err() { execute(file, "ROLLBACK TO job") } else { Ok(()) };
    let whole = undone.and_then(|()| execute(file, "RELEASE job"));
    (result, whole)
}

fn execute(file: &Connection, sql: &str) -> Result<(), StoreError> {
    file.prepare_cached(sql)?.execute([])?;
    Ok(())
}

/// Folds the log into the file; false if a reader held back a part of it.
fn checkpoint(file: &Connection, mode: &str) -> Result<bool, StoreError> {
    let busy: i64 = file.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| row.get(0))?;
    Ok(busy == 0)
}
