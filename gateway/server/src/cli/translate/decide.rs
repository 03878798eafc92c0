//! Consent, where a configuration says for which tenant and recipient: from the Consents in the files, by that tenant's
//! policy, now.

use super::{Stop, Wanted};
use crate::config::{self, Config};
use adapter_contract::DataNeed;
use gateway_core::accept::{Asked, Rules, decide_consent};
use gateway_core::consent::{ConsentDocument, Decision, Record, Stage, stored_name};
use gateway_core::identity::{PlatformId, TenantId};
use gateway_core::ingest::{Outcome, Person};
use gateway_core::minimise::Whole;
use gateway_fhir::Json;
use std::collections::BTreeSet;
use time::OffsetDateTime;

/// How it comes that consent is decided, for whoever wonders why it was not.
pub(super) const UNDECIDED: &str = "Consent was not decided: that needs a recipient and its policy (--config and --platform, and --tenant if the \
     configuration has several).";

/// Who asks, and for whom.
pub(super) struct Deciding {
    tenant: TenantId,
    platform: PlatformId,
    rules: Rules,
}

/// What was decided about one Task.
pub(super) struct Decided {
    pub(super) decision: Decision,
    /// Why nothing leaves, if nothing does.
    pub(super) words: String,
}

impl Deciding {
    /// The tenant that is wanted, or the only one.
    pub(super) fn of(config: &Config, platform: &str, wanted: &Wanted) -> Result<Self, Stop> {
        let tenants: BTreeSet<&str> = config.client.iter().map(|client| client.tenant.0.as_str()).collect();
        let tenant = match (wanted.tenant.as_deref(), tenants.len()) {
            (Some(tenant), _) if tenants.contains(tenant) => tenant,
            (None, 1) => tenants.first().copied().unwrap_or_default(),
            _ => {
                let words = format!("Say for which customer, with --tenant: one of {tenants:?}.");
                return Err(Stop::Usage(words));
            }
        };
        let (tenant, platform) = (TenantId(tenant.to_owned()), PlatformId(platform.to_owned()));
        Ok(Self { tenant, platform, rules: config::rules(config) })
    }

    /// Decides as the gateway would if the files were sent to it, and it knew no more than these.
    pub(super) fn decide(
        &self,
        outcomes: &[Outcome],
        (whole, person): (&Whole, &Person),
        needs: &[DataNeed],
        directory: &dyn Fn(&str) -> Option<Json>,
        now: OffsetDateTime,
    ) -> Decided {
        let written = || {
            outcomes.iter().filter_map(|outcome| match outcome {
                Outcome::Write(accepted) => Some(accepted),
                Outcome::Exists { .. } => None,
            })
        };
        let consents = written().filter(|one| one.kind == "Consent").map(|one| ConsentDocument {
            tenant: self.tenant.clone(),
            id: one.id.clone(),
            version: one.version,
            document: one.document.clone(),
        });
        let patients = written().filter(|one| one.kind == "Patient");
        let record = Record {
            consents: consents.collect(),
            patients: patients.map(|one| (format!("Patient/{}", one.id), one.document.clone())).collect(),
            complete: true,
        };
        let decision = decide_consent(&Asked {
            stage: Stage::Accept,
            tenant: &self.tenant,
            items: &whole.items(),
            needs,
            rules: &self.rules,
            platform: &self.platform,
            person,
            consents: &record,
            directory,
            now,
        });
        // Nothing has an id here that anybody could look for.
        let name = |id: &str| {
            let mut named = written().filter(|one| one.kind == "Consent" && one.id == id);
            named.next().map_or_else(|| stored_name(id), |one| one.place.clone())
        };
        let words = decision.words(&name);
        Decided { decision, words }
    }
}
