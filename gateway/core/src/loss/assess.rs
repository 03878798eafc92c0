//! What would be lost: the referral is minimised and the adapter asked for its account, as if it were sent now.

use super::grading::{gravest, named};
use super::{LossReport, Policy};
use crate::consent::Withheld;
use crate::identity::PlatformId;
use crate::minimise::{Minimised, Source, Whole, minimise, unwithheld};
use adapter_contract::{
    AcceptedLoss, Account, Adapter, Descriptor, Exchange, Grade, Keys, Loss, LossReason, Purpose, Settings,
    TranslateError,
};
use gateway_fhir::Json;
use mappings::class;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The adapter of one platform as it is at this moment, with what the configuration says of both.
#[derive(Clone)]
pub struct Translator {
    /// Who translates.
    pub adapter: Arc<dyn Adapter>,
    /// What it is given.
    pub settings: Settings,
    /// What losses lead to.
    pub policy: Policy,
}

/// Finds the translator of a platform.
pub trait Translators: Sync {
    /// As it is now; `None` if no such platform is configured here.
    fn translator(&self, platform: &PlatformId) -> Option<Translator>;
}

/// Nobody translates: nothing can be said of losses.
impl Translators for () {
    fn translator(&self, _platform: &PlatformId) -> Option<Translator> {
        None
    }
}

/// Elements that were taken away before translating, by source: each with the reason that it gives.
pub struct Removed<'a> {
    /// Why.
    pub reason: LossReason,
    /// Element paths, each the topmost that went; a type alone stands for whole resources.
    pub paths: &'a [String],
    /// The resources before.
    pub from: &'a [&'a Json],
    /// The resources after.
    pub to: &'a [&'a Json],
}

/// What is asked about.
pub struct Asking<'a> {
    /// The referral.
    pub whole: &'a Whole,
    /// What consent withholds of it.
    pub withheld: &'a [Withheld],
    /// Who would translate.
    pub adapter: &'a dyn Adapter,
    /// The platform's settings.
    pub settings: &'a Settings,
    /// When the referral was accepted: FHIR instant.
    pub accepted_at: &'a str,
    /// The names under which it goes.
    pub keys: Keys<'a>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Assessment {
    /// It can be said to this platform, with these losses.
    Told {
        /// What does not arrive.
        report: LossReport,
        /// What does: the adapter's account, if it gives one.
        account: Option<Account>,
        /// The Bundle that the adapter is given.
        minimised: Box<Minimised>,
    },
    /// It cannot be said to this platform.
    Unsayable {
        /// Why, in words without patient data.
        words: String,
        /// True if the reason is that safety content would be lost.
        unsafe_to_send: bool,
    },
}

impl Assessment {
    /// The report, if there is one.
    #[must_use]
    pub fn report(&self) -> Option<&LossReport> {
        match self {
            Self::Told { report, .. } => Some(report),
            Self::Unsayable { .. } => None,
        }
    }
}

/// Minimises, asks the adapter, joins both.
#[must_use]
pub fn assess(asking: &Asking<'_>) -> Assessment {
    let descriptor = asking.adapter.descriptor();
    let source = asking.whole.source(asking.withheld);
    let minimised = match minimise(&source, &descriptor.data_needs, asking.keys.idempotency) {
        Ok(minimised) => minimised,
        Err(missing) => {
            let words = format!("This platform needs what the referral does not have: {}.", missing.paths.join(", "));
            return Assessment::Unsayable { words, unsafe_to_send: false };
        }
    };
    let purpose = Purpose::Submit { referral: &minimised.referral };
    let (settings, accepted_at, keys) = (asking.settings, asking.accepted_at, asking.keys);
    let exchange = Exchange { purpose, at: None, keys, settings, accepted_at };
    let account = match asking.adapter.account(&exchange) {
        Ok(account) => account,
        Err(error) => return unsayable(&error),
    };
    let report = told(asking, &source, &minimised, account.as_ref());
    Assessment::Told { report, account, minimised: Box::new(minimised) }
}

/// What was taken away before translating, by source, and what the adapter says. What the adapter does not declare, it has
/// no field for; what would be sent without the consent decision, the tenant's policy included, and is not, is withheld.
fn told(asking: &Asking<'_>, source: &Source<'_>, minimised: &Minimised, account: Option<&Account>) -> LossReport {
    let descriptor = asking.adapter.descriptor();
    let (whole, sent) = (asking.whole.resources().collect::<Vec<_>>(), entries(&minimised.document));
    let no_field = |paths, to| Removed { reason: LossReason::NoField, paths, from: &whole, to };
    if asking.withheld.is_empty() {
        return joined(descriptor, &[no_field(&minimised.removed, &sent)], account);
    }
    let otherwise = unwithheld(source, &descriptor.data_needs, asking.keys.idempotency);
    let within = entries(&otherwise.document);
    // The same path may go for want of a field in one resource, and for consent in another.
    let is_consents = |path: &&String| !otherwise.removed.contains(path) || at(path, &within) != at(path, &sent);
    let paths: Vec<String> = minimised.removed.iter().filter(is_consents).cloned().collect();
    let withheld = Removed { reason: LossReason::Withheld, paths: &paths, from: &within, to: &sent };
    joined(descriptor, &[no_field(&otherwise.removed, &within), withheld], account)
}

/// The resources of a Bundle.
fn entries(bundle: &Json) -> Vec<&Json> {
    bundle.items("entry").iter().filter_map(|entry| entry.get("resource")).collect()
}

fn unsayable(error: &TranslateError) -> Assessment {
    Assessment::Unsayable { words: error.to_string(), unsafe_to_send: error.unsafe_to_send }
}

/// One report of what was taken away before translating and of what the adapter says.
fn joined(descriptor: &Descriptor, removed: &[Removed<'_>], account: Option<&Account>) -> LossReport {
    let mut losses: Vec<Loss> = Vec::new();
    for source in removed {
        for path in source.paths.iter().filter(|path| is_content(path)) {
            let (found, left) = (at(path, source.from), at(path, source.to));
            let gone = |element: &String, count: u32| count - left.get(element).map_or(0, |(left, _)| count.min(*left));
            // As many as there were: then something within them went.
            let in_part = found.iter().all(|(element, (count, _))| gone(element, *count) == 0);
            for (element, (count, grade)) in &found {
                let count = if in_part { *count } else { gone(element, *count) };
                if count > 0 {
                    losses.push(Loss {
                        element: element.clone(),
                        reason: source.reason,
                        // Which of several went cannot be told: the gravest counts.
                        grade: grade.unwrap_or(Grade::Informational),
                        count,
                        detail: in_part.then(|| "in part".to_owned()),
                        rule: None,
                        because: None,
                    });
                }
            }
        }
    }
    losses.extend(account.into_iter().flat_map(|account| account.losses.iter().cloned()));
    for loss in &mut losses {
        accept(loss, &descriptor.accepted_losses);
    }
    LossReport::new(&descriptor.name, &descriptor.version, once(losses), account.is_some())
}

/// Ids and where a Task stands belong to the conversation, not to the referral: every system has its own.
fn is_content(path: &str) -> bool {
    !path.ends_with(".id") && path != "Task.status"
}

/// The grade that the adapter's author gives, with the author's words; the nearest declaration counts.
fn accept(loss: &mut Loss, accepted: &[AcceptedLoss]) {
    let covers = |one: &&AcceptedLoss| class::covers(&one.element, &loss.element);
    let Some(nearest) = accepted.iter().filter(covers).max_by_key(|one| one.element.len()) else { return };
    loss.grade = loss.grade.min(nearest.grade);
    loss.because.get_or_insert_with(|| nearest.because.clone());
}

/// Element, reason, figures and rule.
type Name = (String, &'static str, Option<String>, Option<String>);

/// The same loss is told once, with its number.
fn once(losses: Vec<Loss>) -> Vec<Loss> {
    let mut kept: BTreeMap<Name, Loss> = BTreeMap::new();
    for loss in losses {
        let name = (loss.element.clone(), super::reason_word(loss.reason), loss.detail.clone(), loss.rule.clone());
        kept.entry(name)
            .and_modify(|known| {
                known.count = known.count.saturating_add(loss.count);
                known.grade = known.grade.max(loss.grade);
            })
            .or_insert(loss);
    }
    kept.into_values().collect()
}

/// What stands at a path in some resources: how many elements, and the gravest grade, by the name under which they are
/// told. An extension is told under its URL, everything else under its path.
fn at(path: &str, resources: &[&Json]) -> BTreeMap<String, (u32, Option<Grade>)> {
    let (kind, rest) = path.split_once('.').unwrap_or((path, ""));
    let steps: Vec<&str> = rest.split('.').filter(|step| !step.is_empty()).collect();
    let mut found = BTreeMap::new();
    for resource in resources.iter().filter(|resource| resource.text("resourceType") == Some(kind)) {
        walk(resource, kind, &steps, &mut found);
    }
    found
}

fn walk(value: &Json, path: &str, steps: &[&str], found: &mut BTreeMap<String, (u32, Option<Grade>)>) {
    match (value, steps) {
        (Json::Array(items), _) => items.iter().for_each(|item| walk(item, path, steps, found)),
        (Json::Null, _) => {}
        (_, []) => {
            let (count, grade) = found.entry(named(value, path)).or_default();
            *count = count.saturating_add(1);
            *grade = gravest(value, path).max(*grade);
        }
        (_, [step, rest @ ..]) => {
            // `_birthDate` holds what extends `birthDate`.
            for name in [(*step).to_owned(), format!("_{step}")] {
                let Some(inner) = value.get(&name) else { continue };
                let below = format!("{path}.{step}");
                walk(inner, &below, rest, found);
                // Without a code the words are all that says what it is.
                let worded = rest.is_empty() && *step == "text" && value.items("coding").is_empty();
                if let Some((_, grade)) = found.get_mut(&below).filter(|_| worded) {
                    *grade = gravest(inner, path).max(*grade);
                }
            }
        }
    }
}
