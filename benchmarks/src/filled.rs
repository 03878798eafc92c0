//! A store in which much waits. It was filled by the gateway itself, over HTTP, while it only took in: every row is one
//! that an accept writes.

use crate::bench::{Bench, say};
use crate::load;
use crate::relay::Stuck;
use crate::scene::{Recipient, Scene};
use anyhow::Result;
use std::sync::Arc;

/// Referrals that are made and sent at a time.
const PART: usize = 5_000;

/// Connections with which it is filled.
const TOGETHER: usize = 64;

/// Platforms of the scene: the first is the one for which all wait.
pub(crate) const PLATFORMS: usize = 20;

/// The store, with the platforms that it is for.
pub(crate) struct Filled {
    scene: Scene,
    waiting: usize,
    others: Vec<Recipient>,
    /// The platform for which all wait.
    _stuck: Stuck,
}

impl Filled {
    /// An empty one. The first platform never answers; the others are these.
    ///
    /// # Errors
    /// When its folder cannot be written.
    pub(crate) async fn new(bench: &Bench, others: &[Recipient]) -> Result<Self> {
        let stuck = Stuck::start().await?;
        let first = Recipient::new(0, &format!("http://{}/fhir", stuck.address));
        let recipients: Vec<Recipient> = std::iter::once(first).chain(others.iter().cloned()).collect();
        let scene = Scene::new(&bench.gateway, &bench.scratch, &recipients)?;
        Ok(Self { scene, waiting: 0, others: others.to_vec(), _stuck: stuck })
    }

    /// Fills it up to this number, if it holds less; how many wait then.
    ///
    /// # Errors
    /// When a referral is not accepted.
    pub(crate) async fn to(&mut self, waiting: usize) -> Result<usize> {
        if self.waiting >= waiting {
            return Ok(self.waiting);
        }
        self.scene.take_in_only(true)?;
        let gateway = self.scene.serve().await?;
        while self.waiting < waiting {
            let part = PART.min(waiting - self.waiting);
            let referrals = self.scene.referrals(&Recipient::nobody(), part);
            let requests = Arc::new(referrals.into_iter().map(|referral| referral.request).collect());
            load::closed(self.scene.address, &requests, TOGETHER).await?.all(201)?;
            self.waiting += part;
            say(&format!("   filled: {} of {waiting}", self.waiting));
        }
        gateway.stop()?;
        self.scene.take_in_only(false)?;
        Ok(self.waiting)
    }

    /// The platforms for which none wait.
    pub(crate) fn others(&self) -> Vec<Recipient> {
        self.others.clone()
    }

    /// Its scene.
    pub(crate) fn scene(&mut self) -> &mut Scene {
        &mut self.scene
    }
}
