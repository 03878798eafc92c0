//! Which practice a letter is for, and whom a Consent keeps it from.
//!
//! A letter with a fixed address is for the practice that is configured. Without one MESH delivers it to where the person is registered,
//! which the gateway does not learn: it asks about the practice that the Patient names, and lets a person act where it names none.

use super::{Office, Practice, key};
use crate::gateway::{Gateway, Platform};
use crate::store::StoreError;
use crate::view::View;
use gateway_core::consent::{Kept, Record};
use gateway_core::identity::Owner;
use gateway_core::notify::Told;
use gateway_documents::parties::OdsCode;
use gateway_fhir::Json;
use gateway_fhir::identifiers::{ODS_CODE, same_system};
use std::collections::BTreeSet;

/// An organisation as a reference names it.
struct Named {
    code: Option<String>,
    name: Option<String>,
}

/// The practice that is asked about, and that letter and disclosure name.
pub(super) async fn of(gateway: &Gateway, office: &Office, view: &View) -> Result<Result<Practice, Told>, StoreError> {
    if office.to.is_some() {
        return Ok(Ok(office.practice.clone()));
    }
    let mut found: Vec<Practice> = Vec::new();
    for reference in view.person().document.items("generalPractitioner") {
        let Some(named) = organisation(gateway, view, &view.standing.service_request.document, reference).await? else {
            continue;
        };
        let Some(code) = named.code.and_then(|code| OdsCode::read(&code).ok()) else { continue };
        if found.iter().any(|one| one.ods_code == code) {
            continue;
        }
        let name = match named.name {
            _ if code == office.practice.ods_code => office.practice.name.clone(),
            Some(name) if !name.trim().is_empty() => name,
            _ => format!("The practice {}", code.as_str()),
        };
        found.push(Practice { name, ods_code: code });
    }
    let never = |words: &str| Ok(Err(Told::Never(words.to_owned())));
    match (found.pop(), found.is_empty()) {
        (Some(practice), true) => Ok(Ok(practice)),
        (None, _) => never(
            "The Patient names no practice by its ODS code (generalPractitioner), so that nobody knows whether the person lets the \
             practice learn of the outcome. Send the Patient with it, or tell the practice by another way.",
        ),
        (Some(_), false) => never(
            "The Patient names several practices (generalPractitioner), and MESH chooses one. Send the Patient with the one where the \
             person is registered, or tell the practice by another way.",
        ),
    }
}

/// Whether a Consent refuses the outcome to an organisation that is not asked about and that may be where MESH delivers: any but the
/// recipients of referrals.
pub(super) async fn another_is_refused(
    gateway: &Gateway,
    view: &View,
    platform: &Platform,
    consents: &Record,
    practice: &str,
) -> Result<bool, StoreError> {
    let recipients = gateway.rules.recipients.values().flat_map(|recipient| &recipient.identifiers);
    let mut known: BTreeSet<String> = recipients.map(|(_, value)| value.to_uppercase()).collect();
    known.insert(practice.to_uppercase());
    if let Owner::Organisation(sender) = &view.standing.referral.compartment.owner {
        known.insert(sender.to_uppercase());
    }
    for consent in &consents.consents {
        let mut open: Vec<&Json> = consent.document.get("provision").into_iter().collect();
        while let Some(provision) = open.pop() {
            open.extend(provision.items("provision"));
            for reference in provision.items("actor").iter().filter_map(|actor| actor.get("reference")) {
                let Some(named) = organisation(gateway, view, &consent.document, reference).await? else { continue };
                let Some(code) = named.code else {
                    // Nobody can tell whether that is the practice.
                    if provision.text("type") == Some("deny") {
                        return Ok(true);
                    }
                    continue;
                };
                if known.insert(code.clone())
                    && view.kept_from(gateway, platform, consents, &code).await? != Kept::Nothing
                {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

/// The organisation that a reference of this resource names, with its ODS code where it says one; `None` if it names none.
async fn organisation(
    gateway: &Gateway,
    view: &View,
    within: &Json,
    reference: &Json,
) -> Result<Option<Named>, StoreError> {
    let display = reference.text("display").map(str::to_owned);
    if let Some(code) = reference.get("identifier").and_then(ods) {
        return Ok(Some(Named { code: Some(code), name: display }));
    }
    let literal = reference.text("reference").unwrap_or_default();
    let document = match (literal.strip_prefix('#'), literal.strip_prefix("Organization/")) {
        (Some(id), _) => within.items("contained").iter().find(|one| one.text("id") == Some(id)).cloned(),
        (None, Some(id)) => {
            let id = id.split('/').next().unwrap_or_default();
            let compartment = &view.standing.referral.compartment;
            let stored = gateway.store.resource(&key(compartment, "Organization", id), None).await?;
            stored.as_ref().and_then(crate::ingest::parse)
        }
        (None, None) => None,
    };
    let is_organisation = reference.text("type") == Some("Organization")
        || literal.starts_with("Organization/")
        || document.as_ref().is_some_and(|document| document.text("resourceType") == Some("Organization"));
    if !is_organisation {
        return Ok(None);
    }
    let name = document.as_ref().and_then(|document| document.text("name")).map(str::to_owned).or(display);
    Ok(Some(Named { code: document.and_then(|document| document.items("identifier").iter().find_map(ods)), name }))
}

/// The code of an identifier that is an ODS code.
fn ods(identifier: &Json) -> Option<String> {
    let is_ods = identifier.text("system").is_some_and(|system| same_system(system, ODS_CODE));
    is_ods.then(|| identifier.text("value").map(|code| code.trim().to_uppercase()))?
}
