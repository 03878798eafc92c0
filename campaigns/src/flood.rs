//! `flood`: one client asks far more than it may, in every bad manner: at once, byte by byte, with bodies that are too large or
//! break off, on connections on which nothing is ever said. A well-behaved client of another tenant is served at the same time.
//!
//! What is judged are answers, the store and the most memory that the process ever held. How long anything took is not.

use crate::facts::{Facts, Outside, ReferralFacts, answered};
use crate::process::{Keeper, peak_kib};
use crate::raw::{Back, Manner, Raw};
use crate::report::{Outcome, Progress};
use crate::scene::{Kind, Scene, Setup, referral, sha256};
use crate::script::{ATTEMPTS, Move, Part, Script};
use crate::verdict;
use anyhow::{Context as _, Result, bail};
use conformance_tests::generator::{Expectation, PRACTICE_ODS, SyntheticReferral};
use conformance_tests::gp_system::{GpSystem, SubmitOutcome, WireError};
use conformance_tests::platform::{Fault, FaultKind, Match};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

const TOKEN: &str = "campaign-flood";
const TENANT: &str = "example-flood";
/// Connections that the gateway takes at the same time.
const CONNECTIONS: u64 = 64;
/// Requests that the flooding client may have under way at the same time.
const AT_ONCE: u64 = 8;
/// Errands that may wait. The flooding client's tenant may have three quarters; of the rest the well-behaved client, which sends
/// 22 referrals altogether, may have all but a quarter, so that it is never refused however slow this machine is.
const BACKLOG: usize = 160;
/// Bytes of a body, and values in it, that the gateway takes (`DoorLimits`).
const BODY: usize = 5 << 20;
const VALUES: usize = 200_000;
/// What a connection may hold: hyper reads at most 400 KiB ahead, and writes little.
const CONNECTION_KIB: u64 = 512;
/// What a request under way may hold: its body as it was received, put together and copied; and a tree of 200 bytes a value.
const REQUEST_KIB: u64 = (3 * BODY as u64 + 200 * VALUES as u64) / 1024;
/// Between two bytes of those who send one by one, and before another try of those who insist.
const SLOW: Duration = Duration::from_millis(100);
/// Referrals of the well-behaved client during a wave; each is three requests.
const WELL: usize = 9;
/// Tries of those who insist.
const TRIES: u32 = 3_000;

/// One thing that the flooding client sent, and what came back.
#[derive(Debug, Clone)]
pub struct Sent {
    /// Its `X-Correlation-Id`.
    pub correlation: String,
    /// How it was written.
    pub manner: Manner,
    /// What came back.
    pub back: Back,
}

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
        self::round(gateway, seed, &mut outcome).await.with_context(|| format!("seed {seed}"))?;
        outcome.count("rounds", 1);
        progress.say(|| format!("{round} of {rounds} rounds, {} violations", outcome.violations.len()));
    }
    outcome.notes.push(format!(
        "The bound on memory: what was resident at most before the flood, {CONNECTION_KIB} KiB for each of {CONNECTIONS} \
         connections (hyper reads 400 KiB ahead), and {REQUEST_KIB} KiB for each of the {AT_ONCE} requests that the flooding client \
         may have under way: its body of {BODY} bytes at most three times (received, put together, copied), and {VALUES} values of \
         200 bytes. Whatever is beyond these numbers is refused before its body is read."
    ));
    Ok(outcome)
}

/// The two clients and where they ask.
struct Clients {
    address: SocketAddr,
    /// Asks once, and takes no refusal.
    well: Arc<GpSystem>,
    /// Repeats patiently, for the flooding client.
    flood: Arc<GpSystem>,
    seed: u64,
    next: usize,
}

impl Clients {
    /// The next referral of the flooding client, and the way it goes over the wire.
    fn flooding(&mut self, kind: Kind) -> (SyntheticReferral, Raw) {
        let referral = referral(self.seed ^ 0xF1, kind, Scene::number_of(Expectation::Delivered, self.next));
        self.next += 1;
        let (request, correlation) = self.flood.names(&referral);
        let raw = Raw::transaction(TOKEN, &request, &correlation, referral.bundle_text().into_bytes());
        (referral, raw)
    }
}

async fn round(gateway: &Path, seed: u64, outcome: &mut Outcome) -> Result<()> {
    let mut setup = Setup { sections: flooding_client(), ..Setup::new(gateway, seed) };
    setup.more[1] = format!("connections = {CONNECTIONS}\nhead-seconds = 2\nbacklog = {BACKLOG}");
    let scene = Scene::new(&setup).await?;
    let address = *scene.listens.first().context("an address")?;
    let mut clients = Clients {
        address,
        well: Arc::new(scene.gp_at(&address.to_string(), seed, 1)?),
        flood: Arc::new(scene.gp_of(TOKEN, &address.to_string(), seed ^ 0xF1, ATTEMPTS)?),
        seed,
        next: 0,
    };
    let keeper = Keeper::start(scene.place.clone(), Box::new(|_| Default::default()), Box::new(|_| Ok(())))?;
    if !keeper.serves().await {
        bail!("it does not serve\n    {}", keeper.log());
    }
    let pid = keeper.pid().context("a process")?;
    let mut parts = Vec::new();
    let found = |words: String| format!("seed {seed}: {words}");
    // What an ordinary day needs is resident before it is measured.
    outcome.violated(behave(&clients.well, &scene, 3, &mut parts).await.0.into_iter().map(found));
    let before = peak_kib(pid).context("VmHWM")?;

    let (mut sent, mut referrals) = (Vec::new(), Vec::new());
    for wave in [rush(&mut clients, seed), slow(&mut clients, seed)] {
        let mut wave_running = JoinSet::new();
        for (referral, raw, manner, insists) in wave {
            referrals.extend(referral);
            wave_running.spawn(send(raw, address, manner, insists));
        }
        let (wrong, lost) = behave(&clients.well, &scene, WELL, &mut parts).await;
        outcome.count("requests of the well-behaved client meanwhile", 3 * WELL as u64);
        outcome.count("of them asked again on another connection", lost);
        outcome.count("of them not answered with success", wrong.len() as u64);
        outcome.violated(wrong.into_iter().map(found));
        while let Some(done) = wave_running.join_next().await {
            sent.push(done?);
        }
    }
    let refused = full(&mut clients, &scene, &mut sent, &mut referrals, &mut parts, outcome).await;
    outcome.violated(refused?.into_iter().map(found));

    // It works on normally, and in the same process.
    let script = Script::new(&scene, &keeper, Arc::clone(&clients.well), parts);
    script.until("no errand is open", async || script.is_idle().await).await?;
    let facts = Outside::now(&scene.platforms, &clients.well).with_store(&scene.kept).await?;
    tally(&sent, outcome);
    outcome.violated(judge(&sent, &facts).into_iter().map(found));
    for referral in &referrals {
        if let other @ (SubmitOutcome::Refused { .. } | SubmitOutcome::Unreachable { .. }) =
            clients.flood.submit(referral).await
        {
            outcome.violated([found(format!("{} repeated: {other:?}", referral.placer_id))]);
        }
    }
    // Both clients see the end of what they sent.
    Script::new(&scene, &keeper, Arc::clone(&clients.flood), Vec::new()).settle().await?;
    script.settle().await?;
    let after = peak_kib(pid).context("VmHWM")?;
    let bound = before + CONNECTIONS * CONNECTION_KIB + AT_ONCE * REQUEST_KIB;
    outcome.largest("most resident before the flood, KiB", before);
    outcome.largest("most resident ever (VmHWM), KiB", after);
    outcome.largest("the bound on it, KiB", bound);
    outcome.violated(within(after, bound).map(found));
    if keeper.number() != 1 {
        outcome.violated([found(format!("it did not live through it: {:?}", keeper.ends()))]);
    }
    let mut facts = script.end().await?;
    facts.answered.extend(answered(&clients.flood));
    outcome.count("referrals answered with 2xx in the end", facts.answered.len() as u64);
    let once = referrals.len() + script.parts.len();
    if facts.referrals.len() != once {
        outcome.violated([found(format!("{once} referrals were sent, and {} are there", facts.referrals.len()))]);
    }
    outcome.violated(verdict::at_end(&facts).into_iter().map(found));
    Ok(())
}

/// What the flooding client sends: a referral, if it is one; its bytes; how; and whether it insists where it is refused for its rate.
type Wave = Vec<(Option<SyntheticReferral>, Raw, Manner, bool)>;

/// Everything at once, ten times what it may.
fn rush(clients: &mut Clients, seed: u64) -> Wave {
    let manners = [
        (Manner::Whole, 64),
        (Manner::InPieces(10), 8),
        (Manner::CutBody, 12),
        (Manner::CutAnswer, 12),
        (Manner::Silent, 24),
        (Manner::EndlessHead(SLOW), 24),
    ];
    let mut wave = Wave::new();
    for (manner, times) in manners {
        for _ in 0..times {
            let (referral, raw) = clients.flooding(Kind::Keyed);
            // Of what says nothing, or never comes to its body, nothing is there to be repeated.
            let said = !matches!(manner, Manner::Silent | Manner::EndlessHead(_));
            wave.push((said.then_some(referral), raw, manner, false));
        }
    }
    wave.shuffle(&mut StdRng::seed_from_u64(seed));
    wave
}

/// Fewer requests than it may have under way, each of which costs what it can; and all connections held by silence.
fn slow(clients: &mut Clients, seed: u64) -> Wave {
    let mut wave = Wave::new();
    for _ in 0..3 {
        let (referral, raw) = clients.flooding(Kind::Keyed);
        wave.push((Some(referral), raw, Manner::ByteByByte(SLOW), true));
    }
    for nth in 0..6 {
        let large = format!("{{\"resourceType\":\"Bundle\",\"language\":\"{}\"}}", "x".repeat(BODY));
        let heavy = format!("{{\"resourceType\":\"Bundle\",\"entry\":[{}0]}}", "0,".repeat(VALUES - 100));
        let body = if nth % 2 == 0 { large } else { heavy };
        let name = format!("flood-{seed}-{nth}");
        wave.push((None, Raw::transaction(TOKEN, &name, &name, body.into_bytes()), Manner::Whole, true));
    }
    for nth in 0..CONNECTIONS + CONNECTIONS / 2 {
        let (_, raw) = clients.flooding(Kind::Keyed);
        let manner = if nth.is_multiple_of(3) { Manner::EndlessHead(SLOW) } else { Manner::Silent };
        wave.push((None, raw, manner, false));
    }
    wave.shuffle(&mut StdRng::seed_from_u64(seed));
    wave
}

async fn send(raw: Raw, address: SocketAddr, manner: Manner, insists: bool) -> Sent {
    let mut beat = tokio::time::interval(SLOW);
    let mut back = Back::Closed;
    for _ in 0..TRIES {
        beat.tick().await;
        back = raw.send(address, manner).await;
        if !insists || back.status() != Some(429) {
            break;
        }
    }
    let correlation = raw.head.lines().find_map(|line| line.strip_prefix("x-correlation-id: ")).unwrap_or_default();
    Sent { correlation: correlation.to_owned(), manner, back }
}

/// The well-behaved client: so many referrals, each sent and read, and a search. What was refused, or never answered, in words; and
/// how often a connection was gone before there was an answer, so that it asked again on another.
async fn behave(gp: &GpSystem, scene: &Scene, times: usize, parts: &mut Vec<Part>) -> (Vec<String>, u64) {
    let (mut wrong, mut lost) = (Vec::new(), 0);
    for _ in 0..times {
        let kind = Kind::ALL.into_iter().cycle().nth(parts.len()).unwrap_or(Kind::Keyed);
        let referral = scene.referral(kind, Scene::number_of(Expectation::Delivered, parts.len()));
        let placer = referral.placer_id.clone();
        parts.push(Part { kind, referral: referral.clone(), sender: Move::None });
        let mut sent = gp.submit(&referral).await;
        while lost < TRIES.into() && is_lost(&sent) {
            lost += 1;
            sent = gp.submit(&referral).await;
        }
        let SubmitOutcome::Accepted { task_id, .. } = sent else {
            wrong.push(format!("the well-behaved client sent {placer}: {sent:?}"));
            continue;
        };
        for what in ["read", "searched"] {
            let ask = async || match what {
                "read" => gp.task(&task_id).await.map(drop),
                _ => gp.poll().await.map(drop),
            };
            let mut answer = ask().await;
            while lost < TRIES.into() && matches!(answer, Err(WireError::NoAnswer { .. })) {
                lost += 1;
                answer = ask().await;
            }
            wrong.extend(answer.err().map(|error| format!("the well-behaved client {what} {placer}: {error}")));
        }
    }
    (wrong, lost)
}

/// True if there was no answer at all. The gateway closes what is idle for two seconds here, and a busy sender may write into that.
fn is_lost(outcome: &SubmitOutcome) -> bool {
    matches!(outcome, SubmitOutcome::Unreachable { last, .. } if !last.starts_with("status "))
}

/// Two platforms take requests and do not answer, and the flooding client sends until it may have no more waiting. Reads, a new
/// referral and a cancellation of the other tenant are taken. Then the platforms answer.
async fn full(
    clients: &mut Clients,
    scene: &Scene,
    sent: &mut Vec<Sent>,
    referrals: &mut Vec<SyntheticReferral>,
    parts: &mut Vec<Part>,
    outcome: &mut Outcome,
) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    let stuck = [scene.platforms.keyed.faults(), scene.platforms.asked.faults()];
    stuck.iter().for_each(|faults| faults.push(Fault::new(Match::any().times(u32::MAX), FaultKind::Stall)));
    let mut full = false;
    for nth in 0..10 * BACKLOG {
        let (referral, raw) = clients.flooding(if nth % 2 == 0 { Kind::Keyed } else { Kind::Asked });
        referrals.push(referral);
        let one = send(raw, clients.address, Manner::Whole, true).await;
        full = one.back.status() == Some(503);
        sent.push(one);
        if full {
            break;
        }
    }
    if !full {
        wrong.push(format!("{} referrals, and its part of the backlog of {BACKLOG} was never full", 10 * BACKLOG));
    }
    let mine = clients.well.records();
    for record in mine.iter().rev().take(6) {
        if let Err(error) = clients.well.task(&record.task_id).await {
            wrong.push(format!("a read while the backlog was full: {error}"));
        }
        outcome.count("reads of the well-behaved client while the backlog was full", 1);
    }
    // The flood has its part of the backlog, and no other's. What the stuck platform does not have yet is still its sender's to stop.
    let referral = scene.referral(Kind::Unkeyed, Scene::number_of(Expectation::Delivered, parts.len()));
    parts.push(Part { kind: Kind::Unkeyed, referral: referral.clone(), sender: Move::None });
    let other = clients.well.submit(&referral).await;
    if !matches!(other, SubmitOutcome::Accepted { .. }) {
        wrong.push(format!("while the other tenant's backlog was full a new referral was answered with {other:?}"));
    }
    outcome.count("new referrals of the well-behaved client while the backlog was full", 1);
    // Where its Task moves on between read and write it is read again, as any sender does.
    if let Some(record) = mine.iter().rev().find(|record| !ended(record.status())) {
        let mut cancelled = clients.well.cancel(&record.task_url).await;
        for _ in 0..5 {
            if matches!(cancelled, Err(WireError::Refused { status: 412, .. })) {
                cancelled = clients.well.cancel(&record.task_url).await;
            }
        }
        wrong.extend(cancelled.err().map(|error| format!("a cancellation while the backlog was full: {error}")));
    }
    outcome.count("cancellations of the well-behaved client while the backlog was full", 1);
    stuck.iter().for_each(|faults| faults.clear());
    Ok(wrong)
}

fn ended(status: Option<&str>) -> bool {
    matches!(status, Some("completed" | "cancelled" | "rejected" | "failed"))
}

fn tally(sent: &[Sent], outcome: &mut Outcome) {
    for one in sent {
        outcome.count("requests of the flooding client", 1);
        let row = match &one.back {
            Back::Answer { status, .. } => format!("answered {status}"),
            Back::Closed => "closed by the gateway without an answer".to_owned(),
            Back::Left => "broken off by the client".to_owned(),
        };
        outcome.count(&row, 1);
    }
}

/// True if all of it is there: what one accept writes.
fn is_whole(one: &ReferralFacts) -> bool {
    let accepted = one.audit.iter().any(|line| line.action == "accept");
    !one.versions.is_empty() && accepted && (one.referral.delivery.word() != "queued" || !one.outbox.is_empty())
}

/// What does not hold of what the flooding client sent: each is wholly there or wholly absent; there, if it was answered with 2xx;
/// absent, if it was refused; a refusal for now says when to come again; each kind of refusal was met.
#[must_use]
pub fn judge(sent: &[Sent], facts: &Facts) -> Vec<String> {
    let mut found = Vec::new();
    for one in sent {
        let there: Vec<_> = facts.referrals.iter().filter(|it| it.referral.correlation == one.correlation).collect();
        let fault = |words: String| format!("{} ({:?}, {:?}): {words}", one.correlation, one.manner, one.back);
        if there.len() > 1 || !there.iter().all(|it| is_whole(it)) {
            found.push(fault(format!("{} times there, or not all of it", there.len())));
        }
        match &one.back {
            Back::Answer { status: 200 | 201, .. } if there.is_empty() => {
                found.push(fault("answered with success, and not there".to_owned()));
            }
            Back::Answer { status: 429 | 503, retry_after: false } => {
                found.push(fault("does not say when to come again".to_owned()));
            }
            Back::Answer { status: 400 | 413 | 422 | 429 | 503, .. } if !there.is_empty() => {
                found.push(fault("refused, and there".to_owned()));
            }
            Back::Answer { status: 200 | 201 | 400 | 408 | 413 | 422 | 429 | 503, .. } | Back::Closed | Back::Left => {}
            Back::Answer { .. } => found.push(fault("an answer that no flood should get".to_owned())),
        }
    }
    let never = |status: &u16| !sent.iter().any(|one| one.back.status() == Some(*status));
    let expected = [201, 408, 413, 429, 503];
    found.extend(expected.into_iter().filter(never).map(|status| format!("nothing was answered with {status}")));
    found
}

fn within(most: u64, bound: u64) -> Option<String> {
    (most > bound).then(|| format!("{most} KiB were resident, beyond the bound of {bound} KiB"))
}

fn flooding_client() -> String {
    let client = format!(
        "[[client]]\nid = \"flood\"\ntenant = \"{TENANT}\"\norganisation = \"{PRACTICE_ODS}\"\ntoken-sha256 = \"{}\"\n\
         roles = [\"referrer\"]\nrate = {{ requests-per-minute = 600, burst = 40, at-once = {AT_ONCE} }}\n",
        sha256(TOKEN)
    );
    let policy =
        |kind: Kind| format!("[[policy]]\ntenant = \"{TENANT}\"\nplatform = \"{}\"\nnotes = \"send\"\n", kind.id());
    client + &Kind::ALL.map(policy).concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::tests::fine;

    fn sent(correlation: &str, status: u16) -> Sent {
        let back = Back::Answer { status, retry_after: matches!(status, 429 | 503) };
        Sent { correlation: correlation.to_owned(), manner: Manner::Whole, back }
    }

    fn all() -> Vec<Sent> {
        let refused = [408, 413, 429, 503].map(|status| sent("absent", status));
        [vec![sent("talk", 201)], refused.to_vec()].concat()
    }

    #[test]
    fn what_is_half_done_or_answered_wrongly_is_found() {
        let facts = fine(Kind::Keyed);
        assert_eq!(judge(&all(), &facts), Vec::<String>::new());
        let count = |sent: &[Sent], facts: &Facts| judge(sent, facts).len();
        assert_eq!(count(&all(), &Facts::default()), 1, "answered, and not there");
        assert_eq!(count(&[all(), vec![sent("talk", 429)]].concat(), &facts), 1, "refused, and there");
        assert_eq!(count(&[all(), vec![sent("absent", 500)]].concat(), &facts), 1, "a fault");
        assert_eq!(count(&all()[..4], &facts), 1, "no 503");
        let mut half = fine(Kind::Keyed);
        half.referrals.iter_mut().for_each(|one| one.audit.clear());
        assert_eq!(count(&all(), &half), 1, "half there");
        let mut silent = all();
        silent.push(Sent { back: Back::Answer { status: 429, retry_after: false }, ..sent("absent", 429) });
        assert_eq!(count(&silent, &facts), 1, "without Retry-After");
    }

    #[test]
    fn too_much_memory_is_found() {
        assert_eq!(within(10, 10), None);
        assert!(within(11, 10).is_some());
    }
}
