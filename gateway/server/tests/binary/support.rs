//! The binary as a process, its output in files; a platform double for it; a GP system's plain HTTP.

use conformance_tests::generator::{Generator, PRACTICE_ODS, RecipientSpec, SyntheticReferral};
use conformance_tests::platform::{FhirPlatform, PlatformConfig};
use reqwest::{Response, StatusCode};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

pub(crate) const TOKEN: &str = "the-gp-systems-own-token";

/// Between two looks.
const BEAT: Duration = Duration::from_millis(25);
/// Looks until a wait is given up: a minute.
const BEATS: u32 = 2400;

/// Looks until it is so, at most a minute.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let mut beat = tokio::time::interval(BEAT);
    for _ in 0..BEATS {
        beat.tick().await;
        if is_so().await {
            return;
        }
    }
    panic!("not within a minute: {what}");
}

pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vcse-gateway"));
    command.env_remove("RUST_LOG").env_remove("RUST_BACKTRACE").stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    binary().args(arguments).output().unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Folder, configuration and platform of one gateway.
pub(crate) struct Place {
    pub(crate) platform: FhirPlatform,
    pub(crate) folder: tempfile::TempDir,
    starts: u32,
}

impl Place {
    /// `token` is how the configuration names the platform's bearer token.
    pub(crate) async fn new(token: &str) -> Self {
        let platform = FhirPlatform::start(PlatformConfig::default()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("platform-token"), format!("{}\n", PlatformConfig::default().token)).unwrap();
        let text = fifteen_lines(folder.path(), &platform.base_url(), token);
        assert!(text.lines().count() <= 15, "the issue promises 15 lines");
        std::fs::write(folder.path().join("gateway.toml"), text).unwrap();
        Self { platform, folder, starts: 0 }
    }

    /// With the token in a file.
    pub(crate) async fn with_file() -> Self {
        Self::new("{ file = \"platform-token\" }").await
    }

    pub(crate) fn configuration(&self) -> PathBuf {
        self.folder.path().join("gateway.toml")
    }

    /// `serve`, not yet started, with this folder as its own.
    pub(crate) fn serve(&self) -> Command {
        let mut command = binary();
        command.arg("serve").arg("--config").arg(self.configuration()).current_dir(self.folder.path());
        command
    }

    /// Starts it and waits until it says where it serves.
    pub(crate) async fn start(&mut self) -> Serving {
        self.start_with(&[]).await
    }

    /// Goes on with a store that was put back.
    pub(crate) async fn resume(&mut self) -> Serving {
        let mut command = self.serve();
        command.arg("--resume");
        self.start_command(command).await
    }

    pub(crate) async fn start_with(&mut self, environment: &[(&str, &str)]) -> Serving {
        let mut command = self.serve();
        command.envs(environment.iter().copied());
        self.start_command(command).await
    }

    async fn start_command(&mut self, mut command: Command) -> Serving {
        self.starts += 1;
        let file = |name: &str| self.folder.path().join(format!("{name}-{}", self.starts));
        let (out, log) = (file("stdout"), file("stderr"));
        let child = command.stdout(File::create(&out).unwrap()).stderr(File::create(&log).unwrap()).spawn().unwrap();
        let mut serving = Serving { child, base: String::new(), out, log };
        until("the binary serves", async || {
            let said = std::fs::read_to_string(&serving.out).unwrap();
            let base = said.lines().find_map(|line| line.strip_prefix("vcse-gateway serves FHIR R4 at "));
            serving.base = base.unwrap_or_default().to_owned();
            assert!(serving.child.try_wait().unwrap().is_none(), "it ended: {}", serving.said());
            base.is_some()
        })
        .await;
        serving
    }

    /// Statuses of the Tasks at the platform that are part of this referral's.
    pub(crate) fn statuses(&self, referral: &SyntheticReferral) -> Vec<String> {
        let ours = format!("\"{}/task\"", referral.placer_id);
        let part = |id: &str| self.platform.resource("Task", id).unwrap()["partOf"].to_string().contains(&ours);
        self.platform.tasks().into_iter().filter(|task| part(&task.id)).map(|task| task.status).collect()
    }
}

/// A process that serves.
pub(crate) struct Serving {
    child: Child,
    pub(crate) base: String,
    out: PathBuf,
    log: PathBuf,
}

impl Serving {
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap();
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end, at most a minute.
    pub(crate) async fn end(&mut self) -> ExitStatus {
        let mut status = None;
        until("the process ends", async || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap()
    }

    /// Everything that it has written, to either stream.
    pub(crate) fn said(&self) -> String {
        [&self.out, &self.log].map(|file| std::fs::read_to_string(file).unwrap()).concat()
    }

    pub(crate) async fn post(&self, body: String) -> Response {
        let post = client().post(&self.base).header("content-type", "application/fhir+json");
        post.bearer_auth(TOKEN).body(body).send().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        let answer = client().get(format!("{}/{path}", self.base)).bearer_auth(TOKEN).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A new one for each request: nothing is kept open.
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap()
}

pub(crate) fn referral(number: u64) -> SyntheticReferral {
    Generator::new(7, vec![RecipientSpec::new("VCSE1", "Example Food Bank", &[])]).referral(number)
}

/// `Task/id` in a `Location`.
pub(crate) fn task_of(answer: &Response) -> String {
    let location = answer.headers()["location"].to_str().unwrap();
    let (_, rest) = location.split_once("/Task/").unwrap_or_else(|| panic!("{location} is no Task"));
    format!("Task/{}", rest.split('/').next().unwrap())
}

fn fifteen_lines(folder: &Path, base: &str, token: &str) -> String {
    const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
    let hash: String = Sha256::digest(TOKEN.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        r#"client = [{{ id = "gp", tenant = "pcn", organisation = "{PRACTICE_ODS}", token-sha256 = "{hash}", roles = ["referrer"] }}]
route = [{{ name = "food", platform = "food-bank", recipients = [{{ system = "{ODS}", value = "VCSE1" }}] }}]
policy = [{{ tenant = "pcn", platform = "food-bank", notes = "send" }}]
retry = {{ delays-seconds = [1], settle-seconds = 1 }}
[server]
listen = "127.0.0.1:0"
data = "{data}"
[[platform]]
id = "food-bank"
name = "Example Food Bank"
adapter = "fhir-task"
base-url = "{base}"
identifiers = [{{ system = "{ODS}", value = "VCSE1" }}]
token = {token}
settings = {{ requester-ods = "X26", requester-name = "Example PCN", conditional-create = "true" }}
"#,
        data = folder.join("data").display()
    )
}
