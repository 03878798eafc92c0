//! `reconcile`: asks the running gateway to compare the GP's Tasks, itself and what platforms say now, and to repair or raise what differs.

use super::asked::{GatewayArguments, Operation, count, flat, parameter};
use super::{Exit, say};
use serde_json::{Value, json};

/// What is compared.
#[derive(Debug, clap::Args)]
pub(super) struct ReconcileArguments {
    #[command(flatten)]
    gateway: GatewayArguments,
    /// Only with this platform.
    #[arg(long)]
    platform: Option<String>,
    /// Says what differs and what would be done about it, and changes nothing. The platforms are asked all the same.
    #[arg(long)]
    dry_run: bool,
    /// `text` or `json`.
    #[arg(long, default_value = "text", value_parser = ["text", "json"])]
    format: String,
}

/// Numbers that the pages are added up by.
const COUNTS: [&str; 5] = ["compared", "repaired", "raised", "known", "not-asked"];

pub(super) async fn run(arguments: &ReconcileArguments) -> Exit {
    page_by_page(arguments).await.unwrap_or_else(|exit| exit)
}

async fn page_by_page(arguments: &ReconcileArguments) -> Result<Exit, Exit> {
    let operation = Operation::at(&arguments.gateway, "Task/$reconcile")?;
    let (mut after, mut sums, mut referrals): (Option<String>, [u64; 5], _) = (None, [0; 5], Vec::new());
    loop {
        let body = operation.post(&parameters(arguments, after.as_deref())).await?;
        for (sum, name) in sums.iter_mut().zip(COUNTS) {
            *sum += count(&body, name);
        }
        let found = body["parameter"].as_array().into_iter().flatten().filter(|one| one["name"] == "referral");
        for referral in found.map(flat) {
            if arguments.format != "json" {
                lines(&referral, arguments.dry_run).iter().for_each(|line| say(line));
            }
            referrals.push(referral);
        }
        match parameter(&body, "next-after").and_then(|one| one["valueString"].as_str()) {
            // A place that does not move would be asked for without end.
            Some(next) if after.as_deref() != Some(next) => after = Some(next.to_owned()),
            _ => break,
        }
    }
    let [compared, repaired, raised, known, not_asked] = sums;
    if arguments.format == "json" {
        say(&json!({
            "dryRun": arguments.dry_run, "compared": compared, "repaired": repaired, "raised": raised, "known": known,
            "notAsked": not_asked, "referrals": referrals,
        })
        .to_string());
    } else {
        let would = if arguments.dry_run { "would be " } else { "" };
        say(&format!(
            "{compared} compared: {repaired} differences {would}repaired, {raised} {would}put in front of a person, {known} known to one; \
             {not_asked} could not be asked about."
        ));
    }
    Ok(if raised + known + not_asked == 0 && (repaired == 0 || !arguments.dry_run) {
        Exit::Done
    } else {
        Exit::NotRight
    })
}

fn parameters(arguments: &ReconcileArguments, after: Option<&str>) -> Value {
    let mut parameters = vec![json!({ "name": "dry-run", "valueBoolean": arguments.dry_run })];
    parameters.extend(arguments.platform.iter().map(|platform| json!({ "name": "platform", "valueCode": platform })));
    parameters.extend(after.map(|after| json!({ "name": "after", "valueString": after })));
    json!({ "resourceType": "Parameters", "parameter": parameters })
}

fn lines(referral: &Value, dry_run: bool) -> Vec<String> {
    let text = |name: &str| referral[name].as_str().unwrap_or("-").to_owned();
    let what = format!("{} ({}, {})", text("task"), text("organisation"), text("platform"));
    let not_asked = referral["not-asked"].as_str().map(|words| format!("{what}: not asked: {words}"));
    let differences = referral["difference"].as_array().into_iter().flatten().map(|one| {
        let part = |name: &str| one[name].as_str().unwrap_or("-");
        let statuses = match (one["here"].as_str(), one["there"].as_str()) {
            (Some(here), Some(there)) => format!(" ({here} here, {there} there)"),
            (Some(here), None) => format!(" ({here} here)"),
            _ => String::new(),
        };
        let mend = match (part("mend"), dry_run) {
            ("known", _) => "known",
            (mend, false) => mend,
            ("raised", true) => "would be raised",
            (_, true) => "would be repaired",
        };
        format!("{what}: {}{statuses}: {mend}: {}", part("kind"), part("words"))
    });
    differences.chain(not_asked).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_one_line_that_says_what_was_done_or_would_be() {
        let referral = flat(&json!({ "name": "referral", "part": [
            { "name": "task", "valueReference": { "reference": "Task/a" } },
            { "name": "organisation", "valueCode": "A82001" },
            { "name": "platform", "valueCode": "food" },
            { "name": "difference", "part": [
                { "name": "kind", "valueCode": "status-differs" }, { "name": "here", "valueCode": "requested" },
                { "name": "there", "valueCode": "accepted" }, { "name": "mend", "valueCode": "repaired" },
                { "name": "words", "valueString": "it is recorded" } ] },
            { "name": "difference", "part": [
                { "name": "kind", "valueCode": "missing-there" }, { "name": "mend", "valueCode": "known" },
                { "name": "words", "valueString": "Ask." } ] } ] }));
        assert_eq!(
            lines(&referral, false),
            [
                "Task/a (A82001, food): status-differs (requested here, accepted there): repaired: it is recorded",
                "Task/a (A82001, food): missing-there: known: Ask."
            ]
        );
        assert!(lines(&referral, true)[0].contains("would be repaired"));
        assert!(lines(&referral, true)[1].contains(": known:"));
    }
}
