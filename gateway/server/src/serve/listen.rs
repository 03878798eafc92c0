//! The listener: connections within their number, heads of requests within their time, and an end that lets what is
//! under way finish, but not for ever.

use crate::clock::sleep;
use crate::gateway::Gateway;
use crate::http;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Requests of one HTTP/2 connection under way.
const STREAMS: u32 = 64;
/// Time after a connection could not be taken: without it, a process that is out of files would spin.
const AFTER_A_FAULT: Duration = Duration::from_millis(200);

/// Serves until it is told to stop.
pub(super) async fn serve(gateway: Arc<Gateway>, listener: TcpListener, stop: CancellationToken) {
    let router = http::router(Arc::clone(&gateway));
    let mut builder = Builder::new(TokioExecutor::new());
    // Both also end connections on which nothing is asked.
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
                let service = TowerToHyperService::new(router.clone());
                let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
                let watched = graceful.watch(connection);
                open.spawn(async move {
                    // A peer that goes away in the middle is no fault of ours.
                    let _ = watched.await;
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
