//! `adapter needs`: what each adapter may receive, for whoever decides on it. The page is Markdown, which also reads well
//! on a terminal; `docs/reference/what-recipients-may-receive.md` is made by this command.

use super::{Exit, complain, say};
use crate::adapters::Registry;
use adapter_contract::{DataClass, DataNeed, Descriptor};
use serde_json::json;
use std::fmt::Write as _;
use std::path::Path;

/// What stands above the adapters.
const HEAD: &str = "\
# What recipients may receive

Made by `vcse-gateway adapter needs`; do not edit.

An adapter is given the elements that it declares, and of those only what consent, the tenant's policy and the person's
labels let through ([how that is decided](../consent.md)). An element that is not listed here never reaches the adapter,
and so never the platform. What lies below an element goes with it. Marked with an asterisk is what the referral makes no
sense without: where it may not be sent, nothing is.
";

/// Prints the page for one adapter, or for all.
pub(super) fn print(name: Option<&str>, folders: Option<&Path>, format: &str) -> Exit {
    let mut registry = Registry::built_in();
    let faults = folders.map(|folder| registry.add_folder(folder)).unwrap_or_default();
    for fault in &faults {
        complain(&format!("{}: {}", fault.folder.display(), fault.words));
    }
    let all: Vec<Descriptor> = registry.all().iter().map(|adapter| adapter.descriptor().clone()).collect();
    let wanted = all.iter().filter(|descriptor| name.is_none_or(|name| descriptor.name == name));
    let wanted: Vec<&Descriptor> = wanted.collect();
    if let (Some(name), true) = (name, wanted.is_empty()) {
        let names: Vec<&str> = all.iter().map(|descriptor| descriptor.name.as_str()).collect();
        complain(&format!("There is no adapter `{name}`. There are: {}.", names.join(", ")));
        return Exit::Usage;
    }
    if format == "json" {
        let needs = wanted.iter().map(
            |one| json!({ "adapter": one.name, "version": one.version, "format": one.format, "needs": one.data_needs }),
        );
        say(&format!("{:#}", json!(needs.collect::<Vec<_>>())));
    } else {
        say(page(&wanted).trim_end());
    }
    if faults.is_empty() { Exit::Done } else { Exit::NotRight }
}

fn page(descriptors: &[&Descriptor]) -> String {
    let mut page = HEAD.to_owned();
    for descriptor in descriptors {
        // Writing to a String does not fail. The version changes with every word of a mapping, and is left out.
        let _ = write!(
            page,
            "\n## {}\n\nFormat: {}\n\n| Kind | Elements |\n|---|---|\n",
            descriptor.name,
            cell(&descriptor.format)
        );
        for class in DataClass::ALL.into_iter().rev() {
            let elements: Vec<String> =
                descriptor.data_needs.iter().filter(|need| need.class == class).map(named).collect();
            if !elements.is_empty() {
                let _ = writeln!(page, "| {} | {} |", meaning(class), elements.join(", "));
            }
        }
    }
    page
}

fn named(need: &DataNeed) -> String {
    format!("`{}`{}", cell(&need.path), if need.needed { "\\*" } else { "" })
}

/// A bar would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// A class in the words of the person who decides.
const fn meaning(class: DataClass) -> &'static str {
    match class {
        DataClass::Administrative => "administrative: references, dates, codes without a personal fact",
        DataClass::Demographic => "age, gender, language",
        DataClass::Need => "what help is asked for",
        DataClass::Contact => "how to reach the person",
        DataClass::Identity => "who the person is",
        DataClass::Clinical => "health",
        DataClass::ThirdParty => "about somebody else",
        DataClass::Safeguarding => "risk of harm",
    }
}
