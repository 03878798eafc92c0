//! A TCP listener whose connections can be broken on purpose: reset without an answer, or cut in the middle of one.
//!
//! It knows bytes only. What is broken, and when, is decided by [`super::faults`].

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// How a connection behaves from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Whole,
    /// Send the head of the next answer and half of its body, then reset.
    CutBody,
    /// Send the head of the next answer and half of its body, then nothing until the other side goes.
    StallBody,
    /// Sends nothing, and is not closed.
    Silent,
    /// Send nothing more.
    Reset,
}

#[derive(Debug)]
struct Shared {
    mode: Mode,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// The handle by which a request's handler breaks the connection that it came on.
#[derive(Debug, Clone)]
pub(crate) struct Connection(Arc<Mutex<Shared>>);

impl Connection {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Shared { mode: Mode::Whole, reader: None, writer: None })))
    }

    /// Breaks the connection: whoever reads or writes it next sees a reset.
    pub(crate) fn reset(&self) {
        self.set(Mode::Reset);
    }

    /// Lets the next answer out up to the middle of its body.
    pub(crate) fn cut_next_body(&self) {
        self.set(Mode::CutBody);
    }

    /// Lets the next answer out up to the middle of its body, and keeps the connection open.
    pub(crate) fn stall_in_next_body(&self) {
        self.set(Mode::StallBody);
    }

    fn set(&self, mode: Mode) {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shared.mode = mode;
        // Only a reset concerns whoever waits; a cut is found at the next write.
        if mode == Mode::Reset {
            [shared.reader.take(), shared.writer.take()].into_iter().flatten().for_each(Waker::wake);
        }
    }

    fn mode(&self) -> Mode {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).mode
    }
}

impl Connected<IncomingStream<'_, BreakableListener>> for Connection {
    fn connect_info(stream: IncomingStream<'_, BreakableListener>) -> Self {
        stream.remote_addr().clone()
    }
}

/// Every connection that is still open, so that stopping a server breaks them all as a crash would.
#[derive(Debug, Clone, Default)]
pub(crate) struct OpenConnections(Arc<Mutex<Vec<Weak<Mutex<Shared>>>>>);

impl OpenConnections {
    fn add(&self, connection: &Connection) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|one| one.strong_count() > 0);
        open.push(Arc::downgrade(&connection.0));
    }

    /// Resets every open connection.
    pub(crate) fn reset_all(&self) {
        let open = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        open.iter().filter_map(Weak::upgrade).for_each(|shared| Connection(shared).reset());
    }
}

/// The listener.
pub(crate) struct BreakableListener {
    inner: TcpListener,
    open: OpenConnections,
}

impl BreakableListener {
    /// Listens on `address`; its connections are added to `open`.
    pub(crate) async fn bind(address: SocketAddr, open: OpenConnections) -> io::Result<Self> {
        Ok(Self { inner: TcpListener::bind(address).await?, open })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

impl Listener for BreakableListener {
    type Io = Breakable;
    type Addr = Connection;

    async fn accept(&mut self) -> (Breakable, Connection) {
        loop {
            if let Ok((stream, _)) = self.inner.accept().await {
                let connection = Connection::new();
                self.open.add(&connection);
                return (Breakable { stream, connection: connection.clone() }, connection);
            }
            tokio::task::yield_now().await;
        }
    }

    fn local_addr(&self) -> io::Result<Connection> {
        self.inner.local_addr().map(|_| Connection::new())
    }
}

/// One connection.
pub(crate) struct Breakable {
    stream: TcpStream,
    connection: Connection,
}

impl Breakable {
    fn broken(&self) -> io::Error {
        // Zero linger turns the close into a reset: the other side must not take it for an orderly end.
        let _ = self.stream.set_zero_linger();
        io::Error::from(io::ErrorKind::ConnectionReset)
    }

    /// Registers the waiter and says whether the connection was reset. Registered first, so that no reset is missed.
    fn is_reset(&self, waker: &Waker, writing: bool) -> bool {
        let mut shared = self.connection.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = if writing { &mut shared.writer } else { &mut shared.reader };
        *slot = Some(waker.clone());
        shared.mode == Mode::Reset
    }
}

impl AsyncRead for Breakable {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_reset(cx.waker(), false) {
            return Poll::Ready(Err(this.broken()));
        }
        Pin::new(&mut this.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Breakable {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.is_reset(cx.waker(), true) {
            return Poll::Ready(Err(this.broken()));
        }
        let mode = this.connection.mode();
        match mode {
            Mode::Whole | Mode::Reset => return Pin::new(&mut this.stream).poll_write(cx, bytes),
            // Whoever resets it wakes the writer; the other side's going away is seen by the reader.
            Mode::Silent => return Poll::Pending,
            Mode::CutBody | Mode::StallBody => {}
        }
        let head = bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
        let half = bytes.get(..head + (bytes.len() - head) / 2).unwrap_or(bytes);
        let written = Pin::new(&mut this.stream).poll_write(cx, half);
        if written.is_ready() {
            this.connection.set(if mode == Mode::CutBody { Mode::Reset } else { Mode::Silent });
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
