//! The settings of one configured platform (README, "Settings"), read and checked.

use adapter_contract::{Settings, TranslateError};

/// Every setting that may be given; another name is a mistake that must not pass in silence.
const NAMES: [&str; 20] = [
    "base-url",
    "requester-ods",
    "requester-name",
    "source-endpoint",
    "source-name",
    "destination-endpoint",
    "recipient-identifier-system",
    "recipient-identifier-value",
    "process-message-path",
    "event-system",
    "profile-base",
    "profile-version",
    "focus",
    "referral-id-extension",
    "referral-id-form",
    "revoked-status",
    "answer-body",
    "recognises-repetition",
    "honours-contact-prohibition",
    "patient-details",
];

/// Code system of the events in Ontario's guide.
pub(crate) const ONTARIO_EVENTS: &str = "https://ehealthontario.ca/fhir/CodeSystem/message-event-code";

/// The extension in which Ontario's guide puts the sender's id of the referral.
const REFERRAL_ID: &str = "http://ehealthontario.ca/fhir/StructureDefinition/ext-id-message-header";

/// How the header points to what the message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Focus {
    /// By reference to the entry.
    Reference,
    /// By our identifier alone.
    Identifier,
}

/// How the header's extension holds the referral's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdForm {
    /// `valueString`.
    String,
    /// `valueIdentifier`.
    Identifier,
}

/// The settings, checked.
#[derive(Debug, Clone)]
pub(crate) struct Config<'a> {
    /// Our organisation: ODS code and name.
    pub(crate) requester: (&'a str, &'a str),
    /// Name and address that the header gives as the message's source.
    pub(crate) source: (&'a str, &'a str),
    /// Address that the header gives as its destination.
    pub(crate) destination: &'a str,
    /// The service that is asked, as the platform names it: identifier system and value.
    pub(crate) recipient: (&'a str, &'a str),
    /// Path of the operation below the base address.
    pub(crate) path: &'a str,
    /// Code system of the event.
    pub(crate) event_system: &'a str,
    /// Begin of profile addresses and their version, if resources are to claim them.
    pub(crate) profile: Option<(&'a str, Option<&'a str>)>,
    /// How the header points to what it is about.
    pub(crate) focus: Focus,
    /// Address and form of the extension with the referral's id.
    pub(crate) referral_id: (&'a str, IdForm),
    /// `ServiceRequest.status` in a withdrawal.
    pub(crate) revoked_status: &'a str,
    /// A `200` without a body is an acknowledgement.
    pub(crate) body_optional: bool,
    /// The platform keeps one of two equal messages.
    pub(crate) recognises_repetition: bool,
    /// The platform has undertaken to honour `contacting-subject-prohibited`.
    pub(crate) honours_contact_prohibition: bool,
    /// Old names, addresses and numbers of the person, and identifiers other than the NHS number, are sent too.
    pub(crate) all_patient_details: bool,
}

impl<'a> Config<'a> {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`TranslateError`] with the path `settings.<name>`.
    pub(crate) fn read(settings: &'a Settings) -> Result<Self, TranslateError> {
        if let Some(unknown) = settings.keys().find(|name| !NAMES.contains(&name.as_str())) {
            return Err(wrong(unknown, "is not a setting of the fhir-message adapter; see its README"));
        }
        let text = |name: &str| settings.get(name).map(String::as_str).filter(|value| !value.trim().is_empty());
        let needed = |name: &str| text(name).ok_or_else(|| wrong(name, "is missing"));
        let either = |name: &str, first: &'static str, second: &'static str| match text(name) {
            None => Ok(false),
            Some(value) if value == first => Ok(false),
            Some(value) if value == second => Ok(true),
            Some(_) => Err(wrong(name, &format!("must be {first} or {second}"))),
        };
        let base_url = needed("base-url")?.trim_end_matches('/');
        let requester = (needed("requester-ods")?, needed("requester-name")?);
        let profile = match (text("profile-base"), text("profile-version")) {
            (Some(base), version) => Some((base, version)),
            (None, None) => None,
            (None, Some(_)) => return Err(wrong("profile-base", "is missing beside profile-version")),
        };
        let path = text("process-message-path").unwrap_or("$process-message").trim_matches('/');
        if !is_path(path) {
            return Err(wrong("process-message-path", "must be a path below the base address, without query"));
        }
        let identifier = either("referral-id-form", "string", "identifier")?;
        Ok(Self {
            requester,
            source: (text("source-name").unwrap_or(requester.1), needed("source-endpoint")?),
            destination: text("destination-endpoint").unwrap_or(base_url),
            recipient: (needed("recipient-identifier-system")?, needed("recipient-identifier-value")?),
            path,
            event_system: text("event-system").unwrap_or(ONTARIO_EVENTS),
            profile,
            focus: if either("focus", "reference", "identifier")? { Focus::Identifier } else { Focus::Reference },
            referral_id: (
                text("referral-id-extension").unwrap_or(REFERRAL_ID),
                if identifier { IdForm::Identifier } else { IdForm::String },
            ),
            revoked_status: if either("revoked-status", "active", "revoked")? { "revoked" } else { "active" },
            body_optional: either("answer-body", "expected", "optional")?,
            recognises_repetition: either("recognises-repetition", "false", "true")?,
            honours_contact_prohibition: either("honours-contact-prohibition", "false", "true")?,
            all_patient_details: either("patient-details", "current", "all")?,
        })
    }
}

/// Characters of a URI's path (RFC 3986), without what would leave it. A percent sign begins an escape.
fn is_path(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%/".contains(&byte);
    !path.is_empty() && path.bytes().all(plain) && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

fn wrong(name: &str, reason: &str) -> TranslateError {
    TranslateError::new(format!("settings.{name}"), reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(more: &[(&str, &str)]) -> Settings {
        let fixed = [
            ("base-url", "https://p.example/fhir/"),
            ("requester-ods", "X26"),
            ("requester-name", "Gateway"),
            ("source-endpoint", "https://gateway.example/fhir"),
            ("recipient-identifier-system", "https://p.example/Id/service"),
            ("recipient-identifier-value", "S-1"),
        ];
        fixed.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn defaults_are_the_careful_ones() {
        let given = settings(&[]);
        let config = Config::read(&given).expect("complete");
        assert!(!config.body_optional && !config.recognises_repetition && !config.honours_contact_prohibition);
        assert!(!config.all_patient_details);
        assert_eq!((config.path, config.destination), ("$process-message", "https://p.example/fhir"));
        assert_eq!((config.focus, config.referral_id.1), (Focus::Reference, IdForm::String));
        assert_eq!((config.source.0, config.revoked_status, config.profile), ("Gateway", "active", None));
        assert_eq!((config.event_system, config.referral_id.0), (ONTARIO_EVENTS, REFERRAL_ID));
    }

    #[test]
    fn every_setting_can_be_set() {
        let given = settings(&[
            ("source-name", "Referrals"),
            ("destination-endpoint", "https://d.example"),
            ("process-message-path", "/svc/fhir/v1/$process-messages"),
            ("event-system", "urn:events"),
            ("profile-base", "http://profiles.example/"),
            ("profile-version", "1.1.0"),
            ("focus", "identifier"),
            ("referral-id-extension", "http://extension.example"),
            ("referral-id-form", "identifier"),
            ("revoked-status", "revoked"),
            ("answer-body", "optional"),
            ("recognises-repetition", "true"),
            ("honours-contact-prohibition", "true"),
            ("patient-details", "all"),
        ]);
        let config = Config::read(&given).expect("complete");
        assert!(config.body_optional && config.recognises_repetition && config.honours_contact_prohibition);
        assert!(config.all_patient_details);
        assert_eq!((config.path, config.destination), ("svc/fhir/v1/$process-messages", "https://d.example"));
        assert_eq!(
            (config.focus, config.referral_id),
            (Focus::Identifier, ("http://extension.example", IdForm::Identifier))
        );
        assert_eq!(config.profile, Some(("http://profiles.example/", Some("1.1.0"))));
        assert_eq!(
            (config.source.0, config.event_system, config.revoked_status),
            ("Referrals", "urn:events", "revoked")
        );
        assert_eq!(given.len(), NAMES.len(), "each name is tried");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (name, value) in [
            ("base-url", " "),
            ("requester-ods", ""),
            ("source-endpoint", " "),
            ("recipient-identifier-value", ""),
            ("focus", "id"),
            ("revoked-status", "gone"),
            ("answer-body", "none"),
            ("recognises-repetition", "yes"),
            ("honours-contact-prohibition", "yes"),
            ("patient-details", "old"),
            ("referral-id-form", "uri"),
            ("honour-contact-prohibition", "true"),
            ("process-message-path", "../$process-message"),
            ("process-message-path", "a//b"),
            ("process-message-path", "a?b=c"),
            ("process-message-path", "/"),
        ] {
            let refused = Config::read(&settings(&[(name, value)])).expect_err("refused");
            assert_eq!(refused.path, format!("settings.{name}"), "{value}");
        }
        let refused = Config::read(&settings(&[("profile-version", "1.1.0")])).expect_err("refused");
        assert_eq!(refused.path, "settings.profile-base");
        for name in ["base-url", "requester-ods", "requester-name", "source-endpoint", "recipient-identifier-system"] {
            let mut given = settings(&[]);
            given.remove(name);
            assert_eq!(Config::read(&given).expect_err("refused").path, format!("settings.{name}"));
        }
    }
}
