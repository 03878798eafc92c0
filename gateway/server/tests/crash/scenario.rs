//! What happens in each run: somebody subscribes; five referrals, two of them withdrawn, one without consent; the platform works on
//! what it was given; the GP system follows. Nothing here knows when the process dies: whoever is not answered asks again.

use crate::process::Keeper;
use crate::verdict;
use conformance_tests::generator::{Generator, PRACTICE_ODS, RecipientSpec};
use conformance_tests::gp_system::{GpConfig, GpRecord, GpSystem, Pause, Paused, SubmitOutcome};
use conformance_tests::platform::{FhirPlatform, Notify, PlatformConfig};
use conformance_tests::subscriber::{SECRET, Subscriber};
use sha2::{Digest as _, Sha256};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

const GP_TOKEN: &str = "crash-gp-system";
pub(crate) const REPORT_TOKEN: &str = "crash-reports";

/// Numbers of the generator's run: delivered, delivered, no consent.
const REFERRALS: [u64; 3] = [0, 1, 4];
/// Withdrawn at once, while it may be on its way.
const WITHDRAWN_AT_ONCE: u64 = 17;
/// Withdrawn when the platform has it.
const WITHDRAWN_LATER: u64 = 37;

/// Between two looks at anything.
const BEAT: Duration = Duration::from_millis(60);
/// Beats in which each phase must come to its end: a minute, where an undisturbed one takes two seconds.
const BEATS: u32 = 1000;

/// One run.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) name: String,
    pub(crate) keyed: bool,
    pub(crate) seed: u64,
    pub(crate) at: Option<String>,
    pub(crate) number: u8,
}

/// How it went.
pub(crate) struct Run {
    pub(crate) plan: Plan,
    pub(crate) killed_at: Option<String>,
    pub(crate) reached: Vec<String>,
    pub(crate) findings: Vec<String>,
    log: String,
}

impl Run {
    /// Everything that is needed to find the fault.
    pub(crate) fn words(&self) -> String {
        let Plan { name, seed, at, .. } = &self.plan;
        let last = &self.reached[self.reached.len().saturating_sub(6)..];
        format!(
            "\n== {name}, CRASH_SEED={seed} CRASH_POINTS='{}', killed: {:?}\n  {}\n    last points: {last:?}\n    {}",
            at.as_deref().unwrap_or("-"),
            self.killed_at,
            self.findings.join("\n  "),
            self.log
        )
    }
}

/// Plays the scenario and compares the records at its end.
pub(crate) async fn run(plan: Plan) -> Run {
    let folder = tempfile::tempdir().expect("a folder is made");
    let platform = FhirPlatform::start(PlatformConfig { seed: plan.seed, ..PlatformConfig::default() })
        .await
        .expect("the platform starts");
    let address = free_address(&plan);
    let reports = format!("http://{address}/platforms/food-bank/reports");
    platform.set_notify(Some(Notify::id_only(&reports, REPORT_TOKEN)));
    configure(folder.path(), &address, &platform, plan.keyed);
    let config = GpConfig {
        fhir_base: format!("http://{address}/fhir"),
        token: GP_TOKEN.to_owned(),
        organisation_ods: PRACTICE_ODS.to_owned(),
        seed: plan.seed,
    };
    let gp = GpSystem::new(config).expect("a client").with_attempts(BEATS).with_pause(Arc::new(Beat));
    let keeper = Keeper::start(folder.path(), plan.at.as_deref()).expect("the process starts");
    let subscriber = Subscriber::start().await.expect("an endpoint listens");
    let (base, generator, subscription) = (format!("http://{address}/fhir"), generator(plan.seed), String::new());
    let mut world = World { gp: Arc::new(gp), platform, subscriber, base, subscription, keeper, folder, generator };

    let mut findings = Vec::new();
    if let Err(words) = world.play().await {
        findings.push(words);
    }
    findings.extend(world.keeper.fault());
    world.keeper.stop();
    let reached = world.keeper.reached();
    // Only the process itself sends that signal, and only at its point; in the middle of a request others may follow.
    let killed_at = plan.at.clone().filter(|at| world.keeper.was_killed() && reached.contains(at));
    if world.keeper.was_killed() && killed_at.is_none() {
        findings.push("it was killed, but not at its point".to_owned());
    }
    if findings.is_empty() {
        findings.extend(verdict::compare(&world, plan.keyed).await);
    }
    Run { killed_at, reached, findings, log: world.keeper.log(), plan }
}

/// Everything of one run.
pub(crate) struct World {
    pub(crate) gp: Arc<GpSystem>,
    pub(crate) platform: FhirPlatform,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) subscriber: Subscriber,
    /// Id of the Subscription that leads to it.
    pub(crate) subscription: String,
    /// FHIR base address of the gateway.
    base: String,
    keeper: Keeper,
    generator: Generator,
}

impl World {
    /// # Errors
    /// What did not come to its end.
    async fn play(&mut self) -> Result<(), String> {
        self.subscribe().await?;
        self.submit().await?;
        self.withdraw(WITHDRAWN_AT_ONCE).await?;
        let later = self.placer(WITHDRAWN_LATER);
        self.until("the platform has the last referral", async || !self.tasks_of(&later).is_empty()).await?;
        self.withdraw(WITHDRAWN_LATER).await?;
        // What is withdrawn is withdrawn before the platform begins to work: which of two decisions came first is not
        // the question here.
        self.until("the platform knows of the withdrawals", async || self.errands() == Some(0)).await?;
        self.until("GP system and platform agree", async || {
            self.platform.tick().await;
            self.follow().await;
            self.unsettled().is_empty()
        })
        .await
    }

    /// Somebody subscribes, and is told of each Task from its first version on.
    async fn subscribe(&mut self) -> Result<(), String> {
        let mut id = None;
        self.until("somebody has subscribed", async || {
            id = self.subscriber.subscribe(&self.base, GP_TOKEN).await;
            id.is_some()
        })
        .await?;
        self.subscription = id.unwrap_or_default();
        Ok(())
    }

    async fn submit(&self) -> Result<(), String> {
        let mut running = JoinSet::new();
        for number in REFERRALS.into_iter().chain([WITHDRAWN_AT_ONCE, WITHDRAWN_LATER]) {
            let (gp, referral) = (Arc::clone(&self.gp), self.generator.referral(number));
            running.spawn(async move { (referral.placer_id.clone(), gp.submit(&referral).await) });
        }
        while let Some(done) = running.join_next().await {
            match done {
                Ok((_, SubmitOutcome::Accepted { .. })) => {}
                Ok((placer, other)) => return Err(format!("{placer} was not accepted: {other:?}")),
                Err(error) => return Err(format!("a submission broke: {error}")),
            }
        }
        Ok(())
    }

    /// Withdraws, and asks when the answer is lost.
    async fn withdraw(&self, number: u64) -> Result<(), String> {
        let placer = self.placer(number);
        let record = self.gp.record(&placer).ok_or_else(|| format!("{placer} is not in the book"))?;
        self.until(&format!("{placer} is withdrawn"), async || {
            self.gp.cancel(&record.task_url).await.is_ok()
                || self.gp.task(&record.task_id).await.is_ok_and(|task| task["status"] == "cancelled")
        })
        .await
    }

    fn errands(&self) -> Option<u32> {
        verdict::open_errands(self.folder.path())
    }

    async fn follow(&self) {
        // Nobody may answer just now; the next look asks again.
        let _ = self.gp.poll().await;
    }

    /// What is not yet as it should be in the end, in words.
    fn unsettled(&self) -> Vec<String> {
        let mut open: Vec<String> = self.gp.records().iter().filter_map(|record| self.open(record)).collect();
        let notices = verdict::open_notices(self.folder.path());
        if notices != Some(0) {
            open.push(format!("{notices:?} notices"));
        }
        let errands = self.errands();
        if errands != Some(0) {
            open.push(format!("{errands:?} errands"));
        }
        open
    }

    fn open(&self, record: &GpRecord) -> Option<String> {
        let gp = record.status().unwrap_or("-");
        let there: Vec<String> = self.tasks_of(&record.placer_id).into_iter().map(|(_, status)| status).collect();
        let settled = match there.as_slice() {
            [] => gp == "on-hold" || gp == "cancelled",
            [status] => gp == status && matches!(gp, "completed" | "cancelled" | "rejected" | "failed"),
            _ => false,
        };
        (!settled).then(|| format!("{} GP {gp}, platform {there:?}", record.placer_id))
    }

    /// Id and status of each Task at the platform that is part of this referral's Task.
    pub(crate) fn tasks_of(&self, placer: &str) -> Vec<(String, String)> {
        let ours = format!("\"{placer}/task\"");
        let all = self.platform.tasks().into_iter();
        all.filter(|task| {
            self.platform
                .resource("Task", &task.id)
                .is_some_and(|resource| resource["partOf"].to_string().contains(&ours))
        })
        .map(|task| (task.id, task.status))
        .collect()
    }

    fn placer(&self, number: u64) -> String {
        self.generator.referral(number).placer_id
    }

    /// Looks every [`BEAT`] until it is so, at most [`BEATS`] times, or the process is beyond help.
    async fn until(&self, what: &str, mut is_so: impl AsyncFnMut() -> bool) -> Result<(), String> {
        let mut beat = tokio::time::interval(BEAT);
        for _ in 0..BEATS {
            beat.tick().await;
            if is_so().await {
                return Ok(());
            }
            if self.keeper.fault().is_some() {
                break;
            }
        }
        Err(format!("not in time: {what}; open: {:?}", self.unsettled()))
    }
}

/// The GP system's patience.
struct Beat;

impl Pause for Beat {
    fn pause(&self, _how_long: time::Duration) -> Paused<'_> {
        Box::pin(async {
            let mut beat = tokio::time::interval(BEAT);
            beat.tick().await;
            beat.tick().await;
        })
    }
}

fn generator(seed: u64) -> Generator {
    Generator::new(seed, vec![RecipientSpec::new("VCSE1", "Example Food Bank", &[])])
}

/// An address that is still this run's when the process starts again: a loopback address that nobody else uses, so that
/// no outgoing connection can take the port in between.
pub(crate) fn free_address(plan: &Plan) -> String {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let second = if plan.keyed { 64 } else { 128 } + high % 64;
    let ip = Ipv4Addr::new(127, second, low, plan.number.saturating_add(1));
    TcpListener::bind((ip, 0)).and_then(|listener| listener.local_addr()).expect("a port is free").to_string()
}

fn sha256(token: &str) -> String {
    Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn configure(folder: &Path, address: &str, platform: &FhirPlatform, keyed: bool) {
    const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
    let token = folder.join("platform-token");
    std::fs::write(&token, PlatformConfig::default().token).expect("the token is written");
    let webhook = folder.join("webhook");
    std::fs::write(&webhook, SECRET).expect("the secret is written");
    let webhook = webhook.display();
    let (base, token, data) = (platform.base_url(), token.display(), folder.display());
    let (gp, reports) = (sha256(GP_TOKEN), sha256(REPORT_TOKEN));
    // What is being told when the process dies is told again once its lease is over.
    let text = format!(
        r#"
[server]
listen = "{address}"
data = "{data}"
[limits]
requests-per-minute = 4000000
burst = 1000000
at-once = 1000

[[client]]
id = "gp-system"
tenant = "example-pcn"
organisation = "{PRACTICE_ODS}"
token-sha256 = "{gp}"
roles = ["referrer"]
subscriptions = {{ hosts = ["127.0.0.1"], signing-secret = {{ file = "{webhook}" }} }}
[[platform]]
id = "food-bank"
name = "Example Food Bank"
adapter = "fhir-task"
base-url = "{base}"
identifiers = [{{ system = "{ODS}", value = "VCSE1" }}]
token = {{ file = "{token}" }}
report-token-sha256 = "{reports}"
poll-seconds = 1
simulator = true
settings = {{ conditional-create = "{keyed}", requester-ods = "X26", requester-name = "Example PCN gateway" }}
[[route]]
name = "food"
platform = "food-bank"
recipients = [{{ system = "{ODS}", value = "VCSE1" }}]
[[policy]]
tenant = "example-pcn"
platform = "food-bank"
notes = "send"
[retry]
delays-seconds = [1]
settle-seconds = 1
lease-seconds = 8
"#
    );
    std::fs::write(folder.join("gateway.toml"), text).expect("the configuration is written");
}
