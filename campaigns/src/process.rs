//! The gateway as a real process, under strace where a fault is injected; and what keeps one running.
//!
//! It knows how a process starts and how it ended. What the end means is for the campaign to say.

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;

/// How often it is looked whether the process still lives.
const LOOK: Duration = Duration::from_millis(5);

/// Looks until a process must say that it serves.
const SERVES: u32 = 3_000;

/// Starts after which a process that goes on ending by itself is given up: each start while its database is away is one.
const MOST_STARTS: u32 = 600;

/// Has the kernel kill the gateway when the thread that started it ends: a campaign that is itself killed by a signal leaves none
/// behind. It becomes the program that it is given, so that our child is the gateway.
const WITH_US: [&str; 3] = ["setpriv", "--pdeathsig", "KILL"];

/// Whether this machine can do that (util-linux); without it a campaign that is killed leaves its gateways running.
static DIES_WITH_US: LazyLock<bool> = LazyLock::new(|| {
    let [program, arguments @ ..] = WITH_US;
    let tried = Command::new(program).args(arguments).arg("true").stdout(Stdio::null()).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
});

/// Which end of a process is no fault of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ends {
    /// None.
    #[default]
    Not,
    /// By SIGKILL: strace was asked for it.
    Killed,
    /// Any: the disk under it fails.
    Any,
}

/// How one process is started.
#[derive(Debug, Clone, Default)]
pub struct Launch {
    /// What strace is asked to do (`trace=…`, `inject=…`), each one argument of `-e`. Empty = without strace.
    pub strace: Vec<String>,
    /// Further arguments of strace.
    pub strace_options: Vec<String>,
    /// Whether strace looks at calls on the files of the store alone (`-P`).
    pub only_data: bool,
    /// Which end of it, unasked, is the campaign's own doing.
    pub ends: Ends,
    /// Further arguments of `serve`.
    pub arguments: Vec<String>,
}

/// Where a gateway finds everything.
#[derive(Debug, Clone)]
pub struct Place {
    /// The binary.
    pub gateway: PathBuf,
    /// Folder with `gateway.toml`, logs and traces.
    pub folder: PathBuf,
}

impl Place {
    /// Starts the `number`-th process of this place.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&self, number: u32, launch: &Launch) -> Result<Child> {
        let mut line: Vec<String> = Vec::new();
        if !launch.strace.is_empty() {
            // -D: the tracer is the grandchild, so that our child, whose end we see, is the gateway.
            // Without --seccomp-bpf: with it, strace 6.1 loses most of the signals that it was asked to inject.
            line.extend(["strace", "-D", "-f", "-q", "-o"].map(str::to_owned));
            line.push(self.trace(number).display().to_string());
            line.extend(launch.strace_options.iter().cloned());
            if launch.only_data {
                let file = |end: &str| self.data().join(format!("gateway.db{end}")).display().to_string();
                line.extend(["", "-wal", "-shm", "-journal"].iter().flat_map(|end| ["-P".to_owned(), file(end)]));
            }
            line.extend(launch.strace.iter().flat_map(|one| ["-e".to_owned(), one.clone()]));
        }
        line.push(self.gateway.display().to_string());
        line.extend(["serve".to_owned(), "--config".to_owned()]);
        line.push(self.config().display().to_string());
        line.extend(launch.arguments.iter().cloned());
        if *DIES_WITH_US {
            line.splice(0..0, WITH_US.map(str::to_owned));
        }
        let (program, arguments) = line.split_first().context("a command line")?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            // strace counts calls for each thread; with one worker the count does not depend on who took the work.
            .env("TOKIO_WORKER_THREADS", "1")
            .env("RUST_LOG", "warn")
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null())
            .stdout(File::create(self.said(number))?)
            .stderr(File::create(self.log(number))?);
        command.spawn().with_context(|| format!("{program} does not start"))
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.join("gateway.toml")
    }

    /// Runs another command of the binary to its end.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn tool(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new(&self.gateway);
        command.args(arguments).env("RUST_LOG", "warn").stdin(Stdio::null());
        let words = format!("vcse-gateway {}", arguments.join(" "));
        tokio::task::spawn_blocking(move || command.output()).await?.with_context(|| words)
    }

    /// What the `number`-th process wrote to standard error.
    #[must_use]
    pub fn log(&self, number: u32) -> PathBuf {
        self.folder.join(format!("log-{number}"))
    }

    /// What the `number`-th process wrote to standard output.
    #[must_use]
    pub fn said(&self, number: u32) -> PathBuf {
        self.folder.join(format!("said-{number}"))
    }

    /// What strace wrote of the `number`-th process.
    #[must_use]
    pub fn trace(&self, number: u32) -> PathBuf {
        self.folder.join(format!("trace-{number}"))
    }

    /// The data folder.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }
}

/// What is done between the end of a process and the next start.
pub type AtDeath = Box<dyn FnMut(u32) -> Result<()> + Send>;

/// How the `number`-th process starts, from 1.
pub type Plan = Box<dyn FnMut(u32) -> Launch + Send>;

#[derive(Default)]
struct Known {
    child: Option<Child>,
    ends: Vec<ExitStatus>,
    fault: Option<String>,
    /// The campaign has asked for an end with a signal: any end is well.
    asked: bool,
    stopped: bool,
    /// What ended stays down.
    held: bool,
    number: u32,
}

/// Whoever keeps one gateway running, or several.
pub trait Keeps {
    /// What ended as it should not, in words.
    fn fault(&self) -> Option<String>;

    /// Sends a signal to what runs. `ends` says that it may end of it, and is then started again.
    fn signal(&self, signal: Signal, ends: bool);

    /// Ends what runs, and waits until it has.
    fn stop(&self);
}

impl Keeps for Keeper {
    fn fault(&self) -> Option<String> {
        Self::fault(self)
    }

    fn signal(&self, signal: Signal, ends: bool) {
        Self::signal(self, signal, ends);
    }

    fn stop(&self) {
        Self::stop(self);
    }
}

/// Keeps a gateway running: when it ends as it may, the next one is started.
pub struct Keeper {
    known: Arc<Mutex<Known>>,
    place: Place,
    watch: JoinHandle<()>,
}

impl Keeper {
    /// Starts the first process.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(place: Place, mut plan: Plan, at_death: AtDeath) -> Result<Self> {
        let launch = plan(1);
        let child = place.start(1, &launch)?;
        let known = Arc::new(Mutex::new(Known { child: Some(child), number: 1, ..Known::default() }));
        let watch = tokio::spawn(watch(Arc::clone(&known), place.clone(), launch, plan, at_death));
        Ok(Self { known, place, watch })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        lock(&self.known)
    }

    /// How each process ended so far.
    #[must_use]
    pub fn ends(&self) -> Vec<ExitStatus> {
        self.known().ends.clone()
    }

    /// What ended as it should not, in words.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        self.known().fault.clone()
    }

    /// The number of the process that runs.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.known().number
    }

    /// Waits until the process that runs says that it serves, for some seconds at most; false if it did not.
    pub async fn serves(&self) -> bool {
        let mut beat = tokio::time::interval(LOOK * 4);
        for _ in 0..SERVES {
            let said = fs::read_to_string(self.place.said(self.number())).unwrap_or_default();
            if said.contains(" serves FHIR ") {
                return true;
            }
            beat.tick().await;
        }
        false
    }

    /// The process id of the gateway that runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.known().child.as_ref().map(Child::id)
    }

    /// Sends a signal to the gateway that runs. `ends` says that it may end of it, and is then started again.
    pub fn signal(&self, signal: Signal, ends: bool) {
        let mut known = self.known();
        known.asked |= ends;
        let pid = known.child.as_ref().and_then(|child| i32::try_from(child.id()).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended a moment ago.
            let _ = kill_process(pid, signal);
        }
    }

    /// Keeps what has ended from being started again, or no longer.
    pub fn hold(&self, held: bool) {
        self.known().held = held;
    }

    /// Ends what runs, and waits until it has.
    pub fn stop(&self) {
        let mut known = self.known();
        known.stopped = true;
        if let Some(mut child) = known.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// The last lines of each process's log.
    #[must_use]
    pub fn log(&self) -> String {
        let last = self.number();
        let tail = |number: u32| {
            let text = fs::read_to_string(self.place.log(number)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let from = lines.len().saturating_sub(12);
            format!("process {number}:\n      {}", lines.get(from..).unwrap_or_default().join("\n      "))
        };
        (last.saturating_sub(2).max(1)..=last).map(tail).collect::<Vec<_>>().join("\n    ")
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.watch.abort();
        self.stop();
    }
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn watch(known: Arc<Mutex<Known>>, place: Place, mut launch: Launch, mut plan: Plan, mut at_death: AtDeath) {
    let mut beat = tokio::time::interval(LOOK);
    loop {
        beat.tick().await;
        let mut known = lock(&known);
        if known.stopped {
            return;
        }
        if known.child.is_none() && !known.held {
            known.number += 1;
            launch = plan(known.number);
            match place.start(known.number, &launch) {
                Ok(child) => known.child = Some(child),
                Err(error) => {
                    known.fault = Some(format!("{error:#}"));
                    return;
                }
            }
        }
        let Some(status) = known.child.as_mut().and_then(|child| child.try_wait().ok().flatten()) else { continue };
        known.child = None;
        known.ends.push(status);
        let number = known.number;
        let well = match launch.ends {
            Ends::Not => false,
            Ends::Killed => was_killed(status),
            Ends::Any => true,
        };
        if !known.asked && (!well || number >= MOST_STARTS) {
            known.fault = Some(format!("process {number} ended with {status}"));
            return;
        }
        known.asked = false;
        if let Err(error) = at_death(number) {
            known.fault = Some(format!("after the end of process {number}: {error:#}"));
            return;
        }
    }
}

/// True if it died of SIGKILL.
#[must_use]
pub fn was_killed(status: ExitStatus) -> bool {
    status.signal() == Some(Signal::KILL.as_raw())
}

/// The most that was ever resident of a process, in KiB, from `/proc`.
#[must_use]
pub fn peak_kib(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
