//! `[limits]`, and what a `[[client]]` or `[[tenant]]` has of its own: how much one caller may ask, and how much may wait.

use super::Fault;
use super::sections::{Check, Config};
use crate::admission::{Admission, Rate, Share};
use crate::clock::Clock;
use crate::pace::Bounds;
use adapter_contract::{LAST_MINUTE, Pace};
use gateway_core::identity::{ClientId, PlatformId};
use gateway_core::quota;
use serde::Deserialize;
use std::collections::BTreeSet;
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
pub(super) fn pace(declared: Pace, own: Option<Pace>) -> Bounds {
    let pace = own.map_or(declared, |own| declared.tightened(own));
    let rate = pace.requests_per_minute.map(|per_minute| {
        // An adapter that says a rate and no burst means none; what the configuration says of its own rate is its own.
        let burst = pace.burst.unwrap_or(NonZeroU32::MIN);
        Rate { per_minute, burst }
    });
    Bounds { rate, at_once: pace.at_once.map(NonZeroU32::get), quota: quota::Settings::of(pace) }
}

impl Config {
    /// How fast a platform is asked: what its adapter says, made slower by its section. Nothing where it is not configured.
    #[must_use]
    pub(crate) fn pace(&self, platform: &PlatformId) -> Pace {
        let section = self.platform.iter().find(|section| *section.id.get_ref() == platform.0);
        section.map_or_else(Pace::default, |section| {
            let adapter = self.adapters.find(section.adapter.get_ref());
            let declared = adapter.map_or_else(Pace::default, |adapter| adapter.descriptor().limits.pace);
            section.pace.map_or(declared, |own| declared.tightened(own))
        })
    }
}

/// What of a platform's own pace contradicts its adapter's or itself, in words.
pub(super) fn contradicts(own: Pace, declared: Pace) -> Option<String> {
    let faster = |name: &str, own: Option<NonZeroU32>, declared: Option<NonZeroU32>| {
        let (own, most) = own.zip(declared).filter(|(own, most)| own > most)?;
        Some(format!("{name} = {own}, and its adapter says that the platform takes at most {most}: write no more"))
    };
    let day = || {
        let starts = own.day_starts_minute?;
        if starts.get() > LAST_MINUTE {
            return Some(format!("day-starts-minute = {starts}, and a day has no minute behind {LAST_MINUTE}"));
        }
        let said = declared.day_starts_minute.filter(|said| *said != starts)?;
        Some(format!("day-starts-minute = {starts}, and its adapter says {said}: leave it out"))
    };
    let kept = || {
        let both = declared.tightened(own);
        let (kept, most) = both.urgent_per_day.zip(both.requests_per_day).filter(|(kept, most)| kept >= most)?;
        Some(format!("urgent-per-day = {kept} of requests-per-day = {most} leaves nothing for the others: write less"))
    };
    // A rate without a burst is one by one.
    let burst = declared.burst.or(declared.requests_per_minute.map(|_| NonZeroU32::MIN));
    faster("requests-per-minute", own.requests_per_minute, declared.requests_per_minute)
        .or_else(|| faster("burst", own.burst, burst))
        .or_else(|| faster("at-once", own.at_once, declared.at_once))
        .or_else(|| faster("requests-per-day", own.requests_per_day, declared.requests_per_day))
        .or_else(day)
        .or_else(kept)
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
    let served: BTreeSet<_> = config.client.iter().map(|one| &one.tenant).collect();
    Admission::new(clock, clients, tenants, platforms, limits.backlog, served.len() < 2)
}

#[cfg(test)]
mod tests {
    use super::{contradicts, pace};
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
        let section = |requests_per_minute, burst| Pace {
            requests_per_minute: number(requests_per_minute),
            burst: number(burst),
            ..Pace::default()
        };
        let declared = Pace { at_once: number(4), ..section(60, 5) };
        let bounds = |own: Option<Pace>| {
            let bounds = pace(declared, own);
            (bounds.rate.map(|rate| (rate.per_minute.get(), rate.burst.get())), bounds.at_once)
        };
        assert_eq!(bounds(None), (Some((60, 5)), Some(4)));
        assert_eq!(bounds(Some(section(30, 2))), (Some((30, 2)), Some(4)));
        assert_eq!(bounds(Some(section(30, 0))), (Some((30, 5)), Some(4)), "what it lacks is the adapter's");
        assert_eq!(contradicts(section(60, 5), declared), None);
        assert!(contradicts(section(61, 5), declared).is_some_and(|words| words.contains("at most 60")));
        assert!(contradicts(section(60, 6), declared).is_some_and(|words| words.starts_with("burst = 6")));
        let without_burst = Pace { burst: None, ..declared };
        assert!(contradicts(section(60, 2), without_burst).is_some_and(|words| words.contains("at most 1")));
        assert_eq!(contradicts(section(9_999, 9_999), Pace::default()), None, "it says nothing");
        let own = pace(Pace::default(), Some(section(30, 0)));
        assert_eq!(own.rate.map(|rate| rate.burst.get()), Some(1));
    }

    #[test]
    fn configuration_makes_a_quota_smaller_never_greater() {
        let number = |number| NonZeroU32::new(number);
        let quota = |per_day, urgent, starts| Pace {
            requests_per_day: number(per_day),
            urgent_per_day: number(urgent),
            day_starts_minute: number(starts),
            ..Pace::default()
        };
        let declared = quota(1_000, 50, 1_380);
        for (own, words) in [
            (quota(1_001, 0, 0), "requests-per-day = 1001, and its adapter says that the platform takes at most 1000"),
            (quota(1_000, 1_000, 0), "leaves nothing for the others"),
            (quota(50, 0, 0), "urgent-per-day = 50 of requests-per-day = 50"),
            (quota(0, 0, 1_320), "its adapter says 1380"),
            (quota(0, 0, 1_440), "no minute behind 1439"),
        ] {
            let said = contradicts(own, declared).unwrap_or_default();
            assert!(said.contains(words), "{own:?}: {said}");
        }
        assert_eq!(contradicts(quota(900, 100, 1_380), declared), None);
        assert_eq!(contradicts(quota(9_000, 100, 60), Pace::default()), None);
        let bounds = |own| pace(declared, own).quota.map(|quota| (quota.per_day.get(), quota.urgent));
        assert_eq!(bounds(Some(quota(900, 10, 0))), Some((900, 50)), "what is kept is not made less");
        assert_eq!(bounds(None), Some((1_000, 50)));
        let text = EXAMPLE.replacen(
            "adapter = \"fhir-task\"",
            "adapter = \"fhir-task\"\npace = { requests-per-day = 9, urgent-per-day = 9 }",
            1,
        );
        let Err(ConfigError::Faults(faults)) = parse(&text) else { panic!("it has a fault") };
        assert!(faults[0].to_string().contains("platform.pace"), "{}", faults[0]);
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
