//! The table: each figure with its baseline of the same run, the ratio, the target, and whether it is met.

/// What a figure was measured with, and so how far it can be trusted on a machine that others use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    /// Processor time of the process or thread: what others do hardly moves it.
    Cpu,
    /// Real time: it holds on a quiet machine only.
    Wall,
    /// Bytes that were counted.
    Count,
}

impl Clock {
    const fn word(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::Wall => "wall",
            Self::Count => "count",
        }
    }
}

/// What has to hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Target {
    /// The ratio to the baseline is at least this.
    RatioAtLeast(f64),
    /// The ratio to the baseline is at most this.
    RatioAtMost(f64),
    /// The figure itself is at most this.
    AtMost(f64),
    /// None: it explains another row.
    Told,
}

/// What has to hold with a full store, where this many make one: less is no judgement, whatever it measures.
pub(crate) const fn with_full(waiting: usize, target: Target) -> Target {
    if waiting >= FULL { target } else { Target::Told }
}

/// Referrals from which on a store counts as full (`--small`).
const FULL: usize = 100_000;

/// One line of the table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// What is measured.
    pub(crate) what: String,
    /// How much it is.
    pub(crate) value: f64,
    /// In what.
    pub(crate) unit: &'static str,
    /// What it stands beside, in the same unit, with its name.
    pub(crate) baseline: Option<(f64, &'static str)>,
    /// What has to hold.
    pub(crate) target: Target,
    /// By which clock.
    pub(crate) clock: Clock,
}

impl Row {
    /// Measured by baseline.
    pub(crate) fn ratio(&self) -> Option<f64> {
        self.baseline.map(|(baseline, _)| self.value / baseline)
    }

    /// Whether the target is met; `None` where there is none. What could not be measured meets nothing.
    pub(crate) fn met(&self) -> Option<bool> {
        let ratio = self.ratio().unwrap_or(f64::NAN);
        match self.target {
            Target::RatioAtLeast(least) => Some(ratio >= least),
            Target::RatioAtMost(most) => Some(ratio <= most),
            Target::AtMost(most) => Some(self.value <= most),
            Target::Told => None,
        }
    }

    fn cells(&self) -> [String; 7] {
        let target = match self.target {
            Target::RatioAtLeast(least) => format!("ratio ≥ {least}"),
            Target::RatioAtMost(most) => format!("ratio ≤ {most}"),
            Target::AtMost(most) => format!("≤ {} {}", number(most), self.unit),
            Target::Told => String::new(),
        };
        [
            self.what.clone(),
            format!("{} {}", number(self.value), self.unit),
            self.baseline.map_or_else(String::new, |(value, name)| format!("{} ({name})", number(value))),
            self.ratio().map_or_else(String::new, |ratio| format!("{ratio:.3}")),
            target,
            self.met().map_or_else(String::new, |met| if met { "yes" } else { "NO" }.to_owned()),
            self.clock.word().to_owned(),
        ]
    }
}

/// Three digits that say something.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// The whole table, in Markdown that also reads well on a terminal.
pub(crate) fn table(rows: &[Row]) -> String {
    let head = ["figure", "measured", "baseline", "ratio", "target", "met", "clock"].map(str::to_owned);
    let lines: Vec<[String; 7]> = std::iter::once(head).chain(rows.iter().map(Row::cells)).collect();
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..7).map(width).collect();
    let mut text = String::new();
    for (at, line) in lines.iter().enumerate() {
        for (cell, width) in line.iter().zip(&widths) {
            text += &format!("| {cell:width$} ");
        }
        text += "|\n";
        if at == 0 {
            widths.iter().for_each(|width| text += &format!("|-{:-<width$}-", ""));
            text += "|\n";
        }
    }
    text
}

/// The middle one of an odd number of rounds.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(value: f64, baseline: Option<f64>, target: Target) -> Row {
        let baseline = baseline.map(|value| (value, "beside"));
        Row { what: "a figure".to_owned(), value, unit: "µs", baseline, target, clock: Clock::Cpu }
    }

    #[test]
    fn targets_are_met_on_their_own_side_and_by_nothing_that_is_missing() {
        assert_eq!(row(50.0, Some(100.0), Target::RatioAtLeast(0.5)).met(), Some(true));
        assert_eq!(row(49.0, Some(100.0), Target::RatioAtLeast(0.5)).met(), Some(false));
        assert_eq!(row(400.0, Some(100.0), Target::RatioAtMost(4.0)).met(), Some(true));
        assert_eq!(row(401.0, Some(100.0), Target::RatioAtMost(4.0)).met(), Some(false));
        assert_eq!(row(5.0, None, Target::AtMost(5.0)).met(), Some(true));
        assert_eq!(row(5.1, None, Target::AtMost(5.0)).met(), Some(false));
        assert_eq!(row(5.0, None, Target::Told).met(), None);
        for target in [Target::RatioAtLeast(0.5), Target::RatioAtMost(4.0)] {
            assert_eq!(row(1.0, None, target).met(), Some(false), "{target:?} without a baseline");
        }
        assert_eq!(row(f64::NAN, None, Target::AtMost(5.0)).met(), Some(false));
    }

    #[test]
    fn the_table_says_what_is_missed() {
        let text = table(&[row(401.0, Some(100.0), Target::RatioAtMost(4.0)), row(2.5, None, Target::Told)]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(
            lines[2].contains("| 401 µs ") && lines[2].contains("| 4.010 ") && lines[2].contains("| NO "),
            "{text}"
        );
        assert!(!lines[3].contains("yes") && !lines[3].contains("NO"), "{text}");
        assert!(lines.iter().all(|line| line.chars().count() == lines[0].chars().count()), "{text}");
    }

    #[test]
    fn a_store_that_is_not_full_is_not_judged() {
        assert_eq!(with_full(99_999, Target::RatioAtMost(1.3)), Target::Told);
        assert_eq!(with_full(100_000, Target::RatioAtMost(1.3)), Target::RatioAtMost(1.3));
    }

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(vec![9.0, 1.0, 2.0]), 2.0);
        assert!(median(Vec::new()).is_nan());
    }
}
