//! Three charities with products of their own, and what their people do: open, accept and decline; import from a staging area,
//! see somebody and close the case; or, as far as anybody outside hears of it, nothing.
//!
//! What they do with a referral is drawn from the seed and the sender's number of it, so that it is the same in each run. They
//! take their next step when the practice can see the one before.

use super::tales::{Case, Tale};
use adapter_contract::TaskStatus;
use conformance_tests::charitylog::{Charitylog, CharitylogConfig};
use conformance_tests::connect_families::{ConnectFamilies, ConnectFamiliesConfig, Role};
use conformance_tests::lamplight::{Lamplight, LamplightConfig};
use conformance_tests::simulator::{Namespace, Simulator};
use gateway_core::referral::SenderState;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// The charity that is reached over "Connect families to support".
pub(super) const FAMILIES: &str = "family-support";
/// The charity that keeps its records in Charitylog.
pub(super) const CASEWORK: &str = "older-people";
/// The charity that keeps its records in Lamplight.
pub(super) const SILENT: &str = "community-garden";

/// The project of the charity's cases.
const PROJECT: i64 = 8;
/// The first stage of a case, and the one that follows it.
const FIRST: &str = "New referral";
const BEGUN: &str = "First Appointment Booked";
/// How cases end, with a weight in a hundred.
const ENDS: [(u32, &str); 4] =
    [(60, "Closed - Complete"), (16, "Closed - No Answer"), (16, CLIENT_DECLINED), (8, "Closed - Client moved away")];
const CLIENT_DECLINED: &str = "Closed - Client Declined";
/// Of a hundred, how many the families' charity declines.
const DECLINED: u32 = 30;
const REASONS: [&str; 3] =
    ["We are full until spring.", "The family lives outside the area that we serve.", "We no longer offer this group."];
/// What is written down after a call from the practice.
const BY_TELEPHONE: &str = "Withdrawn by the practice, by telephone.";

/// How a referral stands at a platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stand {
    /// In the platform's own word.
    pub(super) word: String,
    /// The `Task.status` that a practice should read; absent if the word means none.
    pub(super) means: Option<TaskStatus>,
}

impl Stand {
    pub(super) fn of(word: &str, means: Option<TaskStatus>) -> Self {
        Self { word: word.to_owned(), means }
    }
}

/// How far the referral has come that is declined and then taken up again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Reopened {
    #[default]
    Not,
    /// It was accepted after it had been declined.
    Accepted,
    /// The gateway has put it in front of a person, in these words, who called; it is declined again.
    Settled(String),
}

/// The three.
pub(super) struct Charities {
    seed: u64,
    families: ConnectFamilies,
    casework: Simulator<Charitylog>,
    silent: Simulator<Lamplight>,
    reopened: Mutex<Reopened>,
}

impl Charities {
    pub(super) async fn start(seed: u64) -> anyhow::Result<Self> {
        Ok(Self {
            seed,
            families: ConnectFamilies::start(ConnectFamiliesConfig::default()).await?,
            casework: Simulator::start(|| Charitylog::new(CharitylogConfig::default())).await?,
            silent: Simulator::start(|| Lamplight::new(LamplightConfig::default())).await?,
            reopened: Mutex::default(),
        })
    }

    /// The address of each.
    pub(super) fn addresses(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            (FAMILIES, self.families.base_url().trim_end_matches('/').to_owned()),
            (CASEWORK, self.casework().base_url().to_owned()),
            (SILENT, self.silent().base_url().to_owned()),
        ])
    }

    /// Writes the credentials into files of a folder; the lines of configuration that name them.
    pub(super) fn credentials(&self, folder: &Path) -> std::io::Result<BTreeMap<&'static str, String>> {
        let write = |name: &str, secret: &str| -> std::io::Result<String> {
            let file = folder.join(format!("secret-{name}"));
            std::fs::write(&file, secret)?;
            Ok(format!("file = \"{}\"", file.display()))
        };
        let named = |secrets: &[(&str, &str)]| -> std::io::Result<String> {
            let listed =
                secrets.iter().map(|(name, secret)| Ok(format!("{{ name = \"{name}\", {} }}", write(name, secret)?)));
            Ok(listed.collect::<std::io::Result<Vec<String>>>()?.join(", "))
        };
        let (log, light) = (CharitylogConfig::default(), LamplightConfig::default());
        let headers = named(&[("Source", &log.source_key), ("Org", &log.org_key), ("User", &log.user_key)])?;
        let query = named(&[("lampid", &light.lampid), ("project", &light.project), ("key", &light.key)])?;
        let token = write("families", &self.families.token(Role::LaDualRole, 11, 7))?;
        Ok(BTreeMap::from([
            (FAMILIES, format!("token = {{ {token} }}")),
            (CASEWORK, format!("secret-headers = [{headers}]")),
            (SILENT, format!("secret-query = [{query}]")),
        ]))
    }

    fn casework(&self) -> Namespace<Charitylog> {
        self.casework.root()
    }

    fn silent(&self) -> Namespace<Lamplight> {
        self.silent.root()
    }

    /// The people of each do what they would do next.
    pub(super) fn act(&self, cases: &[Case]) {
        for case in cases {
            match case.platform() {
                FAMILIES => self.answer(case),
                CASEWORK => self.work(case),
                SILENT if case.referral.sender == SenderState::Cancelled => self.forget(case),
                _ => {}
            }
        }
    }

    /// True when nobody has anything left to do of his own accord.
    pub(super) fn at_rest(&self, cases: &[Case]) -> bool {
        let has_come = cases.iter().any(|case| case.tale == Some(Tale::Reopened) && self.stand(case).is_some());
        !has_come || matches!(*self.reopened(), Reopened::Settled(_))
    }

    /// What a person was told of the referral that was taken up again, once that is settled.
    pub(super) fn told_of_reopening(&self) -> Option<String> {
        match &*self.reopened() {
            Reopened::Settled(words) => Some(words.clone()),
            Reopened::Not | Reopened::Accepted => None,
        }
    }

    fn reopened(&self) -> std::sync::MutexGuard<'_, Reopened> {
        self.reopened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How a referral stands at one of the three; nothing if it is not there.
    pub(super) fn stand(&self, case: &Case) -> Option<Stand> {
        let key = case.referral.key.0.as_str();
        match case.platform() {
            FAMILIES => {
                let word = self.word(*self.families.holding(key).first()?)?;
                let means = match word.as_str() {
                    "New" => Some(TaskStatus::Requested),
                    "Opened" => Some(TaskStatus::Received),
                    "Accepted" => Some(TaskStatus::Accepted),
                    "Declined" => Some(TaskStatus::Rejected),
                    _ => None,
                };
                Some(Stand { word, means })
            }
            CASEWORK => self.casework().with(|charity, _| {
                if staged(charity, key).next().is_some() {
                    return Some(Stand::of("staged", Some(TaskStatus::Requested)));
                }
                let (_, stage) = stage(charity, key)?;
                let means = match stage.as_str() {
                    FIRST => Some(TaskStatus::Received),
                    BEGUN => Some(TaskStatus::InProgress),
                    "Closed - Complete" => Some(TaskStatus::Completed),
                    CLIENT_DECLINED => Some(TaskStatus::Cancelled),
                    "Closed - No Answer" | "Closed - Client moved away" => Some(TaskStatus::Failed),
                    _ => None,
                };
                Some(Stand { word: stage, means })
            }),
            // It is there, and that is all that anybody outside can know.
            SILENT => {
                self.in_the_garden(key).first().map(|_| Stand::of("(tells nothing)", Some(TaskStatus::Requested)))
            }
            _ => None,
        }
    }

    /// How often a referral is there beyond the first time.
    pub(super) fn doubled(&self, case: &Case) -> usize {
        let key = case.referral.key.0.as_str();
        let times = match case.platform() {
            FAMILIES => self.families.holding(key).len(),
            CASEWORK => self.casework().with(|charity, _| {
                let cases = charity.cases().iter().filter(|one| one.external_id.as_deref() == Some(key));
                staged(charity, key).count() + cases.count()
            }),
            SILENT => self.in_the_garden(key).len(),
            _ => 0,
        };
        times.saturating_sub(1)
    }

    fn in_the_garden(&self, key: &str) -> Vec<i64> {
        self.silent().with(|lamplight, _| {
            lamplight.referrals().iter().filter(|one| one.reason.contains(key)).map(|one| one.id).collect()
        })
    }

    fn word(&self, id: i64) -> Option<String> {
        let shown = self.families.referral(id)?;
        shown.pointer("/status/name").and_then(serde_json::Value::as_str).map(str::to_owned)
    }

    /// Looks, then says yes or no; nothing is heard after that.
    fn answer(&self, case: &Case) {
        let Some(id) = self.families.holding(&case.referral.key.0).first().copied() else { return };
        let word = self.word(id).unwrap_or_default();
        if case.referral.sender == SenderState::Cancelled {
            if word != "Declined" {
                self.families.decline(id, BY_TELEPHONE);
            }
            return;
        }
        let shown = case.referral.task_status;
        match word.as_str() {
            "New" => {
                self.families.open(id);
            }
            "Opened" if shown == TaskStatus::Received => {
                let draw = self.draw(case);
                let declines = match case.tale {
                    Some(Tale::Declined | Tale::Reopened) => true,
                    _ => draw % 100 < DECLINED,
                };
                let reason = REASONS.get(draw as usize % REASONS.len()).copied().unwrap_or_default();
                if declines {
                    self.families.decline(id, reason)
                } else {
                    self.families.accept(id)
                };
            }
            _ if case.tale == Some(Tale::Reopened) => self.reopen(id, case, &word),
            _ => {}
        }
    }

    /// A place has become free, so it is accepted after all. Whoever then reads at the gateway that this cannot follow calls, and
    /// the charity asks for a new referral.
    fn reopen(&self, id: i64, case: &Case, word: &str) {
        let mut reopened = self.reopened();
        let before = reopened.clone();
        match (before, word, &case.referral.conflict) {
            (Reopened::Not, "Declined", None) if case.referral.task_status == TaskStatus::Rejected => {
                self.families.accept(id);
                *reopened = Reopened::Accepted;
            }
            (Reopened::Accepted, "Accepted", Some(words)) => {
                self.families.decline(id, "A place is free again: please make a new referral.");
                *reopened = Reopened::Settled(words.clone());
            }
            _ => {}
        }
    }

    /// Imports from the staging area, sees the person, closes the case.
    fn work(&self, case: &Case) {
        let key = case.referral.key.0.as_str();
        let withdrawn = case.referral.sender == SenderState::Cancelled;
        let shown = case.referral.task_status;
        self.casework().with(|charity, now| {
            let waiting = staged(charity, key).next();
            if let Some(id) = waiting {
                if withdrawn {
                    charity.reject(id);
                } else if case.tale != Some(Tale::Unanswered) {
                    charity.import(id, PROJECT, now);
                }
                return;
            }
            let Some((id, stage)) = stage(charity, key) else { return };
            match (shown, stage.as_str()) {
                (TaskStatus::Cancelled, FIRST | BEGUN) if withdrawn => charity.contact(id, CLIENT_DECLINED, now),
                (TaskStatus::Received, FIRST) => charity.contact(id, BEGUN, now),
                (TaskStatus::InProgress, BEGUN) => charity.contact(id, self.end(case), now),
                _ => false,
            };
        });
    }

    fn end(&self, case: &Case) -> &'static str {
        let mut draw = self.draw(case) % 100;
        let found = ENDS.iter().find(|(weight, _)| {
            let chosen = draw < *weight;
            draw = draw.saturating_sub(*weight);
            chosen
        });
        found.map_or(CLIENT_DECLINED, |(_, stage)| stage)
    }

    /// After a call from the practice nothing of the referral stays.
    fn forget(&self, case: &Case) {
        let there = self.in_the_garden(&case.referral.key.0);
        self.silent().with(|lamplight, _| there.into_iter().all(|id| lamplight.remove_referral(id)));
    }

    /// What chance has in store for a referral: of this seed and the sender's number always the same.
    fn draw(&self, case: &Case) -> u32 {
        let digest = Sha256::digest(format!("{}/{}", self.seed, case.placer).as_bytes());
        digest.iter().take(3).fold(0, |number, byte| number * 256 + u32::from(*byte))
    }

    pub(super) async fn stop(&self) {
        self.families.stop().await;
        self.casework.stop().await;
        self.silent.stop().await;
    }
}

/// The case of a referral, and the stage that it has come to.
fn stage(charity: &Charitylog, key: &str) -> Option<(i64, String)> {
    let case = charity.cases().iter().find(|one| one.external_id.as_deref() == Some(key))?;
    let stages = CharitylogConfig::default().stages;
    stages.into_iter().find(|(id, _, _)| Some(*id) == case.stage).map(|(_, name, _)| (case.id, name))
}

/// The ids under which a referral lies in the staging area.
fn staged<'c>(charity: &'c Charitylog, key: &'c str) -> impl Iterator<Item = i64> + 'c {
    let of = move |members: &BTreeMap<String, String>| members.get("external_id").is_some_and(|id| id == key);
    charity.staged().iter().filter(move |one| of(&one.members)).map(|one| one.id)
}
