//! `alignment`: of each customer and platform how many referrals agree everywhere, and how long a platform's word took to the GP's Task.
//! Read from the store; a gateway may be running on it.

use super::audit::open;
use super::referrals::unreadable;
use super::{Exit, say};
use crate::alignment;
use comfy_table::{Table, presets};
use gateway_core::alignment::Figures;
use gateway_core::identity::TenantId;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

pub(super) async fn show(config: &Path, tenant: Option<&str>, as_json: bool) -> Exit {
    tell(config, tenant, as_json).await.unwrap_or_else(|exit| exit)
}

async fn tell(config: &Path, tenant: Option<&str>, as_json: bool) -> Result<Exit, Exit> {
    let (_, store) = open(config).await?;
    let tenant = tenant.map(|tenant| TenantId(tenant.to_owned()));
    let rows = alignment::table(store.as_ref(), tenant.as_ref()).await.map_err(|error| unreadable(&error))?;
    let mut all = Figures::default();
    rows.values().for_each(|figures| all.add(figures));
    let name = |platform: &Option<_>| platform.as_ref().map_or("-".to_owned(), ToString::to_string);
    if as_json {
        let rows: Vec<Value> = rows
            .iter()
            .map(|((tenant, platform), figures)| {
                let mut row = value(figures);
                (row["tenant"], row["platform"]) = (json!(tenant.0), json!(platform.as_ref().map(|one| &one.0)));
                row
            })
            .collect();
        say(&json!({ "rows": rows, "all": value(&all) }).to_string());
    } else {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED);
        let columns = [
            "tenant",
            "platform",
            "referrals",
            "nothing to compare",
            "agree",
            "known why not",
            "drift",
            "aligned",
            "lag p50",
            "p99",
            "max",
        ];
        table.set_header(columns);
        for ((tenant, platform), figures) in &rows {
            table.add_row([vec![tenant.0.clone(), name(platform)], cells(figures)].concat());
        }
        table.add_row([vec!["all".to_owned(), String::new()], cells(&all)].concat());
        say(&table.to_string());
        for ((tenant, platform), figures) in &rows {
            let reasons = figures.known.iter().map(|(why, number)| format!("{number} {why}"));
            let drifts = figures.drift.iter().map(|(why, number)| format!("{number} drift: {why}"));
            let apart = figures.apart.iter().map(|(why, number)| format!("{number} nothing to compare: {why}"));
            let reasons: Vec<String> = drifts.chain(reasons).chain(apart).collect();
            if !reasons.is_empty() {
                say(&format!("{}, {}: {}", tenant.0, name(platform), reasons.join(", ")));
            }
        }
        if !all.drift.is_empty() {
            say(
                "Drift is what nobody was told of: `vcse-gateway reconcile` repairs it or puts it in front of a person.",
            );
        }
    }
    Ok(if all.drift.is_empty() { Exit::Done } else { Exit::NotRight })
}

fn cells(figures: &Figures) -> Vec<String> {
    let sum = |counts: &std::collections::BTreeMap<&'static str, u64>| counts.values().sum::<u64>().to_string();
    vec![
        figures.referrals().to_string(),
        sum(&figures.apart),
        figures.agree.to_string(),
        sum(&figures.known),
        sum(&figures.drift),
        figures.percent().map_or_else(|| "-".to_owned(), percent),
        words(figures.lag(50)),
        words(figures.lag(99)),
        words(figures.lag(100)),
    ]
}

/// With one digit, rounded down: where one does not agree, not all do.
fn percent(share: f64) -> String {
    format!("{:.1} %", (share * 10.0).floor() / 10.0)
}

/// A span as people read it.
pub(crate) fn words(span: Option<Duration>) -> String {
    let Some(span) = span else { return "-".to_owned() };
    let seconds = span.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", span.as_secs_f64()),
        10..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        _ => format!("{} h {:02} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

fn value(figures: &Figures) -> Value {
    let seconds = |percent| figures.lag(percent).map(|lag| lag.as_secs_f64());
    json!({
        "referrals": figures.referrals(),
        "compared": figures.compared(),
        "nothingToCompare": figures.apart,
        "agree": figures.agree,
        "known": figures.known,
        "drift": figures.drift,
        "alignedPercent": figures.percent(),
        "statements": figures.statements(),
        "lagSeconds": { "p50": seconds(50), "p99": seconds(99), "max": seconds(100) },
    })
}

#[cfg(test)]
mod tests {
    use super::{percent, words};
    use std::time::Duration;

    #[test]
    fn one_that_does_not_agree_never_shows_as_all() {
        assert_eq!([100.0, 99.99, 0.0].map(percent), ["100.0 %", "99.9 %", "0.0 %"]);
    }

    #[test]
    fn spans_are_told_in_their_own_unit() {
        for (millis, told) in
            [(0, "0.0 s"), (1_540, "1.5 s"), (61_000, "61 s"), (899_000, "14 min"), (9_000_000, "2 h 30 min")]
        {
            assert_eq!(words(Some(Duration::from_millis(millis))), told);
        }
        assert_eq!(words(None), "-");
    }
}
