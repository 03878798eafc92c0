//! `statuses`: what platforms' words mean, as FHIR; and those that no adapter knew, to be mapped.

use super::audit::open;
use super::{Exit, StatusesAction, complain, say};
use crate::adapters::Registry;
use adapter_contract::Concept;
use comfy_table::{ContentArrangement, Table, presets};
use gateway_core::change::ReportRecord;
use gateway_core::crosswalk::{code_system, concept_maps};
use gateway_fhir::instant::to_instant;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use time::OffsetDateTime;

/// So many statements are looked at, the newest first.
const MOST: u32 = 10_000;

/// An unknown word of a platform.
struct Unknown {
    times: u64,
    first: OffsetDateTime,
    last: OffsetDateTime,
}

pub(super) async fn run(action: &StatusesAction) -> Exit {
    match action {
        StatusesAction::Export { adapters } => export(adapters.as_deref()),
        StatusesAction::Unmapped { config, format } => match unmapped(config, format == "json").await {
            Ok(exit) | Err(exit) => exit,
        },
    }
}

/// A collection Bundle of the CodeSystem and the ConceptMaps of all adapters.
fn export(folder: Option<&Path>) -> Exit {
    let mut registry = Registry::built_in();
    let faults = folder.map(|folder| registry.add_folder(folder)).unwrap_or_default();
    for fault in &faults {
        complain(&format!("{}: {}", fault.folder.display(), fault.words));
    }
    let maps = registry.all().into_iter().flat_map(|adapter| concept_maps(adapter.descriptor()));
    let all: Vec<String> = [code_system(env!("CARGO_PKG_VERSION"))]
        .into_iter()
        .chain(maps)
        .map(|one| format!("{{\"resource\":{}}}", one.to_text()))
        .collect();
    say(&format!("{{\"resourceType\":\"Bundle\",\"type\":\"collection\",\"entry\":[{}]}}", all.join(",")));
    if faults.is_empty() { Exit::Done } else { Exit::NotRight }
}

async fn unmapped(config: &Path, as_json: bool) -> Result<Exit, Exit> {
    let (_, store) = open(config).await?;
    let reports = store.unmapped(MOST).await.map_err(|error| {
        complain(&format!("The store cannot be read: {error}."));
        Exit::Environment
    })?;
    let words = by_word(&reports);
    if as_json {
        let all: Vec<Value> = words
            .iter()
            .map(|((platform, word), known)| {
                json!({
                    "platform": platform, "word": word, "times": known.times,
                    "first": to_instant(known.first), "last": to_instant(known.last),
                })
            })
            .collect();
        say(&json!({ "unmapped": all }).to_string());
        return Ok(Exit::Done);
    }
    if words.is_empty() {
        say("Every word that platforms have said is known.");
        return Ok(Exit::Done);
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["Platform", "Word", "Times", "First", "Last"]);
    for ((platform, word), known) in &words {
        table.add_row([
            platform.clone(),
            word.clone(),
            known.times.to_string(),
            to_instant(known.first),
            to_instant(known.last),
        ]);
    }
    say(&table.to_string());
    if reports.len() == MOST as usize {
        say(&format!(
            "Only the newest {MOST} statements with an unknown word were looked at: there may be more words."
        ));
    }
    say("Each of these moved nothing. Give it a row in `[[statuses]]` of the platform's adapter, or ask its author.");
    Ok(Exit::Done)
}

/// The words by platform. What a platform writes where a status belongs is shown to an operator's terminal as letters, digits and
/// ASCII's marks alone.
fn by_word(reports: &[ReportRecord]) -> BTreeMap<(String, String), Unknown> {
    let mut words: BTreeMap<(String, String), Unknown> = BTreeMap::new();
    for report in reports {
        let shown = |char: char| if char.is_alphanumeric() || char.is_ascii_graphic() { char } else { ' ' };
        let word: String = said(&report.report.platform_status).chars().map(shown).take(80).collect();
        let at = report.received;
        let known = words.entry((report.platform.0.clone(), word)).or_insert(Unknown { times: 0, first: at, last: at });
        known.times += 1;
        known.first = known.first.min(at);
        known.last = known.last.max(at);
    }
    words
}

fn said(word: &Concept) -> &str {
    word.code.as_deref().or(word.text.as_deref()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use adapter_contract::{PlatformOrder, PlatformReferralId, ReportSource, StatusReport};
    use gateway_core::change::Disposition;
    use gateway_core::identity::PlatformId;
    use time::macros::datetime;

    fn report(platform: &str, word: Concept, received: OffsetDateTime) -> ReportRecord {
        ReportRecord {
            id: String::new(),
            platform: PlatformId(platform.to_owned()),
            referral: None,
            source: ReportSource::Poll,
            received,
            disposition: Disposition::Unmapped,
            report: StatusReport {
                platform_referral: PlatformReferralId("1".to_owned()),
                key: None,
                event: String::new(),
                order: PlatformOrder { version: None, instant: None },
                platform_status: word,
                status: None,
                business_status: "unmapped".to_owned(),
                reason: None,
                outputs: Vec::new(),
            },
        }
    }

    #[test]
    fn words_are_counted_by_platform_and_harm_no_terminal() {
        let code = |word: &str| Concept { code: Some(word.to_owned()), ..Concept::default() };
        let text = Concept { text: Some("Pending".to_owned()), ..Concept::default() };
        let (early, late) = (datetime!(2026-06-15 12:00 UTC), datetime!(2026-06-16 12:00 UTC));
        let reports = [
            report("food", code("Pending"), late),
            report("food", text, early),
            report("walks", code("Pending"), late),
            report("food", code(&format!("\u{1b}[31m{}", "x".repeat(200))), early),
        ];
        let words = by_word(&reports);
        let names: Vec<_> = words.keys().map(|(platform, word)| (platform.as_str(), word.len())).collect();
        assert_eq!(names, [("food", 80), ("food", 7), ("walks", 7)]);
        let pending = &words[&("food".to_owned(), "Pending".to_owned())];
        assert_eq!((pending.times, pending.first, pending.last), (2, early, late));
        assert!(words.keys().all(|(_, word)| !word.contains('\u{1b}')));
    }
}
