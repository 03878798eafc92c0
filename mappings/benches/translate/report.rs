//! The table: medians over laps, and each contestant's time divided by the measure's of the same round.

use crate::measure::Lap;
use crate::say;
use std::time::Duration;

/// The laps of one contestant, one a round.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) laps: Vec<Lap>,
    pub(crate) orientation: Option<f64>,
}

/// Prints the table. The first row is the measure.
pub(crate) fn print(rows: &[Row], documents: usize, bytes: usize) {
    let Some(measure) = rows.first() else { return };
    let head = ["CPU ns", "wall ns", "least", "of typed", "MB/s", "orientation"];
    say(&format!(
        "{:<42} {:>10} {:>10} {:>10} {:>9} {:>7}  {}",
        "median of a translation", head[0], head[1], head[2], head[3], head[4], head[5]
    ));
    for row in rows {
        let each = |time: Duration| time.as_nanos() as f64 / documents as f64;
        let cpu = median(row.laps.iter().map(|lap| each(lap.cpu)));
        let wall = median(row.laps.iter().map(|lap| each(lap.wall)));
        let least = row.laps.iter().map(|lap| each(lap.cpu)).fold(f64::INFINITY, f64::min);
        // Laps of one round lie side by side, so that what slows the machine for a while slows both.
        let pairs = row.laps.iter().zip(&measure.laps);
        let ratio = median(pairs.map(|(lap, of)| lap.cpu.as_secs_f64() / of.cpu.as_secs_f64()));
        let speed = bytes as f64 / documents as f64 / cpu * 1000.0;
        let orientation = row.orientation.map_or_else(String::new, |micros| {
            let verdict = if cpu > micros * 2000.0 { "more than twice: mend the baseline" } else { "within twice" };
            format!("{micros:.0} us: {verdict}")
        });
        let name = &row.name;
        say(&format!("{name:<42} {cpu:>10.0} {wall:>10.0} {least:>10.0} {ratio:>9.2} {speed:>7.0}  {orientation}"));
    }
}

/// The middle value.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
