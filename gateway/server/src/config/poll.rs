//! How often a platform is polled, and `[reconcile]`.

use super::is_loopback;
use super::is_loopback_host;
use super::sections::{Check, PlatformSection};
use adapter_contract::Descriptor;
use gateway_core::cadence::Bounds;
use serde::Deserialize;
use std::time::Duration;
use time::Time;
use toml::Spanned;
use url::Url;

/// `[reconcile]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ReconcileSection {
    /// When GP, gateway and platforms are compared each night, on the wall in London: `HH:MM`, or `off`.
    pub at: Spanned<Nightly>,
}

impl Default for ReconcileSection {
    fn default() -> Self {
        Self { at: Spanned::new(0..0, Nightly(Time::from_hms(2, 30, 0).ok())) }
    }
}

/// A time of the night, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Nightly(Option<Time>);

impl Nightly {
    /// The time; absent = never.
    #[must_use]
    pub const fn at(self) -> Option<Time> {
        self.0
    }
}

impl TryFrom<String> for Nightly {
    type Error = &'static str;

    fn try_from(written: String) -> Result<Self, Self::Error> {
        if written == "off" {
            return Ok(Self(None));
        }
        let is_two = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        let two = |text: &str| text.parse::<u8>().ok().filter(|_| is_two(text));
        let time = written.split_once(':').and_then(|(hour, minute)| Time::from_hms(two(hour)?, two(minute)?, 0).ok());
        time.map(|time| Self(Some(time))).ok_or("write a time of the day as \"02:30\", or \"off\"")
    }
}

impl PlatformSection {
    /// How often it is polled; `None` = not at all.
    pub(super) fn polls(&self, declared: &Descriptor) -> Option<Bounds> {
        let own = self.poll_seconds.as_ref().map(|seconds| *seconds.get_ref());
        let usual = || declared.capabilities.poll.then_some(declared.limits.poll_seconds.max(1));
        let shortest = own.or_else(usual).filter(|seconds| *seconds > 0)?;
        let longest = self.poll_longest_seconds.as_ref().map(|seconds| seconds_of(*seconds.get_ref()));
        Some(Bounds::new(seconds_of(shortest), longest))
    }

    /// Whether everything that it is reached by is this machine's.
    fn is_here(&self) -> bool {
        let http =
            self.base_url.as_ref().is_none_or(|base| Url::parse(base.get_ref()).is_ok_and(|url| is_loopback(&url)));
        http && self.sftp.as_ref().is_none_or(|sftp| is_loopback_host(&sftp.get_ref().host))
    }
}

fn seconds_of(seconds: u32) -> Duration {
    Duration::from_secs(u64::from(seconds))
}

impl Check<'_> {
    /// A vendor's manners are kept, and the bounds are bounds.
    pub(super) fn polls(&mut self, platform: &PlatformSection, declared: &Descriptor) {
        let is_simulator = platform.simulator.as_ref().is_some_and(|simulator| *simulator.get_ref());
        if let Some(simulator) = platform.simulator.as_ref().filter(|_| is_simulator && !platform.is_here()) {
            let words =
                "only a platform on loopback is a simulator; take this line out, and poll as its vendor lets us";
            self.at(simulator, "platform.simulator", words);
        }
        let published = declared.limits.poll_seconds;
        if let Some(seconds) = &platform.poll_seconds
            && (1..published).contains(seconds.get_ref())
            && !is_simulator
        {
            let words = format!(
                "this platform may be polled every {published} seconds at most, as its adapter `{}` declares from what is published; \
                 write {published} or more, 0 for never, or leave it out (a simulator on loopback: `simulator = true`)",
                declared.name
            );
            self.at(seconds, "platform.poll-seconds", words);
        }
        if let Some(longest) = &platform.poll_longest_seconds {
            let shortest = platform.poll_seconds.as_ref().map_or(published, |seconds| *seconds.get_ref());
            if *longest.get_ref() < shortest {
                let words =
                    format!("less than the shortest time between two polls, {shortest} seconds; write that or more");
                self.at(longest, "platform.poll-longest-seconds", words);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Nightly;
    use crate::config::{Config, ConfigError, EXAMPLE, parse};
    use time::macros::time;

    fn with(keys: &str) -> Result<Config, String> {
        parse(&EXAMPLE.replacen("# poll-seconds = 900", keys, 1)).map_err(|error| match error {
            ConfigError::Faults(faults) => faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
            error => error.to_string(),
        })
    }

    fn refused(keys: &str) -> String {
        with(keys).err().unwrap_or_else(|| panic!("`{keys}` is taken"))
    }

    fn bounds(keys: &str) -> Option<(u64, u64)> {
        let config = with(keys).unwrap_or_else(|faults| panic!("{faults}"));
        let platform = &config.platform[0];
        let adapter = config.adapters.find(platform.adapter.get_ref()).expect("the example's adapter");
        let bounds = platform.polls(adapter.descriptor())?;
        Some((bounds.shortest.as_secs(), bounds.longest.as_secs()))
    }

    #[test]
    fn a_platform_is_never_polled_faster_than_its_vendor_lets_us() {
        for seconds in [1, 60, 899] {
            let words = refused(&format!("poll-seconds = {seconds}"));
            assert!(words.starts_with("line ") && words.contains("platform.poll-seconds"), "{words}");
            assert!(words.contains("900 seconds at most") && words.contains("write 900 or more"), "{words}");
        }
        assert_eq!(bounds("poll-seconds = 900"), Some((900, 3_600)));
        assert_eq!(bounds("poll-seconds = 7200"), Some((7_200, 7_200)));
        assert_eq!(bounds("poll-seconds = 0"), None);
        assert_eq!(bounds(""), Some((900, 3_600)), "as the adapter declares");
    }

    #[test]
    fn quiet_polls_stretch_as_far_as_is_written() {
        assert_eq!(bounds("poll-longest-seconds = 1800"), Some((900, 1_800)));
        assert!(refused("poll-longest-seconds = 899").contains("write that or more"));
        assert!(refused("poll-seconds = 3600\npoll-longest-seconds = 1800").contains("3600 seconds"));
    }

    #[test]
    fn only_what_is_on_loopback_is_a_simulator() {
        assert_eq!(bounds("poll-seconds = 1\nsimulator = true"), Some((1, 4)));
        let text = EXAMPLE.replacen("# poll-seconds = 900", "poll-seconds = 1\nsimulator = true", 1);
        let away = text.replacen("http://127.0.0.1:9090/fhir", "https://platform.example/fhir", 1);
        let Err(ConfigError::Faults(faults)) = parse(&away) else { panic!("it is taken") };
        assert_eq!(faults[0].key, "platform.simulator");
        assert!(faults[0].line > 0);
        assert!(refused("poll-seconds = 1\nsimulator = false").contains("900"));
    }

    #[test]
    fn the_time_of_the_night_is_a_time_or_off() {
        let read = |text: &str| Nightly::try_from(text.to_owned()).map(Nightly::at);
        assert_eq!(read("02:30"), Ok(Some(time!(02:30))));
        assert_eq!(read("off"), Ok(None));
        for wrong in ["", "2:30", "25:00", "02:60", "02:30:00", "night", "-1:00", "+2:30"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        let at = |text: &str| {
            parse(&format!("{EXAMPLE}\n[reconcile]\nat = {text}\n")).map(|config| config.reconcile.at.get_ref().at())
        };
        assert_eq!(at("\"03:15\"").unwrap(), Some(time!(03:15)));
        assert!(at("3").is_err());
        assert_eq!(parse(EXAMPLE).unwrap().reconcile.at.get_ref().at(), Some(time!(02:30)), "every night");
    }
}
