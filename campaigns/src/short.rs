//! A short run: a few referrals, a gateway that is started with one fault after the other, the question at each death
//! and at the end. What the faults are is for the campaign to say.

use crate::facts::{Kept, Outside};
use crate::process::{Ends, Keeper, Launch, was_killed};
use crate::scene::{Scene, Setup};
use crate::script::{self, Script};
use crate::verdict;
use anyhow::{Context as _, Result};
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};

/// What happens to the data folder between a death and the next start, given the number of the process that died.
pub type Rewrite = Box<dyn FnMut(&Scene, u32) -> Result<()> + Send>;

/// How a short run went.
#[derive(Debug, Default)]
pub struct Ran {
    /// How each process ended.
    pub ends: Vec<ExitStatus>,
    /// Moments at which the store was compared with what is known outside.
    pub compared: u64,
    /// What did not hold.
    pub findings: Vec<String>,
    /// How many referrals were answered with 2xx.
    pub referrals: u64,
    /// Calls that strace let fail in the first process.
    pub injected: u64,
    /// Which of them wait for a person as a dead letter.
    pub dead_letters: u64,
}

impl Ran {
    /// How many of the first `lives` processes died of SIGKILL.
    #[must_use]
    pub fn killed(&self, lives: usize) -> usize {
        self.ends.iter().take(lives).filter(|status| was_killed(**status)).count()
    }
}

/// Plays the `number`-th mix of the setup's seed; process `n` is started with the `n`-th launch, those behind the last
/// without a fault. `words` says in findings which run it was.
pub async fn run(setup: Setup, number: u64, lives: Vec<Launch>, rewrite: Option<Rewrite>, words: String) -> Ran {
    let mut ran = Ran::default();
    if let Err(error) = play(&setup, number, lives, rewrite, &mut ran).await {
        ran.findings.push(format!("{error:#}"));
    }
    let prefix = format!("seed {}, run {number}, {words}: ", setup.seed);
    for finding in &mut ran.findings {
        finding.insert_str(0, &prefix);
    }
    ran
}

async fn play(
    setup: &Setup,
    number: u64,
    lives: Vec<Launch>,
    mut rewrite: Option<Rewrite>,
    ran: &mut Ran,
) -> Result<()> {
    let scene = Arc::new(Scene::new(setup).await?);
    let gp = Arc::new(scene.gp(script::ATTEMPTS)?);
    let moments: Arc<Mutex<Vec<(PathBuf, Outside)>>> = Arc::default();
    let at_death = {
        let (scene, gp, moments) = (Arc::clone(&scene), Arc::clone(&gp), Arc::clone(&moments));
        Box::new(move |number: u32| {
            // First what is known outside: what is answered from here on the store need not have.
            let outside = Outside::now(&scene.platforms, &gp);
            if let Some(rewrite) = rewrite.as_mut() {
                rewrite(&scene, number)?;
            }
            let copy = scene.place.folder.join(format!("death-{number}"));
            copy_store(&scene.place.data(), &copy)?;
            moments.lock().unwrap_or_else(PoisonError::into_inner).push((copy, outside));
            Ok(())
        })
    };
    let restarts = lives.iter().any(|life| life.ends == Ends::Any);
    let plan = Box::new(move |number: u32| {
        usize::try_from(number - 1).ok().and_then(|at| lives.get(at).cloned()).unwrap_or_default()
    });
    let keeper = Keeper::start(scene.place.clone(), plan, at_death)?;
    let parts = script::mix(&scene, number);
    let script = Script { restarts, ..Script::new(&scene, &keeper, Arc::clone(&gp), parts) };
    let played = script.play().await;
    if let Err(error) = played {
        ran.ends = keeper.ends();
        let ends: Vec<String> = ran.ends.iter().map(ToString::to_string).collect();
        return Err(error.context(format!("ends {ends:?}\n    {}", keeper.log())));
    }
    let facts = script.end().await.with_context(|| "the store after the end".to_owned())?;
    ran.ends = keeper.ends();
    let trace = fs::read_to_string(scene.place.trace(1)).unwrap_or_default();
    ran.injected = trace.lines().filter(|line| line.ends_with("(INJECTED)")).count() as u64;
    ran.referrals = facts.answered.len() as u64;
    ran.dead_letters =
        facts.referrals.iter().filter(|one| one.referral.delivery.word() == "dead-letter").count() as u64;
    ran.findings.extend(verdict::at_end(&facts));
    if let Some(subscribed) = &scene.subscribed {
        ran.findings.extend(subscribed.compare(&scene.kept).await?);
    }
    ran.compared += 1;
    // An end that nobody asked for and no fault explains would be a finding of the keeper; a panic ends with 101.
    for status in ran.ends.iter().filter(|status| status.signal().is_none() && status.code() == Some(101)) {
        ran.findings.push(format!("it ended with {status}"));
    }
    let moments = std::mem::take(&mut *moments.lock().unwrap_or_else(PoisonError::into_inner));
    for (copy, outside) in moments {
        let file = copy.join("gateway.db");
        // It may have died before there was a file, or a schema in it: then nobody may have been answered.
        if outside.answered.is_empty() && outside.told.is_empty() && !is_ours(&file) {
            continue;
        }
        let facts = outside.with_store(&Kept::File(file)).await.with_context(|| format!("{}", copy.display()))?;
        let name = copy.file_name().unwrap_or_default().to_string_lossy().into_owned();
        ran.findings.extend(verdict::at_death(&facts).into_iter().map(|words| format!("at {name}: {words}")));
        ran.compared += 1;
    }
    if let Some(last) = ran.findings.last_mut() {
        last.push_str(&format!("\n    {}", keeper.log()));
    }
    Ok(())
}

/// Whether the file is a store that can be opened.
fn is_ours(file: &Path) -> bool {
    vcse_gateway::store::sqlite::SqliteStore::open_to_read(file).is_ok()
}

/// Copies file and log, so that looking changes nothing.
pub(crate) fn copy_store(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for name in ["gateway.db", "gateway.db-wal", "gateway.db-journal"] {
        if from.join(name).exists() {
            fs::copy(from.join(name), to.join(name))?;
        }
    }
    Ok(())
}
