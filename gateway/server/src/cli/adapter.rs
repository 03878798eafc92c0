//! `adapter list`, `adapter new`, `adapter check`.

use super::{Exit, complain, say};
use crate::adapters::Registry;
use crate::clock::{Clock as _, SystemClock};
use adapter_contract::{Adapter, Descriptor};
use adapter_declarative::check::{Checked, check};
use adapter_declarative::{Folder, FolderError, Template, shipped};
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

/// One row of the list.
struct Row {
    descriptor: Descriptor,
    source: String,
}

/// Lists the adapters of this build, and those of a folder of folders.
pub(super) fn list(folders: Option<&Path>, format: &str) -> Exit {
    let mut registry = Registry::built_in();
    let faults = folders.map(|folder| registry.add_folder(folder)).unwrap_or_default();
    let rows = rows(&registry);
    if format == "json" {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| {
                let mut value = json!(row.descriptor);
                value["source"] = json!(row.source);
                value
            })
            .collect();
        say(&format!("{:#}", json!(rows)));
    } else {
        say(&table(&rows));
    }
    for fault in &faults {
        complain(&format!("{}: {}", fault.folder.display(), fault.words));
    }
    if faults.is_empty() { Exit::Done } else { Exit::NotRight }
}

fn rows(registry: &Registry) -> Vec<Row> {
    let shipped: Vec<String> = shipped().iter().map(|folder| folder.name().to_owned()).collect();
    let folders = registry.folders();
    let row = |adapter: Arc<dyn Adapter>| {
        let descriptor = adapter.descriptor().clone();
        let source = match folders.get(&descriptor.name) {
            Some(folder) => folder.path.display().to_string(),
            None if shipped.contains(&descriptor.name) => "built in".to_owned(),
            None => "code".to_owned(),
        };
        Row { descriptor, source }
    };
    registry.all().into_iter().map(row).collect()
}

fn table(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["adapter", "version", "format", "cancel", "hold", "look up", "poll", "push", "source"]);
    for row in rows {
        let descriptor = &row.descriptor;
        let can = descriptor.capabilities;
        let word = |able: bool| if able { "yes" } else { "no" }.to_owned();
        table.add_row([
            descriptor.name.clone(),
            descriptor.version.clone(),
            descriptor.format.clone(),
            word(can.cancel),
            word(can.hold),
            word(can.look_up),
            word(can.poll),
            word(can.push),
            row.source.clone(),
        ]);
    }
    table.to_string()
}

/// Checks a folder. With `update`, what is expected is first written as it is now, for review.
pub(super) fn prove(path: &Path, update: bool, format: &str) -> Exit {
    let began = SystemClock.now();
    if path.is_file() {
        complain(&format!(
            "{} is a file. Name the adapter's folder: the one that holds adapter.toml and mapping.yaml.",
            path.display()
        ));
        return Exit::Usage;
    }
    let mut folder = match Folder::read_all(path) {
        Ok(folder) => folder,
        Err(error) => {
            complain(&error.to_string());
            return match error {
                FolderError::Unreadable { .. } => Exit::Environment,
                FolderError::TooMuch { .. } => Exit::NotRight,
            };
        }
    };
    if folder.get("mapping.yaml").is_none() && folder.get("Cargo.toml").is_some() {
        complain("This adapter has code and no mapping.yaml: its own tests prove it (cargo test -p PACKAGE).");
        return Exit::NotRight;
    }
    let mut checked = check(&folder);
    let mut written = Vec::new();
    if update && !checked.writes.is_empty() {
        for (file, text) in std::mem::take(&mut checked.writes) {
            if let Err(error) = replace(&path.join(&file), &text) {
                complain(&format!("{}: {error}", path.join(&file).display()));
                return Exit::Environment;
            }
            folder.put(&file, text);
            written.push(file);
        }
        checked = check(&folder);
    }
    show(&checked, &written, format);
    if format != "json" {
        say(&format!("Checked in {:.2} s.", (SystemClock.now() - began).as_seconds_f64()));
    }
    if checked.passed() { Exit::Done } else { Exit::NotRight }
}

/// Writes a file anew. A link is not followed: what it points at belongs to somebody else.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    if path.is_symlink() {
        return Err(io::Error::other("is a link, and is not written through; put the file itself there"));
    }
    fs::write(path, text)
}

fn show(checked: &Checked, written: &[String], format: &str) {
    if format == "json" {
        let mut value = json!(checked);
        value["passed"] = json!(checked.passed());
        value["written"] = json!(written);
        say(&format!("{value:#}"));
        return;
    }
    say(checked.to_text().trim_end());
    if !written.is_empty() {
        say(&format!(
            "\nWritten as the adapter does it now. Review each before you keep it:\n  {}",
            written.join("\n  ")
        ));
    }
}

/// Makes a folder that passes `adapter check` as it stands.
pub(super) fn new(name: &str, place: &Path) -> Exit {
    let template = match Template::named(name) {
        Ok(template) => template,
        Err(words) => {
            complain(&words);
            return Exit::Usage;
        }
    };
    let folder = place.join(name);
    if folder.exists() {
        complain(&format!("{} exists already; nothing was written. Take another name or place.", folder.display()));
        return Exit::NotRight;
    }
    for (file, text) in template.files() {
        let path = folder.join(file);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, text));
        if let Err(error) = made {
            complain(&format!("{}: {error}", path.display()));
            return Exit::Environment;
        }
    }
    say(&Template::next_steps(name, &folder.display().to_string()));
    Exit::Done
}
