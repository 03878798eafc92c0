//! A withdrawal of consent races with sending: the lane, its attempts and the withdrawal take turns at every access to the
//! store and to the platform, in an order that a seed decides. On one thread, with a clock that stands still, a seed plays
//! the same race each time.
//!
//! An attempt *starts* with the commit that marks its next request as leaving; what was marked before the withdrawal may
//! still leave after it, and is recalled. Nothing is marked after the withdrawal.

use crate::losses::script;
use crate::scripted::{NAME, Reader};
use crate::support::{GP, Setup, World, bundle, configuration, door};
use adapter_contract::{Answer, DeliveryError, HttpRequest, SenderMove};
use async_trait::async_trait;
use gateway_core::accept::Written;
use gateway_core::change::{Change, Transaction};
use gateway_core::identity::{Client, Compartment, PlatformId};
use gateway_core::ingest::{Draft, Submission, Write};
use gateway_core::outbox::{ClaimRequest, Claimed, Errand, OutboxRow, OutboxState};
use gateway_core::referral::{Delivery, Referral, Way};
use gateway_core::resource::ResourceKey;
use serde_json::json;
use std::path::Path;
use std::sync::{Arc, Mutex};
use time::macros::datetime;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use vcse_gateway::chance::Chance;
use vcse_gateway::clock::ManualClock;
use vcse_gateway::config::{self, Config};
use vcse_gateway::gateway::{Gateway, Platform, is_race};
use vcse_gateway::ingest;
use vcse_gateway::lane::{self, Instance};
use vcse_gateway::store::memory::MemoryStore;
use vcse_gateway::store::watched::{Watched, Watcher};
use vcse_gateway::store::{CommitError, ReferralFilter, Store, StoreError};
use vcse_gateway::transport::{Names, Transport};

/// How many are played.
const RACES: u64 = 1_000;

/// What happened, in the order in which it was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// A request of the submission was marked as leaving.
    Started,
    /// The Consent's new version was committed.
    Withdrawn,
    /// The platform received a step of the submission.
    Received,
    /// The platform was told to stop.
    Told,
}

tokio::task_local! {
    /// Set for the withdrawal.
    pub(crate) static HURRIED: ();
}

/// Who gives way for how long, and what happened.
pub(crate) struct Turns {
    pub(crate) chance: Chance,
    pub(crate) events: Mutex<Vec<Event>>,
    /// Where the first request of a submission is held up just before it is marked as leaving; used once.
    pub(crate) gate: Mutex<Option<Arc<Gate>>>,
}

/// Holds somebody up.
#[derive(Default)]
pub(crate) struct Gate {
    reached: Notify,
    go: Notify,
}

impl Turns {
    async fn pause(&self) {
        // The withdrawal looks at much more than an attempt does; unhurried it would always come last.
        let most = if HURRIED.try_with(|()| ()).is_ok() { 1.2 } else { 12.0 };
        let turns = self.chance.unit() * most;
        let mut turn = 0.0;
        while turn < turns {
            tokio::task::yield_now().await;
            turn += 1.0;
        }
    }

    fn note(&self, event: Event) {
        self.events.lock().unwrap().push(event);
    }
}

/// The model, at each access to which others may come first.
pub(crate) struct Racing {
    pub(crate) turns: Arc<Turns>,
}

/// A store at which `turns` are taken.
pub(crate) fn racing(turns: &Arc<Turns>) -> Arc<Watched<Racing>> {
    Arc::new(Watched { inner: Arc::new(MemoryStore::new()), watcher: Racing { turns: Arc::clone(turns) } })
}

impl Racing {
    async fn pause(&self) {
        self.turns.pause().await;
    }
}

fn events(transaction: &Transaction) -> Vec<Event> {
    let event = |change: &Change| match change {
        Change::PutResource(stored) if stored.key.kind == "Consent" && stored.version == 2 => Some(Event::Withdrawn),
        Change::PutOutbox(row) if row.errand == Errand::Submit && row.state == OutboxState::Leased => {
            Some(Event::Started)
        }
        _ => None,
    };
    transaction.changes.iter().filter_map(event).collect()
}

#[async_trait]
impl Watcher for Racing {
    async fn reading(&self, _what: &'static str) {
        self.pause().await;
    }

    async fn commit(&self, store: &dyn Store, transaction: Transaction) -> Result<(), CommitError> {
        self.pause().await;
        let events = events(&transaction);
        let gate = self.turns.gate.lock().unwrap().take_if(|_| events.contains(&Event::Started));
        if let Some(gate) = gate {
            gate.reached.notify_one();
            gate.go.notified().await;
        }
        store.commit(transaction).await?;
        events.into_iter().for_each(|event| self.turns.note(event));
        self.pause().await;
        Ok(())
    }

    async fn claim(&self, store: &dyn Store, request: ClaimRequest) -> Result<Vec<Claimed>, StoreError> {
        self.pause().await;
        store.claim(request).await
    }
}

/// A platform that takes every step, and is told to stop.
struct Taker(Arc<Turns>);

#[async_trait]
impl Transport for Taker {
    async fn send(&self, _: &Platform, request: &HttpRequest, _: &Names) -> Result<Answer, DeliveryError> {
        self.0.pause().await;
        let look_up = request.path == "look-up";
        if request.path == "cancel" {
            self.0.note(Event::Told);
        } else if !look_up {
            self.0.note(Event::Received);
        }
        self.0.pause().await;
        // Of three steps the last one makes the referral: after all three it is there.
        let received = self.0.events.lock().unwrap().iter().filter(|event| **event == Event::Received).count();
        let body = if look_up && received >= 3 { b"there".to_vec() } else { Vec::new() };
        Ok(Answer::Http { status: 200, headers: Vec::new(), body })
    }
}

/// What is the same in all races.
pub(crate) struct Course {
    pub(crate) config: Config,
    pub(crate) client: Client,
    _folder: tempfile::TempDir,
}

pub(crate) fn course() -> Course {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join(NAME);
    std::fs::create_dir_all(&home).unwrap();
    let mut three = script(&[]);
    three["steps"] = json!(["one", "two", "three"]);
    (three["cancels"], three["asks"]) = (json!(true), json!(true));
    std::fs::write(home.join("adapter.json"), three.to_string()).unwrap();
    std::fs::write(home.join("adapter.toml"), "").unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "a-token-that-nobody-checks").unwrap();
    let setup =
        Setup { adapter: NAME, adapters: Some((folder.path().to_owned(), Arc::new(Reader))), ..Setup::default() };
    let mut text = configuration("127.0.0.1:1", Path::new(&token), &setup);
    text += "\n[[policy]]\ntenant = \"pcn-a\"\nplatform = \"food\"\nnotes = \"send\"\n";
    let config = config::parse_with(&text, Arc::new(Reader)).unwrap();
    let turns = Arc::new(Turns { chance: Chance::seeded(0), events: Mutex::default(), gate: Mutex::default() });
    let gateway = gateway(&config, Arc::new(MemoryStore::new()), 0, &turns);
    let client = gateway.clients.values().find(|client| client.id.0 == GP).unwrap().clone();
    Course { config, client, _folder: folder }
}

pub(crate) fn gateway(config: &Config, store: Arc<dyn Store>, seed: u64, turns: &Arc<Turns>) -> Gateway {
    let clock = Arc::new(ManualClock::at(datetime!(2026-06-15 12:00 UTC)));
    let chance = Arc::new(Chance::seeded(seed));
    let transport = Arc::new(Taker(Arc::clone(turns)));
    config::build(config, "http://localhost/fhir".to_owned(), store, clock, chance, transport).unwrap()
}

/// What withdraws this stored Consent.
pub(crate) async fn withdrawal(store: &dyn Store, compartment: &Compartment, id: &str) -> Submission {
    let key = ResourceKey { compartment: compartment.clone(), kind: "Consent".to_owned(), id: id.to_owned() };
    let stored = store.resource(&key, None).await.unwrap().unwrap();
    let mut document: serde_json::Value = serde_json::from_str(&stored.body).unwrap();
    document["status"] = json!("inactive");
    let draft = Draft {
        place: "Consent".to_owned(),
        full_url: None,
        kind: "Consent".to_owned(),
        sent_id: Some(id.to_owned()),
        write: Write::Update { id: id.to_owned(), if_match: None },
        if_none_exist: None,
        document: door(&document.to_string()),
    };
    Submission { drafts: vec![draft] }
}

/// As the HTTP interface does: decided anew when somebody else wrote first.
pub(crate) async fn commit(gateway: &Gateway, client: &Client, submission: &Submission) -> Vec<Written> {
    loop {
        let decided = ingest::decide(gateway, client, "race", submission).await.unwrap();
        match gateway.commit(decided.transaction).await {
            Ok(()) => return decided.written,
            Err(error) => assert!(is_race(&error), "{error}"),
        }
    }
}

/// How a race ended.
struct Finish {
    events: Vec<Event>,
    referral: Referral,
    rows: Vec<OutboxRow>,
}

async fn run(course: &Course, seed: u64) -> Finish {
    let turns = Arc::new(Turns { chance: Chance::seeded(seed), events: Mutex::default(), gate: Mutex::default() });
    let store = racing(&turns);
    let gateway = Arc::new(gateway(&course.config, Arc::<Watched<Racing>>::clone(&store), seed, &turns));
    let sent = bundle(usize::try_from(seed % 7).unwrap());
    let accepted = gateway_core::ingest::read(&door(&sent.to_string()), 100).unwrap();
    let accepted = ingest::decide(&gateway, &course.client, "race", &accepted).await.unwrap();
    let id = accepted.written.iter().find(|row| row.kind == "Consent").unwrap().id.clone();
    gateway.commit(accepted.transaction).await.unwrap();
    let stop = CancellationToken::new();
    let lane = tokio::spawn(lane::run(
        Arc::clone(&gateway),
        PlatformId("food".to_owned()),
        Arc::new(Instance::new("race".to_owned())),
        stop.clone(),
    ));
    // The withdrawal begins anywhere from before the claim to after the last answer.
    for _ in 0..seed % 23 * 8 {
        tokio::task::yield_now().await;
    }
    let submission = withdrawal(store.inner.as_ref(), &course.client.compartment(), &id).await;
    HURRIED
        .scope((), async {
            commit(&gateway, &course.client, &submission).await;
        })
        .await;
    for _ in 0..10_000 {
        for _ in 0..25 {
            tokio::task::yield_now().await;
        }
        let referral = store.inner.referrals(&ReferralFilter { limit: 1, ..ReferralFilter::default() }).await.unwrap();
        let rows = store.inner.outbox(&referral[0].id).await.unwrap();
        let busy = |row: &&OutboxRow| {
            row.errand != Errand::Chase && matches!(row.state, OutboxState::Ready | OutboxState::Leased)
        };
        if !rows.iter().any(|row| busy(&row)) {
            stop.cancel();
            lane.await.unwrap();
            let events = turns.events.lock().unwrap().clone();
            return Finish { events, referral: referral[0].clone(), rows };
        }
    }
    panic!("race {seed} does not end: {:?}", turns.events.lock().unwrap());
}

#[tokio::test]
#[allow(clippy::print_stdout, reason = "the number of races is asked for")]
async fn no_attempt_starts_after_the_commit_of_a_withdrawal() {
    let course = course();
    let (mut untouched, mut partly, mut told) = (0_u32, 0_u32, 0_u32);
    for seed in 0..RACES {
        let Finish { events, referral, rows } = run(&course, seed).await;
        let at = events.iter().position(|event| *event == Event::Withdrawn).unwrap();
        let late = events[at..].iter().filter(|event| **event == Event::Started).count();
        assert_eq!(late, 0, "race {seed}: {events:?}");
        let started = events.iter().filter(|event| **event == Event::Started).count();
        let received = events.iter().filter(|event| **event == Event::Received).count();
        assert_eq!(started, received, "race {seed}: what was marked has left, and nothing else: {events:?}");
        let recall = referral.recall.unwrap();
        let was_told = events.contains(&Event::Told);
        // Whoever has it is told; whoever has a part of it is a matter for a person; whoever has nothing hears nothing.
        match (received, recall.way) {
            (0, Way::NothingSent) => untouched += u32::from(!was_told),
            (1 | 2, Way::Person) => partly += u32::from(!was_told && referral.attention.is_some()),
            (3, Way::Exchange) => told += u32::from(was_told && recall.told_at.is_some()),
            other => panic!("race {seed}: {other:?} {events:?}"),
        }
        let cancels = rows.iter().filter(|row| row.errand == (Errand::Tell { sender_move: SenderMove::Cancel }));
        assert!(cancels.count() <= 1, "race {seed}");
    }
    println!(
        "{RACES} races of withdrawal against sending: 0 attempts started after the withdrawal's commit ({untouched} \
         stopped before anything left, {partly} in the middle, {told} delivered and recalled)"
    );
    assert_eq!(u64::from(untouched + partly + told), RACES);
    // The races would prove little if one side always won.
    assert!(untouched > 50 && partly > 50 && told > 50, "{untouched} {partly} {told}");
}

/// The sender is answered that it is cancelled between the decision of an attempt and its first request.
#[tokio::test]
async fn no_attempt_starts_after_the_commit_of_a_cancellation() {
    let gate = Arc::new(Gate::default());
    let turns = Arc::new(Turns {
        chance: Chance::seeded(1),
        events: Mutex::default(),
        gate: Mutex::new(Some(Arc::clone(&gate))),
    });
    let store = racing(&turns);
    let transport: Arc<dyn Transport> = Arc::new(Taker(Arc::clone(&turns)));
    let world = World::start(Setup { store, lanes: true, transport: Some(transport), ..Setup::default() }).await;
    let sent = world.submit(&bundle(0)).await;
    gate.reached.notified().await;
    assert_eq!(world.move_task(&sent.path("Task"), "cancelled").await.status, 200);
    gate.go.notify_one();
    world.outbox_idle().await;
    assert_eq!(*turns.events.lock().unwrap(), [], "nothing was marked as leaving, and nothing left");
    assert_eq!(world.referral().await.delivery, Delivery::Withdrawn);
    world.stop().await;
}
