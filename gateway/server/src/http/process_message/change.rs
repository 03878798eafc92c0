//! A change of a referral: finds its Task by the sender's names, and writes what it is made of anew.

use super::super::context::Context;
use super::super::reply::{Reply, store_fault};
use super::super::write::write;
use super::answered;
use super::withdraw::{references, referred, same_patient};
use crate::gateway::Gateway;
use crate::ingest::{self, load};
use gateway_core::bars::{self, Message};
use gateway_core::refusal::Refusal;

/// Changes a referral.
pub(super) async fn change(
    gateway: &Gateway,
    context: &Context,
    bytes: &[u8],
    message: &Message<'_>,
) -> Result<Reply, Refusal> {
    let stored = referred(gateway, context, message).await?;
    let task = ingest::parse(&stored).ok_or_else(Refusal::not_found)?;
    same_patient(gateway, context, message, &task).await?;
    let compartment = context.client.compartment();
    let named = |element: &str| task.get(element).and_then(|one| one.text("reference")).unwrap_or_default().to_owned();
    let (focus, person) = (named("focus"), named("for"));
    let fault = |error: crate::store::StoreError| store_fault(&error);
    let request = load(gateway, &compartment, &focus).await.map_err(fault)?.ok_or_else(Refusal::not_found)?;
    let patient = load(gateway, &compartment, &person).await.map_err(fault)?;
    let id = |reference: &str| reference.split_once('/').map(|(_, id)| id.to_owned()).unwrap_or_default();
    let (request_id, patient_id) = (id(&focus), id(&person));
    let patient = patient.as_ref().map(|(version, document)| (patient_id.as_str(), *version, document));
    let request = (request_id.as_str(), request.0, &request.1);
    let submission = bars::changed(message, request, patient, gateway.limits.bundle_entries)?;
    let url = format!("urn:uuid:{}", stored.key.id);
    let known = references(message, &task);
    write(gateway, context, bytes, &submission, &|_, _, _| {
        answered(gateway, context, message, &url, &stored, (known.clone(), None))
    })
    .await
}
