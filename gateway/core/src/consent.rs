//! May this recipient have this referral now, and which parts of it? Rules `consent-rules/1` over the person's FHIR R4
//! Consents, in full; docs/consent.md has them in plain words.
//!
//! Deny unless a Consent of this person names this recipient and permits it (R1, R12). Every Consent is read by itself
//! and, for every *item* of the referral ([`items`]), permits, refuses or is silent, with a reason. Then: any refusal
//! wins, whatever its date (R6), else any permit, else deny with the reason that is nearest to a permit. An item that is
//! denied is *withheld*; if something needed goes, or nothing of use is left, the whole is denied (R7). Neither the order
//! of the Consents nor an older version of one plays a part.
//!
//! Conditions have three answers (`truth`): a permit needs a yes, a deny is met by anything but a no. So whatever cannot
//! be read, resolved or compared shares less. The engine knows no store, network or clock: `now` is the latest time ever
//! seen (R15), which is the caller's to keep, and references are resolved through the directory that it is given. No
//! answer holds patient data.

mod actor;
mod condition;
mod decide;
mod document;
mod gate;
mod item;
mod labels;
pub(crate) mod london;
mod nesting;
mod performer;
mod period;
mod person;
mod policy;
mod provision;
mod reason;
mod truth;
mod whereabouts;
mod words;

pub use decide::decide;
pub use item::{Form, Item, items, referral_items};
pub use performer::{Authority, Proxy, Standing};
pub use policy::{
    Branch, ClassName, CodeListFault, DirectCare, Notes, Override, Policy, RecipientClass, RecipientPolicy, Register,
    WithheldCodes,
};
pub use reason::Reason;

use crate::identity::{PlatformId, TenantId};
use adapter_contract::DataNeed;
use gateway_fhir::Json;
use std::collections::BTreeMap;
use time::OffsetDateTime;

/// What a stored Consent is called.
#[must_use]
pub fn stored_name(id: &str) -> String {
    format!("Consent/{id}")
}

/// The rule set that decides, as it is recorded with each decision.
pub const RULES: &str = "consent-rules/1";

/// A Consent as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentDocument {
    /// Who holds it.
    pub tenant: TenantId,
    /// Logical id.
    pub id: String,
    /// Version; of two versions of one Consent only the newer counts.
    pub version: u64,
    /// The resource.
    pub document: Json,
}

/// What is on record about consent, as far as it was read. The default knows nothing, and so permits nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// The Consents, in any order.
    pub consents: Vec<ConsentDocument>,
    /// Stored Patients who may be the same person, by `Patient/x`: one person may be stored several times.
    pub patients: BTreeMap<String, Json>,
    /// False if there are more of either, or some that could not be read: any of them may be a refusal, or bear a label (R10).
    pub complete: bool,
}

/// Who would receive the referral.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// The platform.
    pub platform: PlatformId,
    /// Its name for people.
    pub name: String,
    /// Identifiers (system, value) by which a Consent may name it.
    pub identifiers: Vec<(String, String)>,
}

/// The person whom the referral is about.
#[derive(Clone)]
pub struct Subject<'a> {
    /// `Patient/x` for each resource of this person in the sender's compartment.
    pub references: Vec<String>,
    /// The NHS number, if it is known.
    pub nhs_number: Option<&'a str>,
    /// The Patient whom the referral names.
    pub patient: &'a Json,
    /// Other stored Patients who are the same person: of all their labels the highest counts, and a death on any of them.
    pub also: Vec<&'a Json>,
    /// Who may consent, beyond the person.
    pub standing: &'a Standing,
}

/// When the question is asked (R10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// When the referral comes in.
    Accept,
    /// Just before each attempt.
    Attempt,
    /// Before what the platform said is passed to the sender.
    Relay,
}

/// The question.
pub struct Question<'a> {
    /// When it is asked. The answer is the same at each stage, but that free text does not wait where nothing is sent.
    pub stage: Stage,
    /// Who asks.
    pub tenant: &'a TenantId,
    /// The Consents that are on record in the sender's compartment, of this person or of others, in any order.
    pub consents: &'a [ConsentDocument],
    /// Whether these are all: see [`Record::complete`].
    pub complete: bool,
    /// Decisions to share without consent (R8).
    pub overrides: &'a [Override],
    /// Answers a literal reference with the resource.
    pub directory: &'a dyn Fn(&str) -> Option<Json>,
    /// The tenant's policy.
    pub policy: &'a Policy,
    /// The person.
    pub subject: Subject<'a>,
    /// Who would receive it.
    pub recipient: &'a Recipient,
    /// What would leave. Empty: nothing is known of it, and every condition on data stays open.
    pub items: &'a [Item],
    /// What the recipient's adapter reads. Empty: not known; then it is not asked what is needed, or whether it reads
    /// free text.
    pub needs: &'a [DataNeed],
    /// Purpose of use, a code of v3-ActReason: `COC`.
    pub purpose: &'a str,
    /// The time of the decision.
    pub now: OffsetDateTime,
}

/// What the person keeps from the sender of what a platform says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kept {
    /// Nothing.
    Nothing,
    /// Words that no code stands for.
    Words,
    /// All but the status.
    All,
}

/// Yes or no, to the referral as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It may be sent, without what is withheld.
    Permit,
    /// It may not.
    Deny,
}

/// An element or a resource that may not be sent although the referral may.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Withheld {
    /// `Type/id` of the resource.
    pub resource: String,
    /// Element path (`Patient.address`), or the type alone for the whole resource.
    pub path: String,
    /// Why.
    pub reason: Reason,
    /// The rule that decided: `R7:label`.
    pub rule: &'static str,
    /// The Consent that is in the way, if one is.
    pub consent: Option<(String, u64)>,
}

/// What has to be done along with a permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Duty {
    /// The Consent was spoken: there is no document. Nothing is to be done; audit says so.
    Spoken,
    /// The person has lost capacity since: somebody has to review it (R14).
    ReviewCapacity,
    /// It is an override: it has to be shown to those who audit overrides (R8).
    AuditOverride,
}

impl Duty {
    /// Code, for audit.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Spoken => "verbal",
            Self::ReviewCapacity => "review-capacity",
            Self::AuditOverride => "audit-override",
        }
    }
}

/// The override under which something is shared, as audit names it. Its reason stays in its record: words of a
/// professional may speak of the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overriding {
    /// Its id.
    pub id: String,
    /// Who decided.
    pub professional: String,
}

/// The answer, with what explains it. Ids, paths, codes and versions only, and the professional of an override.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Yes or no.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// Whether a Consent permits this recipient anything, whatever else is in the way. What was decided without a look at the
    /// Consents says no.
    pub consented: bool,
    /// Rules that were passed, the last of which decided: `R2:status`, `R12:actor`.
    pub rule_path: Vec<String>,
    /// The Consent that decided, if one did: in a refusal the one in the way.
    pub decisive: Option<(String, u64)>,
    /// All Consents of this person that were read: id and version.
    pub consents: Vec<(String, u64)>,
    /// What a permit does not reach; in a deny, what led to it, if that were single items.
    pub withheld: Vec<Withheld>,
    /// What has to be done along with a permit.
    pub duties: Vec<Duty>,
    /// The override, if it is one (R8).
    pub overriding: Option<Overriding>,
    /// The lawful basis that the tenant recorded for this recipient. It decides nothing: whoever asks adds it, for audit.
    pub lawful_basis: Vec<String>,
    /// [`RULES`].
    pub rules: &'static str,
}

impl Decision {
    /// The decision when what is on record could not be read (R10): nothing leaves, and a person sees it.
    #[must_use]
    pub fn indeterminate() -> Self {
        Self {
            verdict: Verdict::Deny,
            reason: Reason::Indeterminate,
            consented: false,
            rule_path: vec!["R10:indeterminate".to_owned()],
            decisive: None,
            consents: Vec::new(),
            withheld: Vec::new(),
            duties: Vec::new(),
            overriding: None,
            lawful_basis: Vec::new(),
            rules: RULES,
        }
    }

    /// Words for whoever has to act on a deny: why, which free text waits and what would let it go, and which Consent is in
    /// the way, under the name that the reader knows it by.
    #[must_use]
    pub fn words(&self, name: &dyn Fn(&str) -> String) -> String {
        let mut words = self.reason.words();
        let waiting = self.withheld.iter().filter(|one| one.reason == Reason::Notes && self.reason == Reason::Notes);
        let places: BTreeMap<&str, &str> = waiting.map(|one| (one.path.as_str(), one.rule)).collect();
        if !places.is_empty() {
            let setting = if places.values().all(|rule| *rule == gate::LABELS_RULE) { "labels" } else { "send" };
            let places: Vec<&str> = places.into_keys().collect();
            let places = places.join(", ");
            words.push_str(&format!(" The free text: {places}. It would go with notes = \"{setting}\"."));
        }
        if self.reason == Reason::NeededField && self.withheld.iter().any(|one| one.reason == Reason::Whereabouts) {
            words.push_str(
                " The patient's record is labelled restricted: nothing that could tell where the patient is may leave.",
            );
        }
        if let Some(name) = self.in_the_way(name) {
            words.push_str(&format!(" See {name}."));
        }
        words
    }

    /// The Consent that is in the way of a permit, under its name. One that is about other recipients is in nobody's way.
    #[must_use]
    pub fn in_the_way(&self, name: &dyn Fn(&str) -> String) -> Option<String> {
        let is_elsewhere = matches!(self.reason, Reason::OtherRecipient | Reason::Tenant);
        let decisive = self.decisive.as_ref().filter(|_| self.verdict == Verdict::Deny && !is_elsewhere);
        decisive.map(|(id, _)| name(id))
    }

    /// One word: `permit`, `redact` if parts are withheld, `deny`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match (self.verdict, self.withheld.is_empty()) {
            (Verdict::Deny, _) => "deny",
            (Verdict::Permit, true) => "permit",
            (Verdict::Permit, false) => "redact",
        }
    }
}
