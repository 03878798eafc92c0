//! A relay before a platform: it passes bytes on, and notes when the first bytes of each referral arrived.

use anyhow::Result;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// The head of a request is in one piece: it is shorter than what is read at a time.
const CHUNK: usize = 64 * 1024;

/// When the first bytes of each conversation (`X-Correlation-Id`) arrived.
#[derive(Clone, Default)]
pub(crate) struct Firsts(Arc<Mutex<HashMap<String, Instant>>>);

impl Firsts {
    /// When this one's arrived.
    pub(crate) fn of(&self, correlation: &str) -> Option<Instant> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(correlation).copied()
    }

    /// Of how many conversations something has arrived.
    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn note(&self, bytes: &[u8], at: Instant) {
        let Some(name) = correlation(bytes) else { return };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_insert(at);
    }
}

/// The value of `X-Correlation-Id`, where these bytes hold it.
fn correlation(bytes: &[u8]) -> Option<String> {
    const NAME: &[u8] = b"x-correlation-id: ";
    let at = bytes.windows(NAME.len()).position(|window| window.eq_ignore_ascii_case(NAME))? + NAME.len();
    let rest = bytes.get(at..)?;
    let end = rest.iter().position(|byte| *byte == b'\r')?;
    rest.get(..end).map(|name| String::from_utf8_lossy(name).into_owned())
}

/// A running relay; it ends when it is dropped.
pub(crate) struct Relay {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Relay {
    /// Passes on to `target`.
    ///
    /// # Errors
    /// When there is no free port.
    pub(crate) async fn start(target: SocketAddr, firsts: Firsts) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass(stream, target, firsts.clone()));
            }
        });
        Ok(Self { address, task })
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Either side may go away at any time; then the other one goes as well.
async fn pass(from: TcpStream, target: SocketAddr, firsts: Firsts) {
    let Ok(to) = TcpStream::connect(target).await else { return };
    let _ = (from.set_nodelay(true), to.set_nodelay(true));
    let ((mut asks, mut hears), (mut answers, mut asked)) = (from.into_split(), to.into_split());
    tokio::spawn(async move {
        let _ = tokio::io::copy(&mut answers, &mut hears).await;
    });
    let mut chunk = vec![0; CHUNK];
    while let Ok(read @ 1..) = asks.read(&mut chunk).await {
        let bytes = chunk.get(..read).unwrap_or_default();
        firsts.note(bytes, Instant::now());
        if asked.write_all(bytes).await.is_err() {
            return;
        }
    }
}

/// A platform that takes connections and requests, and never says a word.
pub(crate) struct Stuck {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Stuck {
    /// Starts it.
    ///
    /// # Errors
    /// When there is no free port.
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut chunk = vec![0; CHUNK];
                    while matches!(stream.read(&mut chunk).await, Ok(1..)) {}
                });
            }
        });
        Ok(Self { address, task })
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::correlation;

    #[test]
    fn the_conversation_is_read_from_a_head_that_is_whole() {
        let head = b"POST /fhir HTTP/1.1\r\nx-request-id: a\r\nX-Correlation-Id: bench-7\r\n\r\n{}";
        assert_eq!(correlation(head).as_deref(), Some("bench-7"));
        assert_eq!(correlation(b"POST /fhir HTTP/1.1\r\n\r\n"), None);
        assert_eq!(correlation(b"x-correlation-id: cut"), None);
    }
}
