//! From a checked configuration to a gateway that can run.

use super::access::Reader;
use super::{Config, ConfigError, Fault, PlatformSection, RetentionSection, SecretSource};
use crate::adapters::Watch;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::gateway::{Gateway, LatestTime, OutboxBell, Platform, Platforms};
use crate::limits::Limits;
use crate::notify::letter::Letters;
use crate::pace::Pace;
use crate::store::Store;
use crate::transport::Transport;
use crate::webhooks::{Keys, Use};
use adapter_contract::Descriptor;
use gateway_core::accept::Rules;
use gateway_core::breaker;
use gateway_core::consent::Recipient;
use gateway_core::identity::{Client, ClientId, PlatformId, Role};
use gateway_core::route::RouteTable;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// When a platform counts as one that does not answer.
fn breaker(declared: &Descriptor) -> breaker::Settings {
    // A probe has ended by the time at which its platform should have answered.
    let probe_seconds = declared.limits.answer_seconds + 10;
    breaker::Settings { failures: 7, first_seconds: 2, longest_seconds: 60, probe_seconds }
}

/// Puts a gateway together.
///
/// # Errors
/// [`ConfigError::Faults`] when a secret cannot be had.
pub fn build(
    config: &Config,
    base_url: String,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    chance: Arc<Chance>,
    transport: Arc<dyn Transport>,
) -> Result<Gateway, ConfigError> {
    let mut platforms = Vec::new();
    let mut faults = Vec::new();
    let mailboxes = super::mail::mailboxes(config, &mut faults);
    let subscribers = Arc::new(super::subscriptions::subscribers(config, &mut faults));
    let offices = super::letters::offices(config, &mut faults);
    for section in &config.platform {
        let id = PlatformId(section.id.get_ref().clone());
        let Some(adapter) = config.adapters.find(section.adapter.get_ref()) else { continue };
        let access = super::access::access(section, &mut faults);
        let access = access.with_mail(super::mail::mail(section, &mailboxes, &mut faults));
        let base = section.base_url.as_ref().map(|url| url.get_ref().trim_end_matches('/').to_owned());
        let base = base.or_else(|| super::files::sftp_address(section));
        let base = base.or_else(|| super::mail::mail_address(section));
        let settings = super::files::settings(section);
        let declared = adapter.descriptor();
        let poll = section.polls(declared);
        let pace =
            Pace::new(super::share::pace(declared.limits.pace, section.pace), breaker(declared), &clock, &chance);
        let status_link = super::status_link::way(section, &adapter, &config.adapters).unwrap_or_else(|words| {
            let key = format!("platform {}: status-link.passphrase-hash", id.0);
            faults.push(Fault { line: 0, key, words });
            None
        });
        platforms.push(Platform {
            id,
            adapter,
            poll: poll.filter(|_| base.is_some()),
            base_url: base.unwrap_or_default(),
            access: Arc::new(access),
            report_token_sha256: section.report_token_sha256.as_ref().map(|hash| hash.get_ref().clone()),
            report_keys: report_keys(section, &mut faults),
            settings,
            publish_to: section.publish_to.clone(),
            loss: section.loss.policy(),
            pace: Arc::new(pace),
            status_link: status_link.map(Arc::new),
        });
    }
    let mut ways = super::notify::ways(config, &mut faults);
    crate::notify::subscription::way(&subscribers).into_iter().for_each(|way| ways.add(way));
    if !offices.is_empty() {
        ways.add(Arc::new(Letters::of(&offices)));
    }
    if !faults.is_empty() {
        return Err(ConfigError::Faults(faults));
    }
    let admission = super::share::admission(config, &clock);
    let usual = Limits::default();
    let limits = Limits {
        connections: config.limits.connections.get() as usize,
        head: Duration::from_secs(u64::from(config.limits.head_seconds.get())),
        lease: Duration::from_secs(u64::from(config.retry.lease_seconds)),
        lane: Duration::from_secs(u64::from(config.retry.lane_seconds)),
        settle: time::Duration::seconds(i64::from(config.retry.settle_seconds)),
        recall: time::Duration::seconds(i64::from(config.retry.recall_seconds)),
        answer: time::Duration::seconds(i64::from(config.retry.answer_seconds)),
        reconcile_at: config.reconcile.at.get_ref().at(),
        // Who wants to be told within seconds is not told a minute later.
        unanswered_look: usual.unanswered_look.min(Duration::from_secs(u64::from(config.retry.answer_seconds.max(1)))),
        ..usual
    };
    Ok(Gateway {
        store,
        clock,
        chance,
        transport,
        limits,
        admission,
        clients: clients(config),
        platforms: Platforms::new(platforms),
        watch: Mutex::new(Watch::over(&config.adapters)),
        rules: rules(config),
        retention: config.retention.iter().map(RetentionSection::row).collect(),
        link_url: link_url(&base_url),
        base_url: base_url.trim_end_matches('/').to_owned(),
        wholes: tokio::sync::Mutex::default(),
        outbox_bell: OutboxBell::default(),
        lane_bell: watch::Sender::new(0),
        report_bell: Notify::new(),
        ways,
        subscribers,
        offices,
        notice_bell: Notify::new(),
        latest: LatestTime::default(),
    })
}

/// By which keys it signs its reports, if it does.
fn report_keys(section: &PlatformSection, faults: &mut Vec<Fault>) -> Option<Arc<Keys>> {
    let mut reader = Reader::of("platform", section.id.get_ref(), faults);
    let secret = reader.secret("report-signing-secret", section.report_signing_secret.clone())?;
    match Keys::read(&secret, Use::Verify) {
        Ok(keys) => Some(Arc::new(keys)),
        Err(words) => {
            reader.fault("report-signing-secret", words.to_owned());
            None
        }
    }
}

/// The status-link pages stand beside the FHIR base.
fn link_url(base_url: &str) -> String {
    let base = base_url.trim_end_matches('/');
    format!("{}/link", base.strip_suffix("/fhir").unwrap_or(base))
}

/// What a configuration says of recipients, routes and consent.
#[must_use]
pub fn rules(config: &Config) -> Rules {
    let recipients = config.platform.iter().map(|section| {
        let id = PlatformId(section.id.get_ref().clone());
        let identifiers = section.identifiers.iter().map(|one| (one.system.clone(), one.value.clone())).collect();
        (id.clone(), Recipient { platform: id, name: section.name.clone(), identifiers })
    });
    Rules {
        routes: RouteTable { routes: config.route.iter().map(|route| route.get_ref().clone()).collect() },
        recipients: recipients.collect(),
        policies: config.decided.policies.clone(),
        registers: config.decided.registers.clone(),
        schedule: config.retry.schedule(),
        timers: config.follow_up.rules(),
        duplicates: config.duplicates.policy(),
    }
}

/// Who may call, by the SHA-256 (hex) of the token.
pub(crate) fn clients(config: &Config) -> BTreeMap<String, Client> {
    config
        .client
        .iter()
        .map(|section| {
            let mut roles: BTreeSet<Role> = section.roles.get_ref().iter().copied().collect();
            if roles.contains(&Role::Referrer)
                && section.records_consent.as_ref().is_none_or(|records| *records.get_ref())
            {
                roles.insert(Role::Consent);
            }
            let client = Client {
                id: ClientId(section.id.get_ref().clone()),
                tenant: section.tenant.clone(),
                organisation: section.organisation.get_ref().clone(),
                profile: section.profile,
                roles,
                platform: section.platform.as_ref().map(|platform| PlatformId(platform.get_ref().clone())),
            };
            (section.token_sha256.get_ref().clone(), client)
        })
        .collect()
}

pub(super) fn read_secret(source: &SecretSource) -> Result<String, String> {
    match source {
        SecretSource::Env(name) => {
            std::env::var(name).map_err(|_| format!("the environment variable {name} is not set or not UTF-8"))
        }
        SecretSource::File(path) => std::fs::read_to_string(path)
            .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
            .map_err(|error| format!("{}: {error}", path.display())),
    }
}
