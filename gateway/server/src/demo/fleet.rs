//! Three gateways over one PostgreSQL database, each a process of its own behind one address; and what kills them, one after the
//! other, as a machine that loses its power does: SIGKILL, nothing given back, nothing said.

use crate::clock::{SystemClock, sleep};
use anyhow::Context as _;
use conformance_tests::front::Front;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How many.
const INSTANCES: usize = 3;

/// Ends with its owner, and its processes with it.
pub(super) struct Fleet {
    members: Arc<Mutex<Vec<Member>>>,
    killed: Arc<AtomicU64>,
    killer: Option<JoinHandle<()>>,
}

struct Member {
    config: PathBuf,
    log: PathBuf,
    child: Child,
}

impl Fleet {
    /// Starts the processes behind a front. `configuration` gives the text for an address to listen at.
    pub(super) async fn start(
        front: &Front,
        folder: &Path,
        configuration: impl Fn(&str) -> String,
    ) -> anyhow::Result<Self> {
        let mut members = Vec::new();
        let mut targets = Vec::new();
        for number in 1..=INSTANCES {
            let address = free_address().await?;
            let (config, log) = (folder.join(format!("gateway-{number}.toml")), folder.join(format!("log-{number}")));
            std::fs::write(&config, configuration(&address.to_string()))?;
            let child = begin(&config, &log)?;
            members.push(Member { config, log, child });
            targets.push(address);
        }
        front.set_targets(targets);
        Ok(Self { members: Arc::new(Mutex::new(members)), killed: Arc::default(), killer: None })
    }

    /// From now on one dies every so often, each in its turn, and another is started in its place.
    pub(super) fn kill_every(&mut self, span: Duration) {
        let (members, killed) = (Arc::clone(&self.members), Arc::clone(&self.killed));
        self.killer = Some(tokio::spawn(async move {
            loop {
                sleep(&SystemClock, span).await;
                let mut members = members.lock().unwrap_or_else(PoisonError::into_inner);
                members.rotate_left(1);
                let Some(member) = members.first_mut() else { continue };
                if member.child.kill().is_ok() && member.child.wait().is_ok() {
                    killed.fetch_add(1, Ordering::Relaxed);
                }
                match begin(&member.config, &member.log) {
                    Ok(child) => member.child = child,
                    Err(error) => tracing::error!(error = %error, "an instance was not started again"),
                }
            }
        }));
    }

    /// Nothing dies from here on.
    pub(super) fn spare(&mut self) {
        if let Some(killer) = self.killer.take() {
            killer.abort();
        }
    }

    /// How many have died.
    pub(super) fn killed(&self) -> u64 {
        self.killed.load(Ordering::Relaxed)
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.spare();
        for member in self.members.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            let _ = member.child.kill();
            let _ = member.child.wait();
        }
    }
}

fn begin(config: &Path, log: &Path) -> anyhow::Result<Child> {
    let program = std::env::current_exe()?;
    let log = File::options().create(true).append(true).open(log)?;
    let mut command = Command::new(&program);
    command.args(["serve", "--config"]).arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command.spawn().with_context(|| format!("{} does not start", program.display()))
}

/// Nobody listens there at this moment.
async fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0").await?.local_addr()
}
