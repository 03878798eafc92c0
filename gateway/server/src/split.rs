//! Split, with effects: a Task that is made of others follows them, in the transaction that moves one of them.

use crate::gateway::Gateway;
use crate::ingest::{parse, with_any};
use crate::store::StoreError;
use crate::withdraw::these;
use adapter_contract::TaskStatus;
use gateway_core::accept::version_of;
use gateway_core::change::{Change, Check, Transaction};
use gateway_core::identity::{Compartment, GATEWAY_AUTHOR};
use gateway_core::resource::{ResourceKey, ResourceVersion, Token, WriteMethod};
use gateway_core::split::{follows, is_plan};
use gateway_core::task;
use gateway_fhir::Json;
use std::collections::BTreeMap;

/// How many Tasks may stand over one another.
const DEEPEST: usize = 4;

/// So often a part is written anew where its whole, or another part, was moved meanwhile: more often than a whole has parts.
pub(crate) const TRIES: u32 = 64;

/// Whether a transaction writes parts of a Task that is made of others.
///
/// # Errors
/// When the store fails.
pub(crate) async fn moves_parts(gateway: &Gateway, transaction: &Transaction) -> Result<bool, StoreError> {
    let mut looked: Vec<ResourceKey> = Vec::new();
    for (compartment, reference) in transaction.changes.iter().flat_map(wholes) {
        let Some(key) = key_of(&compartment, &reference).filter(|key| !looked.contains(key)) else { continue };
        let document = match newest(transaction, &key) {
            Some(stored) => parse(stored),
            None => gateway.store.resource(&key, None).await?.as_ref().and_then(parse),
        };
        if document.as_ref().is_some_and(is_plan) {
            return Ok(true);
        }
        looked.push(key);
    }
    Ok(false)
}

/// Whether what a transaction writes itself, or rests on, was written by somebody else meanwhile: it is decided anew then, by whoever
/// decided it.
///
/// # Errors
/// When the store fails.
pub(crate) async fn is_overtaken(gateway: &Gateway, transaction: &Transaction) -> Result<bool, StoreError> {
    for check in &transaction.checks {
        if let Check::VersionIs { key, version } = check {
            let standing = gateway.store.resource(key, None).await?.map_or(0, |standing| standing.version);
            if standing != *version {
                return Ok(true);
            }
        }
    }
    let mut seen: Vec<&ResourceKey> = Vec::new();
    for change in &transaction.changes {
        // Of several versions of one the first stands behind what is stored.
        let Change::PutResource(stored) = change else { continue };
        if seen.contains(&&stored.key) {
            continue;
        }
        seen.push(&stored.key);
        let standing = gateway.store.resource(&stored.key, None).await?.map_or(0, |standing| standing.version);
        if standing + 1 != stored.version {
            return Ok(true);
        }
    }
    Ok(false)
}

fn key_of(compartment: &Compartment, reference: &str) -> Option<ResourceKey> {
    let id = reference.strip_prefix("Task/")?;
    Some(ResourceKey { compartment: compartment.clone(), kind: "Task".to_owned(), id: id.to_owned() })
}

/// Adds what follows for the Tasks of which those that are written are a part.
///
/// # Errors
/// When the store fails.
pub(crate) async fn follow(gateway: &Gateway, transaction: &mut Transaction) -> Result<(), StoreError> {
    let mut looked = 0;
    for _ in 0..DEEPEST {
        let written: Vec<(Compartment, String)> = transaction.changes.iter().skip(looked).flat_map(wholes).collect();
        looked = transaction.changes.len();
        if written.is_empty() {
            break;
        }
        let mut wholes: Vec<(Compartment, String)> = Vec::new();
        written.into_iter().for_each(|whole| {
            if !wholes.contains(&whole) {
                wholes.push(whole);
            }
        });
        for (compartment, reference) in wholes {
            whole(gateway, transaction, &compartment, &reference).await?;
        }
    }
    Ok(())
}

/// The Tasks of which a written Task is a part.
fn wholes(change: &Change) -> Vec<(Compartment, String)> {
    let Change::PutResource(stored) = change else { return Vec::new() };
    let tokens = stored.tokens.iter().filter(|token| stored.key.kind == "Task" && token.parameter == "part-of");
    tokens.map(|token| (stored.key.compartment.clone(), token.value.clone())).collect()
}

async fn whole(
    gateway: &Gateway,
    transaction: &mut Transaction,
    compartment: &Compartment,
    reference: &str,
) -> Result<(), StoreError> {
    let Some(key) = key_of(compartment, reference) else { return Ok(()) };
    let newest = newest(transaction, &key).map(|stored| (stored.version, parse(stored)));
    let known = match newest {
        Some(known) => Some(known),
        None => {
            let stored = gateway.store.resource(&key, None).await?;
            // Whoever moves it meanwhile moves it on what stands then.
            let check = |version| Check::VersionIs { key: key.clone(), version };
            transaction.checks.extend(stored.iter().map(|stored| check(stored.version)));
            stored.map(|stored| (stored.version, parse(&stored)))
        }
    };
    let Some((version, Some(document))) = known.filter(|(_, task)| task.as_ref().is_some_and(is_plan)) else {
        return Ok(());
    };
    let part = [Token::new("part-of", reference)];
    let stored = with_any(gateway, compartment, "Task", &part).await?;
    transaction.checks.push(these(compartment, "Task", &part, &stored));
    let mut parts: BTreeMap<String, TaskStatus> = BTreeMap::new();
    let written = transaction.changes.iter().filter_map(|change| match change {
        Change::PutResource(one) if one.key.compartment == *compartment && one.tokens.contains(&part[0]) => Some(one),
        _ => None,
    });
    for one in stored.iter().chain(written) {
        let status = parse(one).as_ref().and_then(task::status);
        parts.extend(status.map(|status| (one.key.id.clone(), status)));
    }
    let parts: Vec<TaskStatus> = parts.into_values().collect();
    let next: Option<Json> = follows(&document, &parts, gateway.clock.now());
    transaction.changes.extend(next.map(|next| {
        let now = gateway.clock.now();
        Change::PutResource(version_of(key, version + 1, next, GATEWAY_AUTHOR, WriteMethod::Put, now, &|_| None))
    }));
    Ok(())
}

/// The last version of a resource that the transaction itself writes.
fn newest<'a>(transaction: &'a Transaction, key: &ResourceKey) -> Option<&'a ResourceVersion> {
    transaction.changes.iter().rev().find_map(|change| match change {
        Change::PutResource(stored) if stored.key == *key => Some(stored),
        _ => None,
    })
}
