//! Records about single persons: overrides for safeguarding (R8), and who may consent for whom (R9). Each is a TOML file of
//! its own that the tenant keeps apart from the configuration, because it names persons.
//!
//! No fault repeats an NHS number: faults are printed and logged.

use super::line_of;
use super::policy::TenantSection;
use super::sections::Check;
use gateway_core::consent::{Authority, Override, Policy, Proxy, RecipientClass, Register, Standing};
use gateway_core::identity::PlatformId;
use gateway_fhir::identifiers::nhs_number;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::path::PathBuf;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use toml::Spanned;
use toml::value::Datetime;

/// A file of overrides.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Overrides {
    #[serde(default, rename = "override")]
    all: Vec<Spanned<OverrideRecord>>,
}

/// `[[override]]`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct OverrideRecord {
    id: String,
    platform: String,
    nhs_number: String,
    professional: String,
    reason: String,
    from: Datetime,
    expires: Datetime,
}

/// A file about who may consent.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct People {
    #[serde(default)]
    person: Vec<Spanned<PersonRecord>>,
}

/// `[[person]]`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct PersonRecord {
    nhs_number: String,
    recorded_by: String,
    #[serde(default)]
    competent: bool,
    #[serde(default)]
    disputed: bool,
    lacks_capacity_since: Option<Datetime>,
    #[serde(default)]
    proxy: Vec<ProxyRecord>,
}

/// `proxy` of a person.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct ProxyRecord {
    reference: String,
    authority: AuthorityWord,
    until: Option<Datetime>,
}

/// By what right.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum AuthorityWord {
    Parental,
    HealthAttorney,
    PropertyAttorney,
    WelfareDeputy,
    BestInterests,
}

impl AuthorityWord {
    const fn authority(self) -> Authority {
        match self {
            Self::Parental => Authority::Parental,
            Self::HealthAttorney => Authority::HealthAttorney,
            Self::PropertyAttorney => Authority::PropertyAttorney,
            Self::WelfareDeputy => Authority::WelfareDeputy,
            Self::BestInterests => Authority::BestInterests,
        }
    }
}

/// Reads the records that a tenant names.
pub(super) fn read(check: &mut Check<'_>, section: &TenantSection, policy: &Policy) -> Register {
    let mut register = Register::default();
    if let Some(path) = &section.overrides {
        let mut file = File::of(check, path, "tenant.overrides");
        if let Some((records, text)) = file.read::<Overrides>() {
            file.overrides(&records, &text, policy, &mut register);
        }
    }
    if let Some(path) = &section.standing {
        let mut file = File::of(check, path, "tenant.standing");
        if let Some((people, text)) = file.read::<People>() {
            file.people(&people, &text, &mut register);
        }
    }
    register
}

/// A file that the configuration names at `path`.
struct File<'c, 't> {
    check: &'c mut Check<'t>,
    path: &'c Spanned<PathBuf>,
    key: &'static str,
}

impl<'c, 't> File<'c, 't> {
    fn of(check: &'c mut Check<'t>, path: &'c Spanned<PathBuf>, key: &'static str) -> Self {
        Self { check, path, key }
    }

    fn fault(&mut self, line: usize, words: &str) {
        let file = self.path.get_ref().display();
        self.check.at(self.path, self.key, format!("{file}:{line}: {words}"));
    }

    fn read<T: DeserializeOwned>(&mut self) -> Option<(T, String)> {
        let text = match std::fs::read_to_string(self.path.get_ref()) {
            Ok(text) => text,
            Err(error) => {
                let file = self.path.get_ref().display();
                self.check.at(self.path, self.key, format!("{file}: {error}"));
                return None;
            }
        };
        match toml::from_str(&text) {
            Ok(read) => Some((read, text)),
            Err(error) => {
                let line = error.span().map_or(0, |span| line_of(&text, span.start));
                self.fault(line, error.message());
                None
            }
        }
    }

    fn overrides(&mut self, records: &Overrides, text: &str, policy: &Policy, register: &mut Register) {
        let mut ids = BTreeSet::new();
        for one in &records.all {
            let (record, line) = (one.get_ref(), line_of(text, one.span().start));
            let mut faults = Vec::new();
            let platform = PlatformId(record.platform.clone());
            let class = policy.recipients.get(&platform).map(|of| &of.class);
            if class != Some(&RecipientClass::Statutory) {
                faults.push("an override is for statutory recipients only; give this tenant a [[policy]] for the platform with class = \"statutory\"");
            }
            if record.id.trim().is_empty() || !ids.insert(&record.id) {
                faults.push("`id` is empty or used twice; audit names the override by it");
            }
            if record.professional.trim().is_empty() || record.reason.trim().is_empty() {
                faults.push("`professional` and `reason` must say who decided, and why");
            }
            let number = nhs_number(&record.nhs_number).ok();
            if number.is_none() {
                faults.push(NO_NUMBER);
            }
            let (from, expires) = (instant(&record.from), instant(&record.expires));
            match (from, expires) {
                (Some(from), Some(expires)) if from < expires => {}
                (Some(_), Some(_)) => faults.push("`expires` must be later than `from`"),
                _ => faults.push(NO_INSTANT),
            }
            for words in &faults {
                self.fault(line, words);
            }
            if let (true, Some(number), Some(from), Some(expires)) = (faults.is_empty(), number, from, expires) {
                let (id, reason) = (record.id.clone(), record.reason.clone());
                let professional = record.professional.clone();
                let kept = Override { id, recipient: platform, professional, reason, from, expires };
                register.overrides.push((number.as_str().to_owned(), kept));
            }
        }
    }

    fn people(&mut self, people: &People, text: &str, register: &mut Register) {
        for one in &people.person {
            let (record, line) = (one.get_ref(), line_of(text, one.span().start));
            let Ok(number) = nhs_number(&record.nhs_number) else {
                self.fault(line, NO_NUMBER);
                continue;
            };
            if record.recorded_by.trim().is_empty() {
                self.fault(line, "`recorded-by` is empty; name who answers for this record");
            }
            let mut standing =
                Standing { competent_minor: record.competent, disputed: record.disputed, ..Standing::default() };
            if let Some(since) = &record.lacks_capacity_since {
                standing.lacks_capacity_since = instant(since);
                if standing.lacks_capacity_since.is_none() {
                    self.fault(line, NO_INSTANT);
                }
            }
            for proxy in &record.proxy {
                let until = proxy.until.as_ref().map(instant);
                if until == Some(None) {
                    self.fault(line, NO_INSTANT);
                }
                if !proxy.reference.contains('/') {
                    self.fault(line, "`reference` names the proxy as a Consent does: RelatedPerson/id");
                }
                let (reference, authority) = (proxy.reference.clone(), proxy.authority.authority());
                standing.proxies.push(Proxy { reference, authority, until: until.flatten() });
            }
            if register.standing.insert(number.as_str().to_owned(), standing).is_some() {
                self.fault(line, "this person has a record already; put both into one");
            }
        }
    }
}

const NO_NUMBER: &str = "`nhs-number` is no NHS number: ten digits, of which the last checks the others";
const NO_INSTANT: &str = "a time needs date, time and zone: 2026-06-15T09:00:00Z";

/// An instant; `None` for what has no time or no zone.
fn instant(at: &Datetime) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(&at.to_string(), &Rfc3339).ok()
}
