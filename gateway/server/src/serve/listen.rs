//! The listener: connections within their number, heads of requests within their time, and an end that lets what is
//! under way finish, but not for ever.

use crate::clock::sleep;
use crate::gateway::Gateway;
use crate::http;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::rt::Timer as _;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// Requests of one HTTP/2 connection under way.
const STREAMS: u32 = 64;
/// Time after a connection could not be taken: without it, a process that is out of files would spin.
const AFTER_A_FAULT: Duration = Duration::from_millis(200);

/// Serves until it is told to stop.
pub(super) async fn serve(gateway: Arc<Gateway>, listener: TcpListener, stop: CancellationToken) {
    let router = http::router(Arc::clone(&gateway));
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(gateway.limits.head);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .keep_alive_interval(gateway.limits.head)
        .keep_alive_timeout(gateway.limits.head);
    let places = Arc::new(Semaphore::new(gateway.limits.connections));
    let graceful = GracefulShutdown::new();
    let mut open = JoinSet::new();
    loop {
        let taken = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = open.join_next(), if !open.is_empty() => continue,
            taken = accept(&listener, &places) => taken,
        };
        match taken {
            Ok((stream, place)) => {
                let activity = Arc::new(Activity::default());
                let (router, asked) = (router.clone(), Arc::clone(&activity));
                let peer = stream.peer_addr().ok();
                let service = tower::service_fn(move |mut request: Request<Incoming>| {
                    let (router, under_way) = (router.clone(), asked.begin());
                    // Who has no name yet has a rate by address.
                    if let Some(peer) = peer {
                        request.extensions_mut().insert(ConnectInfo(peer));
                    }
                    async move {
                        let answer = router.oneshot(request).await;
                        drop(under_way);
                        answer
                    }
                });
                let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
                let watched = graceful.watch(connection.into_owned());
                let idle = gateway.limits.head;
                open.spawn(async move {
                    tokio::select! {
                        // A peer that goes away in the middle is no fault of ours.
                        _ = watched => {}
                        () = activity.rests(idle) => {}
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::error!(error = %error, "a connection could not be taken");
                sleep(gateway.clock.as_ref(), AFTER_A_FAULT).await;
            }
        }
    }
    // Whoever comes from here on is refused by the system, and not left without an answer.
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = sleep(gateway.clock.as_ref(), gateway.limits.drain) => {
            tracing::warn!(connections = open.len(), "connections did not end in time and are closed");
        }
    }
    open.shutdown().await;
}

/// What is asked on one connection. The protocols' own timers begin with the first bytes, and pings satisfy them: whoever
/// says nothing at all would hold a place for ever.
#[derive(Default)]
struct Activity {
    begun: AtomicU64,
    under_way: AtomicU64,
}

/// A request that is under way, until it is dropped.
struct UnderWay(Arc<Activity>);

impl Activity {
    fn begin(self: &Arc<Self>) -> UnderWay {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(Arc::clone(self))
    }

    /// Ends when nothing was asked and nothing was under way for the time that a connection may be idle: between once and
    /// twice that time after the last request.
    async fn rests(&self, idle: Duration) {
        let mut seen = 0;
        loop {
            // By the timer by which the protocols measure the same connection: a clock that a test moves by a day, or that
            // is put forward, cuts off nobody who has just asked.
            TokioTimer::new().sleep(idle).await;
            let begun = self.begun.load(Ordering::Relaxed);
            if begun == seen && self.under_way.load(Ordering::Relaxed) == 0 {
                return;
            }
            seen = begun;
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(tokio::net::TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    // The semaphore is never closed.
    let place = Arc::clone(places).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, place))
}
