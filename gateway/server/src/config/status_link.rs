//! `status-link` of a `[[platform]]`: its organisation is asked by mail what becomes of a referral, and says it on the pages behind
//! a link.

use super::Config;
use super::build::read_secret;
use super::sections::{Check, PlatformSection, SecretSource};
use crate::adapters::Registry;
use crate::gateway::{Secret, StatusLinkWay};
use crate::passphrase;
use adapter_contract::{Adapter, Settings};
use gateway_core::identity::PlatformId;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use toml::Spanned;

/// Who writes the letters beside an adapter that writes none, unless another is named.
const COMPANION: &str = "mail-link";

/// Seconds of a day.
const DAY: u64 = 24 * 60 * 60;

/// `status-link` of a platform.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StatusLinkSection {
    /// Argon2id hash (PHC string) of the passphrase that was agreed with the organisation, by reference.
    pub passphrase_hash: SecretSource,
    /// For how many days a link can be opened.
    #[serde(default = "opens_days")]
    pub opens_days: NonZeroU32,
    /// For how many minutes a page that was opened stays open.
    #[serde(default = "stays_open_minutes")]
    pub stays_open_minutes: NonZeroU32,
    /// After how many days without an answer a referral goes back to whoever sent it; a Task's `restriction.period.end` that is nearer
    /// counts instead.
    #[serde(default = "answer_days")]
    pub answer_days: NonZeroU32,
    /// After how many days without an answer the organisation is reminded; absent = after 3 and 7, as far as that is before its time to
    /// answer is over.
    pub reminder_days: Option<Spanned<Vec<NonZeroU32>>>,
    /// Which adapter writes the letters beside the platform's own; absent = `mail-link`.
    pub adapter: Option<String>,
    /// What the adapter that writes the letters is given, where it is not the platform's own.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
}

fn opens_days() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(13)
}

fn answer_days() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(13)
}

fn stays_open_minutes() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(59)
}

impl StatusLinkSection {
    /// When the organisation is reminded, counted from the delivery.
    fn reminders(&self) -> Vec<Duration> {
        let days = match &self.reminder_days {
            Some(days) => days.get_ref().iter().map(|days| days.get()).collect(),
            None => vec![3, 7],
        };
        days.into_iter().map(|days| Duration::from_secs(u64::from(days) * DAY)).collect()
    }
}

/// Who writes the letters of this platform, and what it is given; or the name of who is not there.
fn writer(
    section: &PlatformSection,
    link: &StatusLinkSection,
    own: &Arc<dyn Adapter>,
    adapters: &Registry,
) -> Result<(Arc<dyn Adapter>, Settings), String> {
    if own.descriptor().capabilities.status_link {
        return Ok((Arc::clone(own), super::files::settings(section)));
    }
    let name = link.adapter.as_deref().unwrap_or(COMPANION);
    let found = adapters.find(name).filter(|one| one.descriptor().capabilities.status_link);
    Ok((found.ok_or_else(|| name.to_owned())?, link.settings.clone()))
}

/// The way of a platform over status links; `None` where it has none, or where what [`Check::status_link`] finds is missing.
///
/// # Errors
/// When the hash cannot be had or is none, in words.
pub(super) fn way(
    section: &PlatformSection,
    own: &Arc<dyn Adapter>,
    adapters: &Registry,
) -> Result<Option<StatusLinkWay>, String> {
    let Some(link) = section.status_link.as_ref().map(Spanned::get_ref) else { return Ok(None) };
    let Ok((adapter, settings)) = writer(section, link, own, adapters) else { return Ok(None) };
    let hash = read_secret(&link.passphrase_hash)?;
    passphrase::check(&hash)?;
    Ok(Some(StatusLinkWay {
        adapter,
        settings,
        passphrase_hash: Secret::new(hash),
        opens_for: Duration::from_secs(u64::from(link.opens_days.get()) * DAY),
        stays_open: Duration::from_secs(u64::from(link.stays_open_minutes.get()) * 60),
        answers_within: Duration::from_secs(u64::from(link.answer_days.get()) * DAY),
        reminders: link.reminders(),
    }))
}

impl Check<'_> {
    /// What must hold for a platform whose organisation is asked by mail.
    pub(super) fn status_link(&mut self, platform: &PlatformSection, adapters: &Registry) {
        let own = adapters.find(platform.adapter.get_ref());
        let declares = own.as_ref().is_some_and(|own| own.descriptor().capabilities.status_link);
        let Some(link) = &platform.status_link else {
            if declares {
                let words = "missing: this adapter asks by mail, and organisations answer behind a link; give it \
                             `status-link = { passphrase-hash = { file = \"PATH\" } }`";
                self.at(&platform.id, "platform.status-link", words);
            }
            return;
        };
        if let Some(own) = own.filter(|_| !declares) {
            match writer(platform, link.get_ref(), &own, adapters) {
                Err(name) => {
                    let words = format!("nobody writes the letters: there is no adapter `{name}` that asks by mail");
                    self.at(link, "platform.status-link.adapter", words);
                }
                Ok((writer, settings)) => {
                    if let Err(error) = writer.check_settings(&settings) {
                        self.at(link, &format!("platform.status-link.{}", error.path), error.reason);
                    }
                }
            }
        } else if !link.get_ref().settings.is_empty() || link.get_ref().adapter.is_some() {
            let words = "this platform's own adapter writes the letters: leave `adapter` and `settings` out here, and put what it is \
                         given into the platform's `settings`";
            self.at(link, "platform.status-link", words);
        }
        if platform.mail.is_none() {
            let words = "links go out by mail, and nothing says to whom; give this platform `mail = { mailbox = \"ID\", to = \"ADDRESS\" }`";
            self.at(link, "platform.status-link", words);
        }
        self.reminders(link.get_ref());
    }

    fn reminders(&mut self, link: &StatusLinkSection) {
        let Some(days) = &link.reminder_days else { return };
        let key = "platform.status-link.reminder-days";
        if !days.get_ref().is_sorted_by(|one, next| one < next) {
            self.at(days, key, "not in order; write each day once, the first first");
        }
        let late = days.get_ref().iter().find(|days| **days >= link.answer_days);
        if let Some(late) = late {
            let words = format!(
                "day {late} is not before the time to answer is over; raise `answer-days` above it, or leave it out"
            );
            self.at(days, key, words);
        }
    }
}

impl Config {
    /// Whether the organisation of a platform is asked by mail and answers behind status links.
    pub(crate) fn by_link(&self, platform: &PlatformId) -> bool {
        let section = self.platform.iter().find(|section| *section.id.get_ref() == platform.0);
        section.is_some_and(|section| section.status_link.is_some())
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, ConfigError, EXAMPLE, parse};

    const MAILBOX: &str = "[[mailbox]]\nid = \"referrals\"\nfrom = \"referrals@pcn.example\"\n\
        smtp = { host = \"mail.pcn.example\", username = \"gw\", password = { env = \"P\" } }\n\
        imap = { host = \"mail.pcn.example\", username = \"gw\", password = { env = \"P\" } }\n";
    const MAIL: &str = "mail = { mailbox = \"referrals\", to = \"team@charity.example\" }";

    fn read(keys: &str) -> Result<Config, String> {
        let text = EXAMPLE.replacen("# poll-seconds = 900", keys, 1);
        parse(&format!("{text}\n{MAILBOX}")).map_err(|error| match error {
            ConfigError::Faults(faults) => faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
            error => error.to_string(),
        })
    }

    fn link(keys: &str) -> String {
        format!("status-link = {{ passphrase-hash = {{ env = \"H\" }}{keys} }}")
    }

    #[test]
    fn a_link_beside_another_adapter_is_written_by_the_one_for_mailboxes() {
        let settings = ", settings = { sender-name = \"Example PCN\" }";
        let config = read(&format!("{MAIL}\n{}", link(settings))).expect("reads");
        let section = config.platform.iter().find_map(|one| one.status_link.as_ref()).expect("is there").get_ref();
        assert_eq!(
            (section.answer_days.get(), section.opens_days.get(), section.stays_open_minutes.get()),
            (14, 14, 60)
        );
        assert_eq!(section.reminders().len(), 2);
    }

    #[test]
    fn what_contradicts_itself_is_told() {
        let settings = ", settings = { sender-name = \"Example PCN\" }";
        let with = |keys: &str| format!("{MAIL}\n{}", link(&format!("{settings}{keys}")));
        for (keys, words) in [
            (link(settings), "give this platform `mail"),
            (format!("{MAIL}\n{}", link("")), "sender-name"),
            (with(", adapter = \"batch-csv\""), "no adapter `batch-csv` that asks by mail"),
            (with(", reminder-days = [7, 3]"), "in order"),
            (with(", reminder-days = [3, 14]"), "raise `answer-days`"),
            (with(", answer-days = 0"), "nonzero"),
            (with(", colour = 1"), "unknown field"),
        ] {
            let found = read(&keys).err().unwrap_or_default();
            assert!(found.contains(words), "{keys}: {found}");
        }
    }

    #[test]
    fn an_adapter_that_asks_by_mail_needs_both() {
        let text = EXAMPLE.replacen("adapter = \"fhir-task\"", "adapter = \"mail-link\"", 1);
        let found = parse(&text).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(found.contains("organisations answer behind a link"), "{found}");
    }
}
