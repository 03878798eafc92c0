//! `adapter list`, `adapter new`, `adapter check`.

use super::{Exit, complain, say};
use crate::adapters;
use crate::clock::{Clock as _, SystemClock};
use adapter_contract::Descriptor;
use adapter_declarative::check::{Checked, check};
use adapter_declarative::{Folder, Template, folders_in, load};
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::json;
use std::fs;
use std::path::Path;

/// One row of the list.
struct Row {
    descriptor: Descriptor,
    source: String,
}

/// Lists the adapters of this build, and those of a folder of folders. A folder of that name takes the place of one that
/// is built in, as it does in the gateway.
pub(super) fn list(folders: Option<&Path>, format: &str) -> Exit {
    let (mut rows, broken) = match rows(folders) {
        Ok(rows) => rows,
        Err(words) => {
            complain(&words);
            return Exit::Environment;
        }
    };
    rows.sort_by(|one, other| one.descriptor.name.cmp(&other.descriptor.name));
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
    for words in &broken {
        complain(words);
    }
    if broken.is_empty() { Exit::Done } else { Exit::NotRight }
}

fn rows(folders: Option<&Path>) -> Result<(Vec<Row>, Vec<String>), String> {
    let mut rows: Vec<Row> = adapters::all()
        .iter()
        .map(|adapter| Row { descriptor: adapter.descriptor().clone(), source: "code".to_owned() })
        .collect();
    let mut broken = Vec::new();
    let mut put = |folder: &Folder, source: String| match load(folder) {
        Ok(adapter) => {
            let descriptor = adapter_contract::Adapter::descriptor(adapter.as_ref()).clone();
            rows.retain(|row| row.descriptor.name != descriptor.name);
            rows.push(Row { descriptor, source });
        }
        Err(faults) => broken.push(format!(
            "{source}: does not load ({} faults); see `vcse-gateway adapter check {source}`",
            faults.len()
        )),
    };
    for folder in adapter_declarative::shipped() {
        put(&folder, "built in".to_owned());
    }
    for path in folders.map(folders_in).transpose().map_err(|error| error.to_string())?.unwrap_or_default() {
        let folder = Folder::read(&path).map_err(|error| error.to_string())?;
        put(&folder, path.display().to_string());
    }
    Ok((rows, broken))
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
    let mut folder = match Folder::read_all(path) {
        Ok(folder) => folder,
        Err(error) => {
            complain(&error.to_string());
            return Exit::Environment;
        }
    };
    let mut checked = check(&folder);
    let mut written = Vec::new();
    if update && !checked.writes.is_empty() {
        for (file, text) in std::mem::take(&mut checked.writes) {
            if let Err(error) = fs::write(path.join(&file), &text) {
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
            return Exit::NotRight;
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
