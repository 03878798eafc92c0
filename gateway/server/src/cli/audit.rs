//! `audit verify`: whether the audit of every tenant is the one that was written.

use super::{Exit, complain, say};
use crate::config::{self, Config, ConfigError};
use crate::store::{AuditChain, Store};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

pub(super) async fn verify(config: &Path, format: &str) -> Exit {
    let (_, store) = match open(config).await {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    let chains = match store.verify_audit().await {
        Ok(chains) => chains,
        Err(error) => {
            complain(&format!("The audit cannot be read: {error}."));
            return Exit::Environment;
        }
    };
    if format == "json" {
        say(&json!(chains.iter().map(shown).collect::<Vec<_>>()).to_string());
    } else {
        chains.iter().for_each(|chain| say(&line(chain)));
        let lines: u64 = chains.iter().map(|chain| chain.lines).sum();
        say(&format!("{lines} lines of {} tenants hold.", chains.len()));
    }
    if chains.iter().all(|chain| chain.broken.is_none()) { Exit::Done } else { Exit::NotRight }
}

/// The configuration; where it is not right that is said.
pub(super) fn load(file: &Path) -> Result<Config, Exit> {
    config::load(file).map_err(|error| {
        complain(&format!("{}:\n{error}", file.display()));
        match error {
            ConfigError::Unreadable { .. } => Exit::Environment,
            _ => Exit::NotRight,
        }
    })
}

/// The configuration and the store that it names, for reading: a gateway may be running on it.
pub(super) async fn open(file: &Path) -> Result<(Config, Arc<dyn Store>), Exit> {
    let config = load(file)?;
    let store = config::open_store_to_read(&config).await.map_err(|error| {
        complain(&format!("{error}."));
        Exit::Environment
    })?;
    Ok((config, store))
}

fn line(chain: &AuditChain) -> String {
    match &chain.broken {
        None => format!(
            "{}: {} lines hold. The last has the hash {}.",
            chain.tenant.0,
            chain.lines,
            chain.last.as_deref().unwrap_or("-")
        ),
        Some(broken) => format!(
            "{}: line {} {}. {} lines before it hold; nothing is said of those behind it.",
            chain.tenant.0,
            broken.number,
            broken.fault.words(),
            chain.lines
        ),
    }
}

fn shown(chain: &AuditChain) -> serde_json::Value {
    let broken = chain.broken.map(|broken| json!({ "line": broken.number, "fault": broken.fault.word() }));
    json!({ "tenant": chain.tenant.0, "lines": chain.lines, "last": chain.last, "broken": broken })
}
