//! A sender that costs next to nothing: prepared requests over a fixed number of connections, as HTTP/1.1 by hand.
//!
//! It shares the processors with what is measured, so it must not be a real HTTP client, which takes as long as the store.

use anyhow::{Context as _, Result, ensure};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Bytes that are read at a time.
const CHUNK: usize = 16 * 1024;

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: u16,
    /// `Location`, if there was one.
    pub(crate) location: Option<String>,
    /// When the request was written.
    pub(crate) sent: Instant,
    /// When the answer was there.
    pub(crate) answered: Instant,
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Load {
    /// From the first request to the last answer.
    pub(crate) took: Duration,
    /// In the order of the requests.
    pub(crate) answers: Vec<Answer>,
}

impl Load {
    /// Requests a second.
    pub(crate) fn rate(&self) -> f64 {
        self.answers.len() as f64 / self.took.as_secs_f64()
    }

    /// That every answer had this status.
    ///
    /// # Errors
    /// With the first that had not.
    pub(crate) fn all(&self, status: u16) -> Result<()> {
        let other = self.answers.iter().enumerate().find(|(_, answer)| answer.status != status);
        ensure!(other.is_none(), "expected {status} and got {other:?}");
        Ok(())
    }
}

/// One connection that is kept open.
pub(crate) struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("no connection to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: Vec::with_capacity(CHUNK) })
    }

    /// Sends a request and waits for the whole answer.
    ///
    /// # Errors
    /// When the connection ends, or the answer names no length.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<Answer> {
        self.stream.write_all(request).await?;
        let sent = Instant::now();
        self.read.clear();
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await?;
        };
        let head = String::from_utf8_lossy(self.read.get(..end).unwrap_or_default()).into_owned();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no status line")?;
        let length: usize = header(&head, "content-length")
            .and_then(|length| length.parse().ok())
            .context("an answer without length")?;
        while self.read.len() < end + length {
            self.more().await?;
        }
        let location = header(&head, "location").map(str::to_owned);
        Ok(Answer { status, location, sent, answered: Instant::now() })
    }

    async fn more(&mut self) -> Result<()> {
        let read = self.stream.read_buf(&mut self.read).await?;
        ensure!(read > 0, "the connection ended in the middle of an answer");
        Ok(())
    }
}

/// The value of a header in the text of a head.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (own, value) = line.split_once(':')?;
        own.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// Sends all, so many connections at a time, each the next one as soon as it has its answer.
///
/// # Errors
/// When a connection fails.
pub(crate) async fn closed(address: SocketAddr, requests: &Arc<Vec<Vec<u8>>>, connections: usize) -> Result<Load> {
    run(address, requests, connections, None).await
}

/// Sends so many a second, whatever the answers take, as long as there are connections.
///
/// # Errors
/// When a connection fails.
pub(crate) async fn paced(
    address: SocketAddr,
    requests: &Arc<Vec<Vec<u8>>>,
    connections: usize,
    per_second: u32,
) -> Result<Load> {
    run(address, requests, connections, Some(Duration::from_secs(1) / per_second)).await
}

async fn run(
    address: SocketAddr,
    requests: &Arc<Vec<Vec<u8>>>,
    connections: usize,
    every: Option<Duration>,
) -> Result<Load> {
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        open.push(Connection::open(address).await?);
    }
    let next = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let mut senders: JoinSet<Result<Vec<(usize, Answer)>>> = JoinSet::new();
    for mut connection in open {
        let (requests, next) = (Arc::clone(requests), Arc::clone(&next));
        senders.spawn(async move {
            let mut answers = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(request) = requests.get(at) else { return Ok(answers) };
                if let Some(every) = every {
                    let turn = begun + every * u32::try_from(at).unwrap_or(u32::MAX);
                    tokio::time::timeout_at(turn, std::future::pending::<()>()).await.unwrap_or_default();
                }
                answers.push((at, connection.ask(request).await?));
            }
        });
    }
    let mut answers = Vec::with_capacity(requests.len());
    while let Some(sender) = senders.join_next().await {
        answers.extend(sender??);
    }
    let took = begun.elapsed();
    answers.sort_by_key(|(at, _)| *at);
    Ok(Load { took, answers: answers.into_iter().map(|(_, answer)| answer).collect() })
}
