//! What the demonstration shows: a live bar with counts on a terminal, plain lines elsewhere, and the table at the end.

use super::tales::Told;
use super::world::{Row, World};
use crate::cli::alignment::words;
use crate::cli::say;
use comfy_table::{ContentArrangement, Table, presets};
use gateway_core::alignment::{self, Figures};
use gateway_core::identity::PlatformId;
use gateway_core::referral::Referral;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::{BTreeMap, VecDeque};
use std::io::IsTerminal as _;

/// Events kept on the screen.
const EVENTS: usize = 6;

/// The live part.
pub(super) struct Screen {
    bar: ProgressBar,
    live: bool,
    last: String,
    known: BTreeMap<String, String>,
    events: VecDeque<String>,
}

impl Screen {
    pub(super) fn new(referrals: u32) -> Self {
        let bar = ProgressBar::new(u64::from(referrals));
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} settled  {elapsed}\n{msg}") {
            bar.set_style(style);
        }
        let live = std::io::stderr().is_terminal();
        Self { bar, live, last: String::new(), known: BTreeMap::new(), events: VecDeque::new() }
    }

    /// Shows how many referrals stand where, and what happened last.
    pub(super) fn show(&mut self, world: &World, referrals: &[Referral]) {
        let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for referral in referrals {
            *counts.entry((referral.delivery.word(), referral.task_status.code())).or_default() += 1;
            self.note(referral);
        }
        let counts: Vec<String> =
            counts.iter().map(|((delivery, status), number)| format!("{delivery}/{status} {number}")).collect();
        let line = counts.join("   ");
        let settled = referrals.iter().filter(|referral| world.is_settled(referral)).count();
        self.bar.set_position(settled as u64);
        if self.live {
            let events: Vec<&str> = self.events.iter().map(String::as_str).collect();
            self.bar.set_message(format!("{line}\n\n{}", events.join("\n")));
        } else if line != self.last {
            say(&format!("{settled} settled: {line}"));
        }
        self.last = line;
    }

    /// Keeps what is new of a referral. Ids and codes only, as in a log.
    fn note(&mut self, referral: &Referral) {
        let place = referral.platform.as_ref().map_or("no recipient", |platform| platform.0.as_str());
        let now = format!("{} {}", referral.delivery.word(), referral.task_status.code());
        let before = self.known.insert(referral.id.0.clone(), now.clone());
        if before.as_ref() != Some(&now) {
            let before = before.unwrap_or_else(|| "accepted by the gateway".to_owned());
            let id = referral.task.get(..8).unwrap_or(&referral.task);
            self.events.push_back(format!("Task {id}…  {place}: {before} → {now}"));
            while self.events.len() > EVENTS {
                self.events.pop_front();
            }
        }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Every referral, a row each.
pub(super) fn table(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    // Narrower than this, wrapped cells are harder to read than lines that run over.
    if table.width().is_some_and(|columns| columns >= 80) {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table.set_header([
        "referral",
        "platform",
        "delivery",
        "GP Task",
        "business status",
        "gateway",
        "platform says",
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

/// How many are aligned at each platform, and how long its word took to the GP's Task: the last thing that is shown. That a referral is
/// aligned is what the three sides themselves say; the lag is what the gateway has on record.
pub(super) fn alignment(rows: &[Row], figures: &alignment::Table) -> String {
    let mut counted: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for row in rows {
        let (referrals, aligned) = counted.entry(&row.recipient).or_default();
        *referrals += 1;
        *aligned += u64::from(row.aligned);
    }
    let lags = |recipient: Option<&str>| {
        let mut lags = Figures::default();
        let is_meant = |platform: Option<&PlatformId>| {
            recipient.is_none_or(|recipient| platform.map_or("-", |platform| platform.0.as_str()) == recipient)
        };
        figures.iter().filter(|((_, platform), _)| is_meant(platform.as_ref())).for_each(|(_, one)| lags.add(one));
        lags
    };
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(["platform", "referrals", "aligned", "", "lag p50", "p99", "max"]);
    let mut add = |name: &str, (referrals, aligned): (u64, u64), lags: &Figures| {
        let mut cells = vec![name.to_owned(), referrals.to_string(), aligned.to_string(), percent(aligned, referrals)];
        cells.extend([50, 99, 100].map(|percent| words(lags.lag(percent))));
        table.add_row(cells);
    };
    for (recipient, counts) in &counted {
        add(recipient, *counts, &lags(Some(recipient)));
    }
    let sum = counted.values().fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
    let all = lags(None);
    add("all", sum, &all);
    format!(
        "{table}\nAlignment: {} aligned, lag p50 {}, p99 {} from the platform's word to the GP's Task",
        percent(sum.1, sum.0),
        words(all.lag(50)),
        words(all.lag(99))
    )
}

/// So many of a hundred, rounded down: one that is not aligned never shows as all.
fn percent(part: u64, whole: u64) -> String {
    let thousandths = (part * 1_000).checked_div(whole).unwrap_or(1_000);
    match thousandths % 10 {
        0 => format!("{}%", thousandths / 10),
        tenth => format!("{}.{tenth}%", thousandths / 10),
    }
}

/// What is worth a look, two lines each.
pub(super) fn tales(told: &[Told]) -> String {
    let mut lines = vec!["Worth a look".to_owned()];
    for Told { title, task, words } in told {
        lines.push(format!("  {title:<20} {task}\n  {:<20} {words}", ""));
    }
    if told.is_empty() {
        lines.push("  Nothing in a run as small as this.".to_owned());
    }
    lines.join("\n")
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

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn one_that_is_not_aligned_never_shows_as_all() {
        for (part, whole, told) in
            [(50, 50, "100%"), (9_999, 10_000, "99.9%"), (1, 3, "33.3%"), (0, 4, "0%"), (0, 0, "100%")]
        {
            assert_eq!(percent(part, whole), told);
        }
    }
}
