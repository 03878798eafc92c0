//! Consents race with each other and with what is accepted on them, in an order that a seed decides: see `races`. Nothing
//! is delivered here; what counts is what stands once all have committed.

use crate::races::{Course, HURRIED, Racing, Turns, commit, course, gateway, racing, withdrawal};
use crate::support::{bundle, door, entry_of, inside};
use adapter_contract::TaskStatus;
use gateway_core::consent::Reason;
use gateway_core::ingest::{Submission, read, read_single};
use gateway_core::outbox::{Errand, OutboxState};
use gateway_core::referral::{Delivery, Referral};
use gateway_core::resource::ResourceKey;
use serde_json::Value;
use std::sync::{Arc, Mutex};
use vcse_gateway::chance::Chance;
use vcse_gateway::gateway::Gateway;
use vcse_gateway::store::ReferralFilter;
use vcse_gateway::store::watched::Watched;

const RACES: u64 = 100;

/// A gateway that has accepted a referral on one Consent.
struct Start {
    store: Arc<Watched<Racing>>,
    gateway: Gateway,
    consent: String,
}

impl Start {
    async fn of(course: &Course, seed: u64) -> Self {
        let turns = Arc::new(Turns { chance: Chance::seeded(seed), events: Mutex::default(), gate: Mutex::default() });
        let store = racing(&turns);
        let gateway = gateway(&course.config, Arc::<Watched<Racing>>::clone(&store), seed, &turns);
        let written = commit(&gateway, &course.client, &submission(&bundle(0))).await;
        let consent = written.iter().find(|row| row.kind == "Consent").unwrap().id.clone();
        Self { store, gateway, consent }
    }

    async fn withdrawal(&self, course: &Course, consent: &str) -> Submission {
        withdrawal(self.store.inner.as_ref(), &course.client.compartment(), consent).await
    }

    async fn referrals(&self) -> Vec<Referral> {
        let filter = ReferralFilter { limit: 10, ..ReferralFilter::default() };
        self.store.inner.referrals(&filter).await.unwrap()
    }

    /// Whether anything waits to be sent.
    async fn would_send(&self, referral: &Referral) -> bool {
        let rows = self.store.inner.outbox(&referral.id).await.unwrap();
        rows.iter().any(|row| row.errand == Errand::Submit && row.state == OutboxState::Ready)
    }
}

fn submission(bundle: &Value) -> Submission {
    read(&door(&bundle.to_string()), 100).unwrap()
}

/// A referral of the stored person that brings no Consent of its own.
fn without_consent(patient: &str) -> Value {
    let mut bundle = bundle(0);
    let consent = entry_of(&mut bundle, "Consent")["fullUrl"].clone();
    let person = entry_of(&mut bundle, "Patient")["fullUrl"].clone();
    let entries = bundle["entry"].as_array_mut().unwrap();
    entries.retain(|entry| entry["fullUrl"] != consent && entry["fullUrl"] != person);
    let request = inside(&mut bundle, "ServiceRequest");
    request["supportingInfo"].as_array_mut().unwrap().retain(|one| one["reference"] != consent);
    serde_json::from_str(&bundle.to_string().replace(person.as_str().unwrap(), patient)).unwrap()
}

#[tokio::test]
async fn what_is_accepted_during_a_withdrawal_is_stopped_by_it_or_held_from_the_start() {
    let course = course();
    let (mut stopped, mut held) = (0, 0);
    for seed in 0..RACES {
        let start = Start::of(&course, seed).await;
        let (gateway, client) = (&start.gateway, &course.client);
        let second = submission(&without_consent(&start.referrals().await[0].patient));
        let withdrawal = start.withdrawal(&course, &start.consent).await;
        // The withdrawal begins anywhere from before the first look of the other to after its commit.
        let later = HURRIED.scope((), async {
            for _ in 0..seed % 25 * 8 {
                tokio::task::yield_now().await;
            }
            commit(gateway, client, &withdrawal).await
        });
        tokio::join!(later, commit(gateway, client, &second));
        let all = start.referrals().await;
        assert_eq!((all.len(), all[0].task_status), (2, TaskStatus::Cancelled), "race {seed}");
        match (&all[1].delivery, all[1].task_status) {
            (Delivery::Withdrawn, TaskStatus::Cancelled) => stopped += 1,
            (Delivery::Held { .. }, TaskStatus::OnHold) => held += 1,
            other => panic!("race {seed}: {other:?}"),
        }
        for referral in &all {
            assert!(!start.would_send(referral).await, "race {seed}");
        }
    }
    // The races would prove little if one side always won.
    assert!(stopped > 5 && held > 5, "{stopped} {held}");
}

#[tokio::test]
async fn two_consents_that_are_withdrawn_at_once_leave_nothing_that_rests_on_the_other() {
    let course = course();
    for seed in 0..RACES {
        let start = Start::of(&course, seed).await;
        let (gateway, client) = (&start.gateway, &course.client);
        let key =
            ResourceKey { compartment: client.compartment(), kind: "Consent".to_owned(), id: start.consent.clone() };
        let stored = start.store.inner.resource(&key, None).await.unwrap().unwrap();
        let mut another: Value = serde_json::from_str(&stored.body).unwrap();
        another.as_object_mut().unwrap().retain(|name, _| !matches!(name.as_str(), "id" | "meta" | "identifier"));
        let another = read_single(door(&another.to_string()), "Consent", None).unwrap();
        let another = commit(gateway, client, &another).await[0].id.clone();
        let one = start.withdrawal(&course, &start.consent).await;
        let other = start.withdrawal(&course, &another).await;
        tokio::join!(commit(gateway, client, &one), commit(gateway, client, &other));
        let referral = start.referrals().await.remove(0);
        assert_eq!(referral.task_status, TaskStatus::Cancelled, "race {seed}");
        assert_eq!(referral.recall.unwrap().reason, Reason::Withdrawn.code(), "race {seed}");
    }
}
