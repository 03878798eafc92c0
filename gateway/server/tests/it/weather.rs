//! Whole gateways in bad weather: a platform that is late, hangs up before or after it has stored, answers with pages, half answers, errors
//! and errors in a success, and asks for time, as a seed has it, also while statuses are polled. In the end each referral is at the platform
//! once, by the platform's own record, and both sides say the same of it.
//!
//! Time is a clock that the test moves by a second at each look; what stalls is let go at the next. One request is under way at a time, so
//! that the same seed strikes the same requests as far as nothing else decides their order.

use crate::support::{OPERATOR, Setup, World, referral_to};
use conformance_tests::charitylog::{Charitylog, CharitylogConfig};
use conformance_tests::connect_families::{ConnectFamilies, ConnectFamiliesConfig, Role};
use conformance_tests::generator::Expectation;
use conformance_tests::platform::{FaultKind, Faults, Weather};
use conformance_tests::salesforce::{Licence, Salesforce};
use conformance_tests::simulator::{Namespace, START, Simulator};
use gateway_core::referral::Referral;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use vcse_gateway::chance::Chance;
use vcse_gateway::clock::ManualClock;
use vcse_gateway::transport::HttpTransport;
use vcse_gateway::transport::dial::SystemLookup;

const ODS: &str = "VCSE12";
const REFERRALS: usize = 36;
const SEEDS: std::ops::Range<u64> = 1..6;
/// Of a thousand requests.
const STRUCK: u32 = 450;
/// Looks, each a second of the gateway's time, after which something that is waited for does not come any more.
const LOOKS: usize = 3_000;

/// What may strike. What stalls is late by a look, and then gone.
fn kinds() -> Vec<FaultKind> {
    let status = |status, retry_after| FaultKind::Status { status, retry_after };
    vec![
        FaultKind::Stall,
        FaultKind::StallAfterStoring,
        FaultKind::StallInBody,
        FaultKind::ResetBeforeStoring,
        FaultKind::ResetAfterStoring,
        FaultKind::TruncatedBody,
        FaultKind::HtmlPage,
        FaultKind::ErrorInSuccess,
        status(500, None),
        status(502, None),
        status(503, None),
        status(503, Some(3)),
        status(429, None),
        status(429, Some(3)),
    ]
}

/// A platform's own record, and what its people do.
trait Counterpart {
    fn faults(&self) -> &Faults;
    fn advance(&self, step: time::Duration);
    /// How many records hold this key of ours.
    fn holding(&self, key: &str) -> usize;
    /// How many records there are of anybody.
    fn records(&self) -> usize;
    /// Whether what may be there is looked up, or a person has to ask.
    fn can_be_asked(&self) -> bool;
    /// Somebody works on what holds this key, as far as this: the status that the Task gets by it.
    fn work(&self, key: &str, nth: usize) -> &'static str;
}

struct Storm<C> {
    world: World,
    clock: Arc<ManualClock>,
    counterpart: C,
    seed: u64,
    _folder: tempfile::TempDir,
}

impl<C: Counterpart> Storm<C> {
    /// `credentials` makes the keys of the platform that hold secrets, whose files are to lie in the folder.
    async fn over(
        seed: u64,
        counterpart: C,
        adapter: &str,
        base: &str,
        settings: &str,
        credentials: impl Fn(&C, &Path) -> String,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let identifier =
            format!("[{{ system = \"https://fhir.nhs.uk/Id/ods-organization-code\", value = \"{ODS}\" }}]");
        let decided = format!(
            "\n[[platform]]\nid = \"besides\"\nname = \"Another platform\"\nadapter = \"{adapter}\"\nbase-url = \"{base}\"\n{}\n\
             poll-seconds = 5\npoll-longest-seconds = 5\nsimulator = true\npace = {{ at-once = 1 }}\nidentifiers = {identifier}\nsettings = {{ {settings} }}\n\n\
             [[route]]\nname = \"besides\"\nplatform = \"besides\"\nrecipients = {identifier}\n\n\
             [[policy]]\ntenant = \"pcn-a\"\nplatform = \"besides\"\nnotes = \"send\"\n",
            credentials(&counterpart, folder.path())
        );
        let clock = Arc::new(ManualClock::at(START));
        let chance = Arc::new(Chance::seeded(seed));
        let transport = HttpTransport::with(Arc::new(SystemLookup), clock.clone(), chance).unwrap();
        let setup = Setup {
            lanes: true,
            decided,
            clock: clock.clone(),
            transport: Some(Arc::new(transport)),
            ..Setup::default()
        };
        let world = World::start(setup).await;
        counterpart.faults().set_weather(Weather { seed, per_mille: STRUCK, kinds: kinds() });
        Self { world, clock, counterpart, seed, _folder: folder }
    }

    /// Lets time pass until it is so.
    async fn until(&self, what: &str, mut is_so: impl AsyncFnMut() -> bool) {
        let mut looks = tokio::time::interval(Duration::from_millis(5));
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        for _ in 0..LOOKS {
            looks.tick().await;
            if is_so().await {
                return;
            }
            self.counterpart.faults().release();
            self.counterpart.advance(time::Duration::seconds(1));
            self.clock.advance(Duration::from_secs(1));
        }
        let open: Vec<_> = self.world.referrals().await.iter().map(|one| one.delivery.word()).collect();
        panic!("seed {}: not {what}; deliveries: {open:?}", self.seed);
    }

    async fn all(&self, words: &[&str]) -> bool {
        self.world.referrals().await.iter().all(|referral| words.contains(&referral.delivery.word()))
    }

    async fn dead(&self) -> Vec<Referral> {
        let all = self.world.referrals().await.into_iter();
        all.filter(|referral| referral.delivery.word() == "dead-letter").collect()
    }

    /// A person asks the organisation, sees what is there, and sends on what is not.
    async fn asks(&self, referral: &Referral) {
        let rows = self.world.store().outbox(&referral.id).await.unwrap();
        let attempts = rows.iter().map(|row| row.attempts).max().unwrap();
        let task = json!({ "name": "task", "valueReference": { "reference": format!("Task/{}", referral.task) } });
        let asked = json!({ "name": "asked", "valueInteger": attempts });
        let body = json!({ "resourceType": "Parameters", "parameter": [task, asked] }).to_string();
        let answer = self.world.post(OPERATOR, "/fhir/Task/$redrive", body).await;
        assert_eq!(answer.status, 200, "seed {}: {}", self.seed, answer.text);
    }

    /// By the platform's record: nobody is there twice, and who was delivered is there.
    async fn nothing_is_doubled(&self) {
        let mut there = 0;
        for referral in self.world.referrals().await {
            let holding = self.counterpart.holding(&referral.key.0);
            assert!(holding <= 1, "seed {}: {holding} records of one referral", self.seed);
            assert!(holding == 1 || referral.delivery.word() != "delivered", "seed {}: delivered, and lost", self.seed);
            there += holding;
        }
        assert_eq!(self.counterpart.records(), there, "seed {}: records of nobody", self.seed);
    }

    /// From the first referral to the last status; what struck.
    async fn passes(self) -> BTreeSet<String> {
        for nth in 0..REFERRALS {
            self.world.submit(&referral_to(ODS, Expectation::Delivered, nth).bundle).await;
        }
        self.until("at an end", async || self.all(&["delivered", "dead-letter"]).await).await;
        self.nothing_is_doubled().await;
        let dead = self.dead().await;
        assert!(dead.is_empty() || !self.counterpart.can_be_asked(), "seed {}: {:?}", self.seed, dead[0].delivery);
        // What a person finds there is taken up there, which proves it; what is not there is sent again, in the same weather.
        let mut worked = BTreeSet::new();
        for _ in 0..10 {
            for referral in self.dead().await {
                if self.counterpart.holding(&referral.key.0) == 0 {
                    self.asks(&referral).await;
                } else if worked.insert(referral.key.0.clone()) {
                    self.counterpart.work(&referral.key.0, 0);
                }
            }
            let settled = async || {
                let dead = self.dead().await;
                self.all(&["delivered", "dead-letter"]).await
                    && dead.iter().all(|referral| !worked.contains(&referral.key.0))
            };
            self.until("settled", settled).await;
        }
        assert!(self.dead().await.is_empty(), "seed {}", self.seed);
        self.nothing_is_doubled().await;
        assert_eq!(self.counterpart.records(), REFERRALS, "seed {}: each is there", self.seed);

        let mut wanted = Vec::new();
        for (nth, referral) in self.world.referrals().await.into_iter().enumerate() {
            wanted.push((format!("/fhir/Task/{}", referral.task), self.counterpart.work(&referral.key.0, nth)));
        }
        let agree = async || {
            for (path, status) in &wanted {
                if self.world.task(path).await["status"] != *status {
                    return false;
                }
            }
            true
        };
        self.until("of one mind", agree).await;
        self.nothing_is_doubled().await;
        let referrals = self.world.referrals().await;
        assert!(referrals.iter().all(|referral| referral.conflict.is_none()), "seed {}", self.seed);
        let struck = self.counterpart.faults().struck();
        assert!(struck.len() >= REFERRALS / 2, "seed {}: fair weather: {struck:?}", self.seed);
        self.world.stop().await;
        struck.into_iter().map(|(_, kind)| format!("{kind:?}")).collect()
    }
}

/// Over all seeds everything has happened that may.
fn assert_all_struck(struck: &BTreeSet<String>) {
    let missed: Vec<_> = kinds().into_iter().filter(|kind| !struck.contains(&format!("{kind:?}"))).collect();
    assert!(missed.is_empty(), "no seed has {missed:?}");
}

struct Org {
    org: Namespace<Salesforce>,
    _simulator: Simulator<Salesforce>,
}

impl Org {
    fn ids(&self, key: &str) -> Vec<String> {
        self.org.with(|org, _| org.holding("Referral", "VcseReferralKey__c", key))
    }
}

impl Counterpart for Org {
    fn faults(&self) -> &Faults {
        self.org.faults()
    }

    fn advance(&self, step: time::Duration) {
        self.org.advance(step);
    }

    fn holding(&self, key: &str) -> usize {
        self.ids(key).len()
    }

    fn records(&self) -> usize {
        self.org.with(|org, _| org.count("Referral"))
    }

    fn can_be_asked(&self) -> bool {
        true
    }

    fn work(&self, key: &str, nth: usize) -> &'static str {
        let words = [("In Review", "received"), ("Authorized", "accepted"), ("Rejected", "rejected")];
        let (word, status) = words[nth % words.len()];
        let id = &self.ids(key)[0];
        assert!(self.org.with(|org, now| org.edit(id, "AuthorizationStatus", word, now)));
        status
    }
}

#[tokio::test]
async fn salesforce() {
    let mut struck = BTreeSet::new();
    for seed in SEEDS {
        let simulator = Simulator::start(|| Salesforce::new(Licence::PublicSector)).await.unwrap();
        let counterpart = Org { org: simulator.root(), _simulator: simulator };
        let base = counterpart.org.base_url().to_owned();
        let settings =
            "external-id-field = \"VcseReferralKey__c\", withdrawn-comment = \"The referrer has withdrawn this.\"";
        let credentials = |counterpart: &Org, folder: &Path| {
            let file = folder.join("secret");
            std::fs::write(&file, counterpart.org.with(|org, _| org.app().client_secret.clone())).unwrap();
            format!(
                "oauth2 = {{ token-url = \"{base}/services/oauth2/token\", grant = \"client-credentials\", \
                 client-id = \"3MVG9.gateway\", secret = {{ file = \"{}\" }} }}",
                file.display()
            )
        };
        let storm = Storm::over(seed, counterpart, "salesforce", &base, settings, credentials);
        struck.extend(storm.await.passes().await);
    }
    assert_all_struck(&struck);
}

impl Counterpart for ConnectFamilies {
    fn faults(&self) -> &Faults {
        Self::faults(self)
    }

    fn advance(&self, step: time::Duration) {
        Self::advance(self, step);
    }

    fn holding(&self, key: &str) -> usize {
        Self::holding(self, key).len()
    }

    fn records(&self) -> usize {
        // Every text holds nothing.
        Self::holding(self, "").len()
    }

    fn can_be_asked(&self) -> bool {
        true
    }

    fn work(&self, key: &str, nth: usize) -> &'static str {
        let id = Self::holding(self, key)[0];
        let (done, status) = match nth % 3 {
            0 => (self.open(id), "received"),
            1 => (self.accept(id), "accepted"),
            _ => (self.decline(id, "We are full until spring."), "rejected"),
        };
        assert!(done);
        status
    }
}

#[tokio::test]
async fn connect_families() {
    let mut struck = BTreeSet::new();
    for seed in SEEDS {
        let counterpart = ConnectFamilies::start(ConnectFamiliesConfig::default()).await.unwrap();
        let base = counterpart.base_url().trim_end_matches('/').to_owned();
        let settings = "service-id = \"42\", service-name = \"Befriending\", organisation-id = \"7\", \
            organisation-name = \"Example Neighbours\", account-id = \"11\", account-email = \"link.workers@example.nhs.uk\", \
            account-name = \"Example PCN link workers\", account-team = \"Example PCN\", account-phone = \"0113 496 0100\"";
        let credentials = |counterpart: &ConnectFamilies, folder: &Path| {
            let file = folder.join("token");
            std::fs::write(&file, counterpart.token(Role::LaDualRole, 11, 7)).unwrap();
            format!("authorization = {{ scheme = \"Bearer\", file = \"{}\" }}", file.display())
        };
        let storm = Storm::over(seed, counterpart, "connect-families", &base, settings, credentials);
        struck.extend(storm.await.passes().await);
    }
    assert_all_struck(&struck);
}

struct Charity {
    charity: Namespace<Charitylog>,
    _simulator: Simulator<Charitylog>,
}

impl Counterpart for Charity {
    fn faults(&self) -> &Faults {
        self.charity.faults()
    }

    fn advance(&self, step: time::Duration) {
        self.charity.advance(step);
    }

    fn holding(&self, key: &str) -> usize {
        self.charity.with(|charity, _| {
            let staged =
                charity.staged().iter().filter(|one| one.members.get("external_id").is_some_and(|id| id == key));
            let cases = charity.cases().iter().filter(|one| one.external_id.as_deref() == Some(key));
            staged.count() + cases.count()
        })
    }

    fn records(&self) -> usize {
        self.charity.with(|charity, _| charity.staged().len() + charity.cases().len())
    }

    fn can_be_asked(&self) -> bool {
        false
    }

    fn work(&self, key: &str, nth: usize) -> &'static str {
        self.charity.with(|charity, now| {
            let staged = charity.staged().iter().find(|one| one.members.get("external_id").is_some_and(|id| id == key));
            if let Some(staged) = staged.map(|one| one.id) {
                charity.import(staged, 8, now).unwrap();
            }
            let case = charity.cases().iter().find(|one| one.external_id.as_deref() == Some(key)).unwrap().id;
            let (stage, status) = match nth % 3 {
                0 => return "received",
                1 => ("First Appointment Booked", "in-progress"),
                _ => ("Closed - Complete", "completed"),
            };
            assert!(charity.contact(case, stage, now));
            status
        })
    }
}

#[tokio::test]
async fn charitylog() {
    let mut struck = BTreeSet::new();
    for seed in SEEDS {
        let simulator = Simulator::start(|| Charitylog::new(CharitylogConfig::default())).await.unwrap();
        let counterpart = Charity { charity: simulator.root(), _simulator: simulator };
        let base = counterpart.charity.base_url().to_owned();
        let settings = "org-type-id = \"7\", project = \"8\", poll-projects = \"7;8\", poll-from = \"2026-06-01\"";
        let credentials = |_: &Charity, folder: &Path| {
            let config = CharitylogConfig::default();
            let keys = [("Source", config.source_key), ("Org", config.org_key), ("User", config.user_key)];
            let headers = keys.map(|(name, key)| {
                let file = folder.join(name);
                std::fs::write(&file, key).unwrap();
                format!("{{ name = \"{name}\", file = \"{}\" }}", file.display())
            });
            format!("secret-headers = [{}]", headers.join(", "))
        };
        let storm = Storm::over(seed, counterpart, "charitylog", &base, settings, credentials);
        struck.extend(storm.await.passes().await);
    }
    assert_all_struck(&struck);
}
