//! The simulated world around one gateway, or three: two platforms with a FHIR server, one without, three charities with products
//! of their own, and a GP system.

use super::charities::{CASEWORK, Charities, FAMILIES, SILENT, Stand};
use super::fleet::Fleet;
use super::setup::{self, Recipient};
use super::tales::{self, Case, MEASURED, Tale};
use crate::chance::Chance;
use crate::clock::{Clock as _, SystemClock, sleep};
use crate::config;
use crate::gateway::Gateway;
use crate::serve::{self, Running};
use crate::store::ReferralFilter;
use crate::transport::HttpTransport;
use adapter_contract::{Capabilities, TaskStatus};
use conformance_tests::direct_light::{DirectLightClient, DirectLightConfig};
use conformance_tests::front::Front;
use conformance_tests::generator::{
    Expectation, Generator, PLACER_SYSTEM, PRACTICE_ODS, RecipientSpec, SyntheticReferral,
};
use conformance_tests::gp_system::{GpConfig, GpSystem, Pause, Paused, WireError};
use conformance_tests::message_sender::MessageSender;
use conformance_tests::platform::{FhirPlatform, Notify, PlatformConfig};
use conformance_tests::postgres::PostgresServer;
use gateway_core::align::is_aligned;
use gateway_core::identity::{Compartment, Owner, PlatformId};
use gateway_core::referral::{Delivery, Referral, SenderState};
use gateway_core::unanswered;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;

/// The GP system's bearer token. Everything listens on loopback and ends with the process.
pub(super) const GP_TOKEN: &str = "demo-gp-system";
/// The token of a system of the same practice that sends BaRS-shaped messages, and the name under which it takes responses.
pub(super) const BARS_TOKEN: &str = "demo-bars-system";
pub(super) const RETURN_ADDRESS: &str = "https://fhir.nhs.uk/Id/dos-service-id|2000099999";
pub(super) const REPORT_TOKEN: &str = "demo-food-bank-reports";
pub(super) const COLLECT_TOKEN: &str = "demo-advice-centre";

/// One referral at the end.
pub(super) struct Row {
    pub(super) placer: String,
    pub(super) recipient: String,
    pub(super) delivery: &'static str,
    pub(super) gp_status: String,
    pub(super) business_status: String,
    pub(super) gateway_status: String,
    pub(super) platform_status: String,
    pub(super) aligned: bool,
}

/// Where the demonstration keeps everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    /// One gateway on a file.
    Sqlite,
    /// Three gateways, each a process of its own, over one private PostgreSQL server.
    Postgres,
}

/// Everything that runs.
pub(super) struct World {
    gateway: Arc<Gateway>,
    /// The gateway, where it runs in this process.
    running: Option<Running>,
    /// The gateways, where each is a process of its own. [`gateway`](Self::gateway) then only looks.
    fleet: Option<Fleet>,
    _front: Option<Front>,
    platforms: BTreeMap<String, FhirPlatform>,
    collector: DirectLightClient,
    charities: Charities,
    /// Which referrals are worth a look, by the sender's id.
    tales: BTreeMap<String, Tale>,
    /// Tasks of platforms whose course is drawn already.
    drawn: Mutex<BTreeSet<String>>,
    gp: Arc<GpSystem>,
    sender: MessageSender,
    generator: Generator,
    clock: SystemClock,
    // Removed with the world.
    _folder: tempfile::TempDir,
    // Ends last.
    _server: Option<PostgresServer>,
}

impl World {
    pub(super) async fn start(seed: u64, engine: Engine) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut server = None;
        let place = match engine {
            Engine::Sqlite => format!("data = \"{}\"", folder.path().display()),
            Engine::Postgres => {
                let started = tokio::task::spawn_blocking(PostgresServer::start).await??;
                let file = folder.path().join("database");
                std::fs::write(&file, started.database()?)?;
                server = Some(started);
                format!("[store]\npostgres = {{ file = \"{}\" }}", file.display())
            }
        };
        let front = if engine == Engine::Postgres { Some(Front::start().await?) } else { None };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = front.as_ref().map_or(listener.local_addr()?, Front::address);
        let base = format!("http://{address}/fhir");
        // They live by the time of whoever looks on, so that the lag that is shown is one.
        let living =
            || PlatformConfig { start: SystemClock.now(), step: time::Duration::ZERO, ..PlatformConfig::default() };
        let food = FhirPlatform::start(PlatformConfig { seed, ..living() }).await?;
        let befriending = FhirPlatform::start(PlatformConfig { seed: seed + 1, ..living() }).await?;
        let reports = format!("http://{address}/platforms/food-bank/reports");
        food.set_notify(Some(Notify::id_only(&reports, REPORT_TOKEN)));

        let token_file = folder.path().join("platform-token");
        std::fs::write(&token_file, PlatformConfig::default().token)?;
        let charities = Charities::start(seed + 3).await?;
        let token = format!("token = {{ file = \"{}\" }}", token_file.display());
        let mut credentials = charities.credentials(folder.path())?;
        credentials.insert("food-bank", token.clone());
        credentials.insert("befriending", token);
        let mut addresses = charities.addresses();
        addresses.insert("food-bank", food.base_url());
        addresses.insert("befriending", befriending.base_url());
        let retry = if engine == Engine::Postgres { SHORT } else { "" };
        let sender = MessageSender::start().await?;
        let responses = sender.base_url();
        let text =
            |listen: &str| setup::configuration(listen, &base, &place, retry, &addresses, &credentials, &responses);
        let (mut running, mut fleet) = (None, None);
        let gateway = match &front {
            None => {
                let started = serve::start(gateway(&text(&address.to_string()), &base).await?, listener)?;
                let gateway = Arc::clone(&started.gateway);
                running = Some(started);
                gateway
            }
            Some(front) => {
                drop(listener);
                // The first look makes the schema.
                let looking = gateway(&text(&address.to_string()), &base).await?;
                fleet = Some(Fleet::start(front, folder.path(), text).await?);
                Arc::new(looking)
            }
        };

        let gp = GpSystem::new(GpConfig {
            fhir_base: base.clone(),
            token: GP_TOKEN.to_owned(),
            organisation_ods: PRACTICE_ODS.to_owned(),
            seed,
        })?;
        let gp = if fleet.is_some() { gp.with_attempts(ATTEMPTS).with_pause(Arc::new(Beat)) } else { gp };
        let collector = DirectLightClient::new(DirectLightConfig {
            fhir_base: base,
            token: COLLECT_TOKEN.to_owned(),
            seed: seed + 2,
            start: PlatformConfig::default().start,
            count: 20,
        })?
        .living_by(PLACER_SYSTEM);
        let recipients = setup::RECIPIENTS.iter().map(|Recipient { ods, name, .. }| RecipientSpec::new(ods, name, &[]));
        let generator = Generator::new(seed, recipients.collect());
        let platforms = BTreeMap::from([("food-bank".to_owned(), food), ("befriending".to_owned(), befriending)]);
        Ok(Self {
            gateway,
            running,
            fleet,
            _front: front,
            platforms,
            collector,
            charities,
            tales: BTreeMap::new(),
            drawn: Mutex::default(),
            gp: Arc::new(gp),
            sender,
            generator,
            clock: SystemClock,
            _folder: folder,
            _server: server,
        })
    }

    /// Where the responses to messages can be looked at.
    pub(super) fn responses(&self) -> String {
        self.sender.messages_url()
    }

    /// Decides which of so many referrals play a part that is worth a look.
    pub(super) fn cast(&mut self, referrals: u32) {
        self.tales = tales::cast((0..u64::from(referrals)).map(|number| self.generator.referral(number)));
    }

    /// From now on an instance dies every so often.
    pub(super) fn kill_every(&mut self, span: Duration) {
        if let Some(fleet) = &mut self.fleet {
            fleet.kill_every(span);
        }
    }

    /// No instance dies any more; how many have.
    pub(super) fn spare(&mut self) -> u64 {
        self.fleet.as_mut().map_or(0, |fleet| {
            fleet.spare();
            fleet.killed()
        })
    }

    /// Whether there are several gateways, of which one may be gone at any moment.
    pub(super) fn has_instances(&self) -> bool {
        self.fleet.is_some()
    }

    /// How many referrals a platform holds twice.
    pub(super) async fn doubled(&self) -> anyhow::Result<usize> {
        let of_charities: usize = self.cases().await?.iter().map(|case| self.charities.doubled(case)).sum();
        Ok(of_charities + self.platforms.values().map(|platform| platform.duplicates().len()).sum::<usize>())
    }

    /// What a person was told of the referral that was taken up again.
    pub(super) fn told_of_reopening(&self) -> Option<String> {
        self.charities.told_of_reopening()
    }

    pub(super) fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    pub(super) fn platform_addresses(&self) -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> =
            self.platforms.iter().map(|(name, platform)| (name.clone(), platform.base_url())).collect();
        all.extend(self.charities.addresses().into_iter().map(|(name, address)| (name.to_owned(), address)));
        all.push(("advice-centre".to_owned(), "has no server: it collects from the gateway".to_owned()));
        all
    }

    pub(super) fn gp_system(&self) -> Arc<GpSystem> {
        Arc::clone(&self.gp)
    }

    pub(super) fn referral(&self, number: u64) -> SyntheticReferral {
        self.generator.referral(number)
    }

    /// The simulated platform of this name.
    pub(super) fn platform(&self, name: &str) -> anyhow::Result<&FhirPlatform> {
        self.platforms.get(name).ok_or_else(|| anyhow::anyhow!("there is no platform {name}"))
    }

    pub(super) fn submitted(&self) -> usize {
        self.gp.records().len()
    }

    pub(super) async fn wait(&self, span: Duration) {
        sleep(&self.clock, span).await;
    }

    /// Every referral, in the order of acceptance.
    pub(super) async fn referrals(&self) -> anyhow::Result<Vec<Referral>> {
        let filter = ReferralFilter { limit: u32::MAX, ..ReferralFilter::default() };
        Ok(self.gateway().store.referrals(&filter).await?)
    }

    /// Every referral that the GP system knows to be taken, in the order of submission.
    pub(super) async fn cases(&self) -> anyhow::Result<Vec<Case>> {
        let mut by_task: BTreeMap<String, Referral> =
            self.referrals().await?.into_iter().map(|referral| (referral.task.clone(), referral)).collect();
        let records = self.gp.records().into_iter();
        let cases = records.filter_map(|record| {
            let referral = by_task.remove(&record.task_id)?;
            let tale = self.tales.get(&record.placer_id).copied();
            Some(Case { referral, placer: record.placer_id, tale })
        });
        Ok(cases.collect())
    }

    /// The addresses of the Tasks that their sender will withdraw.
    pub(super) fn to_withdraw(&self) -> Vec<String> {
        let records = self.gp.records().into_iter();
        records.filter(|one| one.expectation == Expectation::CancelledBySender).map(|one| one.task_url).collect()
    }

    /// What can be done with the platform of a referral, and whether its adapter knows a word for a good end.
    fn can(&self, referral: &Referral) -> Option<(Capabilities, bool)> {
        let platform = self.gateway.platforms.get(referral.platform.as_ref()?)?;
        let descriptor = platform.adapter.descriptor();
        let ends = descriptor.statuses.iter().any(|row| row.status == Some(TaskStatus::Completed));
        Some((descriptor.capabilities, ends))
    }

    /// True when nothing more will happen by itself. Of a platform that says nothing that is so once its acknowledgement is on the
    /// Task; of one whose last word is that it accepts, then; and wherever a person was told that nobody answers.
    pub(super) fn is_settled(&self, referral: &Referral) -> bool {
        let Some((can, ends)) = self.can(referral) else { return referral.is_settled() };
        let heard = match referral.platform_status {
            Some(_) if !can.poll && !can.push => true,
            Some(said) => !ends && said == TaskStatus::Accepted,
            None => false,
        };
        let told = referral.attention.as_deref() == Some(unanswered::WORDS);
        referral.is_settled() || (matches!(referral.delivery, Delivery::Delivered { .. }) && (heard || told))
    }

    /// Whether what a platform shows is what the gateway shows, as far as the platform can be told and asked.
    fn is_aligned(&self, referral: &Referral, shown: Option<TaskStatus>) -> bool {
        match (&referral.delivery, self.can(referral)) {
            // It may be there or not, nobody can ask by machine, and this is what the Task says.
            (Delivery::DeadLetter { .. }, Some((can, _))) if !can.look_up => true,
            // It was told by telephone. It has no word for that, but has stopped.
            (Delivery::Delivered { .. }, Some((can, _)))
                if !can.cancel && referral.sender == SenderState::Cancelled =>
            {
                shown.is_none_or(TaskStatus::is_final)
            }
            _ => is_aligned(referral, shown),
        }
    }

    /// Draws what becomes of the Tasks that have come to the platforms with a FHIR server since this was last called.
    fn draw(&self, cases: &[Case]) {
        let by_key: BTreeMap<&str, &Case> = cases.iter().map(|case| (case.referral.key.0.as_str(), case)).collect();
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        for platform in self.platforms.values() {
            for task in platform.tasks() {
                let Some(case) = task.key.as_deref().and_then(|key| by_key.get(key)) else { continue };
                if !drawn.insert(case.referral.key.0.clone()) {
                    continue;
                }
                platform.live_by(&task.id, &case.placer);
                if case.tale == Some(Tale::Scored) {
                    platform.plan(&task.id, &[("accepted", None), ("in-progress", None), ("completed", None)]);
                    platform.measure(&task.id, MEASURED.0, MEASURED.1);
                }
            }
        }
    }

    /// True when no errand is due or under way.
    pub(super) async fn outbox_is_idle(&self) -> anyhow::Result<bool> {
        let all: Vec<PlatformId> = self.gateway().platforms.ids();
        Ok(self.gateway().store.next_due(&all).await?.is_none())
    }

    /// Time passes at the platforms, and the GP system looks what is new.
    pub(super) async fn round(&self) -> anyhow::Result<()> {
        let cases = self.cases().await?;
        self.draw(&cases);
        self.charities.act(&cases);
        for platform in self.platforms.values() {
            platform.pass_to(self.clock.now());
            platform.tick().await;
        }
        self.collector.step().await?;
        self.gp.poll().await?;
        Ok(())
    }

    /// True when the GP system has read what the gateway holds, and no platform has anything left to say.
    pub(super) async fn is_followed_up(&self) -> anyhow::Result<bool> {
        self.gp.poll().await?;
        let idle = self.outbox_is_idle().await?;
        let at_rest = self.platforms.values().all(FhirPlatform::settled)
            && self.collector.settled()
            && self.charities.at_rest(&self.cases().await?);
        Ok(idle && at_rest && self.rows().await?.iter().all(|row| row.aligned))
    }

    pub(super) async fn rows(&self) -> anyhow::Result<Vec<Row>> {
        let mut at_platforms: BTreeMap<String, String> = BTreeMap::new();
        for platform in self.platforms.values() {
            for task in platform.tasks() {
                if let Some(key) = task.key {
                    at_platforms.insert(key, task.status);
                }
            }
        }
        let collected: BTreeMap<String, String> =
            self.collector.tasks().into_iter().map(|task| (task.id, task.status)).collect();
        let mut rows = Vec::new();
        for case in self.cases().await? {
            let referral = &case.referral;
            let Some(record) = self.gp.record(&case.placer) else { continue };
            let mut platform = at_platforms.get(&referral.key.0).cloned();
            if let (None, Some(name)) = (&platform, &referral.platform_referral) {
                // The collecting platform's own note, or what it would read if it came now.
                platform = collected.get(&name.0).cloned();
                if platform.is_none() {
                    platform = self.published(referral, &name.0).await?;
                }
            }
            let gp = record.status().unwrap_or("-").to_owned();
            let gateway = referral.task_status.code().to_owned();
            let stand = match case.platform() {
                FAMILIES | CASEWORK | SILENT => self.charities.stand(&case),
                _ => platform.map(|word| Stand::of(&word, word.parse().ok())),
            };
            // A word that means nothing is not the same as no word.
            let understood = stand.as_ref().is_none_or(|stand| stand.means.is_some());
            let shown = stand.as_ref().and_then(|stand| stand.means);
            let aligned = gp == gateway && understood && self.is_aligned(referral, shown);
            rows.push(Row {
                placer: record.placer_id.clone(),
                recipient: referral.platform.as_ref().map_or("-".to_owned(), |platform| platform.0.clone()),
                delivery: referral.delivery.word(),
                business_status: record.business_code().unwrap_or("-").to_owned(),
                gp_status: gp,
                gateway_status: gateway,
                platform_status: stand.map_or_else(|| "-".to_owned(), |stand| stand.word),
                aligned,
            });
        }
        rows.sort_by(|one, other| one.placer.cmp(&other.placer));
        Ok(rows)
    }

    /// The status of the Task that was published for a collecting platform.
    async fn published(&self, referral: &Referral, id: &str) -> anyhow::Result<Option<String>> {
        let Some(platform) = &referral.platform else { return Ok(None) };
        let compartment =
            Compartment { tenant: referral.compartment.tenant.clone(), owner: Owner::Platform(platform.clone()) };
        let task = crate::ingest::load(self.gateway(), &compartment, &format!("Task/{id}")).await?;
        Ok(task.and_then(|(_, task)| task.text("status").map(str::to_owned)))
    }

    pub(super) async fn stop(self) {
        for platform in self.platforms.values() {
            platform.stop().await;
        }
        self.charities.stop().await;
        drop(self.fleet);
        if let Some(running) = self.running {
            running.stop().await;
        }
    }
}

/// One gateway, put together as `serve` does it.
async fn gateway(text: &str, base: &str) -> anyhow::Result<Gateway> {
    let config = config::parse(text)?;
    let store = config::open_store(&config).await?;
    let transport = Arc::new(HttpTransport::new()?);
    let (clock, chance) = (Arc::new(SystemClock), Arc::new(Chance::from_system()));
    Ok(config::build(&config, base.to_owned(), store, clock, chance, transport)?)
}

/// So short that what a dead instance left is taken up while one looks on.
const SHORT: &str = "delays-seconds = [1]\nsettle-seconds = 2\nlane-seconds = 3\n";

/// Attempts of the GP system at a submission where instances die, [`Beat`] apart.
const ATTEMPTS: u32 = 2_000;

/// Waits a moment between two attempts, however often it failed.
struct Beat;

impl Pause for Beat {
    fn pause(&self, _how_long: time::Duration) -> Paused<'_> {
        Box::pin(async { sleep(&SystemClock, Duration::from_millis(50)).await })
    }
}

/// Cancels, reading again when the gateway has written in between.
pub(super) async fn cancel(gp: &GpSystem, task_url: &str) -> anyhow::Result<()> {
    for _ in 0..200 {
        match gp.cancel(task_url).await {
            Ok(_) => return Ok(()),
            Err(WireError::Refused { status: 412, .. }) => {}
            // Whoever was asked has died: perhaps before it answered, perhaps behind the cancellation.
            Err(WireError::NoAnswer { .. }) => {
                sleep(&SystemClock, Duration::from_millis(50)).await;
                let id = task_url.rsplit('/').next().unwrap_or_default();
                if gp.task(id).await.is_ok_and(|task| task["status"] == "cancelled") {
                    return Ok(());
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    anyhow::bail!("a cancellation met newer versions and dead instances all the time")
}
