//! *Bare gateway*: takes a body over HTTP, commits body, key and outbox row with group commit, answers, claims the row,
//! posts the body to a sink, and marks the row as done. It checks nothing and knows nothing of what it carries.
//!
//! It runs as a process of its own, made of the same libraries as the gateway.

use super::group_commit::GroupCommit;
use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use rusqlite::OptionalExtension as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Exchanges under way: as many as the gateway lets one platform have.
const TOGETHER: usize = 8;

/// The name of its file in its folder.
pub(crate) const FILE: &str = "bare.db";

const SCHEMA: &str = "
    CREATE TABLE body (key TEXT NOT NULL PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
    CREATE TABLE outbox (place INTEGER PRIMARY KEY, key TEXT NOT NULL, state TEXT NOT NULL) STRICT;
    CREATE INDEX outbox_ready ON outbox (place) WHERE state = 'ready';";

struct Bare {
    commit: GroupCommit,
    bell: watch::Sender<u64>,
}

/// Serves until SIGTERM.
///
/// # Errors
/// When the file or the port cannot be had, or an exchange fails.
pub(crate) async fn serve(listen: SocketAddr, data: &Path, sink: &str) -> Result<()> {
    let path = data.join(FILE);
    rusqlite::Connection::open(&path)?.execute_batch(SCHEMA)?;
    let (commit, _writer) = GroupCommit::open(&path)?;
    let bare = Arc::new(Bare { commit, bell: watch::Sender::new(0) });
    let router = Router::new()
        .route("/fhir", post(accept))
        .route("/health/ready", get(|| async { "ready" }))
        .with_state(Arc::clone(&bare));
    let listener = TcpListener::bind(listen).await?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        served = axum::serve(listener, router) => Ok(served?),
        lane = lane(&bare, sink) => lane,
        _ = terminate.recv() => Ok(()),
    }
}

async fn accept(State(bare): State<Arc<Bare>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let Some(key) = headers.get("x-request-id").and_then(|key| key.to_str().ok()).map(str::to_owned) else {
        return StatusCode::BAD_REQUEST;
    };
    let kept = bare.commit.run(move |file| {
        file.prepare_cached("INSERT INTO body (key, bytes) VALUES (?1, ?2)")?.execute((&key, body.as_ref()))?;
        file.prepare_cached("INSERT INTO outbox (key, state) VALUES (?1, 'ready')")?.execute([&key])
    });
    match kept.await {
        Ok(_) => {
            bare.bell.send_modify(|rings| *rings += 1);
            StatusCode::CREATED
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

async fn lane(bare: &Arc<Bare>, sink: &str) -> Result<()> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let mut bell = bare.bell.subscribe();
    let mut running: JoinSet<Result<()>> = JoinSet::new();
    loop {
        bell.borrow_and_update();
        while running.len() >= TOGETHER {
            running.join_next().await.context("an exchange")???;
        }
        let claimed = claim(bare, TOGETHER - running.len()).await?;
        if claimed.is_empty() {
            tokio::select! {
                _ = bell.changed() => {}
                Some(done) = running.join_next() => done??,
            }
            continue;
        }
        for (place, key, bytes) in claimed {
            let (bare, client, sink) = (Arc::clone(bare), client.clone(), sink.to_owned());
            running.spawn(async move {
                let request = client.post(&sink).header("x-correlation-id", key).body(bytes);
                let answer = request.send().await?.error_for_status()?;
                answer.bytes().await?;
                bare.commit
                    .run(move |file| {
                        file.prepare_cached("UPDATE outbox SET state = 'done' WHERE place = ?1")?.execute([place])
                    })
                    .await?;
                Ok(())
            });
        }
    }
}

async fn claim(bare: &Bare, most: usize) -> Result<Vec<(i64, String, Vec<u8>)>> {
    bare.commit
        .run(move |file| {
            let mut claimed = Vec::new();
            while claimed.len() < most {
                let due = file
                    .prepare_cached("SELECT place, key FROM outbox WHERE state = 'ready' ORDER BY place LIMIT 1")?
                    .query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))
                    .optional()?;
                let Some((place, key)) = due else { break };
                file.prepare_cached("UPDATE outbox SET state = 'leased' WHERE place = ?1")?.execute([place])?;
                let bytes = file
                    .prepare_cached("SELECT bytes FROM body WHERE key = ?1")?
                    .query_row([&key], |row| row.get(0))?;
                claimed.push((place, key, bytes));
            }
            Ok(claimed)
        })
        .await
}
