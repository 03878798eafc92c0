//! `reports parked`: what platforms have said of referrals that nobody knows under that name. Read from the store; a gateway may be running
//! on it.

use super::audit::open;
use super::referrals::unreadable;
use super::{Exit, ReportsAction, say};
use comfy_table::{ContentArrangement, Table, presets};
use gateway_core::change::ReportRecord;
use gateway_fhir::instant::to_instant;
use serde_json::{Value, json};
use std::path::Path;
use time::OffsetDateTime;

/// So many statements are looked at, the oldest first.
const MOST: u32 = 10_000;
/// Characters of a platform's name for a referral that are shown.
const NAME: usize = 80;

pub(super) async fn run(action: &ReportsAction) -> Exit {
    let ReportsAction::Parked { config, platform, format } = action;
    parked(config, platform.as_deref(), format == "json").await.unwrap_or_else(|exit| exit)
}

async fn parked(config: &Path, platform: Option<&str>, as_json: bool) -> Result<Exit, Exit> {
    let (_, store) = open(config).await?;
    let end_of_time = OffsetDateTime::UNIX_EPOCH.replace_year(9999).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let mut parked = store.parked(end_of_time, MOST).await.map_err(|error| unreadable(&error))?;
    let whole = parked.len() < MOST as usize;
    parked.retain(|record| platform.is_none_or(|platform| record.platform.0 == platform));
    if as_json {
        let rows: Vec<Value> = parked
            .iter()
            .map(|record| {
                json!({
                    "platform": record.platform.0,
                    "platformReferral": name(record),
                    "status": record.report.status.map(|status| status.code()),
                    "source": record.source,
                    "received": to_instant(record.received),
                })
            })
            .collect();
        say(&json!({ "parked": rows }).to_string());
        return Ok(Exit::Done);
    }
    if parked.is_empty() {
        say("Every statement belongs to a referral.");
        return Ok(Exit::Done);
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["Platform", "Its name for the referral", "Status", "Received"]);
    for record in &parked {
        table.add_row([
            record.platform.0.clone(),
            name(record),
            record.report.status.map_or("-", |status| status.code()).to_owned(),
            to_instant(record.received),
        ]);
    }
    say(&table.to_string());
    if !whole {
        say(&format!("Only the oldest {MOST} were looked at: there may be more."));
    }
    say(
        "Each is applied once a referral of that name or key is known. What stays is of another sender, or of a referral that was made \
         at the platform by hand: ask the platform.",
    );
    Ok(Exit::Done)
}

/// What a platform writes is shown to an operator's terminal as letters, digits and ASCII's marks alone.
fn name(record: &ReportRecord) -> String {
    let shown = |char: char| if char.is_alphanumeric() || char.is_ascii_graphic() { char } else { ' ' };
    record.report.platform_referral.0.chars().map(shown).take(NAME).collect()
}
