//! The follow-ups of a referral that are open, as its page shows them: what each asks for, how often the service has called since, and
//! what was noted on it.

use super::Fault;
use super::words::{when, when_text};
use crate::gateway::Gateway;
use crate::ingest::parse;
use crate::work::Item;
use gateway_core::follow_up::FollowUp;
use gateway_core::resource::ResourceKey;
use gateway_fhir::Json;
use maud::{Markup, html};

/// A follow-up that somebody still has to do.
pub(super) struct Open {
    pub(super) one: FollowUp,
    /// Version of its Task.
    pub(super) version: u64,
    /// Its Task.
    document: Option<Json>,
}

/// Those of a referral, as they stand.
pub(super) async fn open(gateway: &Gateway, item: &Item) -> Result<Vec<Open>, Fault> {
    let referral = &item.referral;
    let key = |one: &FollowUp| ResourceKey {
        compartment: referral.compartment.clone(),
        kind: "Task".to_owned(),
        id: one.task.clone(),
    };
    let keys: Vec<ResourceKey> = referral.open_follow_ups().map(key).collect();
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let stored = gateway.store.resources(&keys).await?;
    let with_task = |one: &FollowUp| {
        let task = stored.iter().find(|stored| stored.key.id == one.task);
        Open { one: one.clone(), version: task.map_or(0, |task| task.version), document: task.and_then(parse) }
    };
    Ok(referral.open_follow_ups().map(with_task).collect())
}

/// Name of the field with the version of a follow-up that a form was made for.
pub(super) fn version_field(task: &str) -> String {
    format!("version-{task}")
}

impl Open {
    /// What it asks for, and what was noted on it.
    pub(super) fn shown(&self) -> Markup {
        let one = &self.one;
        let text = |element: &str| self.document.as_ref().and_then(|task| task.text(element));
        let notes = self.document.as_ref().map_or(&[][..], |task| task.items("note"));
        html! {
            strong { (one.cause.title()) }
            p.said { (text("description").unwrap_or_else(|| one.cause.words())) }
            p.hint { "Since " (when(one.opened_at)) @if let Some(due) = one.due { ", due " (when(due)) } }
            @if let Some(again) = &one.again {
                p { strong {
                    "The service has called again: "
                    @if again.times == 1 { "once" } @else { (again.times) " times" }
                    ", last on " (when(again.last))
                } }
            }
            @for note in notes {
                p.said { (note.text("text").unwrap_or_default()) }
                p.hint { (note.text("authorString").unwrap_or("Not signed")) @if let Some(time) = note.text("time") { ", " (when_text(time)) } }
            }
        }
    }
}
