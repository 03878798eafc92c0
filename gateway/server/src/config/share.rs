//! `[limits]`, and what a `[[client]]` or `[[tenant]]` has of its own: how much one caller may ask, and how much may wait.

use super::Fault;
use super::sections::{Check, Config};
use crate::admission::{Admission, Rate, Share};
use crate::clock::Clock;
use crate::pace::Bounds;
use gateway_core::identity::{ClientId, PlatformId};
use serde::Deserialize;
use std::num::NonZeroU32;
use std::sync::Arc;
use toml::Spanned;

/// `[limits]`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct LimitsSection {
    /// Requests that one client, or one platform that reports, may make in a minute, on the average.
    pub requests_per_minute: NonZeroU32,
    /// Requests at once, after a pause.
    pub burst: NonZeroU32,
    /// Requests of one client under way at the same time.
    pub at_once: NonZeroU32,
    /// Errands that wait to be delivered, beyond which no new referral is taken.
    pub backlog: u64,
    /// Connections at the same time.
    pub connections: NonZeroU32,
    /// Seconds that the head of a request may take, and that a connection may be idle.
    pub head_seconds: NonZeroU32,
}

impl Default for LimitsSection {
    fn default() -> Self {
        let number = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Self {
            requests_per_minute: number(6_000),
            burst: number(600),
            at_once: number(64),
            backlog: 100_000,
            connections: number(4_096),
            head_seconds: number(30),
        }
    }
}

/// What one caller has of its own; what it lacks is as `[limits]` says, or for a tenant no limit.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RateSection {
    /// Requests in a minute, on the average.
    pub requests_per_minute: Option<NonZeroU32>,
    /// Requests at once, after a pause.
    pub burst: Option<NonZeroU32>,
    /// Requests under way at the same time.
    pub at_once: Option<Spanned<NonZeroU32>>,
}

/// The pace of a platform. A burst alone says nothing; without one, requests go one by one.
pub(super) fn pace(own: Option<&RateSection>) -> Bounds {
    let rate = own.and_then(|own| {
        let per_minute = own.requests_per_minute?;
        Some(Rate { per_minute, burst: own.burst.unwrap_or(NonZeroU32::MIN) })
    });
    Bounds { rate, at_once: own.and_then(|own| own.at_once.as_ref()).map(|most| most.get_ref().get()) }
}

impl LimitsSection {
    fn rate(&self, own: Option<&RateSection>) -> Rate {
        Rate {
            per_minute: own.and_then(|own| own.requests_per_minute).unwrap_or(self.requests_per_minute),
            burst: own.and_then(|own| own.burst).unwrap_or(self.burst),
        }
    }

    fn share(&self, own: Option<&RateSection>) -> Share {
        let at_once = own.and_then(|own| own.at_once.as_ref()).map_or(self.at_once, |at_once| *at_once.get_ref());
        Share { rate: self.rate(own), at_once: at_once.get() }
    }
}

impl Check<'_> {
    /// What contradicts itself.
    pub(super) fn shares(&mut self, config: &Config) {
        if config.limits.backlog == 0 {
            let line = super::line_of(self.text, self.text.find("backlog").unwrap_or(0));
            let words = "no referral would ever be taken; write at least 1".to_owned();
            self.faults.push(Fault { line, key: "limits.backlog".to_owned(), words });
        }
        for tenant in &config.tenant {
            if let Some(at_once) = tenant.rate.as_ref().and_then(|rate| rate.at_once.as_ref()) {
                let words = "is kept for each client, not for a whole tenant; write it at [limits] or at a [[client]]";
                self.at(at_once, "tenant.rate.at-once", words);
            }
        }
    }
}

/// Who may ask how much.
pub(super) fn admission(config: &Config, clock: &Arc<dyn Clock>) -> Admission {
    let limits = &config.limits;
    let clients = config.client.iter();
    let clients = clients.map(|one| (ClientId(one.id.get_ref().clone()), limits.share(one.rate.as_ref())));
    let tenants = config.tenant.iter().filter_map(|one| {
        let own = one.rate.as_ref()?;
        Some((one.id.get_ref().clone(), limits.rate(Some(own))))
    });
    let platforms = config.platform.iter();
    let platforms = platforms.map(|one| (PlatformId(one.id.get_ref().clone()), limits.share(None)));
    Admission::new(clock, clients, tenants, platforms, limits.backlog)
}

#[cfg(test)]
mod tests {
    use crate::config::{ConfigError, EXAMPLE, parse};

    fn faults(more: &str) -> Vec<String> {
        match parse(&format!("{EXAMPLE}\n{more}")) {
            Ok(_) => Vec::new(),
            Err(ConfigError::Faults(faults)) => faults.into_iter().map(|fault| fault.to_string()).collect(),
            Err(error) => vec![error.to_string()],
        }
    }

    #[test]
    fn what_a_caller_lacks_is_as_for_all() {
        let config = parse(&EXAMPLE.replacen("roles =", "rate = { burst = 7 }\nroles =", 1)).expect("valid");
        let share = config.limits.share(config.client[0].rate.as_ref());
        assert_eq!((share.rate.burst.get(), share.rate.per_minute.get(), share.at_once), (7, 6_000, 64));
    }

    #[test]
    fn limits_that_let_nothing_through_are_faults() {
        assert_eq!(faults("[limits]\nburst = 10\nconnections = 100"), Vec::<String>::new());
        assert!(faults("[limits]\nbacklog = 0")[0].contains("limits.backlog"));
        assert!(faults("[limits]\nburst = 0")[0].contains("burst"), "zero is no number of requests");
        let tenant = "[[tenant]]\nid = \"example-pcn\"\nrate = { at-once = 3 }";
        assert!(faults(tenant)[0].contains("tenant.rate.at-once"), "{:?}", faults(tenant));
    }
}
