//! `config check`, `config example`, `adapter list`.

use super::{Exit, complain, say};
use crate::{adapters, config};
use comfy_table::{ContentArrangement, Table, presets};
use std::path::Path;

pub(super) fn check(file: &Path) -> Exit {
    match config::load(file) {
        Ok(config) => {
            say(&format!(
                "{}: right. {} clients, {} platforms, {} routes.",
                file.display(),
                config.client.len(),
                config.platform.len(),
                config.route.len()
            ));
            Exit::Done
        }
        Err(error @ config::ConfigError::Unreadable { .. }) => {
            complain(&error.to_string());
            Exit::Environment
        }
        Err(error) => {
            complain(&format!("{}:\n{error}", file.display()));
            Exit::NotRight
        }
    }
}

pub(super) fn example() -> Exit {
    say(config::EXAMPLE.trim_end());
    Exit::Done
}

pub(super) fn adapters(format: &str) -> Exit {
    let all = adapters::all();
    if format == "json" {
        let descriptors: Vec<_> = all.iter().map(|adapter| adapter.descriptor()).collect();
        match serde_json::to_string_pretty(&descriptors) {
            Ok(text) => say(&text),
            Err(error) => {
                complain(&error.to_string());
                return Exit::Environment;
            }
        }
        return Exit::Done;
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["adapter", "version", "format", "cancel", "hold", "look up", "poll", "push"]);
    for adapter in &all {
        let descriptor = adapter.descriptor();
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
        ]);
    }
    say(&table.to_string());
    Exit::Done
}
