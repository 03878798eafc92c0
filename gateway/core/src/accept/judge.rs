//! Judge: where a referral would go, whether consent lets it, and what would be lost on the way. The same at accept, at a
//! release and in a preview; nothing is written here.

use super::{PURPOSE, RESTRICTED, Rules, Start};
use crate::consent::{
    self, Decision, Form, Item, Kept, Question, Reason, Recipient, Record, Register, Stage, Subject, Verdict, Withheld,
};
use crate::duplicate::{self, Duplicate, Mode, New};
use crate::identity::{PlatformId, TenantId};
use crate::ingest::Person;
use crate::loss::{self, Asking, Assessment, LossReport, Policy, Translator};
use crate::minimise::{Whole, is_restricted};
use crate::referral::HoldReason;
use crate::route::{self, RouteDecision};
use adapter_contract::{DataNeed, IdempotencyKey, Keys, Loss};
use gateway_fhir::identifiers::ODS_CODE;
use gateway_fhir::{Issue, IssueCode, Json, instant};
use serde_json::json;
use time::OffsetDateTime;

/// Route, consent and losses, decided for one referral.
pub struct Judgement {
    /// Where it would go.
    pub platform: Option<PlatformId>,
    /// The route and why, in words.
    pub route: String,
    /// The consent decision; absent where there is no recipient to ask about.
    pub consent: Option<Decision>,
    /// The Consent that is in the way, under the name that the sender knows it by.
    pub in_the_way: Option<String>,
    /// What would not arrive; absent where nothing may leave, or no adapter could be asked.
    pub assessment: Option<Assessment>,
    /// Referrals like it that the service has, where it may leave.
    pub duplicate: Option<Duplicate>,
    /// Why nothing may leave; `None` = it may.
    pub hold: Option<HoldReason>,
    /// Faults for which the tenant's policy does not take it at all, with element paths.
    pub refused: Vec<Issue>,
    /// What audit keeps: action and detail.
    pub audit: Vec<(&'static str, serde_json::Value)>,
}

/// What the sender has seen and lets pass.
#[derive(Debug, Clone, Copy, Default)]
pub struct Passed<'a> {
    /// What would be lost.
    pub losses: Option<&'a LossReport>,
    /// That the service has one like it.
    pub duplicate: bool,
}

/// Decides route, consent and what losses and duplicates lead to.
#[must_use]
pub fn judge(from: &Start<'_, '_>, passed: Passed<'_>) -> Judgement {
    let facts = route::facts(
        &from.compartment.tenant,
        from.task.2,
        from.service_request.1,
        &from.person.document,
        from.lookup,
        from.now.date(),
    );
    match route::decide(&from.rules.routes, &facts) {
        RouteDecision::Held { why, .. } => Judgement {
            platform: None,
            route: why.clone(),
            consent: None,
            in_the_way: None,
            assessment: None,
            duplicate: None,
            refused: Vec::new(),
            audit: vec![("route", json!({ "held": why }))],
            hold: Some(HoldReason::NoRoute(why)),
        },
        RouteDecision::Chosen { platform, route, why } => {
            let whole = Whole::gather((from.task.0, from.task.2), from.service_request, from.person, from.lookup);
            let translator = from.translators.translator(&platform);
            let decision = consented(from, &platform, &whole, translator.as_ref());
            let mut audit = vec![
                ("route", json!({ "route": route, "platform": platform.0, "why": why })),
                ("consent-decision", decision_detail(&decision, Stage::Accept)),
            ];
            // Of what may not leave an adapter sees nothing, and nothing could be lost in translation.
            let permitted = decision.verdict == Verdict::Permit;
            let translator = translator.filter(|_| permitted);
            let translated = translator.map(|translator| assessed(from, &whole, &decision.withheld, translator));
            let report = translated.as_ref().and_then(|(assessment, _)| assessment.report());
            audit.extend(report.map(|report| ("loss", loss_detail(report))));
            let restricted = is_restricted(from.service_request.1) || is_restricted(from.task.2);
            let duplicate = duplicate(from, &platform).filter(|_| permitted);
            audit.extend(duplicate.as_ref().map(|found| ("duplicate", duplicate_detail(found))));
            let holds = from.rules.duplicates.mode == Mode::Hold && !passed.duplicate;
            let hold = if restricted && (permitted || decision.reason == Reason::Empty) {
                Some(HoldReason::NeedsReview(RESTRICTED.to_owned()))
            } else if !permitted {
                Some(held_by(&decision, from.consent_name))
            } else if let Some(found) = duplicate.as_ref().filter(|_| holds) {
                Some(HoldReason::Duplicate(found.words()))
            } else {
                translated.as_ref().and_then(|(assessment, policy)| held_for(assessment, policy, passed.losses))
            };
            let refused = match &translated {
                Some((Assessment::Told { report, .. }, policy)) => refusals(report, policy),
                _ => Vec::new(),
            };
            Judgement {
                route: format!("{route}: {why}"),
                in_the_way: decision.in_the_way(from.consent_name),
                consent: Some(decision),
                assessment: translated.map(|(assessment, _)| assessment),
                duplicate,
                hold,
                refused,
                audit,
                platform: Some(platform),
            }
        }
    }
}

/// Referrals like it that the service has, if they are looked for.
fn duplicate(from: &Start<'_, '_>, platform: &PlatformId) -> Option<Duplicate> {
    let policy = &from.rules.duplicates;
    if policy.mode == Mode::Off {
        return None;
    }
    let service_request = from.service_request.1;
    let new = New { task: (from.task.0, from.task.2), service_request, platform, now: from.now };
    duplicate::find(new, from.others, policy.within_days)
}

fn duplicate_detail(found: &Duplicate) -> serde_json::Value {
    json!({ "tasks": found.tasks, "elsewhere": found.elsewhere })
}

/// Consent for this referral. Where nobody translates for the platform, what its adapter reads is not known.
fn consented(from: &Start<'_, '_>, platform: &PlatformId, whole: &Whole, translator: Option<&Translator>) -> Decision {
    decide_consent(&Asked {
        stage: Stage::Accept,
        tenant: &from.compartment.tenant,
        items: &whole.items(),
        needs: translator.map_or(&[], |translator| translator.adapter.descriptor().data_needs.as_slice()),
        rules: from.rules,
        platform,
        person: from.person,
        consents: from.consents,
        directory: &|reference: &str| (from.lookup)(reference).cloned(),
        now: from.latest,
    })
}

/// What would not arrive at this platform, and the policy for it.
fn assessed(
    from: &Start<'_, '_>,
    whole: &Whole,
    withheld: &[Withheld],
    translator: Translator,
) -> (Assessment, Policy) {
    // Nothing is sent under this name: the account of a referral does not hang on its key. It is shaped as keys are, since an adapter
    // may refuse what it cannot call a referral by.
    let key = IdempotencyKey("00000000-0000-0000-0000-000000000000".to_owned());
    let assessment = loss::assess(&Asking {
        whole,
        withheld,
        adapter: translator.adapter.as_ref(),
        settings: &translator.settings,
        accepted_at: &instant::to_instant(from.now),
        keys: Keys { idempotency: &key, correlation: from.correlation },
    });
    (assessment, translator.policy)
}

fn held_for(assessment: &Assessment, policy: &Policy, released: Option<&LossReport>) -> Option<HoldReason> {
    match assessment {
        Assessment::Unsayable { words, .. } => Some(HoldReason::NeedsReview(words.clone())),
        Assessment::Told { report, .. } => {
            let grade = policy.hold_at.filter(|grade| report.reaches(Some(*grade)))?;
            let known = released.is_some_and(|released| report.adds_nothing_to(released, grade));
            (!known).then(|| HoldReason::Losses(loss::hold_words(report, grade)))
        }
    }
}

/// Each element that policy does not let this referral lose.
fn refusals(report: &LossReport, policy: &Policy) -> Vec<Issue> {
    let Some(grade) = policy.refuse_at.filter(|grade| report.reaches(Some(*grade))) else { return Vec::new() };
    let fault = |lost: &Loss| {
        let words = format!(
            "This element would not reach the recipient as sent ({}; {}), and the gateway is set to take no referral \
             that loses so much. Choose another recipient, or leave the element out if it is not needed.",
            loss::reason_words(lost.reason),
            loss::grade_word(lost.grade)
        );
        Issue::at(IssueCode::BusinessRule, lost.element.clone(), words)
    };
    report.from_grade(grade).map(fault).collect()
}

/// What audit keeps of a report: who translated, grades and numbers.
#[must_use]
pub fn loss_detail(report: &LossReport) -> serde_json::Value {
    json!({
        "adapter": report.adapter,
        "version": report.version,
        "worst": report.worst,
        "losses": report.losses.len(),
        "complete": report.complete,
        "report": report.hash(),
    })
}

/// One person, one platform, one moment: what consent is asked about at every stage.
pub struct Asked<'a> {
    /// Which stage asks.
    pub stage: Stage,
    /// Whose Consents count.
    pub tenant: &'a TenantId,
    /// What would leave.
    pub items: &'a [Item],
    /// What the platform's adapter reads; empty if that is not known.
    pub needs: &'a [DataNeed],
    /// The tenant's rules.
    pub rules: &'a Rules,
    /// Who would receive.
    pub platform: &'a PlatformId,
    /// The patient.
    pub person: &'a Person,
    /// Every consent of this person that may matter.
    pub consents: &'a Record,
    /// Finds what consents refer to.
    pub directory: &'a dyn Fn(&str) -> Option<Json>,
    /// The latest time ever seen.
    pub now: OffsetDateTime,
}

/// Decides consent for one referral: the one way in which every stage asks.
#[must_use]
pub fn decide_consent(asked: &Asked<'_>) -> Decision {
    let name = asked.platform.0.clone();
    let unnamed = Recipient { platform: asked.platform.clone(), name, identifiers: Vec::new() };
    decide_for(asked, asked.rules.recipients.get(asked.platform).unwrap_or(&unnamed), asked.items)
}

/// What the person keeps from the organisation that referred: a Consent refuses to disclose it to that organisation. Nobody's
/// permit is needed for it to learn what became of its own referral, so that only a refusal counts, and what may be one. What
/// an outcome will hold is not known beforehand: a refusal of some data is one of all, but one of words (`class`
/// `urn:ietf:bcp:13` `text/plain`) leaves codes.
#[must_use]
pub fn keeps_outcome(asked: &Asked<'_>, organisation: &str) -> Kept {
    let sender = Recipient {
        platform: PlatformId(String::new()),
        name: organisation.to_owned(),
        identifiers: vec![(ODS_CODE.to_owned(), organisation.to_owned())],
    };
    let refused = |form| {
        matches!(
            decide_for(asked, &sender, &[Item::outcome(form)]).reason,
            Reason::Refused
                | Reason::Conflict
                | Reason::Disputed
                | Reason::Modifier
                | Reason::AmbiguousBase
                | Reason::AmbiguousNesting
        )
    };
    if refused(Form::Code) {
        Kept::All
    } else if refused(Form::Words) {
        Kept::Words
    } else {
        Kept::Nothing
    }
}

fn decide_for(asked: &Asked<'_>, recipient: &Recipient, items: &[Item]) -> Decision {
    let number = asked.person.nhs_number();
    let (undecided, unrecorded) = (consent::Policy::default(), Register::default());
    let policy = asked.rules.policies.get(asked.tenant).unwrap_or(&undecided);
    let register = asked.rules.registers.get(asked.tenant).unwrap_or(&unrecorded);
    let same = |(reference, patient): &(&String, &Json)| {
        **reference != asked.person.reference && asked.person.is_also(patient)
    };
    let also = asked.consents.patients.iter().filter(same).map(|(_, patient)| patient).collect();
    let decision = consent::decide(&Question {
        stage: asked.stage,
        tenant: asked.tenant,
        consents: &asked.consents.consents,
        complete: asked.consents.complete,
        overrides: &register.overrides(number.as_deref()),
        directory: asked.directory,
        policy,
        subject: Subject {
            references: vec![asked.person.reference.clone()],
            nhs_number: number.as_deref(),
            patient: &asked.person.document,
            also,
            standing: &register.standing(number.as_deref()),
        },
        recipient,
        items,
        needs: asked.needs,
        purpose: PURPOSE,
        now: asked.now,
    });
    Decision { lawful_basis: policy.lawful_basis(asked.platform).to_vec(), ..decision }
}

/// Why a referral waits after a deny. What is left of it can be for a person to judge even where the Consents permit.
#[must_use]
pub fn held_by(decision: &Decision, name: &dyn Fn(&str) -> String) -> HoldReason {
    let words = decision.words(name);
    match decision.reason {
        Reason::NeedsReview | Reason::Notes | Reason::NeededField | Reason::Empty => HoldReason::NeedsReview(words),
        _ => HoldReason::NoConsent(words),
    }
}

/// What audit keeps of a consent decision: verdict, rule path, consent ids and what is withheld of what would leave, no
/// data of the person. The Patient is not named by id: a contained one has an id of the sender's own making.
#[must_use]
pub fn decision_detail(decision: &Decision, stage: Stage) -> serde_json::Value {
    let resource = |one: &Withheld| match one.resource.split_once('/') {
        Some(("Patient", _)) => "Patient".to_owned(),
        _ => one.resource.clone(),
    };
    // Nothing of the referral leaves when a status is passed on.
    let withheld = decision.withheld.iter().filter(|_| stage != Stage::Relay);
    let withheld: Vec<serde_json::Value> = withheld
        .map(|one| {
            let by = one.consent.as_ref().map(|(id, version)| format!("Consent/{id}/_history/{version}"));
            json!({ "resource": resource(one), "path": one.path, "reason": one.reason.code(), "rule": one.rule,
                "consent": by })
        })
        .collect();
    let duties: Vec<&str> = decision.duties.iter().map(|duty| duty.code()).collect();
    let consents: Vec<String> =
        decision.consents.iter().map(|(id, version)| format!("Consent/{id}/_history/{version}")).collect();
    json!({
        "stage": match stage { Stage::Accept => "accept", Stage::Attempt => "attempt", Stage::Relay => "relay" },
        "verdict": decision.word(),
        "reason": decision.reason.code(),
        "rules": decision.rules,
        "path": decision.rule_path,
        "consents": consents,
        "decisive": decision.decisive.as_ref().map(|(id, version)| format!("Consent/{id}/_history/{version}")),
        "withheld": withheld,
        "duties": duties,
        "override": decision.overriding.as_ref().map(|one| json!({ "id": one.id, "professional": one.professional })),
        "lawfulBasis": decision.lawful_basis,
    })
}
