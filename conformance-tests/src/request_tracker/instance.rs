//! A private instance: its folder, its database, its server process, and their end.
//!
//! It starts programs and waits for them. What is asked of the running server is not its business.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;

use super::RequestTrackerError;
use super::installed::{SERVER, SETUP};
use super::settings::{Account, RequestTrackerConfig};

const SITE_CONFIG: &str = include_str!("site_config.pl");
const INITIAL_DATA: &str = include_str!("initialdata.pl");
const KEEPER: &str = include_str!("keeper.sh");

/// So long the server has to end by itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// A folder with everything that an instance needs; it goes when this is dropped.
pub(super) struct Prepared {
    folder: TempDir,
    settings: Value,
}

impl Prepared {
    /// Makes folder and database. Takes some seconds and blocks.
    pub(super) fn make(config: &RequestTrackerConfig) -> Result<Self, RequestTrackerError> {
        let folder = folder()?;
        let fields: Vec<Value> = config
            .fields
            .iter()
            .map(|field| json!({ "name": field.name, "type": field.kind.rt_type(), "values": field.kind.choices() }))
            .collect();
        let accounts: Vec<Value> = Account::ALL
            .iter()
            .map(|one| json!({ "name": one.name(), "time_zone": one.time_zone(), "rights": one.rights() }))
            .collect();
        let settings = json!({
            "folder": folder.path(),
            "port": 0,
            "time_zone": config.time_zone,
            "queue": config.queue,
            "fields": fields,
            "accounts": accounts,
        });
        for name in ["mason", "session", "tmp", "more.d"] {
            fs::create_dir(folder.path().join(name))?;
        }
        fs::write(folder.path().join("site_config.pl"), SITE_CONFIG)?;
        fs::write(folder.path().join("initialdata.pl"), INITIAL_DATA)?;
        let prepared = Self { folder, settings };
        prepared.write_settings()?;
        let data = prepared.path().join("initialdata.pl");
        prepared.setup(&["--action", "init"])?;
        prepared.setup(&["--action", "insert", "--datafile", &data.to_string_lossy()])?;
        Ok(prepared)
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write_settings(&self) -> io::Result<()> {
        fs::write(self.path().join("settings.json"), self.settings.to_string())
    }

    fn setup(&self, arguments: &[&str]) -> Result<(), RequestTrackerError> {
        let mut command = Command::new(SETUP);
        surroundings(&mut command, self.path());
        command.args(arguments).args(["--skip-create", "--dba", "", "--dba-password", ""]);
        let output = command.stdin(Stdio::null()).output()?;
        if output.status.success() {
            return Ok(());
        }
        let mut words = String::from_utf8_lossy(&output.stdout).into_owned();
        words.push_str(&String::from_utf8_lossy(&output.stderr));
        Err(RequestTrackerError::Setup { step: arguments.join(" "), words })
    }

    /// The token that was made for an account.
    pub(super) fn token(&self, account: Account) -> io::Result<String> {
        fs::read_to_string(self.path().join(format!("{}.token", account.name())))
    }

    /// Starts the server on a free port. From here on the keeper removes the folder.
    pub(super) fn serve(mut self) -> io::Result<Instance> {
        // Free at this moment; whoever takes it before the server does makes the server end, which is seen.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        self.settings["port"] = json!(port);
        self.write_settings()?;
        let port_text = port.to_string();
        // One worker: two would quarrel over SQLite's lock. Without keep-alive no caller holds it.
        let arguments = ["--port", &port_text, "--workers", "1", "--disable-keepalive"];
        let server = [&[SERVER, "--server", "Starman", "--host", "127.0.0.1"], arguments.as_slice()].concat();
        let keeper = keep(&server, self.path())?;
        Ok(Instance::of(keeper, port, self.folder.keep()))
    }
}

/// In memory where the machine has a file system there: RT waits for the disk at every write, which doubles the time.
fn folder() -> io::Result<TempDir> {
    let mut named = tempfile::Builder::new();
    named.prefix("vcse-rt-");
    named.tempdir_in("/dev/shm").or_else(|_| named.tempdir())
}

/// Starts a server under a keeper, in a process group of their own.
fn keep(server: &[&str], folder: &Path) -> io::Result<Child> {
    let log = File::create(folder.join("server.log"))?;
    let mut keeper = Command::new("sh");
    surroundings(&mut keeper, folder);
    keeper.args(["-c", KEEPER, "keeper"]).args(server);
    keeper.env("VCSE_RT_FOLDER", folder).current_dir("/").process_group(0);
    keeper.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log).spawn()
}

fn surroundings(command: &mut Command, folder: &Path) {
    command
        .env("RT_SITE_CONFIG", folder.join("site_config.pl"))
        // An empty one, so that the machine's own RT, if it has one, is left alone.
        .env("RT_SITE_CONFIG_DIR", folder.join("more.d"))
        .env("VCSE_RT_SETTINGS", folder.join("settings.json"))
        .env("TMPDIR", folder.join("tmp"))
        .env("HOME", folder);
}

/// A server process.
pub(super) struct Instance {
    group: Pid,
    /// The keeper ends with it.
    stdin: Option<ChildStdin>,
    /// True once the keeper has ended.
    ended: watch::Receiver<bool>,
    pub(super) port: u16,
    folder: PathBuf,
}

impl Instance {
    fn of(mut keeper: Child, port: u16, folder: PathBuf) -> Self {
        let (group, stdin) = (Pid::from_child(&keeper), keeper.stdin.take());
        let (tell, ended) = watch::channel(false);
        std::thread::spawn(move || {
            let _ = keeper.wait();
            tell.send_replace(true);
        });
        Self { group, stdin, ended, port, folder }
    }

    /// True once the server has ended by itself.
    pub(super) fn has_ended(&self) -> bool {
        *self.ended.borrow()
    }

    /// Until the server has ended.
    pub(super) async fn ended(&self) {
        // Whoever tells it lives until it has.
        let _ = self.ended.clone().wait_for(|ended| *ended).await;
    }

    /// What the server has said so far.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("server.log")).unwrap_or_default()
    }

    /// Ends the server: kindly, and after ten seconds by killing its process group. The folder is gone afterwards.
    pub(super) async fn stop(self) -> io::Result<()> {
        self.stop_within(PATIENCE).await
    }

    async fn stop_within(mut self, patience: Duration) -> io::Result<()> {
        drop(self.stdin.take());
        if tokio::time::timeout(patience, self.ended()).await.is_err() {
            kill_process_group(self.group, Signal::KILL)?;
            self.ended().await;
        }
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(server: &[&str]) -> Instance {
        let folder = folder().unwrap();
        let keeper = keep(server, folder.path()).unwrap();
        Instance::of(keeper, 0, folder.keep())
    }

    async fn ended(instance: &Instance) -> bool {
        tokio::time::timeout(Duration::from_secs(60), instance.ended()).await.is_ok()
    }

    #[tokio::test]
    async fn a_server_that_is_stopped_leaves_nothing() {
        let instance = kept(&["sleep", "1000"]);
        assert!(!instance.has_ended());
        let (folder, group) = (instance.folder.clone(), instance.group);
        instance.stop().await.unwrap();
        assert!(!folder.exists());
        assert!(kill_process_group(group, Signal::TERM).is_err(), "no process of the group is left");
    }

    #[tokio::test]
    async fn a_server_ends_with_whoever_started_it() {
        let mut instance = kept(&["sleep", "1000"]);
        // What the end of our process does.
        drop(instance.stdin.take());
        assert!(ended(&instance).await && !instance.folder.exists());
    }

    #[tokio::test]
    async fn a_server_that_ends_by_itself_is_noticed() {
        let instance = kept(&["false"]);
        assert!(ended(&instance).await && instance.has_ended());
        instance.stop().await.unwrap();
    }

    #[tokio::test]
    async fn a_server_that_does_not_listen_to_reason_is_killed() {
        let instance = kept(&["sh", "-c", "trap '' TERM; while true; do sleep 1; done"]);
        let folder = instance.folder.clone();
        instance.stop_within(Duration::from_millis(500)).await.unwrap();
        assert!(!folder.exists());
    }
}
