//! Connections to mail servers: dialled by us, encrypted, and bounded in what is read from them.

use super::{MailServer, Trust, When};
use crate::transport::dial::{self, Allowed, Lookup, NotDialled};
use adapter_contract::{DeliveryError, FailureCode};
use lettre::transport::smtp::client::AsyncTokioStream;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

/// A failure before anything was sent.
pub(in crate::transport) fn not_connected(words: &str) -> DeliveryError {
    DeliveryError::new(FailureCode::NotConnected, format!("{words} Nothing was sent."))
}

/// A certificate that was not accepted.
pub(in crate::transport) fn tls_refused() -> DeliveryError {
    let words = "The mail server's certificate was not accepted, or it speaks no TLS, so nothing was sent. See to `authority`, `host` and \
                 `tls` of this [[mailbox]].";
    DeliveryError::new(FailureCode::TlsRefused, words)
}

/// A connection, in clear or encrypted.
#[derive(Debug)]
pub(in crate::transport) enum Stream {
    /// In clear.
    Clear(TcpStream),
    /// Encrypted.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// The TCP connection to a server; every address that its name has is looked at first.
    pub(in crate::transport) async fn dial(
        server: &MailServer,
        lookup: &dyn Lookup,
        allowed: &Allowed,
    ) -> Result<TcpStream, DeliveryError> {
        dial::connect(&server.host, server.port, lookup, allowed).await.map_err(|error| match error {
            NotDialled::Forbidden => not_connected(
                "The mail server's name leads to an address that may not be dialled. If it is in your own network, list the network in \
                 `addresses` of this [[mailbox]].",
            ),
            NotDialled::Nobody => not_connected("No connection to the mail server."),
        })
    }

    /// The same, encrypted from now on.
    pub(in crate::transport) async fn encrypt(
        stream: TcpStream,
        host: &str,
        trust: &Trust,
    ) -> Result<Self, DeliveryError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| tls_refused())?;
        let encrypted = TlsConnector::from(trust.tls()).connect(name, stream).await;
        encrypted.map(|stream| Self::Tls(Box::new(stream))).map_err(|error| broken(&error))
    }

    /// As the server is reached before a word is said.
    pub(in crate::transport) async fn open(
        server: &MailServer,
        lookup: &dyn Lookup,
        allowed: &Allowed,
        trust: &Trust,
    ) -> Result<Self, DeliveryError> {
        let stream = Self::dial(server, lookup, allowed).await?;
        match server.tls {
            When::Implicit => Self::encrypt(stream, &server.host, trust).await,
            When::StartTls | When::Never => Ok(Self::Clear(stream)),
        }
    }
}

/// A handshake that failed. One that only broke off is a connection that was not made.
pub(in crate::transport) fn broken(error: &(dyn std::error::Error + 'static)) -> DeliveryError {
    if crate::transport::is_refused_by_tls(error) || is_no_tls(error) {
        return tls_refused();
    }
    not_connected("The connection to the mail server ended before it was encrypted.")
}

/// Whether what answered speaks something else than TLS.
fn is_no_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    use tokio_rustls::rustls::Error as Tls;
    crate::transport::holds(error, &|inner| {
        inner.downcast_ref::<Tls>().is_some_and(|tls| matches!(tls, Tls::InvalidMessage(_)))
    })
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}

/// A connection from which so much is read and no more: neither a server without an end nor one that announces more than it may can
/// take our memory.
#[derive(Debug)]
pub(in crate::transport) struct Bounded<S> {
    inner: S,
    /// Bytes that may still be read.
    left: usize,
    /// Looks at what IMAP announces; none for SMTP, which announces nothing.
    announced: Option<Announced>,
    /// Whether the library is given byte after byte.
    one_by_one: bool,
}

/// With which a TLS connection begins (RFC 8446, 5.1: a record of the handshake), and no command does.
const HANDSHAKE: u8 = 22;

impl<S> Bounded<S> {
    /// Reads so many bytes.
    pub(in crate::transport) const fn new(inner: S, left: usize) -> Self {
        Self { inner, left, announced: None, one_by_one: false }
    }

    /// The same for a library that begins TLS on it later, and would take what it has read in clear until then for what was said
    /// under TLS (RFC 3207, 4.2; CVE-2011-0411 and its kin): it never has more of it than it has asked for.
    pub(in crate::transport) const fn before_tls(inner: S, left: usize) -> Self {
        Self { inner, left, announced: None, one_by_one: true }
    }

    /// The same for IMAP: no string is announced that is longer than `most`, and no line is longer than `line`.
    pub(in crate::transport) const fn for_imap(inner: S, left: usize, most: usize, line: usize) -> Self {
        Self { inner, left, announced: Some(Announced::new(most, line)), one_by_one: false }
    }

    /// Reads so many bytes from now on.
    pub(in crate::transport) const fn allow(&mut self, left: usize) {
        self.left = left;
    }

    /// What is within.
    pub(in crate::transport) fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.left == 0 {
            return Poll::Ready(Err(io::Error::other("the server says more than it may")));
        }
        let most = buf.remaining().min(if this.one_by_one { 1 } else { this.left });
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(most));
        ready!(Pin::new(&mut this.inner).poll_read(cx, &mut part))?;
        let read = part.filled().len();
        if let Some(announced) = &mut this.announced {
            announced.see(part.filled())?;
        }
        buf.advance(read);
        this.left -= read;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.one_by_one &= buf.first() != Some(&HANDSHAKE);
        Pin::new(&mut self.get_mut().inner).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for Bounded<Stream> {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.inner {
            Stream::Clear(stream) => stream.peer_addr(),
            Stream::Tls(stream) => stream.get_ref().0.peer_addr(),
        }
    }
}

/// Follows an IMAP server's lines and the strings within them (RFC 9051, 4.3: `{N}` at the end of a line, then N bytes that are no line).
#[derive(Debug)]
struct Announced {
    most: usize,
    line: usize,
    /// Bytes of this line so far.
    seen: usize,
    /// Bytes of the string that is under way.
    string: usize,
    at: At,
}

/// Where in `{N}` and the end of the line the next byte stands.
#[derive(Debug, Clone, Copy)]
enum At {
    Line,
    Number(usize),
    Closed(usize),
    Return(usize),
}

impl Announced {
    const fn new(most: usize, line: usize) -> Self {
        Self { most, line, seen: 0, string: 0, at: At::Line }
    }

    fn see(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let within = self.string.min(bytes.len());
            self.string -= within;
            bytes = bytes.get(within..).unwrap_or_default();
            let Some((byte, rest)) = bytes.split_first() else { return Ok(()) };
            bytes = rest;
            self.step(*byte)?;
        }
        Ok(())
    }

    fn step(&mut self, byte: u8) -> io::Result<()> {
        self.seen += 1;
        if self.seen > self.line {
            return Err(io::Error::other("a line of the server is longer than it may be"));
        }
        self.at = match (self.at, byte) {
            (_, b'{') => At::Number(0),
            (At::Number(so_far), digit @ b'0'..=b'9') => {
                At::Number(so_far.saturating_mul(10).saturating_add(usize::from(digit - b'0')))
            }
            (At::Number(number), b'+') => At::Number(number),
            (At::Number(number), b'}') => At::Closed(number),
            (At::Closed(number), b'\r') => At::Return(number),
            (At::Return(number), b'\n') => {
                if number > self.most {
                    return Err(io::Error::other("the server announces more than it may"));
                }
                self.string = number;
                At::Line
            }
            _ => At::Line,
        };
        // The line goes on behind a string; it ends with a line end alone.
        if byte == b'\n' && self.string == 0 {
            self.seen = 0;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    fn sees(text: &[u8], chunk: usize) -> io::Result<()> {
        let mut announced = Announced::new(10, 40);
        text.chunks(chunk).try_for_each(|chunk| announced.see(chunk))
    }

    #[test]
    fn a_string_that_is_too_long_is_refused_when_it_is_announced() {
        for chunk in [1, 2, 3, 7, 100] {
            assert!(sees(b"* 1 FETCH (BODY[] {10}\r\n{99999}\r\n1)\r\n* OK\r\n", chunk).is_ok(), "within a string");
            assert!(sees(b"* 1 FETCH (BODY[] {11}\r\n", chunk).is_err());
            assert!(sees(b"* 1 FETCH (BODY[] {99999999999999999999999}\r\n", chunk).is_err());
            assert!(sees(b"* OK \"{11}\" and on\r\n* OK {11} and on\r\n", chunk).is_ok(), "not at the end of a line");
            assert!(
                sees(b"* OK 123456789012345678901234567890\r\n* OK 123456789012345678901234567890\r\n", chunk).is_ok()
            );
            assert!(sees(b"* OK 1234567890123456789012345678901234567890", chunk).is_err(), "a line without an end");
        }
    }

    #[tokio::test]
    async fn no_more_is_read_than_is_allowed() {
        let mut bounded = Bounded::new(&b"0123456789"[..], 4);
        let mut read = Vec::new();
        assert!(bounded.read_to_end(&mut read).await.is_err());
        assert_eq!(read, b"0123");
        bounded.allow(100);
        bounded.read_to_end(&mut read).await.expect("the rest");
        assert_eq!(read, b"0123456789");
    }

    #[tokio::test]
    async fn before_tls_nothing_is_read_ahead() {
        let inner = tokio::io::join(&b"220 go on\r\n235 injected"[..], tokio::io::sink());
        let mut bounded = Bounded::before_tls(inner, 100);
        let mut read = [0; 16];
        assert_eq!(bounded.read(&mut read).await.expect("a byte"), 1);
        bounded.write_all(b"STARTTLS\r\n").await.expect("a command");
        assert_eq!(bounded.read(&mut read).await.expect("a byte"), 1);
        bounded.write_all(&[HANDSHAKE, 3, 1]).await.expect("a handshake");
        assert_eq!(bounded.read(&mut read).await.expect("more"), 16);
    }
}
