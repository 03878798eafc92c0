//! One gateway's surroundings: a folder with its configuration, three simulated platforms, a GP system, and the
//! referrals that are sent.
//!
//! The three differ in what a lost answer costs. `keyed` keeps one for our key; `asked` has to be asked whether it has
//! a referral; `unkeyed` can neither, so that what is uncertain there is a person's to settle.

use crate::facts::Kept;
use crate::process::Place;
use crate::subscribed::Subscribed;
use anyhow::{Context as _, Result};
use conformance_tests::connect_families::{ConnectFamilies, ConnectFamiliesConfig, Role, Status};
use conformance_tests::front::Front;
use conformance_tests::generator::{Expectation, Generator, PRACTICE_ODS, RecipientSpec, SyntheticReferral};
use conformance_tests::gp_system::{GpConfig, GpSystem, Pause, Paused};
use conformance_tests::platform::{FhirPlatform, Notify, PlatformConfig, PlatformTask, RecordedRequest};
use conformance_tests::subscriber::SECRET;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use vcse_gateway::gateway::Secret;

const GP_TOKEN: &str = "campaign-gp-system";
const REPORT_TOKEN: &str = "campaign-reports";

/// The tenant of the only client.
pub const TENANT: &str = "example-pcn";

/// Between two attempts of the GP system.
const AGAIN: Duration = Duration::from_millis(25);

/// A platform, by what a lost answer costs there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// It keeps one for our key.
    Keyed,
    /// It can be asked by our key.
    Asked,
    /// Neither.
    Unkeyed,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Keyed, Self::Asked, Self::Unkeyed];

    /// Its id in the configuration.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Keyed => "keyed",
            Self::Asked => "asked",
            Self::Unkeyed => "unkeyed",
        }
    }

    /// The ODS code of its organisation.
    #[must_use]
    pub const fn ods(self) -> &'static str {
        match self {
            Self::Keyed => "VCSE1",
            Self::Asked => "VCSE2",
            Self::Unkeyed => "VCSE3",
        }
    }

    /// Where its referrals' numbers begin: a multiple of twenty, so that the generator's mix is the same for each.
    const fn first(self) -> u64 {
        match self {
            Self::Keyed => 0,
            Self::Asked => 1_000_000,
            Self::Unkeyed => 2_000_000,
        }
    }
}

/// What a platform holds of a referral.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Which platform.
    pub platform: Kind,
    /// Our key, where it is there.
    pub key: String,
    /// Its id there.
    pub id: String,
    /// Its status there, as `Task.status` has it.
    pub status: String,
}

impl Held {
    /// What a platform with a FHIR server holds.
    pub fn tasks(platform: Kind, tasks: Vec<PlatformTask>) -> Vec<Self> {
        let held =
            |task: PlatformTask| Self { platform, key: task.key.unwrap_or_default(), id: task.id, status: task.status };
        tasks.into_iter().map(held).collect()
    }

    /// What the unkeyed platform shows of a referral.
    #[must_use]
    pub fn shown(shown: &serde_json::Value) -> Self {
        Self {
            platform: Kind::Unkeyed,
            key: shown["engageWithFamily"].as_str().unwrap_or_default().to_owned(),
            id: shown["id"].to_string(),
            status: status_of(shown["status"]["name"].as_str().unwrap_or_default()).to_owned(),
        }
    }
}

/// What these requests told in each conversation. One that arrives twice under its `X-Request-Id` was sent once: a network
/// doubles what it carries.
pub fn told<'a>(requests: impl IntoIterator<Item = &'a RecordedRequest>) -> BTreeMap<String, Told> {
    let mut told = BTreeMap::<String, Told>::new();
    let mut seen = BTreeSet::new();
    for request in requests.into_iter().filter(|request| request.method == "POST" && !only_reads(request)) {
        let name = |name: &str| request.header(name).unwrap_or_default().to_owned();
        let id = name("x-request-id");
        if !id.is_empty() && !seen.insert(id) {
            continue;
        }
        let told = told.entry(name("x-correlation-id")).or_default();
        told.requests += 1;
        told.creates += usize::from(matches!(request.path.as_str(), "/fhir/Task" | "/api/referrals"));
    }
    told
}

/// True for a batch that only reads what the platform has: it tells nothing.
fn only_reads(request: &RecordedRequest) -> bool {
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap_or_default();
    let entries = body["entry"].as_array().map(Vec::as_slice).unwrap_or_default();
    body["type"] == "batch" && entries.iter().all(|entry| entry["request"]["method"] == "GET")
}

/// What people at the unkeyed platform do next with a referral that it shows.
#[must_use]
pub fn next_at_unkeyed(shown: &serde_json::Value) -> Option<(i64, Status, Option<&'static str>)> {
    let (id, name) = (shown["id"].as_i64()?, shown["status"]["name"].as_str()?);
    match (name, id % 5) {
        ("New", 0) => Some((id, Status::Declined, Some("We are full until spring."))),
        ("New", _) => Some((id, Status::Opened, None)),
        ("Opened", _) => Some((id, Status::Accepted, None)),
        _ => None,
    }
}

/// How a scene is set up.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The gateway's binary.
    pub gateway: PathBuf,
    /// Decides people, fates and ids.
    pub seed: u64,
    /// Lines at the end of the configuration's `[server]`, `[limits]`, `[retry]` sections, in this order.
    pub more: [String; 3],
    /// Where the data folder lies, if not in the scene's own folder.
    pub data: Option<PathBuf>,
    /// The address of a database, for three instances over it.
    pub database: Option<String>,
    /// Sections at the end of the configuration.
    pub sections: String,
    /// Whether a Subscription is told of every version of a Task.
    pub subscribes: bool,
}

impl Setup {
    /// An ordinary scene.
    #[must_use]
    pub fn new(gateway: &Path, seed: u64) -> Self {
        let (more, sections) = Default::default();
        Self { gateway: gateway.to_owned(), seed, more, data: None, database: None, sections, subscribes: false }
    }
}

/// The simulated platforms. Clones share them.
#[derive(Clone)]
pub struct Platforms {
    /// Keeps one for our key.
    pub keyed: Arc<FhirPlatform>,
    /// Has to be asked.
    pub asked: Arc<FhirPlatform>,
    /// Can be neither.
    pub unkeyed: Arc<ConnectFamilies>,
}

/// What the platforms were told in one conversation (`X-Correlation-Id`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// Requests that tell something of the person.
    pub requests: usize,
    /// Those of them that make a referral there.
    pub creates: usize,
}

/// The surroundings.
pub struct Scene {
    /// Who is referred to.
    pub platforms: Platforms,
    /// Where the gateway lives; the first of [`places`](Self::places).
    pub place: Place,
    /// Where each instance lives.
    pub places: Vec<Place>,
    /// Where each instance listens.
    pub listens: Vec<SocketAddr>,
    /// What stands in front of several.
    pub front: Option<Front>,
    /// Where the store is kept.
    pub kept: Kept,
    /// The seed.
    pub seed: u64,
    /// Who is told of every version of a Task, if anybody is.
    pub subscribed: Option<Subscribed>,
    address: String,
    folder: tempfile::TempDir,
}

impl Platforms {
    /// What all platforms hold.
    #[must_use]
    pub fn held(&self) -> Vec<Held> {
        let mut held = Held::tasks(Kind::Keyed, self.keyed.tasks());
        held.extend(Held::tasks(Kind::Asked, self.asked.tasks()));
        held.extend(self.unkeyed.received().iter().map(Held::shown));
        held
    }

    /// What was told in each conversation.
    #[must_use]
    pub fn told(&self) -> BTreeMap<String, Told> {
        let requests = [self.keyed.requests(), self.asked.requests(), self.unkeyed.requests()];
        told(requests.iter().flatten())
    }

    /// Lets the platforms' time pass once.
    pub async fn tick(&self) {
        self.keyed.tick().await;
        self.asked.tick().await;
        self.unkeyed.advance(time::Duration::hours(1));
        for shown in self.unkeyed.received() {
            if let Some((id, status, reason)) = next_at_unkeyed(&shown) {
                self.unkeyed.set_status(id, status, reason);
            }
        }
    }
}

impl Scene {
    /// Starts the platforms and writes the configuration.
    ///
    /// # Errors
    /// When a port, the folder or the adapter's files are missing.
    pub async fn new(setup: &Setup) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("campaign-").tempdir()?;
        let config = |seed| PlatformConfig { seed, ..PlatformConfig::default() };
        let keyed = Arc::new(FhirPlatform::start(config(setup.seed)).await?);
        let asked = Arc::new(FhirPlatform::start(config(setup.seed ^ 0xA5)).await?);
        let unkeyed = Arc::new(ConnectFamilies::start(ConnectFamiliesConfig::default()).await?);
        let (mut listens, mut front) = (vec![free_address()?], None);
        if setup.database.is_some() {
            listens.extend([free_address()?, free_address()?]);
            let before = Front::start().await?;
            before.set_targets(listens.clone());
            front = Some(before);
        }
        let address = front.as_ref().map(Front::address).or_else(|| listens.first().copied());
        let address = address.context("an address")?.to_string();
        for (kind, platform) in [(Kind::Keyed, &keyed), (Kind::Asked, &asked)] {
            let url = format!("http://{address}/platforms/{}/reports", kind.id());
            platform.set_notify(Some(Notify::id_only(&url, REPORT_TOKEN)));
        }
        let place = |folder: PathBuf| Place { gateway: setup.gateway.clone(), folder };
        let places: Vec<Place> = match &setup.database {
            None => vec![place(folder.path().to_owned())],
            Some(_) => (1..=listens.len()).map(|nth| place(folder.path().join(format!("instance-{nth}")))).collect(),
        };
        let place = places.first().context("an instance")?.clone();
        let kept = match &setup.database {
            None => Kept::File(place.data().join("gateway.db")),
            Some(url) => Kept::Database(Secret::new(url.clone())),
        };
        adapter_without_look_up(&folder.path().join("adapters/connect-families-unasked"))?;
        for place in places.iter().filter(|place| place.folder != folder.path()) {
            fs::create_dir(&place.folder)?;
        }
        match &setup.data {
            Some(data) => std::os::unix::fs::symlink(data, place.data())?,
            None => fs::create_dir(place.data())?,
        }
        let platforms = Platforms { keyed, asked, unkeyed };
        let seed = setup.seed;
        let subscribed = if setup.subscribes { Some(Subscribed::start().await?) } else { None };
        let scene = Self { platforms, place, places, listens, front, kept, seed, subscribed, address, folder };
        scene.configure(setup)?;
        Ok(scene)
    }

    /// Asks for the Subscription, where there is to be one; true once it is made.
    pub async fn subscribes(&self) -> bool {
        match &self.subscribed {
            None => true,
            Some(subscribed) => subscribed.asks(&format!("http://{}/fhir", self.address), GP_TOKEN).await,
        }
    }

    /// True once whoever subscribed was told all.
    pub async fn is_told(&self) -> bool {
        match &self.subscribed {
            None => true,
            Some(subscribed) => subscribed.is_told(&self.kept).await,
        }
    }

    /// A GP system of this scene. Each draws the same request ids for the same referral.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn gp(&self, attempts: u32) -> Result<GpSystem> {
        self.gp_at(&self.address, self.seed, attempts)
    }

    /// A GP system that asks one address, with request ids by a seed of its own.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn gp_at(&self, address: &str, seed: u64, attempts: u32) -> Result<GpSystem> {
        self.gp_of(GP_TOKEN, address, seed, attempts)
    }

    /// The GP system of another client.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn gp_of(&self, token: &str, address: &str, seed: u64, attempts: u32) -> Result<GpSystem> {
        let config = GpConfig {
            fhir_base: format!("http://{address}/fhir"),
            token: token.to_owned(),
            organisation_ods: PRACTICE_ODS.to_owned(),
            seed,
        };
        Ok(GpSystem::new(config)?.with_attempts(attempts).with_pause(Arc::new(Beat)))
    }

    /// The `number`-th referral to a platform.
    #[must_use]
    pub fn referral(&self, kind: Kind, number: u64) -> SyntheticReferral {
        referral(self.seed, kind, number)
    }

    /// The `nth` number of which the generator expects this.
    #[must_use]
    pub fn number_of(expectation: Expectation, nth: usize) -> u64 {
        (0..).filter(|number| Expectation::of(*number) == expectation).nth(nth).unwrap_or(0)
    }

    fn configure(&self, setup: &Setup) -> Result<()> {
        let folder = self.folder.path();
        let write = |name: &str, text: &str| fs::write(folder.join(name), text);
        write("fhir-token", &PlatformConfig::default().token)?;
        write("unkeyed-token", &self.platforms.unkeyed.token(Role::LaDualRole, 11, 7))?;
        let [server, limits, retry] = &setup.more;
        let (mut told, mut lease) = (String::new(), "");
        if setup.subscribes {
            write("webhook", SECRET)?;
            let secret = folder.join("webhook");
            told = format!(
                "subscriptions = {{ hosts = [\"127.0.0.1\"], signing-secret = {{ file = \"{}\" }} }}\n",
                secret.display()
            );
            // What is being told when the process dies is told again once its lease is over.
            lease = "lease-seconds = 8\n";
        }
        let place = match &setup.database {
            None => format!("data = \"{}\"", self.place.data().display()),
            Some(url) => {
                write("database", url)?;
                format!(
                    "base-url = \"http://{}/fhir\"\n[store]\npostgres = {{ file = \"{}\" }}",
                    self.address,
                    folder.join("database").display()
                )
            }
        };
        let mut text = format!(
            "adapters = \"{}\"\n{server}\n{place}\n\
             [limits]\nrequests-per-minute = 4000000\nburst = 1000000\nat-once = 1000\n{limits}\n\
             [retry]\ndelays-seconds = [1]\nsettle-seconds = 1\nrecall-seconds = 86400\n{lease}{retry}\n\
             [[client]]\nid = \"gp-system\"\ntenant = \"{TENANT}\"\norganisation = \"{PRACTICE_ODS}\"\n\
             token-sha256 = \"{}\"\nroles = [\"referrer\"]\n{told}",
            folder.join("adapters").display(),
            sha256(GP_TOKEN),
        );
        let fhir = |conditional: bool| {
            format!(
                "conditional-create = \"{conditional}\", requester-ods = \"X26\", requester-name = \"Example PCN gateway\""
            )
        };
        for kind in Kind::ALL {
            let (adapter, base, scheme, token, settings) = match kind {
                Kind::Keyed => ("fhir-task", self.platforms.keyed.base_url(), "Bearer", "fhir-token", fhir(true)),
                Kind::Asked => ("fhir-task", self.platforms.asked.base_url(), "Bearer", "fhir-token", fhir(false)),
                Kind::Unkeyed => {
                    let base = self.platforms.unkeyed.base_url().trim_end_matches('/').to_owned();
                    ("connect-families-unasked", base, "Bearer", "unkeyed-token", UNKEYED.to_owned())
                }
            };
            let (id, ods, secret) = (kind.id(), kind.ods(), folder.join(token));
            let identifiers =
                format!("[{{ system = \"https://fhir.nhs.uk/Id/ods-organization-code\", value = \"{ods}\" }}]");
            let reports = match kind {
                Kind::Unkeyed => String::new(),
                Kind::Keyed | Kind::Asked => format!("report-token-sha256 = \"{}\"\n", sha256(REPORT_TOKEN)),
            };
            text += &format!(
                "\n[[platform]]\nid = \"{id}\"\nname = \"Platform {id}\"\nadapter = \"{adapter}\"\nbase-url = \"{base}\"\n\
                 identifiers = {identifiers}\nauthorization = {{ scheme = \"{scheme}\", file = \"{}\" }}\n{reports}\
                 poll-seconds = 1\npoll-longest-seconds = 1\nsimulator = true\nsettings = {{ {settings} }}\n\
                 [[route]]\nname = \"{id}\"\nplatform = \"{id}\"\nrecipients = {identifiers}\n\
                 [[policy]]\ntenant = \"{TENANT}\"\nplatform = \"{id}\"\nnotes = \"send\"\n",
                secret.display()
            );
        }
        text += &setup.sections;
        for (place, listen) in self.places.iter().zip(&self.listens) {
            fs::write(place.folder.join("gateway.toml"), format!("[server]\nlisten = \"{listen}\"\n{text}"))?;
        }
        Ok(())
    }
}

/// The `number`-th referral of a seed to a platform.
#[must_use]
pub fn referral(seed: u64, kind: Kind, number: u64) -> SyntheticReferral {
    let recipient = RecipientSpec::new(kind.ods(), "Example organisation", &[]);
    Generator::new(seed, vec![recipient]).referral(kind.first() + number)
}

/// The settings of the unkeyed platform's adapter.
pub const UNKEYED: &str = "service-id = \"42\", service-name = \"Befriending\", organisation-id = \"7\", \
     organisation-name = \"Example Neighbours\", account-id = \"11\", account-email = \"link.workers@example.nhs.uk\", \
     account-name = \"Example PCN link workers\", account-team = \"Example PCN\", account-phone = \"0113 496 0100\"";

/// The platform's words as `Task.status` has them, by the table of its adapter.
fn status_of(name: &str) -> &'static str {
    match name {
        "Opened" => "received",
        "Accepted" => "accepted",
        "Declined" => "rejected",
        _ => "requested",
    }
}

/// The adapter `connect-families` without its look-up: what is left is a platform that takes a referral and can never
/// be asked for it.
///
/// # Errors
/// When its files cannot be read or written.
pub fn adapter_without_look_up(to: &Path) -> Result<()> {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../adapters/connect-families");
    fs::create_dir_all(to)?;
    let read = |name: &str| fs::read_to_string(from.join(name)).with_context(|| format!("{name} of connect-families"));
    let manifest = read("adapter.toml")?
        .replace("name = \"connect-families\"", "name = \"connect-families-unasked\"")
        .replace("look-up = true", "look-up = false");
    let mut inside = false;
    let kept = read("mapping.yaml")?;
    let mapping = kept.lines().filter(|line| {
        let key = line.starts_with("  ") && !line.starts_with("   ") && line.trim_end().ends_with(':');
        if key {
            inside = line.trim() == "look-up:";
        }
        !inside
    });
    fs::write(
        to.join("mapping.yaml"),
        mapping.collect::<Vec<_>>().join("\n").replace("connect-families", "connect-families-unasked") + "\n",
    )?;
    fs::write(to.join("adapter.toml"), manifest)?;
    Ok(())
}

/// An address that stays this scene's when the process starts again: a loopback address of its own, so that no outgoing
/// connection can take the port in between.
fn free_address() -> Result<SocketAddr> {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed) % 60_000;
    let [_, _, _, low] = std::process::id().to_be_bytes();
    let [_, _, high, last] = number.to_be_bytes();
    let ip = Ipv4Addr::new(127, 64 + low % 128, high, last);
    Ok(TcpListener::bind((ip, 0))?.local_addr()?)
}

/// SHA-256 of a token, as the configuration has it.
#[must_use]
pub fn sha256(token: &str) -> String {
    Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The GP system's patience: the same short wait each time, whatever `Retry-After` says, for the faults here are short.
struct Beat;

impl Pause for Beat {
    fn pause(&self, _how_long: time::Duration) -> Paused<'_> {
        Box::pin(async {
            let mut beat = tokio::time::interval(AGAIN);
            beat.tick().await;
            beat.tick().await;
        })
    }
}
