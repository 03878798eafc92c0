//! Three gateways over one private PostgreSQL server, each kept running, behind one address; and the server itself.

use crate::process::{Ends, Keeper, Keeps, Launch};
use crate::scene::{Scene, Setup};
use anyhow::{Context as _, Result, bail};
use conformance_tests::postgres::{PostgresServer, available};
use rustix::process::Signal;
use std::path::Path;
use std::sync::Arc;

/// Lanes that are short, so that what a dead or frozen instance held is taken over while a campaign lasts.
pub const LANE_SECONDS: u64 = 2;

/// The instances.
pub struct Fleet {
    /// One for each.
    pub keepers: Vec<Keeper>,
}

/// A scene with a database of its own on a server of its own. The server ends last.
pub struct Stage {
    /// The surroundings.
    pub scene: Scene,
    /// The database server.
    pub server: Arc<PostgresServer>,
    database: String,
}

/// Whether PostgreSQL can be run here; if not, what is missing.
///
/// # Errors
/// What is missing.
pub fn is_here() -> Result<()> {
    available().map(drop).context("this campaign needs PostgreSQL")
}

impl Stage {
    /// Starts server and surroundings.
    ///
    /// # Errors
    /// When either does not start.
    pub async fn new(gateway: &Path, seed: u64) -> Result<Self> {
        Self::with_lanes(gateway, seed, LANE_SECONDS).await
    }

    /// The same with lanes that last for so long.
    ///
    /// # Errors
    /// When either does not start.
    pub async fn with_lanes(gateway: &Path, seed: u64, seconds: u64) -> Result<Self> {
        let server = tokio::task::spawn_blocking(PostgresServer::start).await??;
        let database = server.database()?;
        let server = Arc::new(server);
        let mut setup = Setup { database: Some(database.clone()), ..Setup::new(gateway, seed) };
        setup.more[2] = format!("lane-seconds = {seconds}");
        Ok(Self { scene: Scene::new(&setup).await?, server, database })
    }

    /// How often a lane got a new holder so far, over all platforms.
    ///
    /// # Errors
    /// What the server says.
    pub fn lanes_given(&self) -> Result<u64> {
        let sum = self.server.psql(&self.database, "SELECT coalesce(sum(fence), 0) FROM lane")?;
        sum.parse().context("a sum of fences")
    }
}

impl Fleet {
    /// Starts the instances, and waits until each serves. `ends` says which unasked end of one is no fault of its own.
    ///
    /// # Errors
    /// When one cannot be started, or does not serve: with the last lines of the logs.
    pub async fn start(scene: &Scene, ends: Ends) -> Result<Self> {
        let launch = move |_| Launch { ends, ..Launch::default() };
        let keep = |place: &crate::process::Place| Keeper::start(place.clone(), Box::new(launch), Box::new(|_| Ok(())));
        let fleet = Self { keepers: scene.places.iter().map(keep).collect::<Result<_>>()? };
        if !fleet.serves().await {
            bail!("an instance does not serve\n    {}", fleet.log());
        }
        Ok(fleet)
    }

    /// Waits until each says that it serves; false if one did not.
    pub async fn serves(&self) -> bool {
        for keeper in &self.keepers {
            if !keeper.serves().await {
                return false;
            }
        }
        true
    }

    /// The last lines of each instance's logs.
    #[must_use]
    pub fn log(&self) -> String {
        self.keepers.iter().map(Keeper::log).collect::<Vec<_>>().join("\n    ")
    }
}

impl Keeps for Fleet {
    fn fault(&self) -> Option<String> {
        self.keepers.iter().find_map(Keeper::fault)
    }

    fn signal(&self, signal: Signal, ends: bool) {
        self.keepers.iter().for_each(|keeper| keeper.signal(signal, ends));
    }

    fn stop(&self) {
        self.keepers.iter().for_each(Keeper::stop);
    }
}
