//! A sink: it takes every POST, answers 201 without a body, and counts the bytes that it was sent.

use crate::load::header;
use anyhow::Result;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A running sink; it ends when it is dropped.
pub(crate) struct Sink {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    taken: Arc<AtomicUsize>,
    bytes: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Sink {
    /// Starts it.
    ///
    /// # Errors
    /// When there is no free port.
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (taken, bytes) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (count, sum) = (Arc::clone(&taken), Arc::clone(&bytes));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(take(stream, Arc::clone(&count), Arc::clone(&sum)));
            }
        });
        Ok(Self { address, taken, bytes, task })
    }

    /// How many bodies it was sent, and how many bytes they were together.
    pub(crate) fn taken(&self) -> (usize, usize) {
        (self.taken.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(mut stream: TcpStream, taken: Arc<AtomicUsize>, bytes: Arc<AtomicUsize>) {
    let mut read = Vec::new();
    loop {
        let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4) else {
            if !matches!(stream.read_buf(&mut read).await, Ok(1..)) {
                return;
            }
            continue;
        };
        let head = String::from_utf8_lossy(read.get(..end).unwrap_or_default()).into_owned();
        let length = header(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        while read.len() < end + length {
            if !matches!(stream.read_buf(&mut read).await, Ok(1..)) {
                return;
            }
        }
        read.drain(..end + length);
        bytes.fetch_add(length, Ordering::Relaxed);
        taken.fetch_add(1, Ordering::Relaxed);
        if stream.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n").await.is_err() {
            return;
        }
    }
}
