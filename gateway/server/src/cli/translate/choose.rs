//! Which adapter translates, and with which settings.

use super::decide::Deciding;
use super::{Stop, Wanted};
use crate::{adapters, config};
use adapter_contract::{Adapter, Settings};
use adapter_declarative::{DeclarativeAdapter, Folder, folders_in, load, shipped};
use std::path::Path;
use std::sync::Arc;

/// The address that stands for the platform's where none is given. Nothing is sent to it.
const NOWHERE: &str = "https://platform.example";

/// An adapter, and how it is configured.
pub(super) struct Chosen {
    pub(super) adapter: Translating,
    pub(super) settings: Settings,
    /// For whom consent is decided, where the configuration says so.
    pub(super) deciding: Option<Deciding>,
}

/// Who translates.
pub(super) enum Translating {
    /// A folder: all its requests can be foreseen.
    Declarative(Arc<DeclarativeAdapter>),
    /// Code: its first request can be made.
    Code(Arc<dyn Adapter>),
}

impl Translating {
    pub(super) fn as_adapter(&self) -> &dyn Adapter {
        match self {
            Self::Declarative(adapter) => adapter.as_ref(),
            Self::Code(adapter) => adapter.as_ref(),
        }
    }
}

pub(super) fn chosen(wanted: &Wanted) -> Result<Chosen, Stop> {
    let adapter = adapter(wanted)?;
    let (settings, deciding) = settings(wanted)?;
    if let Err(error) = adapter.as_adapter().check_settings(&settings) {
        let mut words = format!("The adapter {} needs other settings: {error}", wanted.adapter);
        for line in missing(&adapter, &settings) {
            words.push_str(&line);
        }
        words.push_str("\nGive them with --set NAME=VALUE, --settings FILE, or --config and --platform.");
        return Err(Stop::Usage(words));
    }
    Ok(Chosen { adapter, settings, deciding })
}

/// Every setting that is required and not given, where the adapter says which there are.
fn missing(adapter: &Translating, settings: &Settings) -> Vec<String> {
    let Translating::Declarative(adapter) = adapter else { return Vec::new() };
    let declared = adapter.program().settings.iter();
    let missing = declared
        .filter(|setting| setting.required && setting.default.is_none() && !settings.contains_key(&setting.name));
    missing.map(|setting| format!("\n  {}: {}", setting.name, setting.about)).collect()
}

fn adapter(wanted: &Wanted) -> Result<Translating, Stop> {
    let mut names = Vec::new();
    let environment = |error: adapter_declarative::FolderError| Stop::Environment(error.to_string());
    let folders = wanted.adapters.as_deref().map(folders_in).transpose().map_err(environment)?.unwrap_or_default();
    for path in folders {
        let folder = Folder::read(&path).map_err(environment)?;
        if folder.name() == wanted.adapter {
            return loaded(&folder);
        }
        names.push(folder.name().to_owned());
    }
    for folder in shipped() {
        if folder.name() == wanted.adapter {
            return loaded(&folder);
        }
        names.push(folder.name().to_owned());
    }
    for adapter in adapters::all() {
        if adapter.descriptor().name == wanted.adapter {
            return Ok(Translating::Code(adapter));
        }
        names.push(adapter.descriptor().name.clone());
    }
    names.sort();
    names.dedup();
    let words = format!("There is no adapter `{}`; there are: {}.", wanted.adapter, names.join(", "));
    Err(Stop::Usage(format!("{words}\nOne of your own is found with --adapters and the folder that its folder is in.")))
}

fn loaded(folder: &Folder) -> Result<Translating, Stop> {
    load(folder).map(Translating::Declarative).map_err(|faults| {
        let words: Vec<String> = faults.iter().map(ToString::to_string).collect();
        Stop::NotRight(words.join("\n\n"))
    })
}

/// From the configuration, then the file, then the single ones; each over those before.
fn settings(wanted: &Wanted) -> Result<(Settings, Option<Deciding>), Stop> {
    let mut settings = Settings::from([("base-url".to_owned(), NOWHERE.to_owned())]);
    let mut deciding = None;
    match (&wanted.config, &wanted.platform) {
        (Some(file), Some(platform)) => {
            let (configured, for_whom) = configured(file, platform, wanted)?;
            settings.extend(configured);
            deciding = Some(for_whom);
        }
        (None, None) => {}
        _ => return Err(Stop::Usage("--config and --platform belong together.".to_owned())),
    }
    if let Some(file) = &wanted.settings_file {
        let text =
            std::fs::read_to_string(file).map_err(|error| Stop::Environment(format!("{}: {error}", file.display())))?;
        let read: Settings = toml::from_str(&text).map_err(|error| {
            Stop::Usage(format!("{}: settings are lines of name = \"value\".\n{error}", file.display()))
        })?;
        settings.extend(read);
    }
    for pair in &wanted.settings {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(Stop::Usage(format!("--set wants NAME=VALUE, not `{pair}`.")));
        };
        settings.insert(name.trim().to_owned(), value.to_owned());
    }
    Ok((settings, deciding))
}

fn configured(file: &Path, platform: &str, wanted: &Wanted) -> Result<(Settings, Deciding), Stop> {
    let config = config::load(file).map_err(|error| match error {
        error @ config::ConfigError::Unreadable { .. } => Stop::Environment(error.to_string()),
        error => Stop::NotRight(format!("{}:\n{error}", file.display())),
    })?;
    let Some(section) = config.platform.iter().find(|section| section.id.get_ref() == platform) else {
        let ids: Vec<&str> = config.platform.iter().map(|section| section.id.get_ref().as_str()).collect();
        let words = format!("{}: there is no platform `{platform}`; there are: {}.", file.display(), ids.join(", "));
        return Err(Stop::Usage(words));
    };
    let settings = config::files::settings(section);
    Ok((settings, Deciding::of(&config, platform, wanted)?))
}
