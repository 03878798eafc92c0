//! The task that writes: one for each instance, with a connection of its own.
//!
//! All instances write one after the other, under one advisory lock of the database, each batch in one transaction. So what
//! a check has read, a row that is *not* there included, stands until the commit: sixteen identical conditional creates over
//! three instances make one, audit numbers have no gap, places follow the order of commits, and nobody reads past a place
//! that comes later. Serialisable isolation would promise the first alone, and would pay with repetitions under just the load
//! where they hurt; a lock for each tenant would give up the order of places. What the lock costs is won back as the SQLite
//! engine does it: the transactions that wait share one lock and one sync, each in a savepoint of its own.
//!
//! A connection that breaks loses nothing. Before the commit the server has rolled back, and the batch is done again. During
//! it nobody knows, so the new connection asks: with the lock in its hands, it knows that the old one has ended, and the
//! server tells by the number of its transaction whether that was committed.

use super::fault::Fault;
use super::sql::{Bind as _, ask, command, one, run};
use super::{PostgresOptions, apply, connect};
use crate::clock::{self, SystemClock};
use crate::store::blind::Blind;
use crate::store::rows::Columns as _;
use crate::store::values::{again, unreadable};
use crate::store::{CommitError, StoreError};
use gateway_core::change::{Change, Transaction};
use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Transactions made durable by one sync, at most. Fewer than SQLite's: other instances wait for the lock meanwhile.
const BATCH: usize = 64;
/// Transactions that wait, at most; further callers wait for a place.
const QUEUE: usize = 1_024;
/// How often a batch is tried.
const TRIES: u32 = 5;
/// How long it waits before the second try after a connection broke; twice as long before the third, and so on.
const AGAIN: Duration = Duration::from_millis(100);
/// The lock of the writer: `vcse` in ASCII.
const LOCK: i64 = 0x7663_7365;
/// The channel on which instances wake each other, and what is said on it.
pub(super) const CHANNEL: &str = "vcse_gateway";
pub(super) const OUTBOX: &str = "outbox";
pub(super) const REPORTS: &str = "reports";
pub(super) const LANES: &str = "lanes";

/// Takes the lock until the end of the transaction; gives the numbers of the transaction and of the connection's process.
pub(super) async fn lock(on: &mut PgConnection) -> Result<(String, i64), Fault> {
    let sql = "SELECT pg_current_xact_id()::text, pg_backend_pid()::bigint FROM pg_advisory_xact_lock(?1)";
    let numbers = one(on, ask(sql).number(LOCK), |row| Ok((row.string(0)?, row.integer(1)?)));
    Ok(numbers.await?.ok_or_else(|| unreadable("transaction"))?)
}

struct Job {
    transaction: Transaction,
    reply: oneshot::Sender<Result<(), CommitError>>,
}

/// The handle to the task.
pub(super) struct Writer {
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the task.
    ///
    /// `process` is told the server's process of the writer's connection.
    pub(super) fn start(
        on: PgConnection,
        blind: Blind,
        to: PgConnectOptions,
        options: PostgresOptions,
        process: Arc<AtomicI64>,
    ) -> Self {
        let (jobs, waiting) = mpsc::channel(QUEUE);
        let work = Work { on: Some(on), blind, to, options, process, in_doubt: None };
        let task = tokio::spawn(work.run(waiting));
        Self { jobs: Mutex::new(Some(jobs)), task: Mutex::new(Some(task)) }
    }

    pub(super) async fn commit(&self, transaction: Transaction) -> Result<(), CommitError> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (reply, answer) = oneshot::channel();
        let sent = match jobs {
            Some(jobs) => jobs.send(Job { transaction, reply }).await.is_ok(),
            None => false,
        };
        if !sent {
            return Err(CommitError::Store(StoreError::Closed));
        }
        answer.await.unwrap_or(Err(CommitError::Store(StoreError::Closed)))
    }

    /// Ends the task after what waits, and waits for its end.
    pub(super) async fn close(&self) {
        drop(self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take());
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // One that panicked has answered everybody by dropping their channels.
            let _ = task.await;
        }
    }
}

/// A batch that was tried: what each of its transactions came to, and the number of the database's transaction.
struct Tried {
    outcomes: Vec<Result<(), Refusal>>,
    number: String,
}

/// What can be told twice.
enum Refusal {
    Check(gateway_core::change::CheckFailure),
    Store(StoreError),
}

struct Work {
    /// Absent after it broke.
    on: Option<PgConnection>,
    blind: Blind,
    to: PgConnectOptions,
    options: PostgresOptions,
    process: Arc<AtomicI64>,
    /// A batch during whose commit the connection broke.
    in_doubt: Option<Tried>,
}

impl Work {
    async fn run(mut self, mut waiting: mpsc::Receiver<Job>) {
        let mut jobs = Vec::with_capacity(BATCH);
        while waiting.recv_many(&mut jobs, BATCH).await > 0 {
            self.batch(&mut jobs).await;
        }
        if let Some(on) = self.on {
            // The server ends it as well if we do not take leave.
            let _ = sqlx::Connection::close(on).await;
        }
    }

    /// Applies jobs together; empties the list.
    async fn batch(&mut self, jobs: &mut Vec<Job>) {
        let mut tries = 0;
        let outcome = loop {
            tries += 1;
            match self.together(jobs).await {
                Ok(outcomes) => break Ok(outcomes),
                Err(Fault::Lost(words)) => {
                    self.on = None;
                    if tries >= TRIES {
                        break Err(StoreError::Away(words));
                    }
                    // Waits for a server, not for anything that the gateway decides by: no injected clock reaches down here.
                    clock::sleep(&SystemClock, AGAIN * tries).await;
                    tracing::warn!(cause = %words, "the connection to the database broke; what was not committed is done again");
                }
                Err(Fault::Conflict(words)) => {
                    self.abandon().await;
                    if tries >= TRIES {
                        break Err(StoreError::Away(words));
                    }
                }
                Err(fault) => {
                    self.abandon().await;
                    break Err(fault.into());
                }
            }
        };
        self.in_doubt = None;
        match outcome {
            Ok(outcomes) => {
                for (job, outcome) in jobs.drain(..).zip(outcomes) {
                    let outcome = outcome.map_err(|refusal| match refusal {
                        Refusal::Check(failure) => CommitError::Refused(failure),
                        Refusal::Store(error) => CommitError::Store(error),
                    });
                    // Nobody may be listening any more.
                    let _ = job.reply.send(outcome);
                }
            }
            Err(error) => {
                for job in jobs.drain(..) {
                    let _ = job.reply.send(Err(again(&error).into()));
                }
            }
        }
    }

    async fn abandon(&mut self) {
        if let Some(on) = &mut self.on
            && command(on, "ROLLBACK").await.is_err()
        {
            self.on = None;
        }
    }

    /// One transaction of the database's.
    async fn together(&mut self, jobs: &[Job]) -> Result<Vec<Result<(), Refusal>>, Fault> {
        let on = match &mut self.on {
            Some(on) => on,
            None => self.on.insert(connect::alone(&self.to, &self.options).await?),
        };
        command(on, "BEGIN").await?;
        let (number, process) = lock(on).await?;
        self.process.store(process, Ordering::Relaxed);
        if let Some(before) = self.in_doubt.take() {
            match committed(on, &before.number).await {
                Ok(true) => {
                    // Whatever becomes of this question's own transaction: it must not make us do the batch again.
                    self.abandon().await;
                    return Ok(before.outcomes);
                }
                Ok(false) => {}
                Err(fault) => {
                    self.in_doubt = Some(before);
                    return Err(fault);
                }
            }
        }
        let mut outcomes = Vec::with_capacity(jobs.len());
        let (mut outbox, mut reports) = (false, false);
        for job in jobs {
            command(on, "SAVEPOINT job").await?;
            let refusal = match apply::apply(on, &self.blind, &job.transaction).await {
                Ok(()) => {
                    let (rings_outbox, rings_reports) = rings(&job.transaction);
                    outbox |= rings_outbox;
                    reports |= rings_reports;
                    command(on, "RELEASE SAVEPOINT job").await?;
                    outcomes.push(Ok(()));
                    continue;
                }
                Err(Fault::Refused(failure)) => Refusal::Check(failure),
                Err(Fault::Store(error)) => Refusal::Store(error),
                Err(fault) => return Err(fault),
            };
            command(on, "ROLLBACK TO SAVEPOINT job; RELEASE SAVEPOINT job").await?;
            outcomes.push(Err(refusal));
        }
        for (rings, what) in [(outbox, OUTBOX), (reports, REPORTS)] {
            if rings {
                run(on, ask("SELECT pg_notify(?1, ?2)").text(CHANNEL).text(what)).await?;
            }
        }
        match command(on, "COMMIT").await {
            Ok(()) => Ok(outcomes),
            Err(Fault::Lost(words)) => {
                self.in_doubt = Some(Tried { outcomes, number });
                Err(Fault::Lost(words))
            }
            Err(fault) => Err(fault),
        }
    }
}

/// Whether a transaction whose connection has ended was committed.
async fn committed(on: &mut PgConnection, number: &str) -> Result<bool, Fault> {
    let status = ask("SELECT pg_xact_status(?1::xid8)").text(number);
    match one(on, status, |row| row.text_or_null(0)).await?.flatten().as_deref() {
        Some("committed") => Ok(true),
        Some("aborted") => Ok(false),
        // It cannot be under way while we hold the lock; a server that does not know it is not the one that had it.
        _ => Err(StoreError::Engine("nobody knows whether the transaction was committed".to_owned()).into()),
    }
}

/// Which workers a transaction may have work for: outbox, reports.
fn rings(transaction: &Transaction) -> (bool, bool) {
    let outbox = transaction.changes.iter().any(|change| matches!(change, Change::PutOutbox(_)));
    let reports = transaction
        .changes
        .iter()
        .any(|change| matches!(change, Change::ReceiveReport(_) | Change::RecordReport(_) | Change::PutReferral(_)));
    (outbox, reports)
}
