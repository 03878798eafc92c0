//! Everything that runs: listener, lanes, status worker, polls; and how they stop.

mod listen;
mod wakes;

use crate::gateway::Gateway;
use crate::lane::{self, Instance};
use crate::{adapters, mailbox, notify, retention, status, unanswered, withdraw};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A gateway that runs.
pub struct Running {
    /// What it is made of.
    pub gateway: Arc<Gateway>,
    /// Where it listens.
    pub address: SocketAddr,
    stop: CancellationToken,
    parts: JoinSet<()>,
}

impl Running {
    /// Stops taking requests, lets what is under way end, then returns.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while self.parts.join_next().await.is_some() {}
    }

    /// Ends when one of the parts has ended by itself, which none should.
    pub async fn failed(&mut self) {
        self.parts.join_next().await;
    }
}

/// What a gateway does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Everything.
    All,
    /// It takes in and answers, and sends nothing: a store was put back from a copy, and a person has not yet compared.
    TakeIn,
}

/// Starts all parts on a listener.
///
/// # Errors
/// When the listener has no address.
pub fn start(gateway: Gateway, listener: TcpListener) -> std::io::Result<Running> {
    start_to(Work::All, gateway, listener)
}

/// Starts the parts that this work takes.
///
/// # Errors
/// When the listener has no address.
pub fn start_to(work: Work, gateway: Gateway, listener: TcpListener) -> std::io::Result<Running> {
    let address = listener.local_addr()?;
    let gateway = Arc::new(gateway);
    let stop = CancellationToken::new();
    let mut parts = JoinSet::new();
    parts.spawn(listen::serve(Arc::clone(&gateway), listener, stop.clone()));
    for part in workers(work, &gateway, &stop) {
        parts.spawn(part);
    }
    Ok(Running { gateway, address, stop, parts })
}

/// A part of a gateway that runs until it is told to stop.
pub type Part = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Every part that this work takes but the listener, for whoever runs them: each is polled side by side with the others, and
/// ends after `stop`. Within a Tokio runtime.
#[must_use]
pub fn workers(work: Work, gateway: &Arc<Gateway>, stop: &CancellationToken) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    if work == Work::TakeIn {
        return parts;
    }
    let instance = Arc::new(Instance::new(gateway.new_id()));
    let calm = CancellationToken::new();
    for platform in gateway.platforms.all() {
        let lane = lane::run(Arc::clone(gateway), platform.id.clone(), Arc::clone(&instance), stop.clone());
        let calm = calm.clone();
        parts.push(Box::pin(async move {
            calm.cancelled().await;
            lane.await;
        }));
    }
    // A gateway that only takes in recalls nothing.
    if !gateway.platforms.ids().is_empty() {
        parts.push(Box::pin(withdraw::ends_of_overrides(Arc::clone(gateway), stop.clone())));
        parts.push(Box::pin(unanswered::worker(Arc::clone(gateway), stop.clone())));
    }
    for (own, platforms) in mailbox::mailboxes(gateway) {
        parts.push(Box::pin(mailbox::worker(Arc::clone(gateway), own, platforms, stop.clone())));
    }
    parts.push(Box::pin(status::worker(Arc::clone(gateway), calm, stop.clone())));
    if let Some(heard) = gateway.store.wakes() {
        parts.push(Box::pin(wakes::ring(Arc::clone(gateway), heard, stop.clone())));
    }
    if !gateway.ways.is_empty() {
        parts.push(Box::pin(notify::worker(Arc::clone(gateway), stop.clone())));
    }
    for office in &gateway.offices {
        parts.push(Box::pin(notify::letter::worker(Arc::clone(gateway), Arc::clone(office), stop.clone())));
    }
    parts.push(Box::pin(retention::worker(Arc::clone(gateway), stop.clone())));
    if let Some(watch) = gateway.watch.lock().unwrap_or_else(PoisonError::into_inner).take() {
        let every = gateway.limits.adapters_look;
        parts.push(Box::pin(adapters::watch(Arc::clone(gateway), watch, every, stop.clone())));
    }
    parts
}
