//! `dead-letters`: what cannot go on by itself, why, and what to do next; and to let it go on. Lists are read from the store,
//! also while a gateway runs on it; whatever changes something is asked of that gateway.

use super::asked::{Operation, count, flat, parameter};
use super::audit::open;
use super::{DeadLettersAction, Exit, RedriveArguments, complain, say};
use crate::store::{ReferralFilter, Store, StoreError};
use comfy_table::{ContentArrangement, Table, presets};
use gateway_core::classify::{advice, failure_word};
use gateway_core::identity::{Owner, TenantId};
use gateway_core::outbox::{Attempt, OutboxRow, OutboxState};
use gateway_core::referral::Referral;
use gateway_fhir::instant::to_instant;
use serde_json::{Value, json};
use std::path::Path;

/// Rows that are read together.
const PAGE: u32 = 500;

pub(super) async fn run(action: &DeadLettersAction) -> Exit {
    let done = match action {
        DeadLettersAction::List { config, tenant, platform, cause, format } => {
            let wanted = Wanted { tenant: tenant.clone(), platform: platform.clone(), cause: cause.clone() };
            list(config, &wanted, format == "json").await
        }
        DeadLettersAction::Show { id, config, format } => show(config, id, format == "json").await,
        DeadLettersAction::Redrive(arguments) => redrive(arguments).await,
    };
    done.unwrap_or_else(|exit| exit)
}

/// Which dead letters are listed.
struct Wanted {
    tenant: Option<String>,
    platform: Option<String>,
    cause: Option<String>,
}

/// A dead letter with its referral.
struct Letter {
    row: OutboxRow,
    referral: Referral,
}

fn unreadable(error: &StoreError) -> Exit {
    complain(&format!("The store cannot be read: {error}."));
    Exit::Environment
}

async fn list(config: &Path, wanted: &Wanted, as_json: bool) -> Result<Exit, Exit> {
    let (_, store) = open(config).await?;
    let letters = letters(store.as_ref(), wanted).await.map_err(|error| unreadable(&error))?;
    let settle = to_settle(store.as_ref(), wanted).await.map_err(|error| unreadable(&error))?;
    if as_json {
        let letters: Vec<Value> = letters.iter().map(told).collect();
        let settle: Vec<Value> = settle.iter().map(attention).collect();
        say(&json!({ "deadLetters": letters, "attention": settle }).to_string());
        return Ok(Exit::Done);
    }
    if letters.is_empty() {
        say("No dead letters.");
    } else {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(["Task", "Organisation", "Platform", "Errand", "Attempts", "Cause", "Why"]);
        for letter in &letters {
            let cause = letter.row.last_failure.as_ref();
            table.add_row([
                letter.referral.task.clone(),
                organisation(&letter.referral),
                letter.row.platform.0.clone(),
                letter.row.errand.word().to_owned(),
                letter.row.attempts.to_string(),
                cause.map(|failure| failure_word(&failure.code)).unwrap_or_default(),
                cause.map(|failure| failure.diagnostic.clone()).unwrap_or_default(),
            ]);
        }
        say(&table.to_string());
        say(&format!(
            "{} dead letters. `dead-letters show TASK` says what to do next; `dead-letters redrive` lets them go on.",
            letters.len()
        ));
    }
    if !settle.is_empty() {
        say("");
        say("For a person to settle with the organisation, nothing to redrive:");
        for referral in &settle {
            let words = referral.attention.as_deref().unwrap_or_default();
            let platform = referral.platform.as_ref().map_or("-", |platform| platform.0.as_str());
            say(&format!("  Task/{} ({}, {platform}): {words}", referral.task, organisation(referral)));
        }
    }
    Ok(Exit::Done)
}

async fn letters(store: &dyn Store, wanted: &Wanted) -> Result<Vec<Letter>, StoreError> {
    let tenant = wanted.tenant.clone().map(TenantId);
    let (mut letters, mut after) = (Vec::new(), 0);
    loop {
        let page = store.dead_letters(tenant.as_ref(), after, PAGE).await?;
        let full = page.len() == PAGE as usize;
        for (place, row) in page {
            after = place;
            let cause = row.last_failure.as_ref().map(|failure| failure_word(&failure.code));
            let meant = wanted.platform.as_ref().is_none_or(|platform| row.platform.0 == *platform)
                && wanted.cause.as_ref().is_none_or(|wanted| cause.as_ref() == Some(wanted));
            if !meant {
                continue;
            }
            if let Some(referral) = store.referral(&row.referral).await? {
                letters.push(Letter { row, referral });
            }
        }
        if !full {
            return Ok(letters);
        }
    }
}

/// Referrals with something to settle that no redrive settles: the dead letters' own words are with them.
async fn to_settle(store: &dyn Store, wanted: &Wanted) -> Result<Vec<Referral>, StoreError> {
    // A cause is one of an attempt, and these have none.
    if wanted.cause.is_some() {
        return Ok(Vec::new());
    }
    let tenant = wanted.tenant.clone().map(TenantId);
    let mut filter = ReferralFilter { tenant, attention: true, limit: PAGE, ..ReferralFilter::default() };
    let mut found = Vec::new();
    loop {
        let page = store.referrals(&filter).await?;
        filter.after = page.last().map(|referral| referral.id.clone());
        let full = page.len() == PAGE as usize;
        for referral in page {
            let at = referral.platform.as_ref().map(|platform| platform.0.as_str());
            if wanted.platform.as_ref().is_some_and(|platform| at != Some(platform.as_str())) {
                continue;
            }
            let rows = store.outbox(&referral.id).await?;
            if rows.iter().all(|row| row.state != OutboxState::Dead) {
                found.push(referral);
            }
        }
        if !full {
            return Ok(found);
        }
    }
}

async fn show(config: &Path, id: &str, as_json: bool) -> Result<Exit, Exit> {
    let (_, store) = open(config).await?;
    let id = id.strip_prefix("Task/").unwrap_or(id);
    let all = Wanted { tenant: None, platform: None, cause: None };
    let letters = letters(store.as_ref(), &all).await.map_err(|error| unreadable(&error))?;
    let meant: Vec<Letter> = letters
        .into_iter()
        .filter(|one| one.referral.task == id || one.referral.id.0 == id || one.row.id == id)
        .collect();
    if meant.is_empty() {
        complain("No dead letter has this id: neither its Task, nor its referral, nor its errand.");
        return Ok(Exit::NotRight);
    }
    let mut shown = Vec::with_capacity(meant.len());
    for letter in &meant {
        let attempts = store.attempts(&letter.row.id).await.map_err(|error| unreadable(&error))?;
        if as_json {
            let mut value = told(letter);
            value["history"] = attempts.iter().map(attempt_value).collect();
            shown.push(value);
        } else {
            say(&page(letter, &attempts));
        }
    }
    if as_json {
        say(&Value::from(shown).to_string());
    }
    Ok(Exit::Done)
}

fn page(letter: &Letter, attempts: &[Attempt]) -> String {
    let Letter { row, referral } = letter;
    let mut lines = vec![
        format!("Task/{} of {} (tenant {})", referral.task, organisation(referral), referral.compartment.tenant.0),
        format!("  errand    {} at {}, key {}", row.errand.word(), row.platform.0, referral.key.0),
    ];
    if let Some(name) = &referral.platform_referral {
        lines.push(format!("  there     {}", name.0));
    }
    lines.extend(attempts.iter().map(attempt_line));
    if let Some(failure) = &row.last_failure {
        lines.push(format!("  cause     {}: {}", failure_word(&failure.code), failure.diagnostic));
        lines.push(format!("  do next   {}", advice(&failure.code)));
    }
    if row.in_flight.is_some() || row.progress.is_some() {
        lines.push(
            "  maybe     Something of it may be at the platform. A redrive asks first, where it can be asked."
                .to_owned(),
        );
    }
    lines.join("\n")
}

/// One attempt on one line.
pub(super) fn attempt_line(attempt: &Attempt) -> String {
    let ended = attempt.finished.map_or_else(|| "-".to_owned(), to_instant);
    let outcome = attempt.outcome.as_deref().unwrap_or("unknown");
    let code = attempt.failure.as_ref().map(|failure| failure_word(&failure.code)).unwrap_or_default();
    format!("  attempt   {} {} to {ended}: {outcome} {code}", attempt.number, to_instant(attempt.started))
}

pub(super) fn organisation(referral: &Referral) -> String {
    match &referral.compartment.owner {
        Owner::Organisation(code) => code.clone(),
        Owner::Platform(platform) => platform.0.clone(),
    }
}

fn told(letter: &Letter) -> Value {
    let Letter { row, referral } = letter;
    let failure = row.last_failure.as_ref();
    json!({
        "task": referral.task,
        "referral": referral.id.0,
        "errandId": row.id,
        "tenant": row.tenant.0,
        "organisation": organisation(referral),
        "platform": row.platform.0,
        "errand": row.errand.word(),
        "attempts": row.attempts,
        "acceptedAt": to_instant(referral.accepted_at),
        "cause": failure.map(|failure| failure_word(&failure.code)),
        "words": failure.map(|failure| failure.diagnostic.clone()),
        "advice": failure.map(|failure| advice(&failure.code)),
        "maybeThere": row.in_flight.is_some() || row.progress.is_some(),
    })
}

fn attention(referral: &Referral) -> Value {
    json!({
        "task": referral.task,
        "referral": referral.id.0,
        "tenant": referral.compartment.tenant.0,
        "organisation": organisation(referral),
        "platform": referral.platform.as_ref().map(|platform| platform.0.clone()),
        "words": referral.attention,
    })
}

/// One attempt for a program.
pub(super) fn attempt_value(attempt: &Attempt) -> Value {
    json!({
        "number": attempt.number,
        "started": to_instant(attempt.started),
        "finished": attempt.finished.map(to_instant),
        "outcome": attempt.outcome,
        "cause": attempt.failure.as_ref().map(|failure| failure_word(&failure.code)),
        "words": attempt.failure.as_ref().map(|failure| failure.diagnostic.clone()),
    })
}

async fn redrive(arguments: &RedriveArguments) -> Result<Exit, Exit> {
    let operation = Operation::at(&arguments.gateway, "Task/$redrive")?;
    let (mut after, mut on, mut stays, mut parts) = (0, 0, 0, Vec::new());
    loop {
        let body = operation.post(&parameters(arguments, after)).await?;
        on += count(&body, "redriven");
        stays += count(&body, "stays");
        let letters = body["parameter"].as_array().into_iter().flatten().filter(|one| one["name"] == "dead-letter");
        for letter in letters {
            let letter = flat(letter);
            if arguments.format != "json" {
                say(&line(&letter, arguments.dry_run));
            }
            parts.push(letter);
        }
        match parameter(&body, "next-after").and_then(|one| one["valueInteger"].as_u64()) {
            Some(next) => after = next,
            None => break,
        }
    }
    if arguments.format == "json" {
        say(&json!({ "dryRun": arguments.dry_run, "redriven": on, "stays": stays, "deadLetters": parts }).to_string());
    } else {
        let would = if arguments.dry_run { "would go on" } else { "go on" };
        say(&format!("{on} {would}, {stays} stay."));
    }
    Ok(if stays == 0 { Exit::Done } else { Exit::NotRight })
}

fn parameters(arguments: &RedriveArguments, after: u64) -> Value {
    let yes = |name: &str, value: bool| json!({ "name": name, "valueBoolean": value });
    let code = |name: &str, value: &String| json!({ "name": name, "valueCode": value });
    let mut parameters = vec![
        yes("all", arguments.all),
        yes("dry-run", arguments.dry_run),
        json!({ "name": "after", "valueInteger": after }),
    ];
    parameters.extend(arguments.asked.map(|attempts| json!({ "name": "asked", "valueInteger": attempts })));
    parameters.extend(arguments.platform.iter().map(|platform| code("platform", platform)));
    parameters.extend(arguments.cause.iter().map(|cause| code("cause", cause)));
    parameters.extend(arguments.task.iter().map(|task| {
        let id = task.strip_prefix("Task/").unwrap_or(task);
        json!({ "name": "task", "valueReference": { "reference": format!("Task/{id}") } })
    }));
    json!({ "resourceType": "Parameters", "parameter": parameters })
}

fn line(letter: &Value, dry_run: bool) -> String {
    let text = |name: &str| letter[name].as_str().unwrap_or("-");
    let what = format!("{} ({}, {}, {})", text("task"), text("organisation"), text("platform"), text("errand"));
    match text("outcome") {
        "redriven" if dry_run => format!("{what}: would go on"),
        "redriven" => format!("{what}: goes on"),
        outcome => format!("{what}: stays, {outcome}: {}", text("why")),
    }
}
