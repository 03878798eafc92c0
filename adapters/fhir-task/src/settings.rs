//! The settings of one configured platform (README, "Settings"), read and checked.

use adapter_contract::{Settings, TranslateError};

/// Every setting that may be given; another name is a mistake that must not pass in silence.
const NAMES: [&str; 9] = [
    "base-url",
    "mode",
    "conditional-create",
    "requester-ods",
    "requester-name",
    "gateway-base-url",
    "owner-identifier-system",
    "owner-identifier-value",
    "honours-contact-prohibition",
];

/// Who has a FHIR server: the two topologies of the guide in which the gateway speaks to a platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The platform has: we post to it.
    Direct,
    /// Only we have: the platform collects from us.
    DirectLight,
}

/// The settings, checked.
#[derive(Debug, Clone)]
pub(crate) struct Config<'a> {
    /// Base address of the platform's FHIR API, without trailing slash. Empty in *Direct Light*, if it has none.
    pub(crate) base_url: &'a str,
    /// Topology.
    pub(crate) mode: Mode,
    /// The platform's conditional create may be relied upon (`ifNoneExist`, `If-None-Exist`).
    pub(crate) conditional_create: bool,
    /// Our organisation: ODS code and name.
    pub(crate) requester: (&'a str, &'a str),
    /// Where the gateway's own FHIR API can be reached, if it can.
    pub(crate) gateway_base_url: Option<&'a str>,
    /// The platform's organisation as `Task.owner`: identifier system and value.
    pub(crate) owner: Option<(&'a str, &'a str)>,
    /// The platform has undertaken to honour `contacting-subject-prohibited`.
    pub(crate) honours_contact_prohibition: bool,
}

impl<'a> Config<'a> {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`TranslateError`] with the path `settings.<name>`.
    pub(crate) fn read(settings: &'a Settings) -> Result<Self, TranslateError> {
        if let Some(unknown) = settings.keys().find(|name| !NAMES.contains(&name.as_str())) {
            return Err(wrong(unknown, "is not a setting of the fhir-task adapter; see its README"));
        }
        let text = |name: &str| settings.get(name).map(String::as_str).filter(|value| !value.trim().is_empty());
        let owner = match (text("owner-identifier-system"), text("owner-identifier-value")) {
            (Some(system), Some(value)) => Some((system, value)),
            (None, None) => None,
            (Some(_), None) => {
                return Err(wrong("owner-identifier-value", "is missing beside owner-identifier-system"));
            }
            (None, Some(_)) => {
                return Err(wrong("owner-identifier-system", "is missing beside owner-identifier-value"));
            }
        };
        let needed = |name: &str| text(name).ok_or_else(|| wrong(name, "is missing"));
        let (mode, base_url) = match text("mode") {
            None | Some("direct") => (Mode::Direct, needed("base-url")?),
            Some("direct-light") => (Mode::DirectLight, text("base-url").unwrap_or_default()),
            Some(_) => return Err(wrong("mode", "must be direct or direct-light")),
        };
        Ok(Self {
            base_url: base_url.trim_end_matches('/'),
            mode,
            conditional_create: flag(text("conditional-create"), "conditional-create")?,
            requester: (needed("requester-ods")?, needed("requester-name")?),
            gateway_base_url: text("gateway-base-url").map(|url| url.trim_end_matches('/')),
            owner,
            honours_contact_prohibition: flag(text("honours-contact-prohibition"), "honours-contact-prohibition")?,
        })
    }
}

fn flag(value: Option<&str>, name: &str) -> Result<bool, TranslateError> {
    match value {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(wrong(name, "must be true or false")),
    }
}

fn wrong(name: &str, reason: &str) -> TranslateError {
    TranslateError::new(format!("settings.{name}"), reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(more: &[(&str, &str)]) -> Settings {
        let fixed = [("base-url", "https://p.example/fhir/"), ("requester-ods", "X26"), ("requester-name", "Gateway")];
        fixed.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn defaults_are_the_careful_ones() {
        let given = settings(&[]);
        let config = Config::read(&given).expect("complete");
        assert_eq!((config.mode, config.conditional_create), (Mode::Direct, false));
        assert!(!config.honours_contact_prohibition);
        assert_eq!(config.base_url, "https://p.example/fhir");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (name, value) in [
            ("mode", "indirect"),
            ("conditional-create", "yes"),
            ("honour-contact-prohibition", "true"),
            ("requester-ods", " "),
        ] {
            let refused = Config::read(&settings(&[(name, value)])).expect_err("refused");
            assert_eq!(refused.path, format!("settings.{name}"));
        }
        let refused = Config::read(&settings(&[("owner-identifier-value", "A1")])).expect_err("refused");
        assert_eq!(refused.path, "settings.owner-identifier-system");
    }
}
