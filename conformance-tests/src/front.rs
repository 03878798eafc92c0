//! What stands in front of several instances of a gateway: one address, whose connections go round to those that take them.
//! A load balancer of the simplest kind; it knows no HTTP.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Passes connections on until it is dropped.
#[derive(Debug)]
pub struct Front {
    address: SocketAddr,
    targets: Arc<Mutex<Vec<SocketAddr>>>,
    task: JoinHandle<()>,
}

impl Front {
    /// Listens on a free port of loopback.
    ///
    /// # Errors
    /// When there is none.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let targets = Arc::<Mutex<Vec<SocketAddr>>>::default();
        let task = tokio::spawn(serve(listener, Arc::clone(&targets)));
        Ok(Self { address, targets, task })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where connections go from now on; those that are open stay.
    pub fn set_targets(&self, targets: Vec<SocketAddr>) {
        *self.targets.lock().unwrap_or_else(PoisonError::into_inner) = targets;
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, targets: Arc<Mutex<Vec<SocketAddr>>>) {
    let turn = AtomicUsize::new(0);
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                let mut to = targets.lock().unwrap_or_else(PoisonError::into_inner).clone();
                if !to.is_empty() {
                    let first = turn.fetch_add(1, Ordering::Relaxed) % to.len();
                    to.rotate_left(first);
                }
                open.spawn(pass(stream, to));
            }
            Some(_) = open.join_next(), if !open.is_empty() => {}
        }
    }
}

/// To the first that takes it; to nobody, it is closed.
async fn pass(mut from: TcpStream, to: Vec<SocketAddr>) {
    for target in to {
        if let Ok(mut stream) = TcpStream::connect(target).await {
            // Either side may go away at any moment: that is what it is for.
            let _ = copy_bidirectional(&mut from, &mut stream).await;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// Answers each connection with one letter.
    async fn says(letter: u8) -> (SocketAddr, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.write_all(&[letter]).await;
            }
        });
        (address, task)
    }

    async fn ask(front: &Front) -> String {
        let mut stream = TcpStream::connect(front.address()).await.expect("connects");
        let mut said = String::new();
        stream.read_to_string(&mut said).await.expect("is closed in order");
        said
    }

    #[tokio::test]
    async fn connections_go_round_and_past_those_that_are_gone() {
        let front = Front::start().await.expect("starts");
        assert_eq!(ask(&front).await, "", "nobody is there");
        let ((one, first), (other, _second)) = (says(b'a').await, says(b'b').await);
        front.set_targets(vec![one, other]);
        let said = [ask(&front).await, ask(&front).await, ask(&front).await];
        assert!(said.contains(&"a".to_owned()) && said.contains(&"b".to_owned()), "{said:?}");
        first.abort();
        let _ = first.await;
        for _ in 0..3 {
            assert_eq!(ask(&front).await, "b");
        }
    }
}
