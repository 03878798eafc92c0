//! The link worker's work list, read from the store: what needs a person in these compartments, for somebody who reaches it. What needs
//! one and why is [`gateway_core::work_list`].

use crate::gateway::Gateway;
use crate::ingest::parse;
use crate::store::{ReferralFilter, StoreError};
use gateway_core::account::Account;
use gateway_core::identity::{Compartment, Owner};
use gateway_core::ingest::{Stored, patient_of};
use gateway_core::reach::{self, Name, Parties};
use gateway_core::referral::Referral;
use gateway_core::resource::ResourceKey;
use gateway_core::work_list::{Cause, Rank, causes, rank};
use gateway_fhir::Json;
use std::collections::{BTreeMap, BTreeSet};
use time::OffsetDateTime;

/// Referrals of one compartment that are looked at for a list; those beyond it are the youngest, and the list says that there are more.
pub(crate) const LISTED: u32 = 500;

/// A referral with what its place in the list goes by.
pub(crate) struct Item {
    pub(crate) referral: Referral,
    pub(crate) task: Stored,
    pub(crate) service_request: Stored,
    /// The person; absent where the record does not say who it is.
    pub(crate) patient: Option<Json>,
    pub(crate) parties: Parties,
    /// Why it needs a person; empty if it does not.
    pub(crate) causes: Vec<Cause>,
    pub(crate) rank: Rank,
}

/// What needs a person, the most pressing first.
pub(crate) struct List {
    pub(crate) items: Vec<Item>,
    /// Whether there is more than was looked at.
    pub(crate) more: bool,
}

/// Who looks.
pub(crate) type Sees<'a> = &'a (dyn Fn(&Parties) -> bool + Sync);

/// The compartments of an account.
pub(crate) fn compartments(account: &Account) -> Vec<Compartment> {
    let of = |organisation: &String| Compartment {
        tenant: account.tenant.clone(),
        owner: Owner::Organisation(organisation.clone()),
    };
    account.organisations.iter().map(of).collect()
}

/// The list.
pub(crate) async fn list(gateway: &Gateway, of: &[Compartment], sees: Sees<'_>) -> Result<List, StoreError> {
    let mut list = List { items: Vec::new(), more: false };
    for compartment in of {
        let needing = Some((compartment.tenant.clone(), compartment.owner.clone()));
        let filter = ReferralFilter { needing, limit: LISTED + 1, ..ReferralFilter::default() };
        let mut referrals = gateway.store.referrals(&filter).await?;
        list.more |= referrals.len() > LISTED as usize;
        referrals.truncate(LISTED as usize);
        let items = items(gateway, compartment, referrals).await?;
        list.items.extend(items.into_iter().filter(|item| !item.causes.is_empty() && sees(&item.parties)));
    }
    list.items.sort_by(|one, other| (one.rank, &one.referral.id).cmp(&(other.rank, &other.referral.id)));
    Ok(list)
}

/// One referral by the id of its Task, whether it needs anything or not; `None` if there is none for whoever looks.
pub(crate) async fn find(
    gateway: &Gateway,
    of: &[Compartment],
    sees: Sees<'_>,
    task: &str,
) -> Result<Option<Item>, StoreError> {
    for compartment in of {
        let Some(referral) = gateway.store.referral_by_task(compartment, task).await? else { continue };
        if referral.erased.is_some() {
            return Ok(None);
        }
        let found = items(gateway, compartment, vec![referral]).await?;
        return Ok(found.into_iter().next().filter(|item| sees(&item.parties)));
    }
    Ok(None)
}

/// Referrals with their Tasks, read together.
async fn items(
    gateway: &Gateway,
    compartment: &Compartment,
    referrals: Vec<Referral>,
) -> Result<Vec<Item>, StoreError> {
    let own = referrals
        .iter()
        .flat_map(|one| [format!("Task/{}", one.task), format!("ServiceRequest/{}", one.service_request)]);
    let mut read = Read::default();
    read.add(gateway, compartment, own.collect()).await?;
    let mut named = BTreeSet::new();
    for one in &referrals {
        let task = read.document(&format!("Task/{}", one.task));
        let request = read.document(&format!("ServiceRequest/{}", one.service_request));
        named.extend(task.map(|task| reach::references(task, request)).unwrap_or_default());
        let subject = request.and_then(|request| request.get("subject")?.text("reference"));
        named.extend(subject.map(str::to_owned));
    }
    read.add(gateway, compartment, named).await?;
    // A role stands for a person and an organisation.
    let roles = read.0.values().filter(|stored| stored.document.text("resourceType") == Some("PractitionerRole"));
    let next = roles.flat_map(|role| {
        let parts = [role.document.get("practitioner"), role.document.get("organization")];
        parts.into_iter().flatten().filter_map(|part| part.text("reference")).map(str::to_owned).collect::<Vec<_>>()
    });
    let next = next.collect();
    read.add(gateway, compartment, next).await?;
    let (now, recipients) = (gateway.clock.now(), recipients(gateway));
    Ok(referrals.into_iter().filter_map(|referral| read.item(&recipients, referral, now)).collect())
}

/// What was read, by `Type/id`.
#[derive(Default)]
struct Read(BTreeMap<String, Stored>);

impl Read {
    async fn add(
        &mut self,
        gateway: &Gateway,
        compartment: &Compartment,
        references: BTreeSet<String>,
    ) -> Result<(), StoreError> {
        let fresh = references.into_iter().filter(|reference| !self.0.contains_key(reference));
        let keys: Vec<ResourceKey> = fresh
            .filter_map(|reference| {
                let (kind, id) = reference.split_once('/').filter(|(_, id)| !id.contains(['/', '#']))?;
                Some(ResourceKey { compartment: compartment.clone(), kind: kind.to_owned(), id: id.to_owned() })
            })
            .collect();
        if keys.is_empty() {
            return Ok(());
        }
        for stored in gateway.store.resources(&keys).await? {
            if let Some(document) = parse(&stored) {
                self.0.insert(stored.key.reference(), Stored { version: stored.version, document });
            }
        }
        Ok(())
    }

    fn document(&self, reference: &str) -> Option<&Json> {
        self.0.get(reference).map(|stored| &stored.document)
    }

    /// `None` if what it consists of is not there: it is being erased.
    fn item(&self, recipients: &[Name], referral: Referral, now: OffsetDateTime) -> Option<Item> {
        let task = self.0.get(&format!("Task/{}", referral.task))?.clone();
        let service_request = self.0.get(&format!("ServiceRequest/{}", referral.service_request))?.clone();
        let lookup = |reference: &str| self.document(reference);
        let parties = Parties::of(&task.document, Some(&service_request.document), recipients, &lookup);
        let patient = patient_of(&service_request.document, &referral.service_request, &lookup);
        let causes = causes(&referral, &task.document);
        let rank = rank(&referral, &causes, now);
        Some(Item { referral, task, service_request, patient: patient.map(|one| one.document), parties, causes, rank })
    }
}

/// By which identifiers those who receive are named: platforms, and the routes that lead to them. Whoever is named by one of them as the
/// owner of a Task is asked to do it, and is nobody on the sender's side.
fn recipients(gateway: &Gateway) -> Vec<Name> {
    let own = gateway.rules.recipients.values().flat_map(|one| one.identifiers.iter().cloned());
    let routes = gateway.rules.routes.routes.iter().flat_map(|route| &route.recipients);
    let named = routes.map(|one| (one.system.clone(), one.value.clone()));
    own.chain(named).map(|(system, value)| Name { system, value }).collect()
}

/// How the service is called that a referral went to, or is to go to; `None` while none is chosen.
pub(crate) fn service(gateway: &Gateway, referral: &Referral) -> Option<String> {
    let platform = referral.platform.as_ref()?;
    Some(gateway.rules.recipients.get(platform).map_or_else(|| platform.0.clone(), |one| one.name.clone()))
}
