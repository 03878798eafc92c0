//! The process that is killed: the real gateway, put together from its library parts as `serve` does, with the counted
//! store and transport.

use crate::points::{Counting, CountingTransport, Points};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;
use vcse_gateway::chance::Chance;
use vcse_gateway::clock::SystemClock;
use vcse_gateway::store::sqlite::SqliteStore;
use vcse_gateway::store::watched::Watched;
use vcse_gateway::transport::HttpTransport;
use vcse_gateway::{config, serve};

/// The name under which the test harness finds [`gateway_process`].
pub(crate) const ENTRY: &str = "child::gateway_process";
/// The folder with `gateway.toml`; its presence makes this process a gateway.
pub(crate) const FOLDER: &str = "VCSE_GATEWAY_CRASH_FOLDER";
/// The point at which it dies.
pub(crate) const AT: &str = "VCSE_GATEWAY_CRASH_AT";
/// The file that the points are written to.
pub(crate) const TRACE: &str = "VCSE_GATEWAY_CRASH_TRACE";

/// Not a test: the entry of the child. In the parent it has nothing to do.
#[test]
fn gateway_process() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let _ = tracing_subscriber::fmt().with_ansi(false).with_writer(std::io::stderr).try_init();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    runtime.block_on(serve(&folder)).expect("the gateway runs");
}

async fn serve(folder: &Path) -> anyhow::Result<()> {
    let trace = std::env::var_os(TRACE).map(PathBuf::from).unwrap_or_else(|| folder.join("trace"));
    let points = Points::new(std::env::var(AT).ok(), &trace)?;
    let config = config::load(&folder.join("gateway.toml"))?;
    let inner = SqliteStore::open(&folder.join("gateway.db"))?;
    let listener = TcpListener::bind(config.server.listen.get_ref()).await?;
    let base = format!("http://{}/fhir", listener.local_addr()?);
    let store = Arc::new(Watched { inner: Arc::new(inner), watcher: Counting { points: Arc::clone(&points) } });
    let transport = Arc::new(CountingTransport { inner: HttpTransport::new()?, points });
    let (clock, chance) = (Arc::new(SystemClock), Arc::new(Chance::from_system()));
    let mut running = serve::start(config::build(&config, base, store, clock, chance, transport)?, listener)?;
    running.failed().await;
    anyhow::bail!("a part of the gateway ended by itself")
}
