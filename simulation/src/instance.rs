//! One gateway process: made of the real configuration over the model parts, its workers and its router running side by side,
//! until it dies.

use crate::clock::{Machine, ProcessClock};
use crate::network::{Network, Way};
use crate::plan::{Lanes, Plan};
use crate::settings::{BASE, Settings, pace};
use crate::store::{Access, Bells};
use crate::world::Life;
use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Body;
use fault_campaigns::scene::Kind;
use gateway_core::breaker;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use vcse_gateway::admission::Rate;
use vcse_gateway::chance::Chance;
use vcse_gateway::clock::Clock;
use vcse_gateway::config;
use vcse_gateway::gateway::{Gateway, Platform, Platforms};
use vcse_gateway::http::router;
use vcse_gateway::pace::{Bounds, Pace};
use vcse_gateway::serve::{Work, workers};
use vcse_gateway::store::Store;
use vcse_gateway::store::watched::Watched;

/// A process as its callers see it.
#[derive(Clone)]
struct Serving {
    life: Arc<Life>,
    router: Router,
}

/// The processes that serve now, by machine.
#[derive(Default)]
pub struct Gateways(Mutex<BTreeMap<usize, Serving>>);

impl Gateways {
    fn serve(&self, machine: usize, serving: Serving) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(machine, serving);
    }

    /// The process of a machine, if one lives.
    #[must_use]
    pub fn life(&self, machine: usize) -> Option<Arc<Life>> {
        let serving = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&machine).cloned()?;
        Some(serving.life).filter(|life| !life.is_dead())
    }

    /// Lets the process of a machine answer; nothing if there is none, or it dies first.
    pub async fn answer(
        &self,
        network: &Network,
        machine: usize,
        request: Request<Vec<u8>>,
    ) -> Option<Response<Vec<u8>>> {
        let serving = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&machine).cloned()?;
        if serving.life.is_dead() {
            return None;
        }
        let (parts, body) = request.into_parts();
        let answer = serving.router.oneshot(Request::from_parts(parts, Body::from(body))).await.ok()?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.ok()?.to_bytes().to_vec();
        // A process that died in this very turn answers nobody.
        (!serving.life.is_dead()).then(|| {
            network.outside.world().note(&format!("{} answers {}", serving.life.name, parts.status.as_u16()));
            Response::from_parts(parts, body)
        })
    }
}

/// What a process runs on.
pub struct Host {
    /// Which machine.
    pub number: usize,
    /// Its clock.
    pub machine: Arc<Machine>,
    /// The store that all share.
    pub store: Arc<dyn Store>,
    /// Those who hear of commits; none where there is one machine.
    pub bells: Option<Arc<Bells>>,
    /// The network.
    pub network: Arc<Network>,
    /// What goes wrong.
    pub plan: Arc<Plan>,
}

/// A process that runs.
pub struct Process {
    /// Its life.
    pub life: Arc<Life>,
    parts: Vec<AbortHandle>,
}

impl Drop for Process {
    fn drop(&mut self) {
        for part in &self.parts {
            part.abort();
        }
    }
}

impl Host {
    /// Starts the `number`-th process of this machine.
    ///
    /// # Errors
    /// When the configuration cannot be built.
    pub fn start(&self, settings: &Settings, number: u64) -> Result<Process> {
        let life = Life::new(self.network.outside.world(), &format!("g{}.{number}", self.number));
        let config = settings.config(self.plan.retry).context("there is no such configuration")?;
        let access = Access {
            life: Arc::clone(&life),
            machine: self.number,
            plan: Arc::clone(&self.plan),
            bells: self.bells.clone(),
            told_empty: Mutex::default(),
        };
        let store: Arc<dyn Store> = Arc::new(Watched { inner: Arc::clone(&self.store), watcher: access });
        let clock: Arc<dyn Clock> =
            Arc::new(ProcessClock { life: Arc::clone(&life), machine: Arc::clone(&self.machine) });
        let seed = self.plan.seed.wrapping_mul(0x0100_0000_01B3) ^ (self.number as u64) << 32 ^ number;
        let chance = Arc::new(Chance::seeded(seed));
        let way = Way { network: Arc::clone(&self.network), life: Arc::clone(&life), machine: self.number };
        let transport = Arc::new(way);
        let mut gateway =
            config::build(&config, BASE.to_owned(), store, Arc::clone(&clock), Arc::clone(&chance), transport)?;
        // Folders of adapters do not change here, and looking at them would be looking at the disk.
        gateway.watch = Mutex::new(None);
        gateway.limits.unanswered_look = Duration::from_secs(600);
        gateway.limits.platform_concurrency = match self.plan.lanes {
            Lanes::One => 1,
            Lanes::Many => 256,
        };
        if self.plan.lanes == Lanes::Many {
            without_breaker(&mut gateway, self.plan.pace, &clock, &chance);
        }
        let gateway = Arc::new(gateway);
        let stop = CancellationToken::new();
        let parts = workers(Work::All, &gateway, &stop).into_iter().map(|part| tokio::spawn(part).abort_handle());
        let parts = parts.collect();
        self.network.gateways.serve(self.number, Serving { life: Arc::clone(&life), router: router(gateway) });
        self.network.outside.world().note(&format!("{} starts", life.name));
        Ok(Process { life, parts })
    }
}

fn without_breaker(gateway: &mut Gateway, own: Option<Rate>, clock: &Arc<dyn Clock>, chance: &Arc<Chance>) {
    let never = breaker::Settings { failures: u32::MAX, first_seconds: 2, longest_seconds: 60, probe_seconds: 40 };
    let platforms = gateway.platforms.all().into_iter().map(|platform| {
        let kind = Kind::ALL.into_iter().find(|kind| kind.id() == platform.id.0);
        let bounds = Bounds { rate: own.or_else(|| kind.and_then(pace)), at_once: None, quota: None };
        Platform { pace: Arc::new(Pace::new(bounds, never, clock, chance)), ..platform.as_ref().clone() }
    });
    gateway.platforms = Platforms::new(platforms.collect::<Vec<_>>());
}
