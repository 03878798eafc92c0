//! `[store]`: in which engine the gateway keeps everything, and opening it. Every command that needs the store opens it here.

use super::build::read_secret;
use super::sections::Check;
use super::{Config, SecretSource};
use crate::gateway::Secret;
use crate::store::postgres::PostgresStore;
use crate::store::sqlite::SqliteStore;
use crate::store::{Store, StoreError};
use serde::Deserialize;
use std::path::PathBuf;
use std::sync::Arc;
use toml::Spanned;

/// `[store]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StoreSection {
    /// Address of a PostgreSQL database, by reference: it may hold a password.
    pub postgres: Option<Spanned<SecretSource>>,
}

impl Check<'_> {
    /// Exactly one place for the store.
    pub(super) fn store(&mut self, config: &Config) {
        match (&config.server.data, &config.store.postgres) {
            (Some(data), Some(_)) => self.at(
                data,
                "server.data",
                "the store cannot be in a folder and in a database: leave out this or [store] postgres \
                 (`vcse-gateway store copy` moves a store)",
            ),
            (None, None) => self.fault(
                super::line_of(self.text, self.text.find("[server]").unwrap_or(0)),
                "server.data",
                "missing: name the folder of the store here, or a database with [store] postgres = { env = \"…\" }"
                    .to_owned(),
            ),
            _ => {}
        }
    }
}

/// Where the store is.
enum Place {
    File(PathBuf),
    Database(Secret),
}

fn place(config: &Config) -> Result<Place, StoreError> {
    match (&config.store.postgres, &config.server.data) {
        (Some(source), _) => Ok(Place::Database(address(source.get_ref())?)),
        (None, Some(folder)) => Ok(Place::File(folder.get_ref().join("gateway.db"))),
        (None, None) => Err(StoreError::Engine("the configuration names no store".to_owned())),
    }
}

/// The file of the store, where it is one.
#[must_use]
pub fn store_file(config: &Config) -> Option<PathBuf> {
    match place(config) {
        Ok(Place::File(file)) => Some(file),
        Ok(Place::Database(_)) | Err(_) => None,
    }
}

/// The address that a secret holds.
///
/// # Errors
/// If it cannot be read; names the variable or file.
pub fn address(source: &SecretSource) -> Result<Secret, StoreError> {
    read_secret(source).map(Secret::new).map_err(|words| StoreError::Engine(format!("[store] postgres: {words}")))
}

/// Opens the configured store for writing; makes it if it is not there.
///
/// # Errors
/// As the engine's; the words name the file where it is one.
pub async fn open_store(config: &Config) -> Result<Arc<dyn Store>, StoreError> {
    match place(config)? {
        Place::Database(address) => Ok(Arc::new(PostgresStore::open(&address).await?)),
        Place::File(file) => {
            if let Some(folder) = file.parent() {
                std::fs::create_dir_all(folder).map_err(|error| {
                    StoreError::Engine(format!("the data folder {} cannot be made: {error}", folder.display()))
                })?;
            }
            Ok(Arc::new(SqliteStore::open(&file)?))
        }
    }
}

/// Opens the configured store for reading alone, also while gateways write to it.
///
/// # Errors
/// As the engine's; the words name the file where it is one.
pub async fn open_store_to_read(config: &Config) -> Result<Arc<dyn Store>, StoreError> {
    match place(config)? {
        Place::Database(address) => Ok(Arc::new(PostgresStore::open_to_read(&address).await?)),
        Place::File(file) => SqliteStore::open_to_read(&file)
            .map(|store| Arc::new(store) as Arc<dyn Store>)
            .map_err(|error| StoreError::Engine(format!("{}: {error}", file.display()))),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{EXAMPLE, parse};

    fn faults(text: &str) -> String {
        parse(text).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn the_store_is_in_exactly_one_place() {
        let data = "data = \"vcse-gateway-data\"       # folder of the store\n";
        let database = "[store]\npostgres = { env = \"DATABASE_URL\" }\n";
        assert!(EXAMPLE.contains(data));
        assert_eq!(faults(&format!("{}{database}", EXAMPLE.replace(data, ""))), "");
        let both = faults(&format!("{EXAMPLE}{database}"));
        assert!(both.contains("line 5: server.data: the store cannot be in a folder and in a database"), "{both}");
        let none = faults(&EXAMPLE.replace(data, ""));
        assert!(none.contains("line 3: server.data: missing: name the folder"), "{none}");
        let plain = format!("{}[store]\npostgres = \"postgres://u:hunter2@h/d\"\n", EXAMPLE.replace(data, ""));
        let plain = faults(&plain);
        assert!(!plain.is_empty() && !plain.contains("hunter2"), "never in the file itself: {plain}");
    }
}
