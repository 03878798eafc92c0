//! `route explain`: the routing decision of a Bundle, without storing or sending anything.

use super::{Exit, complain, say};
use crate::config;
use gateway_core::identity::TenantId;
use gateway_core::ingest::{self, Found, Outcome, patient_of};
use gateway_core::route::{self, RouteDecision, RouteTable};
use gateway_fhir::{Json, door};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;

pub(super) fn explain(file: &Path, config_file: &Path, tenant: Option<&str>, format: &str) -> Exit {
    let config = match config::load(config_file) {
        Ok(config) => config,
        Err(error) => {
            complain(&format!("{}:\n{error}", config_file.display()));
            return Exit::NotRight;
        }
    };
    let tenants: BTreeSet<&str> = config.client.iter().map(|client| client.tenant.0.as_str()).collect();
    let tenant = match (tenant, tenants.len()) {
        (Some(tenant), _) => tenant.to_owned(),
        (None, 1) => tenants.first().map(|tenant| (*tenant).to_owned()).unwrap_or_default(),
        (None, _) => {
            complain(&format!("Say for which customer, with --tenant: one of {tenants:?}."));
            return Exit::NotRight;
        }
    };
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) => {
            complain(&format!("{}: {error}", file.display()));
            return Exit::Environment;
        }
    };
    let outcomes = match resolve(&bytes) {
        Ok(outcomes) => outcomes,
        Err(words) => {
            complain(&format!("{}:\n{words}", file.display()));
            return Exit::NotRight;
        }
    };
    let table = RouteTable { routes: config.route.iter().map(|route| route.get_ref().clone()).collect() };
    report(&outcomes, &table, &TenantId(tenant), format)
}

fn resolve(bytes: &[u8]) -> Result<Vec<Outcome>, String> {
    let words = |issues: &[gateway_fhir::Issue]| -> String {
        issues
            .iter()
            .map(|issue| format!("{}: {}", issue.expression.as_deref().unwrap_or("-"), issue.diagnostics))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let document = door::admit(bytes, &door::DoorLimits::default()).map_err(|refusal| words(refusal.issues()))?;
    let submission = ingest::read(&document, 100).map_err(|refusal| words(&refusal.issues))?;
    let mut next = 0;
    let mut id = || {
        next += 1;
        format!("explained-{next}")
    };
    ingest::resolve(&submission, &Found::default(), &mut id).map_err(|refusal| words(&refusal.issues))
}

fn report(outcomes: &[Outcome], table: &RouteTable, tenant: &TenantId, format: &str) -> Exit {
    let lookup = |reference: &str| {
        outcomes.iter().find_map(|outcome| match outcome {
            Outcome::Write(accepted) if format!("{}/{}", accepted.kind, accepted.id) == reference => {
                Some(&accepted.document)
            }
            _ => None,
        })
    };
    let mut rows = Vec::new();
    let mut all_chosen = true;
    for outcome in outcomes {
        let Outcome::Write(task) = outcome else { continue };
        if task.kind != "Task" {
            continue;
        }
        let Some((request, patient)) = subject(&task.document, &lookup) else { continue };
        let facts = route::facts(tenant, &task.document, &request, &patient, &lookup, today());
        let text = route::explain(table, &facts);
        let decision = route::decide(table, &facts);
        let (platform, route) = match &decision {
            RouteDecision::Chosen { platform, route, .. } => (Some(platform.0.clone()), Some(route.clone())),
            RouteDecision::Held { .. } => (None, None),
        };
        all_chosen &= platform.is_some();
        if format == "json" {
            rows.push(json!({ "task": task.place, "platform": platform, "route": route, "explanation": text }));
        } else {
            say(&format!("{}\n{text}", task.place));
        }
    }
    if format == "json" {
        say(&json!(rows).to_string());
    }
    if all_chosen { Exit::Done } else { Exit::NotRight }
}

fn subject<'l>(task: &Json, lookup: &dyn Fn(&str) -> Option<&'l Json>) -> Option<(Json, Json)> {
    let focus = task.get("focus")?.text("reference")?;
    let request = lookup(focus)?;
    let person = patient_of(request, focus.split_once('/')?.1, lookup)?;
    Some((request.clone(), person.document))
}

fn today() -> time::Date {
    use crate::clock::Clock as _;
    crate::clock::SystemClock.now().date()
}
