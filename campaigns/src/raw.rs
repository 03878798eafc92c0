//! HTTP as a client speaks it that means no good, or is on a bad line: bytes one by one, bodies that break off, heads that never
//! end. It knows no more of an answer than its status and `Retry-After`.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::interval;

/// Most bytes of an answer that are read.
const MOST: usize = 1 << 20;

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Back {
    /// An answer.
    Answer {
        /// Its status.
        status: u16,
        /// Whether it says when to come again.
        retry_after: bool,
    },
    /// The connection was closed or reset without one.
    Closed,
    /// Nobody waited for one.
    Left,
}

impl Back {
    /// The status, if there was an answer.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Answer { status, .. } => Some(*status),
            Self::Closed | Self::Left => None,
        }
    }
}

/// How a request is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// At once.
    Whole,
    /// All of it, with a wait behind each of so many pieces of the body.
    InPieces(usize),
    /// The head, and then the body byte by byte with this wait, without end.
    ByteByByte(Duration),
    /// The head byte by byte with this wait; it never ends.
    EndlessHead(Duration),
    /// Nothing is said.
    Silent,
    /// Half of the body; then it hangs up.
    CutBody,
    /// All of it; then it hangs up without waiting for the answer.
    CutAnswer,
}

/// A request, as bytes.
#[derive(Debug, Clone)]
pub struct Raw {
    /// Request line and headers, with the empty line.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Raw {
    /// A transaction of this client.
    #[must_use]
    pub fn transaction(token: &str, request: &str, correlation: &str, body: Vec<u8>) -> Self {
        let head = format!(
            "POST /fhir HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {token}\r\nx-request-id: {request}\r\n\
             x-correlation-id: {correlation}\r\ncontent-type: application/fhir+json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        Self { head, body }
    }

    /// Writes it in this manner, and reads what comes back.
    pub async fn send(&self, to: SocketAddr, manner: Manner) -> Back {
        let Ok(stream) = TcpStream::connect(to).await else { return Back::Closed };
        let (mut from, mut into) = stream.into_split();
        if matches!(manner, Manner::CutBody | Manner::CutAnswer) {
            let end = if manner == Manner::CutBody { self.body.len() / 2 } else { self.body.len() };
            let _ = into.write_all(self.head.as_bytes()).await;
            let _ = into.write_all(self.body.get(..end).unwrap_or_default()).await;
            let _ = into.flush().await;
            return Back::Left;
        }
        // Whoever is refused early is answered while it still writes.
        let writing = async {
            self.write(&mut into, manner).await;
            std::future::pending::<Back>().await
        };
        tokio::select! {
            back = read(&mut from) => back,
            back = writing => back,
        }
    }

    async fn write(&self, into: &mut (impl AsyncWrite + Unpin), manner: Manner) {
        // That the other side no longer reads is seen by whoever reads its answer.
        let _: std::io::Result<()> = async {
            match manner {
                Manner::Silent => {}
                Manner::EndlessHead(wait) => {
                    let endless = self.head.trim_end().bytes().chain(b"\r\nx-more: ".iter().copied());
                    one_by_one(into, endless.chain(std::iter::repeat(b'a')), wait).await?;
                }
                Manner::ByteByByte(wait) => {
                    into.write_all(self.head.as_bytes()).await?;
                    one_by_one(into, self.body.iter().copied(), wait).await?;
                }
                Manner::InPieces(pieces) => {
                    into.write_all(self.head.as_bytes()).await?;
                    let mut beat = interval(Duration::from_millis(20));
                    for piece in self.body.chunks(self.body.len().div_ceil(pieces.max(1)).max(1)) {
                        beat.tick().await;
                        into.write_all(piece).await?;
                    }
                }
                Manner::Whole | Manner::CutBody | Manner::CutAnswer => {
                    into.write_all(self.head.as_bytes()).await?;
                    into.write_all(&self.body).await?;
                }
            }
            into.flush().await
        }
        .await;
    }
}

async fn one_by_one(
    into: &mut (impl AsyncWrite + Unpin),
    bytes: impl Iterator<Item = u8>,
    wait: Duration,
) -> std::io::Result<()> {
    let mut beat = interval(wait);
    for byte in bytes {
        beat.tick().await;
        into.write_all(&[byte]).await?;
    }
    Ok(())
}

/// Reads until the head of an answer is whole, or the connection ends.
async fn read(from: &mut (impl AsyncRead + Unpin)) -> Back {
    let (mut got, mut buffer) = (Vec::new(), [0; 4_096]);
    while got.len() < MOST {
        match from.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(read) => got.extend_from_slice(buffer.get(..read).unwrap_or_default()),
        }
        if let Some(answer) = answer(&got) {
            return answer;
        }
    }
    Back::Closed
}

fn answer(bytes: &[u8]) -> Option<Back> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(bytes.get(..end)?).to_ascii_lowercase();
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    Some(Back::Answer { status, retry_after: head.lines().any(|line| line.starts_with("retry-after:")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_once_its_head_is_whole() {
        let text = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\n\r\n{}";
        assert_eq!(answer(text), Some(Back::Answer { status: 429, retry_after: true }));
        assert_eq!(answer(&text[..30]), None);
        assert_eq!(answer(b"HTTP/1.1 201 Created\r\n\r\n"), Some(Back::Answer { status: 201, retry_after: false }));
    }
}
