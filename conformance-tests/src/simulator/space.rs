//! One platform with all that belongs to it alone, and the platforms of one socket by name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use time::{Duration, OffsetDateTime};

use super::{Answer, Api, Asked, Push, START, schedule};
use crate::clock::SimClock;
use crate::fhir;
use crate::platform::{Faults, RecordedRequest};

/// One platform.
pub(super) struct Space<A> {
    held: Mutex<Held<A>>,
    make: Arc<dyn Fn() -> A + Send + Sync>,
    pub(super) faults: Faults,
}

struct Held<A> {
    api: A,
    clock: SimClock,
    requests: Vec<RecordedRequest>,
    /// Pushes that a fault keeps back until the next one.
    swapped: Vec<Push>,
}

impl<A: Api> Space<A> {
    fn new(make: Arc<dyn Fn() -> A + Send + Sync>) -> Self {
        Self { held: Mutex::new(Held::new(make())), make, faults: Faults::default() }
    }

    fn held(&self) -> MutexGuard<'_, Held<A>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn with<T>(&self, act: impl FnOnce(&mut A, OffsetDateTime) -> T) -> T {
        let mut held = self.held();
        let now = held.clock.stamp();
        act(&mut held.api, now)
    }

    pub(super) fn answer(&self, asked: &Asked) -> Answer {
        self.with(|api, now| api.answer(asked, now))
    }

    pub(super) fn record(&self, asked: &Asked, address: String) {
        let mut held = self.held();
        let request = RecordedRequest {
            at: fhir::instant(held.clock.now()),
            method: asked.method.clone(),
            path: address,
            headers: asked.headers.clone(),
            body: String::from_utf8_lossy(&asked.body).into_owned(),
        };
        held.requests.push(request);
    }

    pub(super) fn now(&self) -> OffsetDateTime {
        self.held().clock.now()
    }

    pub(super) fn advance(&self, step: Duration) {
        self.held().clock.advance(step);
    }

    pub(super) fn requests(&self) -> Vec<RecordedRequest> {
        self.held().requests.clone()
    }

    pub(super) fn reset(&self) {
        *self.held() = Held::new((self.make)());
        self.faults.clear();
    }

    pub(super) fn due(&self) -> Vec<Push> {
        let mut held = self.held();
        let told = held.api.pushes();
        schedule(told, &mut held.swapped, &self.faults)
    }
}

impl<A> Held<A> {
    fn new(api: A) -> Self {
        Self { api, clock: SimClock::starting(START), requests: Vec::new(), swapped: Vec::new() }
    }
}

/// The platforms of one socket.
pub(super) struct Spaces<A> {
    make: Arc<dyn Fn() -> A + Send + Sync>,
    named: Mutex<BTreeMap<String, Arc<Space<A>>>>,
}

impl<A: Api> Spaces<A> {
    pub(super) fn new(make: Box<dyn Fn() -> A + Send + Sync>) -> Self {
        Self { make: Arc::from(make), named: Mutex::default() }
    }

    fn named(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Space<A>>>> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The platform of this name; made if it is not there.
    pub(super) fn of(&self, name: &str) -> Arc<Space<A>> {
        let mut named = self.named();
        let space = named.entry(name.to_owned()).or_insert_with(|| Arc::new(Space::new(Arc::clone(&self.make))));
        Arc::clone(space)
    }

    /// The platform that a path is for, and the path below its base address. `None` where nobody has made a platform of that name.
    pub(super) fn at<'p>(&self, path: &'p str) -> Option<(Arc<Space<A>>, &'p str)> {
        let Some(rest) = path.strip_prefix("/~") else { return Some((self.of(""), path)) };
        let (name, below) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        Some((Arc::clone(self.named().get(name)?), below))
    }

    /// Lets go of every request that stalls.
    pub(super) fn release(&self) {
        self.named().values().for_each(|space| space.faults.release());
    }
}
