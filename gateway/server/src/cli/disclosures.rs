//! `disclosures`: who received what of a person, from the store. A gateway may be running meanwhile.

use super::audit::open;
use super::{DisclosuresArguments, Exit, complain, say};
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::disclosures::{self, History, audit_event, page, text};
use gateway_core::identity::{Compartment, Owner, TenantId};
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub(super) async fn run(wanted: &DisclosuresArguments) -> Exit {
    let (config, store) = match open(&wanted.config).await {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    let Some(tenant) = tenant(&config, wanted.tenant.as_deref()) else { return Exit::Usage };
    let compartment = Compartment { tenant, owner: Owner::Organisation(wanted.organisation.clone()) };
    let id = wanted.patient.strip_prefix("Patient/").unwrap_or(&wanted.patient);
    let history = match disclosures::of_person(store.as_ref(), &compartment, id, None).await {
        Ok(Some(history)) => history,
        Ok(None) => {
            complain("There is no such Patient of this organisation and tenant.");
            return Exit::NotRight;
        }
        Err(error) => {
            complain(&format!("The store cannot be read: {error}."));
            return Exit::Environment;
        }
    };
    let shown = match wanted.format.as_str() {
        "html" => page::of(&history, SystemClock.now()),
        "json" => bundle(&history, &config),
        _ => text::of(&history),
    };
    match &wanted.output {
        None => say(shown.trim_end()),
        Some(file) => {
            if let Err(error) = std::fs::write(file, &shown) {
                complain(&format!("{}: {error}", file.display()));
                return Exit::Environment;
            }
        }
    }
    Exit::Done
}

/// The tenant that is named, or the only one.
fn tenant(config: &Config, named: Option<&str>) -> Option<TenantId> {
    let all: BTreeSet<&TenantId> = config.client.iter().map(|client| &client.tenant).collect();
    match named {
        Some(named) => Some(TenantId(named.to_owned())),
        None if all.len() == 1 => all.first().map(|one| (*one).clone()),
        None => {
            let names: Vec<&str> = all.iter().map(|tenant| tenant.0.as_str()).collect();
            complain(&format!("Say for which customer, with --tenant: one of {}.", names.join(", ")));
            None
        }
    }
}

fn bundle(history: &History, config: &Config) -> String {
    let base = config.server.base_url.as_ref().map(|base| base.get_ref().as_str()).unwrap_or_default();
    let entries: Vec<Value> = history
        .told()
        .into_iter()
        .filter_map(|(referral, told)| {
            let event: Value = serde_json::from_str(&audit_event::of(referral, told, base).to_text()).ok()?;
            Some(json!({ "resource": event }))
        })
        .collect();
    let mut bundle = json!({ "resourceType": "Bundle", "type": "collection" });
    if let Some(members) = bundle.as_object_mut().filter(|_| !entries.is_empty()) {
        members.insert("entry".to_owned(), json!(entries));
    }
    bundle.to_string()
}

#[cfg(test)]
mod tests {
    use super::tenant;

    #[test]
    fn the_only_tenant_need_not_be_named() {
        let one = crate::config::parse(crate::config::EXAMPLE).expect("a valid configuration");
        assert_eq!(tenant(&one, None).map(|tenant| tenant.0).as_deref(), Some("example-pcn"));
        assert_eq!(tenant(&one, Some("other")).map(|tenant| tenant.0).as_deref(), Some("other"));
    }
}
