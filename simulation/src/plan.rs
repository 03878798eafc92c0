//! What one seed holds: who is referred where and when, what the senders do, what goes wrong and when. Drawn before anything runs,
//! so that it can be read, and so that a smaller one can be made of it.

use fault_campaigns::scene::Kind;
use fault_campaigns::script::Move;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use std::time::Duration;
use vcse_gateway::admission::Rate;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// For how long things go wrong, unless a test says otherwise.
pub const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Everything that a run does besides running.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The seed that it was drawn from; it also decides everything that is drawn while it runs.
    pub seed: u64,
    /// For how long things go wrong; afterwards everything has to come to rest.
    pub faulty: Duration,
    /// Gateways over one store.
    pub machines: Vec<MachinePlan>,
    /// How the lanes work.
    pub lanes: Lanes,
    /// The schedule of retries, window and waits in seconds.
    pub retry: Retry,
    /// Who is referred.
    pub parts: Vec<Part>,
    /// What is wrong for a time.
    pub troubles: Vec<Trouble>,
    /// How often single things go wrong.
    pub weather: Weather,
    /// When an operator redrives what is dead.
    pub redrives: Vec<Duration>,
    /// The pace of the platforms, where it is not as [`crate::settings::pace`] says; only of [`Lanes::Many`].
    pub pace: Option<Rate>,
}

/// One machine with its gateway.
#[derive(Debug, Clone, Default)]
pub struct MachinePlan {
    /// How far its clock is off at first.
    pub offset: time::Duration,
    /// How much too fast it goes, in parts per million.
    pub drift: i32,
    /// When its clock is set, and by how much.
    pub jumps: Vec<(Duration, time::Duration)>,
    /// When its process dies.
    pub crashes: Vec<Crash>,
}

/// A death of a process.
#[derive(Debug, Clone, Copy)]
pub struct Crash {
    /// Not before.
    pub at: Duration,
    /// It dies at its n-th turn from then: between any two accesses to store, network and clock.
    pub turns: u32,
    /// How long nobody starts it again.
    pub down: Duration,
}

/// How a lane works. Tokio's `select!` picks at random among branches that are ready at the same moment; in these two ways its
/// choice changes nothing, so that a run can be repeated (see `store.rs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lanes {
    /// One attempt at a time for each platform, with circuit breaker.
    One,
    /// More attempts at a time than there are referrals, without circuit breaker.
    Many,
}

/// The schedule of retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// As it is shipped: 72 hours.
    Shipped,
    /// Short waits and a window of two hours, so that there are dead letters.
    Short,
    /// Short waits and a window of twelve hours.
    Middle,
}

/// One referral and what its sender does.
#[derive(Debug, Clone)]
pub struct Part {
    /// To which platform.
    pub kind: Kind,
    /// Its number among that platform's referrals.
    pub number: u64,
    /// When it is sent.
    pub at: Duration,
    /// What else the sender does.
    pub sender: Move,
    /// How long after it was answered.
    pub after: Duration,
    /// The submission is repeated under its `X-Request-Id` that long after it was answered.
    pub again: Option<Duration>,
    /// The sender looks at these times after the answer whether it is held, and moves it on.
    pub releases: Vec<Duration>,
}

/// Something that is wrong for a time.
#[derive(Debug, Clone)]
pub struct Trouble {
    /// What.
    pub what: What,
    /// From when.
    pub from: Duration,
    /// Until when.
    pub until: Duration,
}

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Nothing listens at the platform.
    Dead(Kind),
    /// It takes requests and does not answer.
    Silent(Kind),
    /// It answers after most of the time that it has, or too late.
    Slow(Kind),
    /// It answers 429 with `Retry-After`.
    Busy(Kind),
    /// It answers 503 without one.
    Broken(Kind),
    /// This machine cannot reach that platform.
    Cut(usize, Kind),
    /// Nobody reaches this machine.
    Unreachable(usize),
    /// This machine cannot reach the store.
    StoreAway(usize),
}

/// Chances in a thousand that a single thing goes wrong.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weather {
    /// A request never arrives.
    pub request_lost: u32,
    /// An answer never arrives.
    pub answer_lost: u32,
    /// A request arrives twice.
    pub doubled: u32,
    /// A request or an answer takes seconds.
    pub slow: u32,
    /// A platform answers 429, 500 or 503.
    pub refused: u32,
    /// A platform's push is lost, comes twice, or comes late.
    pub push: u32,
    /// The answer to a commit or a claim is lost, whether it was applied or not.
    pub commit_lost: u32,
    /// Another instance does not hear of a commit.
    pub wake_lost: u32,
}

/// What may go wrong; a test switches kinds on one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Faults {
    /// Single requests, answers and pushes.
    pub weather: bool,
    /// Troubles that last.
    pub troubles: bool,
    /// Deaths of processes.
    pub crashes: bool,
    /// Lost answers of the store.
    pub store: bool,
    /// Clocks that jump and drift.
    pub clocks: bool,
}

impl Faults {
    /// Everything.
    pub const ALL: Self = Self { weather: true, troubles: true, crashes: true, store: true, clocks: true };
    /// Nothing.
    pub const NONE: Self = Self { weather: false, troubles: false, crashes: false, store: false, clocks: false };
}

impl Part {
    /// A referral that is sent, and no more.
    #[must_use]
    pub fn plain(kind: Kind, number: u64, at: Duration) -> Self {
        Self { kind, number, at, sender: Move::None, after: Duration::ZERO, again: None, releases: Vec::new() }
    }
}

impl Plan {
    /// What this seed holds.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self::with(seed, Faults::ALL, DAY)
    }

    /// The same with these kinds of faults only, for this long.
    #[must_use]
    pub fn with(seed: u64, faults: Faults, faulty: Duration) -> Self {
        let rng = &mut StdRng::seed_from_u64(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5151);
        let machines = *[1, 1, 2, 2, 3].choose(rng).unwrap_or(&1);
        let lanes = if rng.random_bool(0.5) { Lanes::One } else { Lanes::Many };
        let retry = *[Retry::Shipped, Retry::Short, Retry::Middle].choose(rng).unwrap_or(&Retry::Shipped);
        let parts = parts(rng, faulty);
        let plans = (0..machines).map(|_| machine(rng, faults, faulty)).collect();
        let troubles = if faults.troubles { troubles(rng, machines, faulty) } else { Vec::new() };
        let mut weather = Weather::default();
        if faults.weather {
            let worst = *[5, 20, 60, 150].choose(rng).unwrap_or(&20);
            let mut draw = || rng.random_range(0..=worst);
            (weather.request_lost, weather.answer_lost, weather.doubled) = (draw(), draw(), draw());
            (weather.slow, weather.refused, weather.push) = (draw(), draw(), draw() * 2);
        }
        if faults.store {
            weather.commit_lost = *[0, 2, 10, 30].choose(rng).unwrap_or(&2);
            weather.wake_lost = 200;
        }
        let redrives = (1..).map(|n| HOUR * 2 * n + MINUTE * rng.random_range(0..60)).take_while(|at| *at < faulty);
        let redrives = redrives.collect();
        Self { seed, faulty, machines: plans, lanes, retry, parts, troubles, weather, redrives, pace: None }
    }

    /// One gateway, for so long, to which nothing happens and nobody refers.
    #[must_use]
    pub fn calm(seed: u64, span: Duration, lanes: Lanes, retry: Retry) -> Self {
        Self {
            seed,
            faulty: span,
            machines: vec![MachinePlan::default()],
            lanes,
            retry,
            parts: Vec::new(),
            troubles: Vec::new(),
            weather: Weather::default(),
            redrives: Vec::new(),
            pace: None,
        }
    }

    /// What is wrong at this time.
    pub fn troubled(&self, now: Duration) -> impl Iterator<Item = What> {
        self.troubles.iter().filter(move |one| one.from <= now && now < one.until).map(|one| one.what)
    }

    /// Whether this is wrong at this time, and until when.
    #[must_use]
    pub fn is(&self, what: What, now: Duration) -> Option<Duration> {
        let found = self.troubles.iter().filter(|one| one.what == what && one.from <= now && now < one.until);
        found.map(|one| one.until).max()
    }

    /// The weather at this time.
    #[must_use]
    pub fn weather(&self, now: Duration) -> Weather {
        if now < self.faulty { self.weather } else { Weather::default() }
    }
}

fn within(rng: &mut StdRng, span: Duration) -> Duration {
    Duration::from_millis(rng.random_range(0..u64::try_from(span.as_millis()).unwrap_or(u64::MAX).max(1)))
}

fn parts(rng: &mut StdRng, faulty: Duration) -> Vec<Part> {
    const MOVES: [(u32, Move); 5] = [
        (50, Move::None),
        (12, Move::Cancel),
        (12, Move::WithdrawConsent),
        (13, Move::CancelLater),
        (13, Move::WithdrawLater),
    ];
    let mut parts = Vec::new();
    for kind in Kind::ALL {
        for number in 0..rng.random_range(8..20) {
            let mut draw = rng.random_range(0..100_u32);
            let sender = MOVES.iter().find(|(weight, _)| {
                let found = draw < *weight;
                draw = draw.saturating_sub(*weight);
                found
            });
            let sender = sender.map_or(Move::None, |(_, sender)| *sender);
            let after = match sender {
                Move::None => Duration::ZERO,
                // While it is on its way, as a rule.
                Move::Cancel | Move::WithdrawConsent => {
                    let longest = if rng.random_bool(0.5) { MINUTE / 60 } else { MINUTE };
                    within(rng, longest)
                }
                Move::CancelLater | Move::WithdrawLater => within(rng, HOUR * 6),
            };
            let again = rng.random_bool(0.3).then(|| within(rng, HOUR));
            let looks = if rng.random_bool(0.5) { rng.random_range(1..4) } else { 0 };
            let releases = (0..looks).map(|_| within(rng, faulty)).collect();
            let at = within(rng, faulty.mul_f64(0.9));
            parts.push(Part { kind, number, at, sender, after, again, releases });
        }
    }
    parts
}

fn machine(rng: &mut StdRng, faults: Faults, faulty: Duration) -> MachinePlan {
    let mut plan = MachinePlan::default();
    let (crashes, jumps) = (rng.random_range(0..14), rng.random_range(0..4));
    if faults.crashes {
        plan.crashes = (0..crashes)
            .map(|_| Crash {
                at: within(rng, faulty.mul_f64(0.95)),
                turns: rng.random_range(0..80),
                down: *[MINUTE / 30, MINUTE, MINUTE * 15].choose(rng).unwrap_or(&MINUTE),
            })
            .collect();
        plan.crashes.sort_by_key(|crash| crash.at);
    }
    if faults.clocks {
        plan.offset = time::Duration::milliseconds(rng.random_range(-5_000..5_000));
        plan.drift = rng.random_range(-200..200);
        for _ in 0..jumps {
            let by = *[1, 60, 600, 3_600, 3 * 3_600].choose(rng).unwrap_or(&60);
            let by = time::Duration::seconds(if rng.random_bool(0.5) { by } else { -by });
            plan.jumps.push((within(rng, faulty.mul_f64(0.9)), by));
        }
        plan.jumps.sort_by_key(|jump| jump.0);
    }
    plan
}

fn troubles(rng: &mut StdRng, machines: usize, faulty: Duration) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    for _ in 0..rng.random_range(2..12) {
        let kind = *Kind::ALL.choose(rng).unwrap_or(&Kind::Keyed);
        let machine = rng.random_range(0..machines);
        let (what, longest) = match rng.random_range(0..9) {
            0 | 1 => (What::Dead(kind), HOUR * 6),
            2 => (What::Silent(kind), HOUR * 2),
            3 => (What::Slow(kind), HOUR * 4),
            4 => (What::Busy(kind), HOUR * 2),
            5 => (What::Broken(kind), HOUR * 3),
            6 => (What::Cut(machine, kind), HOUR * 3),
            7 => (What::Unreachable(machine), HOUR * 2),
            _ => (What::StoreAway(machine), MINUTE * 20),
        };
        let from = within(rng, faulty.mul_f64(0.95));
        let until = (from + within(rng, longest)).min(faulty);
        troubles.push(Trouble { what, from, until });
    }
    troubles
}
