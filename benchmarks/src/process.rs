//! A process that is measured from outside: what it has used stands in `/proc`, so that clients, platforms and clocks of
//! ours are not charged to it.

use crate::load::Connection;
use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::time::Instant;

/// Between two looks whether it serves.
const LOOK: Duration = Duration::from_millis(1);

/// How long it may take until it serves.
const SERVES: Duration = Duration::from_secs(120);

/// A process that serves HTTP.
pub(crate) struct Process {
    child: Child,
    address: SocketAddr,
    /// From its start to its first answer that it is ready.
    pub(crate) ready: Duration,
}

/// What a process has used since it began.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Usage {
    /// Processor time of all its threads, user and system, to the hundredth of a second.
    pub(crate) cpu: Duration,
    /// Bytes that it caused to be written to the disk (`write_bytes`: pages that it made dirty).
    pub(crate) written: u64,
}

/// What a process holds, in MiB.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Memory {
    /// Resident.
    pub(crate) resident: f64,
    /// The most that was ever resident.
    pub(crate) peak: f64,
    /// Resident, what is shared divided among those who share it.
    pub(crate) proportional: f64,
    /// Of no file: heap and stacks.
    pub(crate) anonymous: f64,
}

impl Process {
    /// Starts a command and waits until `GET /health/ready` is answered with 200.
    ///
    /// # Errors
    /// When it does not start, ends, or is not ready in time.
    pub(crate) async fn start(mut command: Command, address: SocketAddr, log: &Path) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(fs::File::create(log)?).env("RUST_LOG", "warn");
        let begun = Instant::now();
        let child = command.spawn().with_context(|| format!("{:?} does not start", command.get_program()))?;
        let mut process = Self { child, address, ready: Duration::ZERO };
        let mut beat = tokio::time::interval(LOOK);
        loop {
            beat.tick().await;
            if process.is_ready().await {
                process.ready = begun.elapsed();
                return Ok(process);
            }
            let said = || fs::read_to_string(log).unwrap_or_default();
            if let Some(status) = process.child.try_wait()? {
                anyhow::bail!("it ended with {status}: {}", said());
            }
            ensure!(begun.elapsed() < SERVES, "it is not ready after {SERVES:?}: {}", said());
        }
    }

    async fn is_ready(&self) -> bool {
        let request = b"GET /health/ready HTTP/1.1\r\nhost: bench\r\n\r\n";
        match Connection::open(self.address).await {
            Ok(mut connection) => connection.ask(request).await.is_ok_and(|answer| answer.status == 200),
            Err(_) => false,
        }
    }

    /// What it has used so far.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn usage(&self) -> Result<Usage> {
        usage_of(&self.child.id().to_string())
    }

    /// What it holds now.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn memory(&self) -> Result<Memory> {
        let of = |file: &str, name: &str| -> Result<f64> {
            let text = fs::read_to_string(format!("/proc/{}/{file}", self.child.id()))?;
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
            Ok(kib.with_context(|| format!("no {name} in {file}"))? / 1024.0)
        };
        Ok(Memory {
            resident: of("smaps_rollup", "Rss")?,
            peak: of("status", "VmHWM")?,
            proportional: of("smaps_rollup", "Pss")?,
            anonymous: of("smaps_rollup", "Anonymous")?,
        })
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    /// When it does not end well.
    pub(crate) fn stop(mut self) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("a process id")?;
        kill_process(pid, Signal::TERM)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "it ended with {status}");
        Ok(())
    }
}

impl Process {
    /// Ends it at once: a graceful end would wait for exchanges with a platform that never answers.
    pub(crate) fn kill(self) {
        drop(self);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended where `stop` was called.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What this process has used so far, of the same kind.
///
/// # Errors
/// When `/proc` is not there.
pub(crate) fn own_usage() -> Result<Usage> {
    usage_of("self")
}

fn usage_of(process: &str) -> Result<Usage> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The second field is a name in brackets and may hold anything; user and system time are the 14th and 15th.
    let (_, after) = stat.rsplit_once(')').context("no name in stat")?;
    let ticks: u64 = after.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    let io = fs::read_to_string(format!("/proc/{process}/io"))?;
    let written = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok());
    let each = Duration::from_secs(1) / u32::try_from(rustix::param::clock_ticks_per_second())?;
    Ok(Usage { cpu: each * u32::try_from(ticks)?, written: written.context("no write_bytes in io")? })
}

impl std::ops::Sub for Usage {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self { cpu: self.cpu.saturating_sub(earlier.cpu), written: self.written.saturating_sub(earlier.written) }
    }
}
