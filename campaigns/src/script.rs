//! What happens in a short run: the GP system submits, withdraws some, repeats whatever was not answered; the platforms
//! work. Nothing here knows when the process dies.

use crate::facts::{self, Answered, Facts, Outside};
use crate::process::Keeps;
use crate::report::say;
use crate::scene::{Kind, Scene};
use anyhow::{Result, bail};
use conformance_tests::generator::{Expectation, SyntheticReferral};
use conformance_tests::gp_system::{GpSystem, SubmitOutcome};
use gateway_core::referral::{Delivery, Referral};
use rustix::process::Signal;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Between two looks at anything.
const BEAT: Duration = Duration::from_millis(50);
/// Looks in which a phase must come to its end: a quarter of an hour and more, where an undisturbed one takes two seconds. A
/// busy machine must not make a verdict.
const BEATS: u32 = 20_000;
/// Looks after which the gateway is started anew, where it is.
const RESTART: u32 = 200;
/// Looks after which it is said what is waited for.
const TELL: u32 = 300;
/// The GP system's attempts at a submission, 50 ms apart.
pub const ATTEMPTS: u32 = 20_000;

/// What the sender does with a referral besides sending it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// Nothing.
    None,
    /// Cancels the Task at once.
    Cancel,
    /// Withdraws the person's consent at once.
    WithdrawConsent,
    /// Cancels once the platform has it.
    CancelLater,
    /// Withdraws consent once the platform has it.
    WithdrawLater,
}

/// One referral of a run.
#[derive(Debug, Clone)]
pub struct Part {
    /// To which platform.
    pub kind: Kind,
    /// What is sent.
    pub referral: SyntheticReferral,
    /// What else the sender does.
    pub sender: Move,
}

/// The mix of the `number`-th run of a seed: three referrals, one to each platform, each run with another combination of
/// sender's moves, and each seventh with a referral that nobody consented to.
#[must_use]
pub fn mix(scene: &Scene, number: u64) -> Vec<Part> {
    const MOVES: [Move; 5] = [Move::None, Move::Cancel, Move::WithdrawConsent, Move::CancelLater, Move::WithdrawLater];
    let pick = |at: u64| usize::try_from(at % 5).ok().and_then(|at| MOVES.get(at).copied()).unwrap_or(Move::None);
    Kind::ALL
        .iter()
        .zip([number, number / 5 + 1, number / 3 + 2])
        .map(|(kind, turn)| {
            let nth = usize::try_from(number % 11).unwrap_or(0);
            let denied = number % 7 == 3 && *kind == Kind::Asked;
            let expectation = if denied { Expectation::NoConsent } else { Expectation::Delivered };
            let referral = scene.referral(*kind, Scene::number_of(expectation, nth));
            let sender = if denied { Move::None } else { pick(turn) };
            Part { kind: *kind, referral, sender }
        })
        .collect()
}

/// Tries once to do what the sender does; true once it is done, also if an earlier try did it and its answer was lost.
pub async fn try_move(gp: &GpSystem, placer: &str, sender: Move) -> bool {
    let Some(record) = gp.record(placer) else { return false };
    match sender {
        Move::None => true,
        Move::Cancel | Move::CancelLater => {
            gp.cancel(&record.task_url).await.is_ok()
                || gp.task(&record.task_id).await.is_ok_and(|task| {
                    // A Task that ended first cannot be cancelled.
                    matches!(task["status"].as_str(), Some("cancelled" | "rejected" | "completed" | "failed"))
                })
        }
        Move::WithdrawConsent | Move::WithdrawLater => gp.withdraw_consent(&record.task_url).await.is_ok(),
    }
}

/// A run under way.
pub struct Script<'a> {
    /// The surroundings.
    pub scene: &'a Scene,
    /// Keeps the gateway running.
    pub keeper: &'a dyn Keeps,
    /// The GP system.
    pub gp: Arc<GpSystem>,
    /// What is sent.
    pub parts: Vec<Part>,
    /// Whether the gateway is stopped and started again where it does not come to rest: an attempt whose end could not be
    /// stored is otherwise left to the end of its lease, minutes later.
    pub restarts: bool,
}

impl<'a> Script<'a> {
    /// A run of these parts.
    #[must_use]
    pub fn new(scene: &'a Scene, keeper: &'a dyn Keeps, gp: Arc<GpSystem>, parts: Vec<Part>) -> Self {
        Self { scene, keeper, gp, parts, restarts: false }
    }

    /// Plays everything: submissions, withdrawals, a graceful end and a new start, the platforms' work.
    ///
    /// # Errors
    /// What did not come to its end, in words.
    pub async fn play(&self) -> Result<()> {
        self.begin().await?;
        // A graceful end in the middle: its last commits and its checkpoint are points like any other.
        self.keeper.signal(Signal::TERM, true);
        self.settle().await
    }

    /// Submissions and withdrawals, until no errand is open.
    ///
    /// # Errors
    /// What did not come to its end, in words.
    pub async fn begin(&self) -> Result<()> {
        self.until("somebody has subscribed", async || self.scene.subscribes().await).await?;
        self.submit().await?;
        for part in &self.parts {
            self.sender(part, Move::Cancel, Move::WithdrawConsent).await?;
        }
        for part in self.parts.iter().filter(|part| matches!(part.sender, Move::CancelLater | Move::WithdrawLater)) {
            let placer = &part.referral.placer_id;
            self.until(&format!("{placer} has left or is set aside"), async || {
                self.referral_of(placer)
                    .await
                    .is_some_and(|(referral, open)| !open && !matches!(referral.delivery, Delivery::Queued))
            })
            .await?;
            self.sender(part, Move::CancelLater, Move::WithdrawLater).await?;
        }
        self.until("no errand is open", async || self.is_idle().await).await
    }

    /// Submits all parts, and repeats until each is answered.
    ///
    /// # Errors
    /// What was refused, in words.
    pub async fn submit(&self) -> Result<()> {
        let mut running = JoinSet::new();
        for part in &self.parts {
            let (gp, referral) = (Arc::clone(&self.gp), part.referral.clone());
            running.spawn(async move { (referral.placer_id.clone(), gp.submit(&referral).await) });
        }
        while let Some(done) = running.join_next().await {
            match done? {
                (_, SubmitOutcome::Accepted { .. }) => {}
                (placer, other) => bail!("{placer} was not accepted: {other:?}"),
            }
        }
        Ok(())
    }

    /// Does what the part's sender does, if it is one of these two, and asks when the answer is lost.
    async fn sender(&self, part: &Part, cancel: Move, withdraw: Move) -> Result<()> {
        let placer = &part.referral.placer_id;
        if part.sender == cancel {
            self.until(&format!("{placer} is cancelled"), async || try_move(&self.gp, placer, Move::Cancel).await)
                .await?;
        }
        if part.sender == withdraw {
            let withdraw = async || try_move(&self.gp, placer, Move::WithdrawConsent).await;
            self.until(&format!("consent for {placer} is withdrawn"), withdraw).await?;
        }
        Ok(())
    }

    /// The platforms work until GP system, gateway and platforms agree.
    ///
    /// # Errors
    /// What did not come to its end, in words.
    pub async fn settle(&self) -> Result<()> {
        self.until("GP system, gateway and platforms agree", async || {
            self.scene.platforms.tick().await;
            // Nobody may answer just now; the next look asks again.
            self.gp.poll().await.is_ok()
                && self.is_idle().await
                && self.open().await.is_empty()
                && self.scene.is_told().await
        })
        .await
    }

    /// The referrals as they stand, each with whether an errand of it is open; nothing if the store cannot be read now.
    pub async fn quick(&self) -> Option<Vec<(Referral, bool)>> {
        facts::quick(&self.scene.kept).await
    }

    async fn referral_of(&self, placer: &str) -> Option<(Referral, bool)> {
        let task = self.gp.record(placer)?.task_id;
        self.quick().await?.into_iter().find(|(referral, _)| referral.task == task)
    }

    /// True if no errand is due or under way.
    pub async fn is_idle(&self) -> bool {
        self.quick().await.is_some_and(|all| all.iter().all(|(_, open)| !open))
    }

    /// What is not yet as it should be in the end, in words.
    async fn open(&self) -> Vec<String> {
        let Some(all) = self.quick().await else { return vec!["the store cannot be read".to_owned()] };
        let held = self.scene.platforms.held();
        let mut open = Vec::new();
        for record in self.gp.records() {
            let Some((referral, busy)) = all.iter().find(|(referral, _)| referral.task == record.task_id) else {
                open.push(format!("{} is not in the store", record.placer_id));
                continue;
            };
            let status = record.status().unwrap_or("-");
            let there = held.iter().filter(|held| held.key.contains(&referral.key.0)).map(|held| held.status.as_str());
            let there: Vec<&str> = there.collect();
            let settled = match &referral.delivery {
                Delivery::Queued => false,
                Delivery::Held { .. } | Delivery::DeadLetter { .. } | Delivery::Withdrawn => {
                    status == referral.task_status.code()
                }
                Delivery::Delivered { .. } => {
                    let ended = |status: &str| matches!(status, "completed" | "cancelled" | "rejected" | "failed");
                    let platform = there.first().copied().unwrap_or("-");
                    let resting = ended(platform) || (referral_is_unkeyed(referral) && platform == "accepted");
                    let ours = status == referral.task_status.code();
                    // Who withdrew is not shown more of what the platform does.
                    let agree = status == platform || status == "cancelled";
                    resting && ours && agree
                }
            };
            if *busy || !settled {
                let delivery = referral.delivery.word();
                open.push(format!("{}: GP {status}, {delivery}, platform {there:?}, busy {busy}", record.placer_id));
            }
        }
        open
    }

    /// Sends each submission again under its old `X-Request-Id`, from a GP system that remembers nothing.
    ///
    /// # Errors
    /// When the GP system cannot be made.
    pub async fn ask_again(&self) -> Result<Vec<Answered>> {
        let fresh = self.scene.gp(ATTEMPTS)?;
        let mut answered = facts::answered(&self.gp);
        for part in &self.parts {
            let again = match fresh.submit(&part.referral).await {
                SubmitOutcome::Accepted { task_id, .. } => task_id,
                other => format!("{other:?}"),
            };
            for one in answered.iter_mut().filter(|one| one.placer == part.referral.placer_id) {
                one.again = Some(again.clone());
            }
        }
        Ok(answered)
    }

    /// The end: repetitions, then the gateway is stopped and everything is read.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn end(&self) -> Result<Facts> {
        let answered = self.ask_again().await?;
        // What was being told when a process died is told by the next one, once its lease is over.
        self.until("whoever has subscribed was told all", async || self.scene.is_told().await).await?;
        self.keeper.stop();
        let outside = Outside { answered, ..Outside::now(&self.scene.platforms, &self.gp) };
        outside.with_store(&self.scene.kept).await
    }

    /// Looks every `BEAT` until it is so, at most `BEATS` times, or the process is beyond help.
    ///
    /// # Errors
    /// What was not so in time.
    pub async fn until(&self, what: &str, mut is_so: impl AsyncFnMut() -> bool) -> Result<()> {
        let mut beat = tokio::time::interval(BEAT);
        for look in 1..=BEATS {
            beat.tick().await;
            if is_so().await {
                return Ok(());
            }
            if look.is_multiple_of(TELL) {
                say(&format!("still waiting: {what}; open: {:?}", self.open().await));
            }
            if self.restarts && look.is_multiple_of(RESTART) {
                self.keeper.signal(Signal::TERM, true);
            }
            if let Some(fault) = self.keeper.fault() {
                bail!("{fault}, while waiting until {what}");
            }
        }
        bail!("not in time: {what}; open: {:?}", self.open().await)
    }
}

fn referral_is_unkeyed(referral: &Referral) -> bool {
    referral.platform.as_ref().is_some_and(|platform| platform.0 == Kind::Unkeyed.id())
}
