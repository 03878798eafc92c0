//! Scales of well-being: the conversion of SWEMWBS (`swemwbs.csv` beside this file), and the bounds of each scale.
//!
//! A score is kept in hundredths of a point, so that no rounding is ever ours.

use thiserror::Error;

const SWEMWBS: &str = include_str!("swemwbs.csv");

/// Lowest and highest raw total of SWEMWBS: seven answers from 1 to 5.
pub const SWEMWBS_RAW: std::ops::RangeInclusive<u8> = 7..=35;
/// Lowest and highest total of WEMWBS: fourteen answers from 1 to 5.
pub const WEMWBS_TOTAL: std::ops::RangeInclusive<u8> = 14..=70;
/// An answer of either.
pub const WEMWBS_ANSWER: std::ops::RangeInclusive<u8> = 1..=5;
/// An answer to one of the four questions of the Office for National Statistics (ONS4): whole points.
pub const ONS4_ANSWER: std::ops::RangeInclusive<u8> = 0..=10;

/// Why a conversion table is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ScaleFault {
    /// Nobody says where it was published, or where and when it was read.
    #[error(
        "the table says not where it is from and when it was read: begin it with `# From: …` and `# Read: 2026-11-30, …`"
    )]
    Provenance,
    /// A row is no raw total with a metric score of two digits.
    #[error("line {line} is not a raw total and a metric score with two decimals, such as 26,23.21")]
    Row {
        /// Line of the table.
        line: usize,
    },
    /// A raw total is missing, twice, or out of order, or the metric does not grow with it.
    #[error("line {line} breaks the order: each raw total from 7 to 35 once, and the metric score grows with it")]
    Order {
        /// Line of the table.
        line: usize,
    },
}

/// The metric score of each raw total, in hundredths of a point.
///
/// # Errors
/// [`ScaleFault`] if the committed table is not fit; a test holds that it is.
pub fn swemwbs() -> Result<Vec<(u8, i32)>, ScaleFault> {
    read(SWEMWBS)
}

/// The metric score of a raw total, in hundredths of a point; `None` if there is no such total.
#[must_use]
pub fn swemwbs_metric(raw: u8) -> Option<i32> {
    swemwbs().ok()?.into_iter().find(|(total, _)| *total == raw).map(|(_, metric)| metric)
}

/// Reads a table of this form.
///
/// # Errors
/// [`ScaleFault`] naming the first line that is not fit.
pub fn read(text: &str) -> Result<Vec<(u8, i32)>, ScaleFault> {
    let told = |mark: &str| text.lines().filter_map(|line| line.strip_prefix(mark)).any(|rest| rest.trim().len() > 10);
    let day = text.lines().find_map(|line| line.strip_prefix("# Read: ")?.get(..10));
    if !told("# From:") || !day.is_some_and(crate::codes::is_day) {
        return Err(ScaleFault::Provenance);
    }
    let rows = text.lines().enumerate().filter(|(_, line)| !line.starts_with('#') && !line.starts_with("raw,"));
    let mut table: Vec<(u8, i32)> = Vec::new();
    let mut last = 0;
    for (index, line) in rows {
        last = index + 1;
        let (raw, metric) = row(line).ok_or(ScaleFault::Row { line: last })?;
        let (wanted, above) = table.last().map_or((*SWEMWBS_RAW.start(), 0), |(raw, metric)| (raw + 1, *metric));
        if raw != wanted || metric <= above || raw > *SWEMWBS_RAW.end() {
            return Err(ScaleFault::Order { line: last });
        }
        table.push((raw, metric));
    }
    match table.last() {
        Some((raw, _)) if raw == SWEMWBS_RAW.end() => Ok(table),
        _ => Err(ScaleFault::Order { line: last }),
    }
}

fn row(line: &str) -> Option<(u8, i32)> {
    let (raw, metric) = line.split_once(',')?;
    let (whole, part) = metric.split_once('.')?;
    let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    digits.then_some(())?;
    Some((raw.parse().ok()?, whole.parse::<i32>().ok()? * 100 + part.parse::<i32>().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_raw_total_and_the_published_ends() {
        let table = swemwbs().unwrap();
        assert_eq!(table.len(), 29);
        assert_eq!((table[0], table[28]), ((7, 700), (35, 3500)));
        // Not a line: the published conversion of the middle, and of the last step before the end.
        assert_eq!((swemwbs_metric(21), swemwbs_metric(26), swemwbs_metric(34)), (Some(1925), Some(2321), Some(3255)));
        assert_eq!((swemwbs_metric(6), swemwbs_metric(36)), (None, None));
    }

    #[test]
    fn a_table_that_is_not_fit_is_refused() {
        let head = "# From: a paper with a name\n# Read: 2026-11-30, somewhere\nraw,metric\n";
        let whole = |change: &dyn Fn(u8) -> String| {
            let rows: Vec<String> = (7..=35).map(change).collect();
            format!("{head}{}\n", rows.join("\n"))
        };
        let row = |raw: u8| format!("{raw},{raw}.00");
        assert!(read(&whole(&row)).is_ok());
        assert_eq!(read(&whole(&row).replace("# From: a paper with a name\n", "")), Err(ScaleFault::Provenance));
        assert_eq!(read(&whole(&row).replace("2026-11-30", "one day")), Err(ScaleFault::Provenance));
        let odd = |at: u8, text: &str| whole(&|raw| if raw == at { text.to_owned() } else { row(raw) });
        assert_eq!(read(&odd(9, "9,9.0")), Err(ScaleFault::Row { line: 6 }));
        assert_eq!(read(&odd(9, "9,9.000")), Err(ScaleFault::Row { line: 6 }));
        assert_eq!(read(&odd(9, "8,9.00")), Err(ScaleFault::Order { line: 6 }));
        assert_eq!(read(&odd(9, "9,8.00")), Err(ScaleFault::Order { line: 6 }));
        assert_eq!(read(&whole(&row).replace("35,35.00\n", "")), Err(ScaleFault::Order { line: 31 }));
        assert!(read(&format!("{}36,36.00\n", whole(&row))).is_err());
        assert!(read(head).is_err());
    }
}
