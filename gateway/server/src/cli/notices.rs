//! `notices list`: what could not be told on the GP's side and waits for a person, or how it stands with one referral. Read from the
//! store; a gateway may be running on it. The operation `$renotify` lets it go on.

use super::audit::open;
use super::referrals::{find, unreadable};
use super::{Exit, complain, say};
use crate::store::{Store, StoreError};
use comfy_table::{ContentArrangement, Table, presets};
use gateway_core::identity::TenantId;
use gateway_core::notify::{Notice, What};
use gateway_fhir::instant::to_instant;
use serde_json::{Value, json};
use std::path::Path;

/// Rows that are read together.
const PAGE: u32 = 500;

pub(super) async fn list(file: &Path, tenant: Option<&str>, referral: Option<&str>, as_json: bool) -> Exit {
    let told = match referral {
        Some(id) => of_referral(file, id, as_json).await,
        None => dead(file, tenant, as_json).await,
    };
    told.unwrap_or_else(|exit| exit)
}

async fn dead(file: &Path, tenant: Option<&str>, as_json: bool) -> Result<Exit, Exit> {
    let (_, store) = open(file).await?;
    let tenant = tenant.map(|tenant| TenantId(tenant.to_owned()));
    let found = all_dead(store.as_ref(), tenant.as_ref()).await.map_err(|error| unreadable(&error))?;
    show(&found, as_json, "Everybody on the GP's side was told.");
    Ok(Exit::Done)
}

async fn all_dead(store: &dyn Store, tenant: Option<&TenantId>) -> Result<Vec<Notice>, StoreError> {
    let (mut found, mut after) = (Vec::new(), 0);
    loop {
        let page = store.dead_notices(tenant, after, PAGE).await?;
        let full = page.len() == PAGE as usize;
        for (place, notice) in page {
            after = place;
            found.push(notice);
        }
        if !full {
            return Ok(found);
        }
    }
}

async fn of_referral(file: &Path, id: &str, as_json: bool) -> Result<Exit, Exit> {
    let (config, store) = open(file).await?;
    let referrals = find(&config, store.as_ref(), id).await.map_err(|error| unreadable(&error))?;
    if referrals.is_empty() {
        complain("No referral has this id: it is the id of the Task, or of the referral.");
        return Ok(Exit::NotRight);
    }
    let mut found = Vec::new();
    for referral in &referrals {
        found.extend(store.notices_of(&referral.id).await.map_err(|error| unreadable(&error))?);
    }
    show(&found, as_json, "Nobody on the GP's side is told of it but by reading its Task.");
    Ok(Exit::Done)
}

fn show(notices: &[Notice], as_json: bool, none: &str) {
    if as_json {
        say(&notices.iter().map(value).collect::<Value>().to_string());
        return;
    }
    if notices.is_empty() {
        say(none);
        return;
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["Notice", "Tenant", "To", "About", "Made", "State", "Attempts", "Why"]);
    for notice in notices {
        table.add_row([
            notice.id.clone(),
            notice.tenant().0.clone(),
            notice.destination.party(),
            about(notice),
            to_instant(notice.made),
            notice.state.word().to_owned(),
            notice.attempts.to_string(),
            notice.last_failure.clone().unwrap_or_default(),
        ]);
    }
    say(&table.to_string());
}

fn about(notice: &Notice) -> String {
    match &notice.what {
        What::Version { kind, id, version } => format!("{kind}/{id}/_history/{version}"),
        What::Handshake => "handshake".to_owned(),
        What::Heartbeat => "heartbeat".to_owned(),
    }
}

fn value(notice: &Notice) -> Value {
    json!({
        "id": notice.id,
        "tenant": notice.tenant().0,
        "way": notice.destination.word(),
        "to": notice.destination.party(),
        "number": notice.sequence,
        "about": about(notice),
        "made": to_instant(notice.made),
        "state": notice.state.word(),
        "due": notice.open_due().map(to_instant),
        "attempts": notice.attempts,
        "words": notice.last_failure,
    })
}
