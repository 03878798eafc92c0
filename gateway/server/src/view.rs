//! A referral as it stands, read at one moment: alone with its Task and ServiceRequest, or with all that these refer to and
//! what consent says of it.

use crate::gateway::{Gateway, Platform};
use crate::ingest::{Read, consent_tokens, directory, gather, named_by, nhs_numbers, stored_consents, unchanged};
use crate::store::StoreError;
use adapter_contract::DataNeed;
use gateway_core::accept::{Asked, Rules, decide_consent, keeps_outcome};
use gateway_core::change::Check;
use gateway_core::consent::{Decision, Kept, Record, Stage, Verdict};
use gateway_core::identity::{Owner, PlatformId};
use gateway_core::ingest::{Person, Stored, patient_of};
use gateway_core::minimise::Whole;
use gateway_core::referral::{Referral, ReferralId};
use gateway_core::resource::{ResourceKey, Token};
use gateway_core::route::{self, RouteDecision};
use gateway_fhir::{Json, references};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

/// A referral with its Task and its ServiceRequest, of one moment.
pub(crate) struct Standing {
    pub(crate) referral: Referral,
    pub(crate) task: Stored,
    pub(crate) service_request: Stored,
}

impl Standing {
    pub(crate) async fn load(gateway: &Gateway, id: &ReferralId) -> Result<Self, ViewError> {
        for _ in 0..=gateway.limits.conflict_retries {
            let standing = Self::read(gateway, id).await?;
            if still_stands(gateway, &standing.referral).await? {
                return Ok(standing);
            }
        }
        Err(restless())
    }

    async fn read(gateway: &Gateway, id: &ReferralId) -> Result<Self, ViewError> {
        let referral = gateway.store.referral(id).await?.ok_or(ViewError::Missing("referral"))?;
        if referral.erased.is_some() {
            return Err(ViewError::Erased);
        }
        let key = |kind: &str, id: &str| ResourceKey {
            compartment: referral.compartment.clone(),
            kind: kind.to_owned(),
            id: id.to_owned(),
        };
        let keys = [key("Task", &referral.task), key("ServiceRequest", &referral.service_request)];
        let (mut task, mut service_request) = (None, None);
        for stored in gateway.store.resources(&keys).await? {
            let place = if stored.key.kind == "Task" { &mut task } else { &mut service_request };
            *place = crate::ingest::parse(&stored).map(|document| Stored { version: stored.version, document });
        }
        let task = task.ok_or(ViewError::Missing("Task"))?;
        let service_request = service_request.ok_or(ViewError::Missing("ServiceRequest"))?;
        Ok(Self { referral, task, service_request })
    }

    /// Its follow-ups that are open: id, version and document of each. What changed since the referral was read is found by whoever
    /// writes the next version.
    pub(crate) async fn follow_ups(&self, gateway: &Gateway) -> Result<Vec<(String, u64, Json)>, StoreError> {
        let key = |id: &str| ResourceKey {
            compartment: self.referral.compartment.clone(),
            kind: "Task".to_owned(),
            id: id.to_owned(),
        };
        let keys: Vec<ResourceKey> = self.referral.open_follow_ups().map(|one| key(&one.task)).collect();
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let found = gateway.store.resources(&keys).await?;
        Ok(found
            .into_iter()
            .filter_map(|stored| Some((stored.key.id.clone(), stored.version, crate::ingest::parse(&stored)?)))
            .collect())
    }

    /// The Task with its version.
    pub(crate) fn task(&self) -> (u64, &Json) {
        (self.task.version, &self.task.document)
    }

    /// The ServiceRequest with its version.
    pub(crate) fn service_request(&self) -> (u64, &Json) {
        (self.service_request.version, &self.service_request.document)
    }
}

/// Whether nothing was written since this referral was read. Each read sees its own moment; what changes the Task changes the
/// referral with it, in one transaction: if that is as it was, all of it is of one moment. An attempt that took the referral
/// from before a cancellation and the Task from after it would send what was cancelled.
async fn still_stands(gateway: &Gateway, before: &Referral) -> Result<bool, StoreError> {
    let now = gateway.store.referral(&before.id).await?;
    Ok(now.is_some_and(|now| now.revision == before.revision))
}

fn restless() -> ViewError {
    ViewError::Store(StoreError::Engine("a referral changes all the time".to_owned()))
}

/// Everything of one referral that a stage needs, read at one moment.
pub(crate) struct View {
    pub(crate) standing: Standing,
    person: Person,
    /// What Task and ServiceRequest refer to.
    related: Read,
    whole: OnceLock<Whole>,
}

impl View {
    pub(crate) async fn load(gateway: &Gateway, id: &ReferralId) -> Result<Self, ViewError> {
        for _ in 0..=gateway.limits.conflict_retries {
            let view = Self::read(gateway, id).await?;
            if still_stands(gateway, &view.standing.referral).await? {
                return Ok(view);
            }
        }
        Err(restless())
    }

    async fn read(gateway: &Gateway, id: &ReferralId) -> Result<Self, ViewError> {
        let standing = Standing::read(gateway, id).await?;
        let Standing { referral, task, service_request } = &standing;
        let own = [format!("Task/{}", referral.task), format!("ServiceRequest/{}", referral.service_request)];
        let wanted: BTreeSet<String> = [&task.document, &service_request.document]
            .into_iter()
            .flat_map(references::literals)
            .filter(|literal| own.iter().all(|own| own != literal))
            .map(str::to_owned)
            .collect();
        let related = gather(gateway, &referral.compartment, wanted, &Read::new()).await?;
        let lookup = |reference: &str| related.get(reference).map(|stored| &stored.document);
        let person = patient_of(&service_request.document, &referral.service_request, &lookup)
            .ok_or(ViewError::Missing("Patient"))?;
        Ok(Self { standing, person, related, whole: OnceLock::new() })
    }

    /// The person.
    pub(crate) const fn person(&self) -> &Person {
        &self.person
    }

    /// That the person is still the one that was read. One who stands in the ServiceRequest changes with it.
    pub(crate) fn same_person(&self) -> Option<Check> {
        let (kind, id) = self.person.reference.split_once('/')?;
        let version = self.related.get(&self.person.reference)?.version;
        let compartment = self.standing.referral.compartment.clone();
        Some(Check::VersionIs { key: ResourceKey { compartment, kind: kind.to_owned(), id: id.to_owned() }, version })
    }

    /// What a reference of the referral means.
    pub(crate) fn related(&self, reference: &str) -> Option<&Json> {
        let Standing { referral, task, service_request } = &self.standing;
        match reference.split_once('/')? {
            ("Task", id) if id == referral.task => Some(&task.document),
            ("ServiceRequest", id) if id == referral.service_request => Some(&service_request.document),
            _ => self.related.get(reference).map(|stored| &stored.document),
        }
    }

    /// Whether the referral is made of this, beside its Task and ServiceRequest.
    pub(crate) fn reaches(&self, reference: &str) -> bool {
        self.person.reference == reference || self.related.contains_key(reference)
    }

    /// Where it would go with this ServiceRequest, and with what else is written.
    pub(crate) fn routed(&self, gateway: &Gateway, request: &Json, written: &BTreeMap<String, Json>) -> RouteDecision {
        let lookup = |reference: &str| written.get(reference).or_else(|| self.related(reference));
        let tenant = &self.standing.referral.compartment.tenant;
        let person = patient_of(request, &self.standing.referral.service_request, &lookup);
        let person = person.as_ref().unwrap_or(&self.person);
        let today = gateway.clock.now().date();
        let facts = route::facts(tenant, &self.standing.task.document, request, &person.document, &lookup, today);
        route::decide(&gateway.rules.routes, &facts)
    }

    /// What a reference of a Consent means: what was read for the Consents, else what the referral knows.
    fn named<'v>(&'v self, directory: &'v Read, reference: &str) -> Option<&'v Json> {
        directory.get(reference).map(|stored| &stored.document).or_else(|| self.related(reference))
    }

    /// What of the platform's statements somebody on the sender's side may be told at this moment. Where nobody can say, the status alone.
    pub(crate) async fn told(&self, gateway: &Gateway) -> Result<Kept, StoreError> {
        let Some(id) = &self.standing.referral.platform else { return Ok(Kept::Nothing) };
        let Some(platform) = gateway.platform(id) else { return Ok(Kept::All) };
        let consents = self.consents(gateway).await?;
        self.kept(gateway, &platform, &consents).await
    }

    /// Whether consent lets the platform's statements pass at this moment.
    pub(crate) async fn permits_relay(&self, gateway: &Gateway) -> Result<bool, StoreError> {
        let platform = self.standing.referral.platform.as_ref().and_then(|id| gateway.platform(id));
        let Some(platform) = platform else { return Ok(false) };
        let consents = self.consents(gateway).await?;
        let needs = &platform.adapter.descriptor().data_needs;
        let decision = self.decision(gateway, &platform.id, needs, Stage::Relay, &consents, &BTreeMap::new()).await?;
        Ok(decision.verdict == Verdict::Permit)
    }

    /// What these Consents refer to and the referral does not.
    async fn directory(&self, gateway: &Gateway, consents: &Record) -> Result<Read, StoreError> {
        directory(gateway, &self.standing.referral.compartment, named_by(&consents.consents), &self.related).await
    }

    /// The referral with all that it refers to: what consent is asked about, and what is minimised.
    pub(crate) fn whole(&self) -> &Whole {
        self.whole.get_or_init(|| {
            let Standing { referral, task, service_request } = &self.standing;
            let (task, request) = (
                (referral.task.as_str(), &task.document),
                (referral.service_request.as_str(), &service_request.document),
            );
            Whole::gather(task, request, &self.person, &|reference| self.related(reference))
        })
    }

    /// The same for an attempt, with what must still hold when a request is about to leave: a withdrawal that is committed
    /// in between is never overtaken.
    pub(crate) async fn attempted(
        &self,
        gateway: &Gateway,
        platform: &Platform,
    ) -> Result<(Decision, Option<Check>), StoreError> {
        let consents = self.consents(gateway).await?;
        let unchanged = self.unchanged(&consents);
        let needs = &platform.adapter.descriptor().data_needs;
        let decision = self.decision(gateway, &platform.id, needs, Stage::Attempt, &consents, &BTreeMap::new()).await?;
        Ok((decision, unchanged))
    }

    /// The person, as Consents name them.
    fn who(&self) -> Vec<Token> {
        let numbers = nhs_numbers(&self.person.document).into_iter().collect();
        consent_tokens(BTreeSet::from([self.person.reference.clone()]), numbers)
    }

    /// That the consents of this person are still these.
    pub(crate) fn unchanged(&self, consents: &Record) -> Option<Check> {
        unchanged(&self.standing.referral.compartment, self.who(), consents)
    }

    /// The consents of this person that are stored at this moment.
    pub(crate) async fn consents(&self, gateway: &Gateway) -> Result<Record, StoreError> {
        stored_consents(gateway, &self.standing.referral.compartment, &self.who()).await
    }

    /// What the person keeps from the sender of what the platform says.
    pub(crate) async fn kept(
        &self,
        gateway: &Gateway,
        platform: &Platform,
        consents: &Record,
    ) -> Result<Kept, StoreError> {
        let Owner::Organisation(organisation) = &self.standing.referral.compartment.owner else {
            return Ok(Kept::Nothing);
        };
        self.kept_from(gateway, platform, consents, organisation).await
    }

    /// The same of an organisation with this ODS code.
    pub(crate) async fn kept_from(
        &self,
        gateway: &Gateway,
        platform: &Platform,
        consents: &Record,
        organisation: &str,
    ) -> Result<Kept, StoreError> {
        let compartment = &self.standing.referral.compartment;
        let directory = self.directory(gateway, consents).await?;
        let now = gateway.decision_time().await?;
        let lookup = |reference: &str| self.named(&directory, reference).cloned();
        let asked = Asked {
            stage: Stage::Relay,
            tenant: &compartment.tenant,
            items: &[],
            needs: &[],
            rules: &gateway.rules,
            platform: &platform.id,
            person: &self.person,
            consents,
            directory: &lookup,
            now,
        };
        Ok(keeps_outcome(&asked, organisation))
    }

    /// Consent for this referral's recipient, from these consents. `written` are resources that are being written.
    pub(crate) async fn decision(
        &self,
        gateway: &Gateway,
        platform: &PlatformId,
        needs: &[DataNeed],
        stage: Stage,
        consents: &Record,
        written: &BTreeMap<String, Json>,
    ) -> Result<Decision, StoreError> {
        self.decision_by(gateway, &gateway.rules, platform, needs, stage, (consents, written)).await
    }

    /// The same by these rules.
    pub(crate) async fn decision_by(
        &self,
        gateway: &Gateway,
        rules: &Rules,
        platform: &PlatformId,
        needs: &[DataNeed],
        stage: Stage,
        (consents, written): (&Record, &BTreeMap<String, Json>),
    ) -> Result<Decision, StoreError> {
        let compartment = &self.standing.referral.compartment;
        let directory = self.directory(gateway, consents).await?;
        let now = gateway.decision_time().await?;
        let lookup = |reference: &str| written.get(reference).or_else(|| self.named(&directory, reference)).cloned();
        Ok(decide_consent(&Asked {
            stage,
            tenant: &compartment.tenant,
            items: &self.whole().items(),
            needs,
            rules,
            platform,
            person: &self.person,
            consents,
            directory: &lookup,
            now,
        }))
    }
}

/// Why a referral could not be looked at as a whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ViewError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something that the referral refers to is not there.
    #[error("missing: {0}")]
    Missing(&'static str),
    /// The person's record was erased.
    #[error("erased")]
    Erased,
}
