//! `backup`: copies taken while the gateway works, a death, and a start from one of the copies. A flipped byte of a copy is found;
//! what is put back starts paused; platforms are asked before anything is sent; what the copy does not have its senders repeat.
//!
//! What was accepted after the copy is lost with the store, and nothing else is: that is judged by the store as it died, which a
//! real loss would not leave.

use crate::facts::{self, Answered, Facts, Kept, Outside, ReferralFacts};
use crate::kill9::{part, send, within};
use crate::process::{Keeper, Launch, Place};
use crate::report::{Outcome, Progress};
use crate::scene::{Kind, Scene, Setup, Told};
use crate::script::{ATTEMPTS, Move, Part, Script, try_move};
use crate::short::copy_store;
use crate::verdict;
use anyhow::{Context as _, Result, bail, ensure};
use conformance_tests::gp_system::GpSystem;
use conformance_tests::platform::RecordedRequest;
use gateway_core::outbox::{Errand, OutboxState};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rustix::process::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Copies of a round.
const COPIES: usize = 2;
/// Referrals before each copy, and behind the last.
const EACH: usize = 10;
/// Bytes that are flipped in a copy with its SHA-256 beside it, and as many without.
const FLIPS: u32 = 4;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// Runs the campaign.
///
/// # Errors
/// When the gateway does not start, or does not come to rest.
pub async fn run(gateway: &Path, rounds: u64, seed: u64, minutes: u64) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut progress = Progress::default();
    outcome.count("rounds asked for", rounds);
    outcome.count("rounds", 0);
    for round in 0..rounds {
        if progress.seconds() >= minutes.saturating_mul(60) {
            break;
        }
        let seed = seed.wrapping_add(round);
        let mut found = Vec::new();
        self::round(gateway, seed, &mut outcome, &mut found).await.with_context(|| format!("seed {seed}"))?;
        outcome.count("rounds", 1);
        outcome.violated(found.into_iter().map(|words| format!("seed {seed}: {words}")));
        progress.say(|| format!("{round} of {rounds} rounds, {} violations", outcome.violations.len()));
    }
    Ok(outcome)
}

async fn round(gateway: &Path, seed: u64, outcome: &mut Outcome, found: &mut Vec<String>) -> Result<()> {
    let scene = Scene::new(&Setup::new(gateway, seed)).await?;
    let (gp, place) = (Arc::new(scene.gp(ATTEMPTS)?), &scene.place);
    // The first runs, the second is paused, from the third on it is told to go on.
    let plan = |number: u32| {
        let arguments = if number >= 3 { vec!["--resume".to_owned()] } else { Vec::new() };
        Launch { arguments, ..Launch::default() }
    };
    let keeper = Keeper::start(place.clone(), Box::new(plan), Box::new(|_| Ok(())))?;
    ensure!(keeper.serves().await, "it does not serve\n    {}", keeper.log());
    let mut rng = StdRng::seed_from_u64(seed);
    let (copies, parts) = under_load(&scene, &gp, &mut rng, outcome, found).await?;
    keeper.hold(true);
    keeper.signal(Signal::KILL, true);
    ended(&keeper).await;
    let outside = Outside::now(&scene.platforms, &gp);
    let dead = place.folder.join("dead");
    copy_store(&place.data(), &dead)?;
    let died = outside.clone().with_store(&Kept::File(dead.join("gateway.db"))).await?;
    found.extend(verdict::at_death(&died).into_iter().map(|words| format!("at the death: {words}")));

    let copy = copies.get(rng.random_range(0..copies.len())).context("a copy")?;
    look_over(place, copy, &mut rng, outcome, found).await?;
    let (copied, _) = facts::read_store(&Kept::File(copy.clone())).await.context("the copy")?;
    put_back(place, copy, found).await?;
    keeper.hold(false);
    again(&keeper, 2).await?;
    let said = fs::read_to_string(place.said(2)).unwrap_or_default();
    if !said.contains("Paused") {
        found.push(format!("after restore it does not say that it is paused: {said}"));
    }
    // Whoever sent repeats it, and what was withdrawn is withdrawn again, before anything goes on.
    let mark = requests(&scene).map(|of_one| of_one.len());
    gp.forget();
    let script = Script::new(&scene, &keeper, Arc::clone(&gp), parts);
    script.submit().await?;
    for part in script.parts.iter().filter(|part| part.sender != Move::None) {
        let placer = &part.referral.placer_id;
        let what = format!("{:?} of {placer} is taken in", part.sender);
        script.until(&what, async || try_move(&gp, placer, part.sender).await).await?;
    }
    let paused = since(&scene, mark).len();
    if paused > 0 {
        found.push(format!("{paused} requests reached platforms while it was paused"));
    }
    found.extend(repeats(&outside.answered, &copied, &facts::answered(&gp)));
    keeper.signal(Signal::TERM, true);
    again(&keeper, 3).await?;
    script.settle().await?;
    found.extend(asked_first(&copied, &since(&scene, mark)));
    let facts = script.end().await?;
    let lost = lost(&died, &copied);
    outcome.count("errands open in the copy", open(&copied).count() as u64);
    outcome.count("referrals in the copy", copied.len() as u64);
    outcome.count("referrals accepted after the copy, lost with the store, and taken in again", lost.len() as u64);
    let doubled = doubled(&facts, &lost);
    for kind in Kind::ALL {
        let times = doubled.iter().filter(|at| **at == kind).count() as u64;
        outcome.count(&format!("of them delivered before and after the loss, at `{}`", kind.id()), times);
    }
    let dead = facts.referrals.iter().filter(|one| one.referral.delivery.word() == "dead-letter").count();
    outcome.count("dead letters in front of a person", dead as u64);
    found.extend(verdict::at_end(&of_copy(facts, &lost, &outside.told)));
    Ok(())
}

/// Referrals under way, and copies at random moments; then more referrals.
async fn under_load(
    scene: &Scene,
    gp: &Arc<GpSystem>,
    rng: &mut StdRng,
    outcome: &mut Outcome,
    found: &mut Vec<String>,
) -> Result<(Vec<PathBuf>, Vec<Part>)> {
    let (mut copies, mut parts) = (Vec::new(), Vec::new());
    // What is not answered when it dies is repeated later: its sender is let go.
    let mut under_way = JoinSet::new();
    for nth in 0..=COPIES {
        for _ in 0..EACH {
            let part = part(scene, parts.len() as u64);
            under_way.spawn(send(Arc::clone(gp), part.clone()));
            parts.push(part);
        }
        within(Duration::from_millis(rng.random_range(20..900)), scene).await;
        if nth == COPIES {
            break;
        }
        let to = scene.place.folder.join(format!("copy-{nth}.db"));
        let config = scene.place.config().display().to_string();
        let output = scene.place.tool(&["backup", "--config", &config, "--to", &to.display().to_string()]).await?;
        if !output.status.success() {
            found.push(format!("a backup under load: {}", String::from_utf8_lossy(&output.stderr)));
            continue;
        }
        outcome.count("copies taken under load", 1);
        copies.push(to);
    }
    Ok((copies, parts))
}

/// Whether `store check` finds nothing wrong with a file.
async fn holds(place: &Place, file: &Path) -> Result<bool> {
    Ok(place.tool(&["store", "check", "--file", &file.display().to_string()]).await?.status.success())
}

/// The copy is whole; with one byte changed it is not.
async fn look_over(
    place: &Place,
    copy: &Path,
    rng: &mut StdRng,
    outcome: &mut Outcome,
    found: &mut Vec<String>,
) -> Result<()> {
    if !holds(place, copy).await? {
        found.push(format!("{}: `store check` does not pass it", copy.display()));
    }
    let header = fs::read(copy)?;
    // Bytes 36 to 39 of the file: how many of its pages nothing uses.
    if header.get(36..40) != Some([0_u8; 4].as_slice()) {
        found.push("the copy has unused pages".to_owned());
    }
    let size = header.len() as u64;
    for flip in 0..2 * FLIPS {
        let (at, bit) = (rng.random_range(0..size), rng.random_range(0..8_u32));
        let with_sum = flip < FLIPS;
        let flipped = place.folder.join(format!("flipped-{flip}.db"));
        fs::copy(copy, &flipped)?;
        if with_sum {
            let sums = fs::read_to_string(beside(copy))?;
            fs::write(beside(&flipped), sums)?;
        }
        flip_bit(&flipped, at, bit)?;
        let holds = holds(place, &flipped).await?;
        let row = match (with_sum, holds) {
            (true, false) => "flipped bytes of a copy found, with its SHA-256 beside it",
            (true, true) => {
                found.push(format!("bit {bit} of byte {at} of {size} was flipped, and `store check` does not see it"));
                "flipped bytes of a copy unseen, with its SHA-256 beside it"
            }
            (false, false) => "flipped bytes of a copy found, without a SHA-256",
            (false, true) => "flipped bytes of a copy unseen, without a SHA-256",
        };
        outcome.count(row, 1);
        if flip == 0 {
            let elsewhere = place.folder.join("elsewhere");
            fs::create_dir(&elsewhere)?;
            let config = fs::read_to_string(place.config())?;
            let other = config.replace(&place.data().display().to_string(), &elsewhere.display().to_string());
            fs::write(elsewhere.join("gateway.toml"), other)?;
            if restore(&elsewhere.join("gateway.toml"), place, &flipped).await? || elsewhere.join("gateway.db").exists()
            {
                found.push("a copy with a flipped byte was put back".to_owned());
            }
        }
        fs::remove_file(&flipped)?;
    }
    Ok(())
}

fn beside(copy: &Path) -> PathBuf {
    let mut name = copy.as_os_str().to_owned();
    name.push(".sha256");
    name.into()
}

fn flip_bit(file: &Path, at: u64, bit: u32) -> Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(file)?;
    let mut byte = [0_u8];
    file.read_exact_at(&mut byte, at)?;
    file.write_all_at(&byte.map(|byte| byte ^ (1 << bit)), at)?;
    Ok(())
}

async fn restore(config: &Path, place: &Place, from: &Path) -> Result<bool> {
    let (config, from) = (config.display().to_string(), from.display().to_string());
    Ok(place.tool(&["restore", "--config", &config, "--from", &from]).await?.status.success())
}

/// Where a store stands nothing is put back; where it is gone the copy is.
async fn put_back(place: &Place, copy: &Path, found: &mut Vec<String>) -> Result<()> {
    if restore(&place.config(), place, copy).await? {
        found.push("a copy was put in the place of a store that stood there".to_owned());
    }
    fs::rename(place.data(), place.folder.join("gone"))?;
    ensure!(restore(&place.config(), place, copy).await?, "the copy cannot be put back");
    Ok(())
}

async fn ended(keeper: &Keeper) {
    let mut beat = tokio::time::interval(LOOK);
    while keeper.pid().is_some() {
        beat.tick().await;
    }
}

/// Waits until the `number`-th process serves.
async fn again(keeper: &Keeper, number: u32) -> Result<()> {
    let mut beat = tokio::time::interval(LOOK);
    while keeper.number() < number {
        if let Some(fault) = keeper.fault() {
            bail!("{fault}");
        }
        beat.tick().await;
    }
    ensure!(keeper.serves().await, "process {number} does not serve\n    {}", keeper.log());
    Ok(())
}

/// What each platform was asked, in order.
fn requests(scene: &Scene) -> [Vec<RecordedRequest>; 3] {
    let platforms = &scene.platforms;
    [platforms.keyed.requests(), platforms.asked.requests(), platforms.unkeyed.requests()]
}

/// What came behind so many of each.
fn since(scene: &Scene, mark: [usize; 3]) -> Vec<RecordedRequest> {
    requests(scene).into_iter().zip(mark).flat_map(|(of_one, mark)| of_one.into_iter().skip(mark)).collect()
}

/// Submissions that are open in the copy.
fn open(copied: &[ReferralFacts]) -> impl Iterator<Item = &ReferralFacts> {
    copied.iter().filter(|one| {
        one.outbox.iter().any(|(row, _)| {
            row.errand == Errand::Submit && matches!(row.state, OutboxState::Ready | OutboxState::Leased)
        })
    })
}

fn is_at(one: &ReferralFacts, kind: Kind) -> bool {
    one.referral.platform.as_ref().is_some_and(|platform| platform.0 == kind.id())
}

/// Of what was open in the copy: who can be asked is asked before anything is told; who cannot is told nothing more.
#[must_use]
pub fn asked_first(copied: &[ReferralFacts], since: &[RecordedRequest]) -> Vec<String> {
    let mut found = Vec::new();
    for one in open(copied) {
        let correlation = Some(one.referral.correlation.as_str());
        let mut its = since.iter().filter(|request| request.header("x-correlation-id") == correlation).peekable();
        let told = its.peek().is_some_and(|first| first.method != "GET");
        if is_at(one, Kind::Asked) && told {
            found.push(format!("Task/{}: told to the platform before it was asked", one.referral.task));
        }
        if is_at(one, Kind::Unkeyed) && its.any(|request| request.method != "GET") {
            found.push(format!("Task/{}: sent although nobody knows whether it is there", one.referral.task));
        }
    }
    found
}

/// What a repetition is answered with: the Task that was answered before, if the copy has it, and another, if it was lost.
#[must_use]
pub fn repeats(first: &[Answered], copied: &[ReferralFacts], again: &[Answered]) -> Vec<String> {
    let mut found = Vec::new();
    for one in first {
        let kept = copied.iter().any(|other| other.referral.task == one.task);
        let now = again.iter().find(|other| other.placer == one.placer).map(|other| other.task.as_str());
        if now.is_none() || kept != (now == Some(one.task.as_str())) {
            let words = if kept { "is in the copy" } else { "is not in the copy" };
            found.push(format!("{}: Task/{} {words}, and repeated it is {now:?}", one.placer, one.task));
        }
    }
    found
}

/// What the store had when it died and the copy does not.
fn lost<'a>(died: &'a Facts, copied: &[ReferralFacts]) -> Vec<&'a ReferralFacts> {
    let kept: BTreeSet<&String> = copied.iter().map(|one| &one.referral.task).collect();
    died.referrals.iter().filter(|one| !kept.contains(&one.referral.task)).collect()
}

/// Where a lost one is at its platform, and again under the key of its repetition.
fn doubled(facts: &Facts, lost: &[&ReferralFacts]) -> Vec<Kind> {
    let at = |key: &str| facts.held.iter().find(|held| held.key.contains(key));
    let again = |one: &ReferralFacts| {
        facts.referrals.iter().find(|other| other.referral.correlation == one.referral.correlation)
    };
    let twice = |one: &&&ReferralFacts| {
        let before = at(&one.referral.key.0)?;
        let after = again(one).filter(|again| again.referral.key != one.referral.key)?;
        at(&after.referral.key.0).map(|_| before.platform)
    };
    lost.iter().filter_map(|one| twice(&one)).collect()
}

/// What the store can be held to that was made of a copy: not to what platforms got of lost referrals under other keys, and not
/// to records of what was sent before the death.
fn of_copy(mut facts: Facts, lost: &[&ReferralFacts], told: &BTreeMap<String, Told>) -> Facts {
    let ours: BTreeSet<String> = facts.referrals.iter().map(|one| one.referral.key.0.clone()).collect();
    let gone =
        |key: &str| lost.iter().any(|one| key.contains(&one.referral.key.0) && !ours.contains(&one.referral.key.0));
    facts.held.retain(|held| !gone(&held.key));
    for (correlation, before) in told {
        if let Some(now) = facts.told.get_mut(correlation) {
            now.requests = now.requests.saturating_sub(before.requests);
            now.creates = now.creates.saturating_sub(before.creates);
        }
    }
    facts.restored = true;
    facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::tests::fine;

    fn waiting(kind: Kind) -> Vec<ReferralFacts> {
        let mut copied = fine(kind).referrals;
        copied.iter_mut().for_each(|one| one.outbox.iter_mut().for_each(|(row, _)| row.state = OutboxState::Ready));
        copied
    }

    fn request(method: &str) -> RecordedRequest {
        let headers = vec![("x-correlation-id".to_owned(), "talk".to_owned())];
        let (at, path, body) = Default::default();
        RecordedRequest { at, method: method.to_owned(), path, headers, body }
    }

    #[test]
    fn what_is_sent_before_it_is_asked_is_found() {
        let count = |kind, since: &[RecordedRequest]| asked_first(&waiting(kind), since).len();
        let [get, post] = [request("GET"), request("POST")];
        assert_eq!(count(Kind::Asked, &[get.clone(), post.clone()]), 0);
        assert_eq!(count(Kind::Asked, &[post.clone(), get.clone()]), 1);
        assert_eq!(count(Kind::Unkeyed, &[]), 0);
        assert_eq!(count(Kind::Unkeyed, &[get, post.clone()]), 1);
        assert_eq!(asked_first(&fine(Kind::Asked).referrals, &[post]).len(), 0, "it was not open");
    }

    #[test]
    fn a_loss_that_is_none_and_a_loss_that_is_hidden_are_found() {
        let answered = |task: &str| vec![Answered { placer: "SP".to_owned(), task: task.to_owned(), again: None }];
        let copied = fine(Kind::Keyed).referrals;
        let count = |copied: &[ReferralFacts], again: &[Answered]| repeats(&answered("task"), copied, again).len();
        assert_eq!((count(&copied, &answered("task")), count(&[], &answered("another"))), (0, 0));
        assert_eq!((count(&copied, &answered("another")), count(&[], &answered("task"))), (1, 1));
        assert_eq!(count(&copied, &[]), 1);
    }

    #[test]
    fn one_that_its_platform_has_twice_is_counted() {
        let facts = fine(Kind::Keyed);
        let mut before = fine(Kind::Keyed);
        before.referrals.iter_mut().for_each(|one| one.referral.key.0 = "lost".to_owned());
        let lost: Vec<&ReferralFacts> = before.referrals.iter().collect();
        assert_eq!(doubled(&facts, &lost), Vec::new());
        let mut twice = fine(Kind::Keyed);
        twice
            .held
            .extend(before.held.iter().cloned().map(|held| crate::scene::Held { key: "lost".to_owned(), ..held }));
        assert_eq!(doubled(&twice, &lost), vec![Kind::Keyed]);
        assert_eq!(of_copy(twice, &lost, &BTreeMap::new()).held.len(), 1);
    }
}
