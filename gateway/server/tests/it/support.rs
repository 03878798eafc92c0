//! One gateway on a free port of loopback, with clients of every kind, synthetic referrals to send, and bounded waiting.
//!
//! A *quiet* gateway has no lanes: what is accepted stays in the outbox, so that a test decides when anything leaves.

use conformance_tests::generator::{Expectation, Generator, PRACTICE_ODS, RecipientSpec, SyntheticReferral};
use conformance_tests::platform::{FhirPlatform, Notify, PlatformConfig};
use gateway_core::identity::PlatformId;
use gateway_core::referral::Referral;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use vcse_gateway::adapters::FolderReader;
use vcse_gateway::chance::Chance;
use vcse_gateway::clock::{Clock, SystemClock};
use vcse_gateway::config;
use vcse_gateway::notify::Way;
use vcse_gateway::serve::{self, Running};
use vcse_gateway::store::memory::MemoryStore;
use vcse_gateway::store::{ReferralFilter, Store};
use vcse_gateway::transport::{HttpTransport, Transport};

pub(crate) const FHIR_JSON: &str = "application/fhir+json";
pub(crate) const PATCH_JSON: &str = "application/json-patch+json";
pub(crate) const REPORT_TOKEN: &str = "reports";
/// Where nobody listens.
const NOWHERE: &str = "http://127.0.0.1:9/fhir";

/// By which notifications are signed.
pub(crate) const WEBHOOK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// The file in which it stands.
const WEBHOOK: &str = "webhook";

/// Tokens of the callers; each is also the client's id.
pub(crate) const GP: &str = "gp";
pub(crate) const READER: &str = "reader";
pub(crate) const BARS: &str = "bars";
/// Another organisation of the same tenant.
pub(crate) const NEIGHBOUR: &str = "neighbour";
/// The same organisation in another tenant.
pub(crate) const FOREIGN: &str = "foreign";
/// Records consent for the practice, and does nothing else.
pub(crate) const RECORDER: &str = "recorder";
/// Looks after information governance at the practice.
pub(crate) const GOVERNANCE: &str = "governance";
/// Looks after the delivery of the tenant's referrals.
pub(crate) const OPERATOR: &str = "operator";
/// The same in another tenant.
pub(crate) const FOREIGN_OPERATOR: &str = "foreign-operator";
/// Refers, and is not entitled to record consent.
pub(crate) const SELF_REFERRAL: &str = "self-referral";
/// The platform that collects.
pub(crate) const COLLECTOR: &str = "collector";

/// How a gateway is set up.
pub(crate) struct Setup {
    pub(crate) store: Arc<dyn Store>,
    /// Base addresses of `food` (conditional create) and `befriending` (none).
    pub(crate) bases: [String; 2],
    /// Whether anything is delivered.
    pub(crate) lanes: bool,
    pub(crate) transport: Option<Arc<dyn Transport>>,
    /// More settings of both platforms.
    pub(crate) settings: &'static str,
    /// More keys of the platform `food`.
    pub(crate) food: &'static str,
    /// The adapter of `food`.
    pub(crate) adapter: &'static str,
    /// Folder of more adapters, and what reads it.
    pub(crate) adapters: Option<(PathBuf, Arc<dyn FolderReader>)>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) poll_seconds: u32,
    /// To which quiet polls stretch; absent = they do not.
    pub(crate) poll_longest_seconds: Option<u32>,
    /// When each night all is compared, as it is configured.
    pub(crate) reconcile_at: &'static str,
    /// Term of a lane.
    pub(crate) lane_seconds: u32,
    /// A platform besides.
    pub(crate) besides: Option<Besides>,
    /// Platforms that may have free text: tenant and platform.
    pub(crate) notes_to: &'static [(&'static str, &'static str)],
    /// More sections: what tenants decided.
    pub(crate) decided: String,
    /// Keys of `[limits]`.
    pub(crate) limits: &'static str,
    /// More keys of the practice's client.
    pub(crate) gp: String,
    /// More keys of the clients `gp` and `bars`: whom on their side the gateway tells.
    pub(crate) notify: [String; 2],
    /// Base address as clients see it, where it is not the listener's.
    pub(crate) base_url: Option<&'static str>,
    /// Who else is told on the GP's side.
    pub(crate) way: Option<Arc<dyn Way>>,
    /// Clients that may subscribe, to endpoints on this machine.
    pub(crate) subscribers: &'static [&'static str],
}

/// What no test reaches unless it is about it.
const PLENTY: &str = "requests-per-minute = 4000000\nburst = 1000000\nat-once = 1000";

/// A platform of another adapter, with its route.
pub(crate) struct Besides {
    /// ODS code by which referrals reach it.
    pub(crate) ods: &'static str,
    /// The adapter.
    pub(crate) adapter: &'static str,
    /// Its address.
    pub(crate) base: String,
    /// Scheme of its `Authorization`; or a line of configuration, in which `BASE` and `SECRET` stand for the address and the file; empty
    /// where the keys of `token` say how it is reached.
    pub(crate) scheme: &'static str,
    /// The secret behind it.
    pub(crate) token: String,
    /// `name = "value"`, divided by commas.
    pub(crate) settings: &'static str,
}

impl Besides {
    fn section(&self, secret: &Path) -> String {
        let Self { ods, adapter, base, scheme, settings, .. } = self;
        let address = if base.is_empty() { String::new() } else { format!("base-url = \"{base}\"\n") };
        let identifier =
            format!("[{{ system = \"https://fhir.nhs.uk/Id/ods-organization-code\", value = \"{ods}\" }}]");
        let secret = secret.display().to_string();
        let credentials = if scheme.is_empty() {
            self.token.clone()
        } else if scheme.contains('=') {
            scheme.replace("BASE", base).replace("SECRET", &secret)
        } else {
            format!("authorization = {{ scheme = \"{scheme}\", file = \"{secret}\" }}")
        };
        // A name that leads elsewhere is no simulator, and is asked as its vendor lets us.
        let manners = if credentials.contains("sftp.example") {
            ""
        } else {
            "poll-seconds = 1\npoll-longest-seconds = 1\nsimulator = true"
        };
        format!(
            "\n[[platform]]\nid = \"besides\"\nname = \"Another platform\"\nadapter = \"{adapter}\"\n\
             {address}{credentials}\n{manners}\n\
             identifiers = {identifier}\nsettings = {{ {settings} }}\n\n\
             [[route]]\nname = \"besides\"\nplatform = \"besides\"\nrecipients = {identifier}\n"
        )
    }
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            store: Arc::new(MemoryStore::new()),
            bases: [NOWHERE.to_owned(), NOWHERE.to_owned()],
            lanes: false,
            transport: None,
            settings: "",
            food: "",
            adapter: "fhir-task",
            adapters: None,
            clock: Arc::new(SystemClock),
            poll_seconds: 1,
            poll_longest_seconds: None,
            reconcile_at: "off",
            lane_seconds: 10,
            besides: None,
            notes_to: &[("pcn-a", "food"), ("pcn-a", "befriending"), ("pcn-a", "advice"), ("pcn-b", "food")],
            decided: String::new(),
            limits: PLENTY,
            notify: [String::new(), String::new()],
            base_url: None,
            gp: String::new(),
            way: None,
            subscribers: &[],
        }
    }
}

/// A gateway that runs.
pub(crate) struct World {
    pub(crate) running: Running,
    pub(crate) origin: String,
    http: reqwest::Client,
    _folder: tempfile::TempDir,
}

impl World {
    /// Nothing is ever delivered.
    pub(crate) async fn quiet() -> Self {
        Self::start(Setup::default()).await
    }

    pub(crate) async fn start(setup: Setup) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let token = folder.path().join("token");
        std::fs::write(&token, PlatformConfig::default().token).unwrap();
        std::fs::write(token.with_file_name(WEBHOOK), WEBHOOK_SECRET).unwrap();
        let mut text = configuration(&address.to_string(), &token, &setup);
        if let Some(besides) = &setup.besides {
            let secret = folder.path().join("secret");
            std::fs::write(&secret, &besides.token).unwrap();
            text += &besides.section(&secret);
        }
        // What a test decides about a recipient stands alone.
        let decided = |platform: &str| setup.decided.contains(&format!("platform = \"{platform}\""));
        for (tenant, platform) in setup.notes_to.iter().filter(|(_, platform)| !decided(platform)) {
            text += &format!("\n[[policy]]\ntenant = \"{tenant}\"\nplatform = \"{platform}\"\nnotes = \"send\"\n");
        }
        text += &setup.decided;
        text += &format!("\n[limits]\n{}\n\n[reconcile]\nat = \"{}\"\n", setup.limits, setup.reconcile_at);
        let config = match &setup.adapters {
            Some((_, reader)) => config::parse_with(&text, Arc::clone(reader)),
            None => config::parse(&text),
        };
        let config = config.unwrap();
        let transport = setup.transport.unwrap_or_else(|| Arc::new(HttpTransport::new().unwrap()));
        let (clock, chance) = (setup.clock, Arc::new(Chance::seeded(u64::from(address.port()))));
        let origin = format!("http://{address}");
        let base = setup.base_url.map_or_else(|| format!("{origin}/fhir"), str::to_owned);
        let mut gateway = config::build(&config, base, setup.store, clock, chance, transport).unwrap();
        setup.way.into_iter().for_each(|way| gateway.ways.add(way));
        if !setup.lanes {
            gateway.platforms.clear();
        }
        let running = serve::start(gateway, listener).unwrap();
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
        Self { running, origin, http, _folder: folder }
    }

    /// With both platform doubles; `food` tells of changes, `befriending` has to be polled.
    pub(crate) async fn with_platforms(settings: &'static str) -> (Self, FhirPlatform, FhirPlatform) {
        let food = FhirPlatform::start(PlatformConfig { seed: 3, ..PlatformConfig::default() }).await.unwrap();
        let befriending = FhirPlatform::start(PlatformConfig { seed: 4, ..PlatformConfig::default() }).await.unwrap();
        let bases = [food.base_url(), befriending.base_url()];
        let world = Self::start(Setup { bases, lanes: true, settings, ..Setup::default() }).await;
        food.set_notify(Some(Notify::id_only(&format!("{}/platforms/food/reports", world.origin), REPORT_TOKEN)));
        (world, food, befriending)
    }

    pub(crate) fn store(&self) -> &dyn Store {
        self.running.gateway.store.as_ref()
    }

    /// A request that is not sent yet.
    pub(crate) fn request(&self, token: &str, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.origin) };
        let request = self.http.request(Method::from_bytes(method.as_bytes()).unwrap(), url);
        if token.is_empty() { request } else { request.bearer_auth(token) }
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap() }
    }

    pub(crate) async fn get(&self, token: &str, path: &str) -> Answer {
        self.send(self.request(token, "GET", path)).await
    }

    pub(crate) async fn post(&self, token: &str, path: &str, body: impl Into<String>) -> Answer {
        self.send(self.request(token, "POST", path).header("content-type", FHIR_JSON).body(body.into())).await
    }

    /// Posts a Bundle that must be taken, and gives what was made of it.
    pub(crate) async fn submit(&self, bundle: &Value) -> Sent {
        self.submit_text(bundle.to_string()).await
    }

    pub(crate) async fn submit_text(&self, bundle: String) -> Sent {
        let answer = self.post(GP, "/fhir", bundle).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        Sent { response: answer.json() }
    }

    /// Reads, changes and puts back a resource with the version that was read.
    pub(crate) async fn change(&self, path: &str, change: impl FnOnce(&mut Value)) -> Answer {
        let read = self.get(GP, path).await;
        let mut resource = read.json();
        change(&mut resource);
        let put =
            self.request(GP, "PUT", path).header("content-type", FHIR_JSON).header("if-match", read.header("etag"));
        self.send(put.body(resource.to_string())).await
    }

    /// Moves a Task as its sender; retries where the gateway wrote in between.
    pub(crate) async fn move_task(&self, task: &str, status: &str) -> Answer {
        for _ in 0..20 {
            let answer = self.change(task, |task| task["status"] = Value::from(status)).await;
            if answer.status != StatusCode::PRECONDITION_FAILED {
                return answer;
            }
        }
        panic!("the Task changed twenty times while it was being moved");
    }

    pub(crate) async fn task(&self, path: &str) -> Value {
        let answer = self.get(GP, path).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        answer.json()
    }

    /// Waits until the Task has this status.
    pub(crate) async fn task_becomes(&self, path: &str, status: &str) -> Value {
        let what = format!("{path} {status}");
        let seen = eventually(&what, || async {
            let task = self.task(path).await;
            (task["status"] == status).then_some(task)
        });
        seen.await
    }

    /// Waits until the platform has acknowledged the Task's referral.
    pub(crate) async fn delivered(&self, task: &str) -> Referral {
        self.delivery_becomes(task, "delivered").await
    }

    /// Waits until the delivery of the Task's referral is this.
    pub(crate) async fn delivery_becomes(&self, task: &str, word: &str) -> Referral {
        let id = task.rsplit_once('/').unwrap().1;
        eventually(&format!("{task} {word}"), || async {
            let all = self.referrals().await;
            all.into_iter().find(|referral| referral.task == id && referral.delivery.word() == word)
        })
        .await
    }

    pub(crate) async fn referrals(&self) -> Vec<Referral> {
        let filter = ReferralFilter { limit: u32::MAX, ..ReferralFilter::default() };
        self.store().referrals(&filter).await.unwrap()
    }

    /// The one referral that there is.
    pub(crate) async fn referral(&self) -> Referral {
        let mut all = self.referrals().await;
        assert_eq!(all.len(), 1, "one referral is expected");
        all.remove(0)
    }

    /// Waits until no errand is due or under way.
    pub(crate) async fn outbox_idle(&self) {
        let all: Vec<PlatformId> = self.running.gateway.platforms.ids();
        eventually("an idle outbox", || async { self.store().next_due(&all).await.unwrap().is_none().then_some(()) })
            .await;
    }

    pub(crate) async fn stop(self) {
        self.running.stop().await;
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {} {}", self.status, self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// Code and place of every issue.
    pub(crate) fn issues(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let outcome = self.json();
        let issues = outcome["issue"].as_array().cloned().unwrap_or_default();
        issues.iter().map(|issue| (text(&issue["code"]), text(&issue["expression"][0]))).collect()
    }

    /// Holds what every refusal keeps: a 4xx, a valid OperationOutcome, the names echoed.
    pub(crate) fn assert_refused(&self, case: &str) {
        assert!(self.status.is_client_error(), "{case}: {} {}", self.status, self.text);
        assert!(self.header("content-type").starts_with(FHIR_JSON), "{case}: {:?}", self.headers);
        assert!(!self.header("x-request-id").is_empty(), "{case}: no X-Request-Id");
        assert!(!self.header("x-correlation-id").is_empty(), "{case}: no X-Correlation-Id");
        assert_valid(case, &self.text);
        assert_eq!(self.json()["resourceType"], "OperationOutcome", "{case}");
    }
}

/// A resource must be valid R4 in the gateway's own eyes, warnings included.
pub(crate) fn assert_valid(case: &str, text: &str) {
    let document = door(text);
    let faults: Vec<_> = gateway_fhir::validate::resource(&document);
    let errors: Vec<_> = faults.iter().filter(|issue| issue.severity == gateway_fhir::Severity::Error).collect();
    assert!(errors.is_empty(), "{case}: {errors:?}\n{text}");
}

pub(crate) fn door(text: &str) -> gateway_fhir::Json {
    let limits = gateway_fhir::door::DoorLimits { body_bytes: usize::MAX, ..gateway_fhir::door::DoorLimits::default() };
    gateway_fhir::door::admit(text.as_bytes(), &limits).unwrap_or_else(|refusal| panic!("{refusal:?}: {text}"))
}

/// What a transaction made.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) response: Value,
}

impl Sent {
    /// The first resource of a type, as answered.
    pub(crate) fn resource(&self, kind: &str) -> &Value {
        let mut entries = self.response["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]);
        entries.find(|resource| resource["resourceType"] == kind).unwrap_or_else(|| panic!("no {kind}"))
    }

    /// Its path on the gateway.
    pub(crate) fn path(&self, kind: &str) -> String {
        format!("/fhir/{}", self.reference(kind))
    }

    /// `Type/id`.
    pub(crate) fn reference(&self, kind: &str) -> String {
        format!("{kind}/{}", self.resource(kind)["id"].as_str().unwrap())
    }
}

/// The `nth` synthetic referral with this expectation, to the one recipient (`VCSE1` = food, `VCSE2` = befriending,
/// `VCSE3` = collected).
pub(crate) fn referral_to(ods: &str, expectation: Expectation, nth: usize) -> SyntheticReferral {
    let generator = Generator::new(11, vec![RecipientSpec::new(ods, "Example Recipient", &[])]);
    let mut fitting = (0..2000).filter(|n| Expectation::of(*n) == expectation);
    generator.referral(fitting.nth(nth).unwrap())
}

/// A referral that goes through to `food`.
pub(crate) fn bundle(nth: usize) -> Value {
    referral_to("VCSE1", Expectation::Delivered, nth).bundle
}

/// The resource of this type in a Bundle of requests.
pub(crate) fn inside<'a>(bundle: &'a mut Value, kind: &str) -> &'a mut Value {
    &mut entry_of(bundle, kind)["resource"]
}

pub(crate) fn entry_of<'a>(bundle: &'a mut Value, kind: &str) -> &'a mut Value {
    let entries = bundle["entry"].as_array_mut().unwrap().iter_mut();
    entries.into_iter().find(|entry| entry["resource"]["resourceType"] == kind).unwrap_or_else(|| panic!("no {kind}"))
}

/// Asks until there is an answer; fails after a minute, which only a machine that does much else comes near to.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let mut ticks = tokio::time::interval(Duration::from_millis(15));
    for _ in 0..4_000 {
        ticks.tick().await;
        if let Some(found) = ask().await {
            return found;
        }
    }
    panic!("waited in vain for {what}");
}

/// Lets some turns of every worker pass, where a test has to see that nothing happens.
pub(crate) async fn settle() {
    let mut ticks = tokio::time::interval(Duration::from_millis(15));
    for _ in 0..20 {
        ticks.tick().await;
    }
}

fn sha256(token: &str) -> String {
    Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn configuration(address: &str, token: &Path, setup: &Setup) -> String {
    const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
    let client = |id: &str, tenant: &str, organisation: &str, more: &str| {
        let secret = token.with_file_name(WEBHOOK);
        let may = format!(
            "\nsubscriptions = {{ hosts = [\"127.0.0.1\"], signing-secret = {{ file = \"{}\" }} }}",
            secret.display()
        );
        let may = if setup.subscribers.contains(&id) { may.as_str() } else { "" };
        format!(
            "[[client]]\nid = \"{id}\"\ntenant = \"{tenant}\"\norganisation = \"{organisation}\"\n\
             token-sha256 = \"{}\"{may}\n{more}\n",
            sha256(id)
        )
    };
    let referrer = "roles = [\"referrer\"]";
    let folder = setup.adapters.as_ref().map(|(folder, _)| format!("adapters = \"{}\"\n", folder.display()));
    let folder = folder.unwrap_or_default();
    let mut text = format!(
        "[server]\nlisten = \"{address}\"\ndata = \"unused\"\n{folder}\n[retry]\ndelays-seconds = [1]\nsettle-seconds = 0\nlane-seconds = {}\n",
        setup.lane_seconds
    );
    text += &client(GP, "pcn-a", PRACTICE_ODS, &format!("{referrer}\n{}\n{}", setup.notify[0], setup.gp));
    text += &client(READER, "pcn-a", PRACTICE_ODS, "roles = [\"reader\"]");
    text += &client(BARS, "pcn-a", PRACTICE_ODS, &format!("{referrer}\nprofile = \"bars\"\n{}", setup.notify[1]));
    text += &client(NEIGHBOUR, "pcn-a", "A82001", referrer);
    text += &client(FOREIGN, "pcn-b", PRACTICE_ODS, referrer);
    text += &client(RECORDER, "pcn-a", PRACTICE_ODS, "roles = [\"consent\"]");
    text += &client(GOVERNANCE, "pcn-a", PRACTICE_ODS, "roles = [\"governance\"]");
    text += &client(OPERATOR, "pcn-a", "QHL01", "roles = [\"operator\"]");
    text += &client(FOREIGN_OPERATOR, "pcn-b", "QHL01", "roles = [\"operator\"]");
    text += &client(SELF_REFERRAL, "pcn-a", PRACTICE_ODS, &format!("{referrer}\nrecords-consent = false"));
    text += &client(COLLECTOR, "pcn-a", "VCSE3", "roles = [\"platform\"]\nplatform = \"advice\"");
    let requester = "requester-ods = \"X26\", requester-name = \"Test PCN gateway\"";
    let [food, befriending] = &setup.bases;
    let (token, more, poll) = (token.display(), setup.settings, setup.poll_seconds);
    let longest = setup.poll_longest_seconds.unwrap_or(poll);
    let longest = if longest > 0 { format!("poll-longest-seconds = {longest}\n") } else { String::new() };
    let reports = sha256(REPORT_TOKEN);
    let conditional = if setup.adapter == "fhir-task" { "conditional-create = \"true\"," } else { "" };
    for (id, ods, rest) in [
        (
            "food",
            "VCSE1",
            format!(
                "base-url = \"{food}\"\ntoken = {{ file = \"{token}\" }}\nreport-token-sha256 = \"{reports}\"\n\
                 poll-seconds = {poll}\n{longest}simulator = true\n{}\nsettings = {{ {conditional} {more} {requester} }}",
                setup.food
            ),
        ),
        (
            "befriending",
            "VCSE2",
            format!(
                "base-url = \"{befriending}\"\ntoken = {{ file = \"{token}\" }}\npoll-seconds = {poll}\n{longest}simulator = true\n\
                 settings = {{ {more} {requester} }}"
            ),
        ),
        ("advice", "VCSE3", format!("publish-to = \"pcn-a\"\nsettings = {{ mode = \"direct-light\", {requester} }}")),
    ] {
        let adapter = if id == "food" { setup.adapter } else { "fhir-task" };
        text += &format!(
            "\n[[platform]]\nid = \"{id}\"\nname = \"Example {id}\"\nadapter = \"{adapter}\"\n\
             identifiers = [{{ system = \"{ODS}\", value = \"{ods}\" }}]\n{rest}\n\n\
             [[route]]\nname = \"{id}\"\nplatform = \"{id}\"\nrecipients = [{{ system = \"{ODS}\", value = \"{ods}\" }}]\n"
        );
    }
    text
}
