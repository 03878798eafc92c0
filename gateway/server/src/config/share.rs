//! `[limits]`, and what a `[[client]]` or `[[tenant]]` has of its own: how much one caller may ask, and how much may wait.

use super::Fault;
use super::sections::{Check, Config};
use crate::admission::{Admission, Rate, Share};
use crate::clock::Clock;
use crate::pace::Bounds;
use adapter_contract::Pace;
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

/// The pace of a platform: what its adapter says, made slower by its configuration. A burst alone says nothing; without one,
/// requests go one by one.
pub(super) fn pace(declared: Pace, own: Option<&RateSection>) -> Bounds {
    let pace = own.map_or(declared, |own| declared.tightened(own.pace()));
    let rate = pace.requests_per_minute.map(|per_minute| {
        // An adapter that says a rate and no burst means none; what the configuration says of its own rate is its own.
        let burst = pace.burst.unwrap_or(NonZeroU32::MIN);
        Rate { per_minute, burst }
    });
    Bounds { rate, at_once: pace.at_once.map(NonZeroU32::get) }
}

impl Config {
    /// How fast a platform is asked: what its adapter says, made slower by its section. Nothing where it is not configured.
    #[must_use]
    pub(crate) fn pace(&self, platform: &PlatformId) -> Pace {
        let section = self.platform.iter().find(|section| *section.id.get_ref() == platform.0);
        section.map_or_else(Pace::default, |section| {
            let adapter = self.adapters.find(section.adapter.get_ref());
            let declared = adapter.map_or_else(Pace::default, |adapter| adapter.descriptor().limits.pace);
            section.pace.as_ref().map_or(declared, |own| declared.tightened(own.pace()))
        })
    }
}

impl RateSection {
    fn pace(&self) -> Pace {
        let at_once = self.at_once.as_ref().map(|most| *most.get_ref());
        Pace { requests_per_minute: self.requests_per_minute, burst: self.burst, at_once }
    }

    /// What of it is faster than an adapter allows, in words.
    pub(super) fn faster(&self, declared: Pace) -> Option<String> {
        let own = self.pace();
        let faster = |name: &str, own: Option<NonZeroU32>, declared: Option<NonZeroU32>| {
            let (own, most) = own.zip(declared).filter(|(own, most)| own > most)?;
            Some(format!("{name} = {own}, and its adapter says that the platform takes at most {most}: write no more"))
        };
        // A rate without a burst is one by one.
        let burst = declared.burst.or(declared.requests_per_minute.map(|_| NonZeroU32::MIN));
        faster("requests-per-minute", own.requests_per_minute, declared.requests_per_minute)
            .or_else(|| faster("burst", own.burst, burst))
            .or_else(|| faster("at-once", own.at_once, declared.at_once))
    }
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
    use super::{RateSection, pace};
    use crate::config::{ConfigError, EXAMPLE, parse};
    use adapter_contract::Pace;
    use std::num::NonZeroU32;

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
    fn configuration_makes_a_platform_slower_never_faster() {
        let number = |number| NonZeroU32::new(number);
        let section = |requests_per_minute, burst| RateSection {
            requests_per_minute: number(requests_per_minute),
            burst: number(burst),
            at_once: None,
        };
        let declared = Pace { requests_per_minute: number(60), burst: number(5), at_once: number(4) };
        let bounds = |own: Option<&RateSection>| {
            let bounds = pace(declared, own);
            (bounds.rate.map(|rate| (rate.per_minute.get(), rate.burst.get())), bounds.at_once)
        };
        assert_eq!(bounds(None), (Some((60, 5)), Some(4)));
        assert_eq!(bounds(Some(&section(30, 2))), (Some((30, 2)), Some(4)));
        assert_eq!(bounds(Some(&section(30, 0))), (Some((30, 5)), Some(4)), "what it lacks is the adapter's");
        assert_eq!(section(60, 5).faster(declared), None);
        assert!(section(61, 5).faster(declared).is_some_and(|words| words.contains("at most 60")));
        assert!(section(60, 6).faster(declared).is_some_and(|words| words.starts_with("burst = 6")));
        let without_burst = Pace { burst: None, ..declared };
        assert!(section(60, 2).faster(without_burst).is_some_and(|words| words.contains("at most 1")));
        assert_eq!(section(9_999, 9_999).faster(Pace::default()), None, "it says nothing");
        let own = pace(Pace::default(), Some(&section(30, 0)));
        assert_eq!(own.rate.map(|rate| rate.burst.get()), Some(1));
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
