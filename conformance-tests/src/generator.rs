//! Synthetic social prescribing referrals, each a valid R4 transaction Bundle and a promise of what becomes of it.
//!
//! Referral `n` of a seed is the same whether or not any other was asked for. The people are invented: NHS numbers
//! from the 999 range, telephone numbers that Ofcom keeps for drama, e-mail domains that nobody can own. It refuses
//! to know how the gateway is configured: an [`Expectation`] says what the *referral* asks for.

mod consent;
mod evidence;
mod people;
mod places;
mod request;
mod words;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use crate::clock::{chance, seeded_uuid};
use crate::fhir::{self, ODS_CODE};

pub use people::{nhs_number, nhs_number_is_valid};

/// The ODS code of the practice that refers, unless [`Generator::from_practice`] says otherwise.
pub const PRACTICE_ODS: &str = "Y99999";
/// The system of the identifier that the GP system gives to a referral.
pub const PLACER_SYSTEM: &str = "https://gp-system.example/fhir/Id/referral";
/// The recipient of a referral for which no route exists.
pub const UNROUTABLE_ODS: &str = "ZZ999";

/// A VCSE organisation that may be referred to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientSpec {
    /// ODS organisation code.
    pub ods: String,
    /// Name.
    pub name: String,
    /// SDOH category codes (`social-connection`, …) of what it offers.
    pub categories: Vec<String>,
}

impl RecipientSpec {
    /// A recipient; an empty list of categories means that it takes any.
    pub fn new(ods: &str, name: &str, categories: &[&str]) -> Self {
        let categories = categories.iter().map(|&code| code.to_owned()).collect();
        Self { ods: ods.to_owned(), name: name.to_owned(), categories }
    }
}

/// What should become of a referral.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Expectation {
    /// It goes to the recipient, and the platform decides.
    Delivered,
    /// No Consent in the Bundle: nothing leaves, a person decides.
    NoConsent,
    /// The Consent denies, or permits another recipient only: nothing leaves.
    ConsentDenied,
    /// The recipient is nobody that a route is known for: held for a person.
    NoRoute,
    /// The person must not be contacted: the flag is carried, or the referral is not sent.
    ContactProhibited,
    /// Goes like `Delivered`, and the sender cancels it later.
    CancelledBySender,
}

impl Expectation {
    /// All of them, in the order of declaration.
    pub const ALL: [Self; 6] = [
        Self::Delivered,
        Self::NoConsent,
        Self::ConsentDenied,
        Self::NoRoute,
        Self::ContactProhibited,
        Self::CancelledBySender,
    ];

    /// What referral `n` is for: each of the rarer ones once in twenty, so that a run of twenty has them all.
    pub fn of(n: u64) -> Self {
        match n % 20 {
            4 => Self::NoConsent,
            7 => Self::ConsentDenied,
            11 => Self::NoRoute,
            14 => Self::ContactProhibited,
            17 => Self::CancelledBySender,
            _ => Self::Delivered,
        }
    }

    /// True where the referral may reach a platform.
    pub fn reaches_platform(self) -> bool {
        matches!(self, Self::Delivered | Self::ContactProhibited | Self::CancelledBySender)
    }
}

/// One referral.
#[derive(Debug, Clone)]
pub struct SyntheticReferral {
    /// The transaction Bundle. Numbers are `f64` here: send [`SyntheticReferral::bundle_text`], which keeps digits.
    pub bundle: Value,
    /// The value of the ServiceRequest's identifier in [`PLACER_SYSTEM`].
    pub placer_id: String,
    /// What should become of it.
    pub expectation: Expectation,
    /// The ODS code of the named recipient.
    pub recipient_ods: Option<String>,
    /// Its number in the run.
    pub number: u64,
    template: Value,
}

impl SyntheticReferral {
    /// The Bundle as the GP system sends it, with each decimal in the digits that were measured (`1.50`, not `1.5`).
    pub fn bundle_text(&self) -> String {
        evidence::text_with_decimals(&self.template)
    }

    /// The same, to be created only if neither its `ServiceRequest` nor its Task is there yet (`ifNoneExist`).
    #[must_use]
    pub fn created_once(mut self) -> Self {
        for bundle in [&mut self.bundle, &mut self.template] {
            let criterion = |value: &str| format!("identifier={PLACER_SYSTEM}|{value}");
            for entry in bundle["entry"].as_array_mut().into_iter().flatten() {
                let value = match entry["resource"]["resourceType"].as_str() {
                    Some("ServiceRequest") => self.placer_id.clone(),
                    Some("Task") => format!("{}/task", self.placer_id),
                    _ => continue,
                };
                entry["request"]["ifNoneExist"] = Value::from(criterion(&value));
            }
        }
        self
    }

    /// The decimals that occur in the text, as written.
    pub fn decimals(&self) -> Vec<String> {
        evidence::decimals_in(&self.template)
    }
}

/// The seeded source of referrals.
#[derive(Debug, Clone)]
pub struct Generator {
    seed: u64,
    recipients: Vec<RecipientSpec>,
    practice_ods: String,
    practice_name: String,
    start: OffsetDateTime,
}

impl Generator {
    /// A generator for these recipients. Without any, every referral names [`UNROUTABLE_ODS`].
    pub fn new(seed: u64, recipients: Vec<RecipientSpec>) -> Self {
        Self {
            seed,
            recipients,
            practice_ods: PRACTICE_ODS.to_owned(),
            practice_name: "Harbour View Surgery".to_owned(),
            start: time::macros::datetime!(2026-03-02 08:30 UTC),
        }
    }

    /// The same, referring from another practice.
    #[must_use]
    pub fn from_practice(mut self, ods: &str, name: &str) -> Self {
        ods.clone_into(&mut self.practice_ods);
        name.clone_into(&mut self.practice_name);
        self
    }

    /// The same, with the first referral authored at `start` (the others follow by minutes).
    #[must_use]
    pub fn starting(mut self, start: OffsetDateTime) -> Self {
        self.start = start;
        self
    }

    /// Referral `n`.
    pub fn referral(&self, n: u64) -> SyntheticReferral {
        let mut rng = chance(self.seed, n);
        let expectation = if self.recipients.is_empty() { Expectation::NoRoute } else { Expectation::of(n) };
        let recipient = self.choose_recipient(expectation, &mut rng);
        let minutes = i64::try_from(n % 100_000).unwrap_or(0) * 7;
        let mut scene = Scene {
            authored: self.start + Duration::minutes(minutes),
            placer_id: format!("SP-{:08X}-{n:05}", self.seed & 0xFFFF_FFFF),
            category: words::category(&recipient, &mut rng),
            contact_prohibited: expectation == Expectation::ContactProhibited,
            recipient_ods: recipient.ods.clone(),
            recipient_name: recipient.name.clone(),
            patient: seeded_uuid(&mut rng).urn().to_string(),
            practice: seeded_uuid(&mut rng).urn().to_string(),
            recipient: seeded_uuid(&mut rng).urn().to_string(),
            service_request: seeded_uuid(&mut rng).urn().to_string(),
            requester: String::new(),
            entries: Vec::new(),
            rng,
        };
        self.fill(&mut scene, expectation);
        let Scene { mut entries, mut rng, placer_id, .. } = scene;
        entries.shuffle(&mut rng);
        let template = json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries });
        SyntheticReferral {
            bundle: evidence::value_with_numbers(&template),
            placer_id,
            expectation,
            recipient_ods: Some(recipient.ods),
            number: n,
            template,
        }
    }

    fn choose_recipient(&self, expectation: Expectation, rng: &mut StdRng) -> RecipientSpec {
        let known = self.recipients.choose(rng);
        match known {
            Some(recipient) if expectation != Expectation::NoRoute => recipient.clone(),
            _ => RecipientSpec::new(UNROUTABLE_ODS, "Lantern Street Community Trust", &[]),
        }
    }

    /// Every resource of the Bundle, in the order in which each can name the one before.
    fn fill(&self, scene: &mut Scene, expectation: Expectation) {
        let person = people::patient(&mut scene.rng, &scene.practice);
        scene.add_as(scene.patient.clone(), person);
        scene.add_as(scene.practice.clone(), organization(&self.practice_ods, &self.practice_name));
        scene.add_as(scene.recipient.clone(), organization(&scene.recipient_ods, &scene.recipient_name));
        scene.requester = people::referrer(scene);
        let evidence = evidence::supporting(scene);
        let consent = self.consent(scene, expectation);
        request::service_request(scene, &evidence, consent.as_deref());
        request::task(scene, &evidence);
    }

    fn consent(&self, scene: &mut Scene, expectation: Expectation) -> Option<String> {
        match expectation {
            Expectation::NoConsent => None,
            Expectation::ConsentDenied if scene.rng.random_bool(0.5) => {
                let other = self.recipients.iter().find(|one| one.ods != scene.recipient_ods).cloned();
                let other = other.unwrap_or_else(|| RecipientSpec::new("ZZ998", "Old Mill Day Centre", &[]));
                let actor = scene.add(organization(&other.ods, &other.name));
                Some(consent::add(scene, consent::Ruling::Permit, &actor, &other.ods))
            }
            Expectation::ConsentDenied => {
                let (actor, ods) = (scene.recipient.clone(), scene.recipient_ods.clone());
                Some(consent::add(scene, consent::Ruling::Deny, &actor, &ods))
            }
            _ => {
                let (actor, ods) = (scene.recipient.clone(), scene.recipient_ods.clone());
                Some(consent::add(scene, consent::Ruling::Permit, &actor, &ods))
            }
        }
    }
}

/// What the parts of one referral share while it is being put together.
struct Scene {
    rng: StdRng,
    authored: OffsetDateTime,
    placer_id: String,
    category: &'static words::Category,
    contact_prohibited: bool,
    recipient_ods: String,
    recipient_name: String,
    patient: String,
    practice: String,
    recipient: String,
    service_request: String,
    requester: String,
    entries: Vec<Value>,
}

impl Scene {
    /// Adds a resource under a new `urn:uuid` and gives that.
    fn add(&mut self, resource: Value) -> String {
        let full_url = seeded_uuid(&mut self.rng).urn().to_string();
        self.add_as(full_url.clone(), resource);
        full_url
    }

    fn add_as(&mut self, full_url: String, resource: Value) {
        let kind = resource.get("resourceType").cloned().unwrap_or_default();
        self.entries.push(json!({
            "fullUrl": full_url,
            "resource": resource,
            "request": { "method": "POST", "url": kind },
        }));
    }

    /// The recipient, by reference and by ODS code: a receiver that cannot follow the one can use the other.
    fn recipient_reference(&self) -> Value {
        json!({
            "reference": self.recipient,
            "type": "Organization",
            "identifier": { "system": ODS_CODE, "value": self.recipient_ods },
            "display": self.recipient_name,
        })
    }

    fn authored_on(&self) -> String {
        fhir::instant(self.authored)
    }

    fn sometimes(&mut self, probability: f64) -> bool {
        self.rng.random_bool(probability)
    }
}

fn organization(ods: &str, name: &str) -> Value {
    json!({
        "resourceType": "Organization",
        "identifier": [{ "system": ODS_CODE, "value": ods }],
        "active": true,
        "name": name,
    })
}

#[cfg(test)]
mod tests;
