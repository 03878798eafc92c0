//! Reads: a few read-only connections, opened when first needed, used on the runtime's blocking threads.

use super::connect;
use crate::store::StoreError;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// The connections that read.
pub(super) struct Readers {
    path: PathBuf,
    /// As many permits as reads may run at once.
    turns: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    /// None is opened yet.
    pub(super) fn new(path: &Path, limit: usize) -> Self {
        Self { path: path.to_owned(), turns: Arc::new(Semaphore::new(limit.max(1))), idle: Arc::default() }
    }

    /// Runs one read. It sees everything that was acknowledged before it began.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let idle = Arc::clone(&self.idle);
        let path = self.path.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let waiting = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let file = match waiting {
                Some(file) => file,
                None => connect::reader(&path)?,
            };
            let result = work(&file);
            // One that panicked is not put back.
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(file);
            result
        });
        reading.await.map_err(|_| StoreError::Engine("a read was cut off".to_owned()))?
    }
}
