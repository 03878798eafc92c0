//! Keeps the gateway's process going: starts it to die at a point, sees that it died of SIGKILL, starts it again.

use crate::child;
use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;

/// How often it is looked whether the process still lives.
const LOOK: Duration = Duration::from_millis(10);

/// What is known of the process.
#[derive(Default)]
struct Known {
    child: Option<Child>,
    /// Died at its point, of SIGKILL.
    killed: bool,
    /// Ended in another way: words.
    fault: Option<String>,
    stopped: bool,
}

/// A gateway's process that is started again once.
pub(crate) struct Keeper {
    known: Arc<Mutex<Known>>,
    folder: PathBuf,
    watch: JoinHandle<()>,
}

impl Keeper {
    /// Starts the process, to die at a point if one is named.
    pub(crate) fn start(folder: &Path, at: Option<&str>) -> std::io::Result<Self> {
        let known = Arc::new(Mutex::new(Known { child: Some(spawn(folder, 1, at)?), ..Known::default() }));
        let watch = tokio::spawn(watch(Arc::clone(&known), folder.to_owned()));
        Ok(Self { known, folder: folder.to_owned(), watch })
    }

    /// True if it died of SIGKILL by itself.
    pub(crate) fn was_killed(&self) -> bool {
        lock(&self.known).killed
    }

    /// How it ended, if it ended as it should not.
    pub(crate) fn fault(&self) -> Option<String> {
        lock(&self.known).fault.clone()
    }

    /// The points that the first process reached, in order.
    pub(crate) fn reached(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.join("trace-1")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Ends the process, whichever it is, and waits until it has.
    pub(crate) fn stop(&self) {
        let mut known = lock(&self.known);
        known.stopped = true;
        if let Some(mut child) = known.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// The last lines that each process wrote.
    pub(crate) fn log(&self) -> String {
        let tail = |number: u32| {
            let text = std::fs::read_to_string(self.folder.join(format!("log-{number}"))).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(15)..].join("\n      ")
        };
        format!("first process:\n      {}\n    second process:\n      {}", tail(1), tail(2))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.watch.abort();
        self.stop();
    }
}

fn lock(known: &Mutex<Known>) -> std::sync::MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends when the process was stopped, or ended a second time.
async fn watch(known: Arc<Mutex<Known>>, folder: PathBuf) {
    let mut beat = tokio::time::interval(LOOK);
    loop {
        beat.tick().await;
        let mut known = lock(&known);
        if known.stopped {
            return;
        }
        let Some(status) = known.child.as_mut().and_then(|child| child.try_wait().ok().flatten()) else { continue };
        if known.killed || status.signal() != Some(rustix::process::Signal::KILL.as_raw()) {
            known.fault = Some(format!("the process ended with {status}"));
            return;
        }
        known.killed = true;
        match spawn(&folder, 2, None) {
            Ok(child) => known.child = Some(child),
            Err(error) => known.fault = Some(format!("the process does not start again: {error}")),
        }
    }
}

/// Starts the process: its `number` names its trace and its log; `at` is where it dies.
pub(crate) fn spawn(folder: &Path, number: u32, at: Option<&str>) -> std::io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args([child::ENTRY, "--exact", "--nocapture"])
        .env(child::FOLDER, folder)
        .env(child::TRACE, folder.join(format!("trace-{number}")))
        .env_remove(child::AT)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(folder.join(format!("log-{number}")))?);
    if let Some(at) = at {
        command.env(child::AT, at);
    }
    command.spawn()
}
