//! The configuration of every simulated gateway: a text that is read and checked as any other, once for each schedule.

use crate::plan::Retry;
use crate::platforms::{base_url, unkeyed_token};
use anyhow::{Context as _, Result};
use conformance_tests::generator::PRACTICE_ODS;
use conformance_tests::platform::PlatformConfig;
use fault_campaigns::scene::{Kind, TENANT, UNKEYED, adapter_without_look_up, sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::num::NonZeroU32;
use std::sync::Arc;
use vcse_gateway::admission::Rate;
use vcse_gateway::config::{self, Config};

/// Bearer token of the GP system.
pub const GP_TOKEN: &str = "simulation-gp-system";
/// Bearer token of the operator.
pub const OPERATOR_TOKEN: &str = "simulation-operator";
/// Bearer token of the platforms that push.
pub const REPORT_TOKEN: &str = "simulation-reports";

/// FHIR base address of the gateways, as clients see it.
pub const BASE: &str = "http://gateway.simulation/fhir";

/// How fast each platform may be asked.
#[must_use]
pub fn pace(kind: Kind) -> Option<Rate> {
    let (per_minute, burst) = match kind {
        Kind::Keyed => return None,
        Kind::Asked => (300, 5),
        Kind::Unkeyed => (240, 2),
    };
    Some(Rate { per_minute: NonZeroU32::new(per_minute)?, burst: NonZeroU32::new(burst)? })
}

/// The configurations, each read once; gateways are built of them.
pub struct Settings {
    configs: BTreeMap<&'static str, Arc<Config>>,
    _folder: tempfile::TempDir,
}

const fn name(retry: Retry) -> &'static str {
    match retry {
        Retry::Shipped => "shipped",
        Retry::Short => "short",
        Retry::Middle => "middle",
    }
}

impl Settings {
    /// Writes what the configuration names (tokens, an adapter that is a folder) and reads it.
    ///
    /// # Errors
    /// When a file cannot be written, or the configuration is refused.
    pub fn new() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("simulation-").tempdir()?;
        adapter_without_look_up(&folder.path().join("adapters/connect-families-unasked"))?;
        fs::create_dir(folder.path().join("data"))?;
        fs::write(folder.path().join("fhir-token"), PlatformConfig::default().token)?;
        fs::write(folder.path().join("unkeyed-token"), unkeyed_token())?;
        let mut configs = BTreeMap::new();
        for retry in [Retry::Shipped, Retry::Short, Retry::Middle] {
            let text = text(folder.path(), retry)?;
            let config = config::parse(&text).context("the simulation's configuration is refused")?;
            configs.insert(name(retry), Arc::new(config));
        }
        Ok(Self { configs, _folder: folder })
    }

    /// The one with this schedule.
    #[must_use]
    pub fn config(&self, retry: Retry) -> Option<Arc<Config>> {
        self.configs.get(name(retry)).cloned()
    }
}

fn text(folder: &std::path::Path, retry: Retry) -> Result<String> {
    let schedule = match retry {
        Retry::Shipped => "",
        Retry::Short => "delays-seconds = [5, 60, 600]\nwindow-seconds = 7200\n",
        Retry::Middle => "delays-seconds = [10, 120, 1800, 7200]\nwindow-seconds = 43200\n",
    };
    let mut text = format!(
        "[server]\nlisten = \"127.0.0.1:1\"\ndata = \"{}\"\nadapters = \"{}\"\n\
         [reconcile]\nat = \"off\"\n[retry]\nlease-seconds = 600\nrecall-seconds = 21600\nanswer-seconds = 86400\n{schedule}\
         [[retention]]\nwhat = \"raw-reports\"\nkeep-days = 7\n",
        folder.join("data").display(),
        folder.join("adapters").display(),
    );
    for (id, token, role) in [("gp-system", GP_TOKEN, "referrer"), ("operator", OPERATOR_TOKEN, "operator")] {
        let hash = sha256(token);
        write!(
            text,
            "[[client]]\nid = \"{id}\"\ntenant = \"{TENANT}\"\norganisation = \"{PRACTICE_ODS}\"\n\
             token-sha256 = \"{hash}\"\nroles = [\"{role}\"]\n"
        )?;
    }
    for kind in Kind::ALL {
        let fhir = |conditional: bool| {
            format!(
                "conditional-create = \"{conditional}\", requester-ods = \"X26\", requester-name = \"Example PCN gateway\""
            )
        };
        let (adapter, token, settings) = match kind {
            Kind::Keyed => ("fhir-task", "fhir-token", fhir(true)),
            Kind::Asked => ("fhir-task", "fhir-token", fhir(false)),
            Kind::Unkeyed => ("connect-families-unasked", "unkeyed-token", UNKEYED.to_owned()),
        };
        let (id, ods, base) = (kind.id(), kind.ods(), base_url(kind));
        let identifiers =
            format!("[{{ system = \"https://fhir.nhs.uk/Id/ods-organization-code\", value = \"{ods}\" }}]");
        let reports = match kind {
            Kind::Unkeyed => String::new(),
            Kind::Keyed | Kind::Asked => format!("report-token-sha256 = \"{}\"\n", sha256(REPORT_TOKEN)),
        };
        let pace = pace(kind).map_or(String::new(), |rate| {
            format!("pace = {{ requests-per-minute = {}, burst = {} }}\n", rate.per_minute, rate.burst)
        });
        write!(
            text,
            "[[platform]]\nid = \"{id}\"\nname = \"Platform {id}\"\nadapter = \"{adapter}\"\nbase-url = \"{base}\"\n\
             identifiers = {identifiers}\nauthorization = {{ scheme = \"Bearer\", file = \"{}\" }}\n{reports}{pace}\
             poll-seconds = 900\npoll-longest-seconds = 900\nsettings = {{ {settings} }}\n\
             [[route]]\nname = \"{id}\"\nplatform = \"{id}\"\nrecipients = {identifiers}\n\
             [[policy]]\ntenant = \"{TENANT}\"\nplatform = \"{id}\"\nnotes = \"send\"\n",
            folder.join(token).display()
        )?;
    }
    Ok(text)
}
