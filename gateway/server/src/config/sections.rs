//! The sections of the file, and what must hold between them.

use super::access::reached_section;
use super::duplicates::DuplicatesSection;
use super::files::{MeshSection, SftpSection};
use super::follow_up::FollowUpSection;
use super::mail::{MailSection, MailboxSection};
use super::notify::NotifySection;
use super::policy::{Decided, PolicySection, TenantSection};
use super::poll::ReconcileSection;
use super::retention::RetentionSection;
use super::share::{LimitsSection, RateSection};
use super::status_link::StatusLinkSection;
use super::store::StoreSection;
use super::subscriptions::SubscriptionsSection;
use super::{Fault, is_loopback, line};
use crate::adapters::Registry;
use adapter_contract::Grade;
use gateway_core::account::ACTOR;
use gateway_core::identity::{Profile, Role, TenantId};
use gateway_core::loss;
use gateway_core::retry::Schedule;
use gateway_core::route::{Recipient, Route};
use gateway_fhir::identifiers::is_ods_code;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use toml::Spanned;
use url::Url;

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// Where it listens and keeps its data.
    pub server: ServerSection,
    /// In which engine it keeps its data, if not in a folder.
    #[serde(default)]
    pub store: StoreSection,
    /// Callers.
    #[serde(default)]
    pub client: Vec<ClientSection>,
    /// Recipients.
    #[serde(default)]
    pub platform: Vec<PlatformSection>,
    /// Mailboxes of ours.
    #[serde(default)]
    pub mailbox: Vec<MailboxSection>,
    /// What holds for all recipients of a tenant.
    #[serde(default)]
    pub tenant: Vec<TenantSection>,
    /// What tenants let recipients have.
    #[serde(default)]
    pub policy: Vec<PolicySection>,
    /// Rules that pick a platform.
    #[serde(default)]
    pub route: Vec<Spanned<Route>>,
    /// When attempts are made.
    #[serde(default)]
    pub retry: RetrySection,
    /// When GP, gateway and platforms are compared.
    #[serde(default)]
    pub reconcile: ReconcileSection,
    /// How much one caller may ask, and how much may wait.
    #[serde(default)]
    pub limits: LimitsSection,
    /// What is done where a service has a referral like a new one.
    #[serde(default)]
    pub duplicates: DuplicatesSection,
    /// For how long what is kept.
    #[serde(default)]
    pub retention: Vec<RetentionSection>,
    /// Until when a referral is waited for.
    #[serde(default)]
    pub follow_up: FollowUpSection,
    /// The adapters that there are: those of this build and those of the folder.
    #[serde(skip)]
    pub adapters: Registry,
    /// What tenants decided, with what their files hold.
    #[serde(skip)]
    pub decided: Decided,
}

/// `[server]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ServerSection {
    /// `address:port`; loopback only.
    pub listen: Spanned<String>,
    /// Folder of the store; absent where it is in a database.
    pub data: Option<Spanned<PathBuf>>,
    /// FHIR base address as clients see it.
    pub base_url: Option<Spanned<String>>,
    /// Folder whose subfolders are adapters.
    pub adapters: Option<Spanned<PathBuf>>,
}

/// `[[client]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ClientSection {
    /// Its name.
    pub id: Spanned<String>,
    /// The customer it belongs to.
    pub tenant: TenantId,
    /// ODS code of the organisation it acts for.
    pub organisation: Spanned<String>,
    /// SHA-256 of its bearer token, lower-case hex.
    pub token_sha256: Spanned<String>,
    /// What it may do.
    pub roles: Spanned<Vec<Role>>,
    /// Whether a referrer records consent too; absent = it does.
    pub records_consent: Option<Spanned<bool>>,
    /// Rules of behaviour.
    #[serde(default)]
    pub profile: Profile,
    /// For the role `platform`: which one it is.
    pub platform: Option<Spanned<String>>,
    /// How much it may ask, where that differs from `[limits]`.
    pub rate: Option<RateSection>,
    /// Whether it may subscribe, where to, and how what it is sent is signed.
    pub subscriptions: Option<Spanned<SubscriptionsSection>>,
    /// Whom on its side the gateway tells by itself.
    #[serde(default)]
    pub notify: NotifySection,
}

reached_section! {
    /// `[[platform]]`.
    #[derive(Debug, Clone, Deserialize)]
    #[serde(rename_all = "kebab-case", deny_unknown_fields)]
    pub struct PlatformSection {
        /// Its name.
        pub id: Spanned<String>,
        /// Its name for people.
        pub name: String,
        /// Which adapter translates for it.
        pub adapter: Spanned<String>,
        /// Base address; absent only for a platform that collects from us.
        pub base_url: Option<Spanned<String>>,
        /// Identifiers by which a Consent names it.
        pub identifiers: Vec<Recipient>,
        /// Files over MESH; `base-url` is then the address of its API.
        pub mesh: Option<Spanned<MeshSection>>,
        /// Files over SFTP, without a `base-url`.
        pub sftp: Option<Spanned<SftpSection>>,
        /// Its organisation is asked by mail, and answers behind a link.
        pub status_link: Option<Spanned<StatusLinkSection>>,
        /// Mail, without a `base-url` or, for status links, beside one.
        pub mail: Option<Spanned<MailSection>>,
        /// What losses in translation lead to.
        #[serde(default)]
        pub loss: LossSection,
        /// SHA-256 of the bearer token with which it reports.
        pub report_token_sha256: Option<Spanned<String>>,
        /// Keys by which it signs its reports (Standard Webhooks).
        pub report_signing_secret: Option<SecretSource>,
        /// Seconds between two polls, at least; absent = as the adapter declares, 0 = never.
        pub poll_seconds: Option<Spanned<u32>>,
        /// Seconds to which the time between quiet polls stretches.
        pub poll_longest_seconds: Option<Spanned<u32>>,
        /// It is a simulator on this machine: the manners of a vendor do not hold for it.
        pub simulator: Option<Spanned<bool>>,
        /// How fast it is asked, if slower than its adapter says; what it lacks is as the adapter says.
        pub pace: Option<adapter_contract::Pace>,
        /// Tenant whose store holds what is published for it; absent = the sender's.
        pub publish_to: Option<TenantId>,
        /// What the adapter is given.
        #[serde(default)]
        pub settings: BTreeMap<String, String>,
    }
}

/// Where a secret stands.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "toml::Value")]
pub enum SecretSource {
    /// In this environment variable.
    Env(String),
    /// In this file; a line end after it is not part of it.
    File(PathBuf),
}

/// By hand, for a fault must not quote what somebody wrote here in place of a reference.
impl TryFrom<toml::Value> for SecretSource {
    type Error = &'static str;

    fn try_from(written: toml::Value) -> Result<Self, Self::Error> {
        let only = |key: &str| {
            let table = written.as_table().filter(|table| table.len() == 1)?;
            table.get(key)?.as_str().map(str::to_owned)
        };
        match (only("env"), only("file")) {
            (Some(name), _) => Ok(Self::Env(name)),
            (None, Some(path)) => Ok(Self::File(path.into())),
            (None, None) => Err("a secret never stands here itself; write { env = \"NAME\" } or { file = \"PATH\" }"),
        }
    }
}

/// `loss` of a platform.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct LossSection {
    /// From this grade on a referral waits until its sender has seen what would be lost.
    pub hold_at: LossGrade,
    /// From this grade on a referral is not taken.
    pub refuse_at: LossGrade,
}

impl Default for LossSection {
    fn default() -> Self {
        Self { hold_at: LossGrade::Unsafe, refuse_at: LossGrade::Never }
    }
}

impl LossSection {
    /// As the core reads it.
    #[must_use]
    pub fn policy(&self) -> loss::Policy {
        loss::Policy { hold_at: self.hold_at.grade(), refuse_at: self.refuse_at.grade() }
    }
}

/// A grade, or none.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossGrade {
    /// Any loss.
    Informational,
    /// A notable loss, or a graver one.
    Notable,
    /// An unsafe loss.
    Unsafe,
    /// No loss.
    Never,
}

impl LossGrade {
    const fn grade(self) -> Option<Grade> {
        match self {
            Self::Informational => Some(Grade::Informational),
            Self::Notable => Some(Grade::Notable),
            Self::Unsafe => Some(Grade::Unsafe),
            Self::Never => None,
        }
    }
}

/// `[retry]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RetrySection {
    /// Upper bounds of the waits between attempts.
    pub delays_seconds: Vec<u32>,
    /// From acceptance to dead letter.
    pub window_seconds: u32,
    /// How long a worker may hold an errand; at least as long as an exchange may take.
    pub lease_seconds: u32,
    /// For how long an instance takes the lane of a platform, where several share a database. What a dead one held waits so long
    /// at most; a lane is renewed twice in it.
    pub lane_seconds: u32,
    /// How long a platform that did not answer is left alone before it is asked whether it has the referral.
    pub settle_seconds: u32,
    /// How long a platform has to confirm that it stopped, after consent was withdrawn, before a person is told.
    pub recall_seconds: u32,
    /// How long a platform has, once it has a referral, to say whether anybody takes it on, before a person is told; a Task's
    /// `restriction.period.end` that is nearer counts instead.
    pub answer_seconds: u32,
}

impl Default for RetrySection {
    fn default() -> Self {
        let schedule = Schedule::default();
        Self {
            delays_seconds: schedule.delays_seconds,
            window_seconds: schedule.window_seconds,
            lease_seconds: 120,
            lane_seconds: 10,
            settle_seconds: 60,
            recall_seconds: 48 * 60 * 60,
            answer_seconds: 7 * 24 * 60 * 60,
        }
    }
}

impl RetrySection {
    /// As the core reads it.
    #[must_use]
    pub fn schedule(&self) -> Schedule {
        Schedule { delays_seconds: self.delays_seconds.clone(), window_seconds: self.window_seconds }
    }
}

/// Adds the adapters of the configured folder.
pub(super) fn add_adapters(config: &mut Config, text: &str) -> Vec<Fault> {
    let Some(folder) = &config.server.adapters else { return Vec::new() };
    let line = line(text, folder);
    let fault = |fault: crate::adapters::FolderFault| {
        let words = format!("{}: {}", fault.folder.display(), fault.words);
        Fault { line, key: "server.adapters".to_owned(), words }
    };
    config.adapters.add_folder(folder.get_ref()).into_iter().map(fault).collect()
}

/// Every fault of a configuration that could be read.
pub(super) fn check(config: &Config, text: &str) -> Vec<Fault> {
    let mut check = Check { text, faults: Vec::new() };
    check.server(&config.server);
    check.store(config);
    let platforms: BTreeSet<&str> = config.platform.iter().map(|section| section.id.get_ref().as_str()).collect();
    check.unique("client.id", config.client.iter().map(|section| &section.id));
    check.unique("client.token-sha256", config.client.iter().map(|section| &section.token_sha256));
    check.unique("platform.id", config.platform.iter().map(|section| &section.id));
    for section in &config.client {
        check.client(section, &platforms);
        check.subscriptions(section);
        check.notify(section);
        check.letters(section);
    }
    for section in &config.platform {
        check.platform(section, &config.adapters);
        check.status_link(section, &config.adapters);
    }
    check.mailboxes(config);
    let collects =
        |section: &&PlatformSection| section.base_url.is_none() && section.sftp.is_none() && section.mail.is_none();
    for section in config.platform.iter().filter(collects) {
        check.collector(section, &config.client);
    }
    check.policies(config, &platforms);
    check.shares(config);
    check.retention(&config.retention);
    let tenants: BTreeSet<&str> = config.client.iter().map(|section| section.tenant.0.as_str()).collect();
    check.follow_up(&config.follow_up, &tenants, &platforms);
    for route in &config.route {
        let platform = route.get_ref().platform.0.as_str();
        if !platforms.contains(platform) {
            let words = format!("no [[platform]] has the id `{platform}`; name one that exists");
            check.fault(line(text, route), "route.platform", words);
        }
    }
    if config.retry.lease_seconds == 0 {
        let line = super::line_of(text, text.find("lease-seconds").unwrap_or(0));
        check.fault(line, "retry.lease-seconds", "must be at least 1".to_owned());
    }
    if config.retry.lane_seconds < 2 {
        let line = super::line_of(text, text.find("lane-seconds").unwrap_or(0));
        check.fault(line, "retry.lane-seconds", "must be at least 2".to_owned());
    }
    if let Some(words) = config.retry.schedule().fault() {
        check.fault(super::line_of(text, text.find("[retry]").unwrap_or(0)), "retry", words.to_owned());
    }
    check.faults
}

pub(super) struct Check<'a> {
    pub(super) text: &'a str,
    pub(super) faults: Vec<Fault>,
}

impl Check<'_> {
    pub(super) fn fault(&mut self, line: usize, key: &str, words: String) {
        self.faults.push(Fault { line, key: key.to_owned(), words });
    }

    pub(super) fn at<T>(&mut self, spanned: &Spanned<T>, key: &str, words: impl Into<String>) {
        self.fault(line(self.text, spanned), key, words.into());
    }

    pub(super) fn unique<'s>(&mut self, key: &str, names: impl Iterator<Item = &'s Spanned<String>>) {
        let mut seen = BTreeSet::new();
        for name in names {
            if !seen.insert(name.get_ref()) {
                self.at(name, key, "used twice; each needs its own");
            }
        }
    }

    fn server(&mut self, server: &ServerSection) {
        match server.listen.get_ref().parse::<SocketAddr>() {
            Err(_) => self.at(&server.listen, "server.listen", "not an address:port; write for example 127.0.0.1:8080"),
            Ok(address) if !address.ip().is_loopback() => self.at(
                &server.listen,
                "server.listen",
                "not a loopback address; until SMART and TLS are here the gateway listens on loopback only",
            ),
            Ok(_) => {}
        }
        if let Some(base) = &server.base_url
            && Url::parse(base.get_ref()).is_err()
        {
            self.at(base, "server.base-url", "not a URL; write for example http://127.0.0.1:8080/fhir");
        }
    }

    fn client(&mut self, client: &ClientSection, platforms: &BTreeSet<&str>) {
        self.hash(&client.token_sha256, "client.token-sha256");
        self.letters(client);
        if client.id.get_ref().starts_with(ACTOR) {
            self.at(
                &client.id,
                "client.id",
                "begins as people sign in (`account/`); audit could not tell the two apart",
            );
        }
        let is_platform = client.roles.get_ref().contains(&Role::Platform);
        if client.roles.get_ref().is_empty() {
            self.at(
                &client.roles,
                "client.roles",
                "no role, so it could do nothing; give it `referrer`, `reader`, `consent`, `governance`, `operator` or `platform`",
            );
        }
        // Whoever receives must not be able to permit it to itself.
        if is_platform && client.roles.get_ref().len() > 1 {
            self.at(
                &client.roles,
                "client.roles",
                "the role `platform` stands alone: a platform neither refers nor records consent",
            );
        }
        // Whoever looks over what was disclosed is not whoever discloses it.
        let acts = |role: &Role| matches!(role, Role::Referrer | Role::Consent);
        if client.roles.get_ref().contains(&Role::Governance) && client.roles.get_ref().iter().any(acts) {
            self.at(
                &client.roles,
                "client.roles",
                "the role `governance` neither refers nor records consent; give that to a client of its own",
            );
        }
        if let Some(records) = &client.records_consent
            && !client.roles.get_ref().contains(&Role::Referrer)
        {
            self.at(
                records,
                "client.records-consent",
                "only for the role `referrer`; the role `consent` says it of others",
            );
        }
        if !is_platform && !is_ods_code(client.organisation.get_ref()) {
            self.at(
                &client.organisation,
                "client.organisation",
                "not an ODS code; write it in capitals without spaces",
            );
        }
        match &client.platform {
            None if is_platform => {
                self.at(&client.roles, "client.platform", "missing: the role `platform` needs the id of its platform");
            }
            Some(platform) if !platforms.contains(platform.get_ref().as_str()) => {
                self.at(platform, "client.platform", "no [[platform]] has this id; name one that exists");
            }
            Some(platform) if !is_platform || client.roles.get_ref().len() > 1 => {
                self.at(platform, "client.platform", "a platform's client has the role `platform` and no other");
            }
            _ => {}
        }
    }

    /// A policy that is nobody's would be a decision that never counts, and of two nobody could say which does.
    fn policies(&mut self, config: &Config, platforms: &BTreeSet<&str>) {
        let mut seen = BTreeSet::new();
        for policy in &config.policy {
            let (tenant, platform) = (policy.tenant.get_ref(), policy.platform.get_ref());
            if !config.client.iter().any(|client| client.tenant == *tenant) {
                let words = format!("no [[client]] belongs to the tenant `{}`; name one that exists", tenant.0);
                self.at(&policy.tenant, "policy.tenant", words);
            }
            if !platforms.contains(platform.as_str()) {
                let words = format!("no [[platform]] has the id `{platform}`; name one that exists");
                self.at(&policy.platform, "policy.platform", words);
            }
            if !seen.insert((tenant, platform)) {
                let words = "this tenant has a policy for this platform already; put both into one";
                self.at(&policy.platform, "policy.platform", words);
            }
        }
    }

    fn platform(&mut self, platform: &PlatformSection, adapters: &Registry) {
        self.access(&platform.keys());
        self.files(platform);
        let adapter = adapters.find(platform.adapter.get_ref());
        if adapter.is_none() {
            let known: Vec<String> = adapters.all().iter().map(|adapter| adapter.descriptor().name.clone()).collect();
            let words = format!("there is no adapter of this name; there are: {}", known.join(", "));
            self.at(&platform.adapter, "platform.adapter", words);
        }
        if let Some(hash) = &platform.report_token_sha256 {
            self.hash(hash, "platform.report-token-sha256");
        }
        if let Some(base) = &platform.base_url {
            self.base_url(base, "platform.base-url");
        }
        if let Some(adapter) = adapter {
            self.polls(platform, adapter.descriptor());
            let declared = adapter.descriptor().limits.pace;
            if let Some(words) = platform.pace.and_then(|own| super::share::contradicts(own, declared)) {
                self.at(&platform.id, "platform.pace", words);
            }
            if let Err(error) = adapter.check_settings(&super::files::settings(platform)) {
                self.at(&platform.id, &format!("platform.{}", error.path), error.reason);
            }
        }
    }

    /// What is published must be where its platform can read it.
    fn collector(&mut self, platform: &PlatformSection, clients: &[ClientSection]) {
        let id = platform.id.get_ref();
        let own: Vec<&TenantId> = clients
            .iter()
            .filter(|client| client.platform.as_ref().is_some_and(|platform| platform.get_ref() == id))
            .map(|client| &client.tenant)
            .collect();
        if own.is_empty() {
            let words = "this platform has no base-url, so it collects from us; give it a [[client]] with the role \
                         `platform`, or a base-url";
            self.at(&platform.id, "platform.base-url", words);
            return;
        }
        let senders = clients.iter().filter(|client| client.platform.is_none()).map(|client| &client.tenant);
        let places: BTreeSet<&TenantId> = match &platform.publish_to {
            Some(tenant) => BTreeSet::from([tenant]),
            None => senders.collect(),
        };
        if let Some(tenant) = places.into_iter().find(|tenant| !own.contains(tenant)) {
            let words = format!(
                "what is published for the tenant `{}` could be read by nobody: the platform has no client there; give \
                 it one, or set publish-to",
                tenant.0
            );
            self.at(&platform.id, "platform.publish-to", words);
        }
    }

    pub(super) fn base_url(&mut self, base: &Spanned<String>, key: &str) {
        let Ok(url) = Url::parse(base.get_ref()) else {
            self.at(base, key, "not a URL");
            return;
        };
        if !url.username().is_empty() || url.password().is_some() {
            self.at(base, key, "credentials do not belong into an address; use `token`");
        }
        if url.query().is_some() || url.fragment().is_some() {
            self.at(base, key, "a base address has no query and no fragment");
        }
        if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(&url)) {
            self.at(base, key, "patient data leaves through https only; http is for loopback");
        }
    }

    fn hash(&mut self, hash: &Spanned<String>, key: &str) {
        let text = hash.get_ref();
        if text.len() != 64 || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            self.at(hash, key, "not a SHA-256: 64 lower-case hex digits (printf %s \"$TOKEN\" | sha256sum)");
        }
    }
}
