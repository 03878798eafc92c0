//! Hot reload: looks at the folders of adapters at an interval, and puts a changed one in the place of the old at once and
//! for all its platforms, but only if it can be read and suits their settings. Otherwise the log says why and the old
//! one goes on. What is under way ends with the adapter that it began with.

use super::guarded::Guarded;
use super::{FolderReader, FromFolder, Registry};
use crate::gateway::Gateway;
use adapter_contract::Adapter;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What is watched: folders by the name of their adapter, each with the hash that was looked at last.
pub struct Watch {
    folders: BTreeMap<String, FromFolder>,
    reader: Arc<dyn FolderReader>,
}

impl Watch {
    /// Watches the folders of a registry; `None` if it has none.
    #[must_use]
    pub fn over(registry: &Registry) -> Option<Self> {
        let folders = registry.folders();
        (!folders.is_empty()).then(|| Self { folders, reader: Arc::clone(&registry.reader) })
    }

    /// Looks once at every folder. Names of the adapters that were replaced.
    pub fn look(&mut self, gateway: &Gateway) -> Vec<String> {
        let mut replaced = Vec::new();
        for (name, folder) in &mut self.folders {
            let hash = match self.reader.hash(&folder.path) {
                Ok(hash) if hash == folder.hash => continue,
                Ok(hash) => hash,
                Err(words) => {
                    // Told once: until it can be read again, it stays what it was.
                    if folder.hash != UNREADABLE {
                        refused(name, &folder.path, &[words]);
                    }
                    UNREADABLE.clone_into(&mut folder.hash);
                    continue;
                }
            };
            folder.hash = hash;
            match reload(gateway, name, &folder.path, self.reader.as_ref()) {
                Ok(hash) => {
                    folder.hash = hash;
                    replaced.push(name.clone());
                }
                Err(faults) => refused(name, &folder.path, &faults),
            }
        }
        replaced
    }
}

/// Stands for the hash of a folder that could not be read.
const UNREADABLE: &str = "unreadable";

fn refused(name: &str, folder: &Path, faults: &[String]) {
    for fault in faults {
        let folder = folder.display().to_string();
        tracing::error!(adapter = name, folder, fault, "a changed adapter is not used; the one before it goes on");
    }
}

/// Reads a folder and, if all is well, puts its adapter in place. The hash of what is in place then.
fn reload(gateway: &Gateway, name: &str, folder: &Path, reader: &dyn FolderReader) -> Result<String, Vec<String>> {
    let (adapter, hash) = reader.read(folder)?;
    let adapter: Arc<dyn Adapter> = Guarded::around(adapter);
    let declared = adapter.descriptor();
    if declared.name != name {
        return Err(vec![format!("it is named `{}` now: a new name needs a restart", declared.name)]);
    }
    let mut faults = Vec::new();
    for platform in gateway.platforms.all().iter().filter(|platform| platform.adapter.descriptor().name == name) {
        if let Err(error) = adapter.check_settings(&platform.settings) {
            faults.push(format!("platform {}: {error}", platform.id));
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    gateway.platforms.replace_adapter(name, &adapter);
    tracing::info!(adapter = name, version = declared.version, "a changed adapter is in use");
    Ok(hash)
}

/// Looks at the interval until it is told to stop.
pub async fn watch(gateway: Arc<Gateway>, mut watch: Watch, every: Duration, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = crate::clock::sleep(gateway.clock.as_ref(), every) => {}
        }
        // Files are read on a thread where waiting for them holds nobody up.
        let looking = Arc::clone(&gateway);
        let looked = tokio::task::spawn_blocking(move || {
            watch.look(&looking);
            watch
        });
        match looked.await {
            Ok(back) => watch = back,
            Err(_) => {
                tracing::error!("looking at the adapters' folders failed; changes are no longer noticed");
                return;
            }
        }
    }
}
