//! Viewing: what somebody of an organisation may see of a referral on the page behind a status link, decided at the moment at
//! which it is asked for. What is shown is on record before it is shown: [`Shown::record`].

use crate::gateway::{Gateway, Platform};
use crate::store::StoreError;
use crate::view::{View, ViewError};
use adapter_contract::{Exchange, Keys, Purpose, ReferralPage, TranslateError};
use gateway_core::accept::RESTRICTED;
use gateway_core::change::{Check, Transaction};
use gateway_core::consent::{Decision, Verdict, stored_name};
use gateway_core::disclose::{Contents, Viewing, viewed};
use gateway_core::loss::{Asking, Assessment, assess};
use gateway_core::minimise::is_restricted;
use gateway_core::outbox::AdapterVersion;
use gateway_core::referral::{Delivery, Referral, ReferralId, SenderState};
use gateway_fhir::{Json, instant};

/// What may be shown.
pub struct Shown {
    view: View,
    /// The decision for this very view.
    pub consent: Decision,
    unchanged: Option<Check>,
    /// What is shown, and what it tells of the person; absent where the platform shows the referral by itself, so that the page
    /// shows nothing of the person.
    pub page: Option<(ReferralPage, Contents)>,
}

/// Why nothing of the person is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unseen {
    /// There is no such referral, it is another platform's, or that platform has not received it.
    Absent,
    /// What it consisted of was erased.
    Erased,
    /// Its sender withdrew it, or consent was withdrawn: the organisation has to stop.
    Withdrawn,
    /// It was marked as restricted since.
    Restricted,
    /// Consent does not cover this recipient at this moment, in words without patient data.
    NoConsent(String),
    /// It cannot be shown without what this recipient may not have, in words without patient data.
    Unsayable(String),
}

impl Shown {
    /// The referral as it stands.
    #[must_use]
    pub fn referral(&self) -> &Referral {
        &self.view.standing.referral
    }

    /// The sender's Task as it stands.
    #[must_use]
    pub fn task(&self) -> &Json {
        &self.view.standing.task.document
    }

    /// The line of audit of this view, with the check that consent is still what it was decided on. To be committed before the page
    /// is given; if that is refused ([`is_race`](crate::gateway::is_race)), [`look`] again. Without changes where nothing of the
    /// person is shown.
    #[must_use]
    pub fn record(&self, gateway: &Gateway, platform: &Platform) -> Transaction {
        let Some((_, contents)) = &self.page else { return Transaction::default() };
        let standing = &self.view.standing;
        let changes = viewed(&Viewing {
            referral: &standing.referral,
            platform: &platform.id,
            adapter: &AdapterVersion::of(platform.adapter.descriptor()),
            recipient: gateway.rules.recipients.get(&platform.id),
            contents,
            consent: &self.consent,
            service_request: standing.service_request.version,
            task: standing.task.version,
            now: gateway.clock.now(),
        });
        Transaction { checks: self.unchanged.iter().cloned().collect(), changes }
    }
}

/// Looks at a referral for the organisation of this platform: as it stands, by the consents of this moment, minimised as for a
/// submission. The page is made by the platform's own adapter; one whose platform shows the referral by itself makes none.
///
/// # Errors
/// [`StoreError`] if something could not be read.
pub async fn look(
    gateway: &Gateway,
    platform: &Platform,
    id: &ReferralId,
) -> Result<Result<Shown, Unseen>, StoreError> {
    let view = match View::load(gateway, id).await {
        Ok(view) => view,
        Err(ViewError::Store(error)) => return Err(error),
        Err(ViewError::Missing(_)) => return Ok(Err(Unseen::Absent)),
        Err(ViewError::Erased) => return Ok(Err(Unseen::Erased)),
    };
    let referral = &view.standing.referral;
    let delivered = matches!(referral.delivery, Delivery::Delivered { .. });
    if referral.sender == SenderState::Cancelled || referral.recall.is_some() {
        return Ok(Err(Unseen::Withdrawn));
    }
    if referral.platform.as_ref() != Some(&platform.id) || !delivered {
        return Ok(Err(Unseen::Absent));
    }
    if is_restricted(&view.standing.service_request.document) || is_restricted(&view.standing.task.document) {
        tracing::warn!(referral = id.0, why = RESTRICTED, "a status-link page shows nothing");
        return Ok(Err(Unseen::Restricted));
    }
    let (consent, unchanged) = view.attempted(gateway, platform).await?;
    if consent.verdict != Verdict::Permit {
        return Ok(Err(Unseen::NoConsent(consent.words(&stored_name))));
    }
    Ok(match page(platform, &view, &consent) {
        Ok(page) => Ok(Shown { view, consent, unchanged, page }),
        Err(words) => Err(Unseen::Unsayable(words)),
    })
}

/// The page, with what it tells of the person; or why there is none, in words.
fn page(platform: &Platform, view: &View, consent: &Decision) -> Result<Option<(ReferralPage, Contents)>, String> {
    let referral = &view.standing.referral;
    let accepted_at = instant::to_instant(referral.accepted_at);
    let keys = Keys { idempotency: &referral.key, correlation: &referral.correlation };
    let assessment = assess(&Asking {
        whole: view.whole(),
        withheld: &consent.withheld,
        adapter: platform.adapter.as_ref(),
        settings: &platform.settings,
        accepted_at: &accepted_at,
        keys,
    });
    let (minimised, account) = match assessment {
        Assessment::Unsayable { words, .. } => return Err(words),
        Assessment::Told { minimised, account, .. } => (minimised, account),
    };
    let exchange = Exchange {
        purpose: Purpose::Submit { referral: &minimised.referral },
        at: None,
        keys,
        settings: &platform.settings,
        accepted_at: &accepted_at,
    };
    let page = platform.adapter.page(&exchange).map_err(|error: TranslateError| error.to_string())?;
    Ok(page.map(|page| (page, Contents::of(&minimised, account.as_ref()))))
}
