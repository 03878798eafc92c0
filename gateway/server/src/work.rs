//! The link worker's work list, read from the store: what needs a person in these compartments, for somebody who reaches it. What needs
//! one and why is [`gateway_core::work_list`].

use crate::gateway::Gateway;
use crate::ingest::parse;
use crate::store::{Needing, ReferralFilter, StoreError};
use gateway_core::account::{Account, AccountId};
use gateway_core::identity::{Compartment, Owner};
use gateway_core::ingest::{Stored, patient_of};
use gateway_core::reach::{self, Name, Parties};
use gateway_core::referral::{Referral, ReferralId};
use gateway_core::resource::ResourceKey;
use gateway_core::work_list::{Cause, Group, Rank, causes, rank};
use gateway_fhir::Json;
use std::collections::{BTreeMap, BTreeSet};
use time::OffsetDateTime;

/// Referrals that are read at once.
const PAGE: u32 = 500;
/// Referrals of one compartment that are looked at for one list, the most pressing of it. A list says so where there are more.
const MOST: usize = 10_000;

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

/// What needs a person.
pub(crate) struct List {
    /// Those that fit, the most pressing first; as many as were wanted, where there are so many.
    pub(crate) items: Vec<Item>,
    /// How many fit, of all that were looked at.
    pub(crate) fit: usize,
    /// All that were looked at and that whoever looks may see, whether they fit or not.
    pub(crate) seen: Vec<Seen>,
    /// Whether all were looked at. Where not, those that were not are less pressing than those that were.
    pub(crate) all: bool,
}

/// What a list counts by.
pub(crate) struct Seen {
    pub(crate) assigned: Option<AccountId>,
    pub(crate) causes: Vec<Cause>,
}

/// What fits.
pub(crate) type Fits<'a> = &'a (dyn Fn(&Item) -> bool + Sync);

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

/// The list, page by page: the most pressing first, until as many as are wanted have been found that fit and may be seen, or all was
/// looked at. Whoever wants none counts all.
pub(crate) async fn list(
    gateway: &Gateway,
    of: &[Compartment],
    sees: Sees<'_>,
    (wanted, fits): (usize, Fits<'_>),
) -> Result<List, StoreError> {
    let now = gateway.clock.now();
    let enough = if wanted == 0 { usize::MAX } else { wanted };
    let mut list = List { items: Vec::new(), fit: 0, seen: Vec::new(), all: true };
    let mut known: BTreeSet<ReferralId> = BTreeSet::new();
    for compartment in of {
        let (mut looked, mut found) = (0, 0);
        let mut place = Some(Place::first());
        while let Some(at) = place {
            if found > enough || looked >= MOST {
                list.all = false;
                break;
            }
            let (referrals, next) = at.page(gateway, compartment, now).await?;
            looked += referrals.len();
            // One that has become more pressing or less since the last page was read comes once.
            let fresh = referrals.into_iter().filter(|one| known.insert(one.id.clone())).collect();
            for item in items(gateway, compartment, fresh, Which::Needing, now).await? {
                if !sees(&item.parties) {
                    continue;
                }
                list.seen.push(Seen { assigned: item.parties.assigned.clone(), causes: item.causes.clone() });
                if fits(&item) {
                    found += 1;
                    list.items.push(item);
                }
            }
            place = next;
            list.items.sort_by_key(|item| item.rank);
            list.items.truncate(wanted);
        }
        list.fit += found;
    }
    Ok(list)
}

/// How far the list of a compartment was read.
struct Place {
    group: Group,
    /// The last of this group, and since when it waits.
    after: Option<(ReferralId, OffsetDateTime)>,
}

impl Place {
    const fn first() -> Self {
        Self { group: Group::Alarm, after: None }
    }

    /// What comes next, and how far the list is read then.
    async fn page(
        self,
        gateway: &Gateway,
        compartment: &Compartment,
        now: OffsetDateTime,
    ) -> Result<(Vec<Referral>, Option<Self>), StoreError> {
        let (after, since) = self.after.unzip();
        let (tenant, owner) = (compartment.tenant.clone(), compartment.owner.clone());
        let needing = Some(Needing { tenant, owner, group: self.group, now, since });
        let filter = ReferralFilter { needing, after, limit: PAGE + 1, ..ReferralFilter::default() };
        let mut referrals = gateway.store.referrals(&filter).await?;
        let further = referrals.len() > PAGE as usize;
        referrals.truncate(PAGE as usize);
        let last = referrals.last().map(|last| (last.id.clone(), rank(last, now).at));
        let next = match (last.filter(|_| further), self.group) {
            (Some(last), group) => Some(Self { group, after: Some(last) }),
            (None, Group::Alarm) => Some(Self { group: Group::Urgent, after: None }),
            (None, Group::Urgent) => Some(Self { group: Group::Usual, after: None }),
            (None, Group::Usual) => None,
        };
        Ok((referrals, next))
    }
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
        let found = items(gateway, compartment, vec![referral], Which::Any, gateway.clock.now()).await?;
        return Ok(found.into_iter().next().filter(|item| sees(&item.parties)));
    }
    Ok(None)
}

/// Which referrals are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Any,
    /// Those that need a person: what their Tasks say has the last word.
    Needing,
}

/// Referrals with their Tasks, read together.
async fn items(
    gateway: &Gateway,
    compartment: &Compartment,
    mut referrals: Vec<Referral>,
    which: Which,
    now: OffsetDateTime,
) -> Result<Vec<Item>, StoreError> {
    let mut read = Read::default();
    read.add(gateway, compartment, referrals.iter().map(|one| format!("Task/{}", one.task)).collect()).await?;
    if which == Which::Needing {
        // Those on a service's waiting list may be many, and need nobody: no more is read of them.
        let needs = |one: &Referral| {
            read.document(&format!("Task/{}", one.task)).is_some_and(|task| !causes(one, task).is_empty())
        };
        referrals.retain(needs);
    }
    let own = referrals.iter().map(|one| format!("ServiceRequest/{}", one.service_request));
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
    let recipients = recipients(gateway);
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
        let rank = rank(&referral, now);
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
