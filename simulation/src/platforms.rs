//! The three platforms of a run, each a function call away. Their state outlives every gateway.

use crate::clock::START;
use conformance_tests::connect_families::{ConnectFamiliesConfig, InProcess as ConnectFamilies, Role};
use conformance_tests::platform::{InProcess as FhirPlatform, PlatformConfig, RecordedRequest};
use fault_campaigns::scene::{Held, Kind, Told, next_at_unkeyed, told};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The address of a platform, as the configuration has it.
#[must_use]
pub const fn base_url(kind: Kind) -> &'static str {
    match kind {
        Kind::Keyed => "http://127.0.0.1:9001/fhir",
        Kind::Asked => "http://127.0.0.1:9002/fhir",
        Kind::Unkeyed => "http://127.0.0.1:9003",
    }
}

/// The token of the unkeyed platform's caller.
#[must_use]
pub fn unkeyed_token() -> String {
    ConnectFamilies::new(ConnectFamiliesConfig::default()).token(Role::LaDualRole, 11, 7)
}

struct Inner {
    keyed: FhirPlatform,
    asked: FhirPlatform,
    unkeyed: ConnectFamilies,
}

/// The platforms.
pub struct Platforms(Mutex<Inner>);

impl Platforms {
    /// Platforms that nobody has told anything yet.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let fhir = |seed, kind| {
            let config = PlatformConfig { seed, start: START, step: time::Duration::ZERO, ..PlatformConfig::default() };
            FhirPlatform::new(&config, base_url(kind))
        };
        let unkeyed = ConnectFamiliesConfig { start: START, ..ConnectFamiliesConfig::default() };
        Self(Mutex::new(Inner {
            keyed: fhir(seed, Kind::Keyed),
            asked: fhir(seed ^ 0xA5, Kind::Asked),
            unkeyed: ConnectFamilies::new(unkeyed),
        }))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a platform answer.
    pub fn answer(&self, kind: Kind, request: http::Request<Vec<u8>>, now: Duration) -> http::Response<Vec<u8>> {
        let mut inner = self.inner();
        match kind {
            Kind::Keyed | Kind::Asked => {
                let platform = if kind == Kind::Keyed { &mut inner.keyed } else { &mut inner.asked };
                platform.pass_to(START + now);
                platform.answer(request)
            }
            Kind::Unkeyed => {
                inner.unkeyed.pass_to(START + now);
                inner.unkeyed.answer(request)
            }
        }
    }

    /// Lets the people at a platform do their next step; what is to be pushed of it.
    pub fn tick(&self, kind: Kind, now: Duration) -> Vec<String> {
        let mut inner = self.inner();
        match kind {
            Kind::Keyed | Kind::Asked => {
                let platform = if kind == Kind::Keyed { &mut inner.keyed } else { &mut inner.asked };
                platform.pass_to(START + now);
                platform.tick();
                platform.notifications()
            }
            Kind::Unkeyed => {
                inner.unkeyed.pass_to(START + now);
                for shown in inner.unkeyed.received() {
                    if let Some((id, status, reason)) = next_at_unkeyed(&shown) {
                        inner.unkeyed.set_status(id, status, reason);
                    }
                }
                Vec::new()
            }
        }
    }

    /// What all of them hold.
    #[must_use]
    pub fn held(&self) -> Vec<Held> {
        let inner = self.inner();
        let mut held = Held::tasks(Kind::Keyed, inner.keyed.tasks());
        held.extend(Held::tasks(Kind::Asked, inner.asked.tasks()));
        held.extend(inner.unkeyed.received().iter().map(Held::shown));
        held
    }

    /// What was told in each conversation.
    #[must_use]
    pub fn told(&self) -> BTreeMap<String, Told> {
        let inner = self.inner();
        let all = [inner.keyed.requests(), inner.asked.requests(), inner.unkeyed.requests()];
        told(all.into_iter().flatten())
    }

    /// Requests that arrived at a platform.
    #[must_use]
    pub fn arrived(&self, kind: Kind) -> Vec<RecordedRequest> {
        let inner = self.inner();
        let requests = match kind {
            Kind::Keyed => inner.keyed.requests(),
            Kind::Asked => inner.asked.requests(),
            Kind::Unkeyed => inner.unkeyed.requests(),
        };
        requests.to_vec()
    }

    /// Whether nobody at the platforms has anything more to do.
    #[must_use]
    pub fn settled(&self) -> bool {
        let inner = self.inner();
        let busy = |shown: &serde_json::Value| next_at_unkeyed(shown).is_some();
        inner.keyed.settled() && inner.asked.settled() && !inner.unkeyed.received().iter().any(busy)
    }
}
