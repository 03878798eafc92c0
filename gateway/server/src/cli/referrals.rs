//! `referrals show`: where a referral is, for what it waits and when it goes. Read from the store; a gateway may be running on it.

use super::audit::open;
use super::dead_letters::{attempt_line, attempt_value, organisation};
use super::{Exit, complain, say};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Config, clients};
use crate::store::{Store, StoreError};
use crate::waiting;
use gateway_core::identity::Compartment;
use gateway_core::outbox::{Attempt, OutboxRow};
use gateway_core::referral::{Referral, ReferralId};
use gateway_core::waiting::Waiting;
use gateway_fhir::instant::to_instant;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

pub(super) async fn show(config: &Path, id: &str, as_json: bool) -> Exit {
    tell(config, id, as_json).await.unwrap_or_else(|exit| exit)
}

async fn tell(file: &Path, id: &str, as_json: bool) -> Result<Exit, Exit> {
    let (config, store) = open(file).await?;
    let found = find(&config, store.as_ref(), id).await.map_err(|error| unreadable(&error))?;
    if found.is_empty() {
        complain("No referral has this id: it is the id of the Task, or of the referral.");
        return Ok(Exit::NotRight);
    }
    let mut shown = Vec::with_capacity(found.len());
    for referral in &found {
        let page = Page::read(&config, store.as_ref(), referral).await.map_err(|error| unreadable(&error))?;
        if as_json { shown.push(page.value()) } else { say(&page.text()) }
    }
    if as_json {
        say(&Value::from(shown).to_string());
    }
    Ok(Exit::Done)
}

pub(super) fn unreadable(error: &StoreError) -> Exit {
    complain(&format!("The store cannot be read: {error}."));
    Exit::Environment
}

/// The referral of this id, or those whose sender's Task has it: ids of Tasks are of their compartments.
pub(super) async fn find(config: &Config, store: &dyn Store, id: &str) -> Result<Vec<Referral>, StoreError> {
    let id = id.strip_prefix("Task/").unwrap_or(id);
    if let Some(referral) = store.referral(&ReferralId(id.to_owned())).await? {
        return Ok(vec![referral]);
    }
    let compartments: BTreeSet<Compartment> = clients(config).values().map(|client| client.compartment()).collect();
    let mut found = Vec::new();
    for compartment in &compartments {
        found.extend(store.referral_by_task(compartment, id).await?);
    }
    Ok(found)
}

/// What is told of one referral.
struct Page<'a> {
    referral: &'a Referral,
    waiting: Waiting,
    errands: Vec<(OutboxRow, Vec<Attempt>)>,
}

impl<'a> Page<'a> {
    async fn read(config: &Config, store: &dyn Store, referral: &'a Referral) -> Result<Self, StoreError> {
        let pace = referral.platform.as_ref().map(|platform| config.pace(platform)).unwrap_or_default();
        let outbox = store.outbox(&referral.id).await?;
        let by_link = referral.platform.as_ref().is_some_and(|platform| config.by_link(platform));
        let waiting = waiting::of(store, referral, &outbox, (pace, by_link), SystemClock.now()).await?;
        let mut errands = Vec::with_capacity(outbox.len());
        for row in outbox {
            let attempts = store.attempts(&row.id).await?;
            errands.push((row, attempts));
        }
        Ok(Self { referral, waiting, errands })
    }

    fn text(&self) -> String {
        let Self { referral, waiting, errands } = self;
        let (tenant, platform) = (&referral.compartment.tenant.0, referral.platform.as_ref());
        let platform = platform.map_or("no platform yet", |platform| platform.0.as_str());
        let mut lines = vec![
            format!("Task/{} of {} (tenant {tenant})", referral.task, organisation(referral)),
            format!("  accepted  {}", to_instant(referral.accepted_at)),
            format!("  for       {platform}, key {}", referral.key.0),
        ];
        if let Some(name) = &referral.platform_referral {
            lines.push(format!("  there     {}", name.0));
        }
        lines.push(format!("  delivery  {}, Task.status {}", referral.delivery.word(), referral.task_status.code()));
        if let Some(urgent) = referral.urgent {
            lines.push(format!("  urgent    from {}", to_instant(urgent)));
        }
        for (row, attempts) in errands {
            let not_before = to_instant(row.not_before);
            lines.push(format!("  errand    {} {}, not before {not_before}", row.errand.word(), row.state.word()));
            lines.extend(attempts.iter().map(attempt_line));
        }
        lines.push(format!("  now       {}", waiting.words()));
        if let Some(timer) = referral.next_timer() {
            lines.push(format!("  timer     {} at {}", timer.cause.code(), to_instant(timer.due)));
        }
        for one in referral.open_follow_ups() {
            let due = one.due.map(|due| format!(", due {}", to_instant(due))).unwrap_or_default();
            lines.push(format!("  follow-up {} as Task/{}{due}", one.cause.code(), one.task));
        }
        if let Some(conflict) = &referral.conflict {
            lines.push(format!("  conflict  {conflict}"));
        }
        lines.join("\n")
    }

    fn value(&self) -> Value {
        let Self { referral, waiting, errands } = self;
        let errands = errands.iter().map(|(row, attempts)| {
            json!({
                "id": row.id,
                "errand": row.errand.word(),
                "state": row.state.word(),
                "notBefore": to_instant(row.not_before),
                "expires": to_instant(row.expires_at),
                "urgentFrom": row.urgent.map(to_instant),
                "attempts": attempts.iter().map(attempt_value).collect::<Value>(),
            })
        });
        json!({
            "task": referral.task,
            "referral": referral.id.0,
            "tenant": referral.compartment.tenant.0,
            "organisation": organisation(referral),
            "platform": referral.platform.as_ref().map(|platform| &platform.0),
            "platformReferral": referral.platform_referral.as_ref().map(|name| &name.0),
            "acceptedAt": to_instant(referral.accepted_at),
            "urgentFrom": referral.urgent.map(to_instant),
            "delivery": referral.delivery.word(),
            "taskStatus": referral.task_status.code(),
            "waitsFor": waiting.code(),
            "words": waiting.words(),
            "next": waiting.next().map(to_instant),
            "timer": referral.next_timer().map(|timer| json!({ "cause": timer.cause.code(), "due": to_instant(timer.due) })),
            "followUps": referral
                .open_follow_ups()
                .map(|one| json!({ "cause": one.cause.code(), "task": one.task, "due": one.due.map(to_instant) }))
                .collect::<Value>(),
            "errands": errands.collect::<Value>(),
        })
    }
}
