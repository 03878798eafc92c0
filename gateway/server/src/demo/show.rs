//! What the demonstration shows: a live bar with counts on a terminal, plain lines elsewhere, and the table at the end.

use super::world::Row;
use crate::cli::say;
use crate::store::Counts;
use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::io::IsTerminal as _;

/// The live part.
pub(super) struct Screen {
    bar: ProgressBar,
    live: bool,
    last: String,
}

impl Screen {
    pub(super) fn new(referrals: u32) -> Self {
        let bar = ProgressBar::new(u64::from(referrals));
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} settled  {elapsed}\n{msg}") {
            bar.set_style(style);
        }
        Self { bar, live: std::io::stderr().is_terminal(), last: String::new() }
    }

    /// Shows how many referrals stand where.
    pub(super) fn show(&mut self, counts: &Counts, settled: usize) {
        let line = counts
            .iter()
            .map(|(delivery, status, number)| format!("{delivery}/{status} {number}"))
            .collect::<Vec<_>>()
            .join("   ");
        self.bar.set_position(settled as u64);
        if line == self.last {
            return;
        }
        if self.live {
            self.bar.set_message(line.clone());
        } else {
            say(&format!("{settled} settled: {line}"));
        }
        self.last = line;
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Every referral, a row each.
pub(super) fn table(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header([
        "referral",
        "platform",
        "delivery",
        "GP Task",
        "business status",
        "gateway",
        "platform Task",
        "aligned",
    ]);
    for row in rows {
        table.add_row([
            row.placer.as_str(),
            &row.recipient,
            row.delivery,
            &row.gp_status,
            &row.business_status,
            &row.gateway_status,
            &row.platform_status,
            if row.aligned { "yes" } else { "NO" },
        ]);
    }
    table.to_string()
}

/// How many ended how.
pub(super) fn summary(rows: &[Row]) -> String {
    let mut ends: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for row in rows {
        *ends.entry((row.delivery, &row.gp_status)).or_default() += 1;
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(["delivery", "GP Task", "referrals"]);
    for ((delivery, status), number) in ends {
        table.add_row([delivery.to_owned(), status.to_owned(), number.to_string()]);
    }
    table.to_string()
}
