//! Judge: where a referral would go, whether consent lets it, and what would be lost on the way. The same at accept, at a
//! release and in a preview; nothing is written here.

use super::{PURPOSE, RESTRICTED, Rules, Start};
use crate::consent::{self, ConsentDocument, Decision, Question, Recipient, Stage, Subject, Verdict};
use crate::identity::PlatformId;
use crate::ingest::Person;
use crate::loss::{self, Asking, Assessment, LossReport, Policy};
use crate::minimise::{Whole, is_restricted};
use crate::referral::HoldReason;
use crate::route::{self, RouteDecision};
use adapter_contract::{IdempotencyKey, Keys, Loss};
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
    /// What would not arrive; absent where no adapter could be asked.
    pub assessment: Option<Assessment>,
    /// Why nothing may leave; `None` = it may.
    pub hold: Option<HoldReason>,
    /// Faults for which the tenant's policy does not take it at all, with element paths.
    pub refused: Vec<Issue>,
    /// What audit keeps: action and detail.
    pub audit: Vec<(&'static str, serde_json::Value)>,
}

/// Decides route, consent and what losses lead to. `released` is a report that the sender has let pass.
#[must_use]
pub fn judge(from: &Start<'_>, released: Option<&LossReport>) -> Judgement {
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
            assessment: None,
            refused: Vec::new(),
            audit: vec![("route", json!({ "held": why }))],
            hold: Some(HoldReason::NoRoute(why)),
        },
        RouteDecision::Chosen { platform, route, why } => {
            let decision = decide_consent(&Asked {
                stage: Stage::Accept,
                rules: from.rules,
                platform: &platform,
                person: from.person,
                consents: from.consents,
                directory: from.lookup,
                now: from.now,
            });
            let mut audit = vec![
                ("route", json!({ "route": route, "platform": platform.0, "why": why })),
                ("consent-decision", decision_detail(&decision, Stage::Accept)),
            ];
            let translated = assessed(from, &platform);
            let report = translated.as_ref().and_then(|(assessment, _)| assessment.report());
            audit.extend(report.map(|report| ("loss", loss_detail(report))));
            let restricted = is_restricted(from.service_request.1) || is_restricted(from.task.2);
            let hold = if decision.verdict != Verdict::Permit {
                Some(HoldReason::NoConsent(decision.reason.words()))
            } else if restricted {
                Some(HoldReason::NeedsReview(RESTRICTED.to_owned()))
            } else {
                translated.as_ref().and_then(|(assessment, policy)| held_for(assessment, policy, released))
            };
            let refused = match &translated {
                Some((Assessment::Told { report, .. }, policy)) => refusals(report, policy),
                _ => Vec::new(),
            };
            Judgement {
                route: format!("{route}: {why}"),
                consent: Some(decision),
                assessment: translated.map(|(assessment, _)| assessment),
                hold,
                refused,
                audit,
                platform: Some(platform),
            }
        }
    }
}

/// What would not arrive at this platform, and the policy for it; `None` where nobody translates for it here.
fn assessed(from: &Start<'_>, platform: &PlatformId) -> Option<(Assessment, Policy)> {
    let translator = from.translators.translator(platform)?;
    let whole = Whole::gather((from.task.0, from.task.2), from.service_request, from.person, from.lookup);
    // Nothing is sent under this name: the account of a referral does not hang on its key.
    let key = IdempotencyKey("preview".to_owned());
    let assessment = loss::assess(&Asking {
        whole: &whole,
        adapter: translator.adapter.as_ref(),
        settings: &translator.settings,
        accepted_at: &instant::to_instant(from.now),
        keys: Keys { idempotency: &key, correlation: from.correlation },
    });
    Some((assessment, translator.policy))
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
    /// The tenant's rules.
    pub rules: &'a Rules,
    /// Who would receive.
    pub platform: &'a PlatformId,
    /// The patient.
    pub person: &'a Person,
    /// Every consent of this person that may matter.
    pub consents: &'a [ConsentDocument],
    /// Finds what consents refer to.
    pub directory: &'a dyn Fn(&str) -> Option<Json>,
    /// Now.
    pub now: OffsetDateTime,
}

/// Decides consent for one referral: the one way in which every stage asks.
#[must_use]
pub fn decide_consent(asked: &Asked<'_>) -> Decision {
    let name = asked.platform.0.clone();
    let unnamed = Recipient { platform: asked.platform.clone(), name, identifiers: Vec::new() };
    let number = asked.person.nhs_number();
    consent::decide(&Question {
        stage: asked.stage,
        consents: asked.consents,
        directory: asked.directory,
        policy: &asked.rules.policy,
        subject: Subject {
            references: vec![asked.person.reference.clone()],
            nhs_number: number.as_deref(),
            patient: &asked.person.document,
        },
        recipient: asked.rules.recipients.get(asked.platform).unwrap_or(&unnamed),
        purpose: PURPOSE,
        now: asked.now,
    })
}

/// What audit keeps of a consent decision: verdict, rule path and consent ids, no data of the person.
#[must_use]
pub fn decision_detail(decision: &Decision, stage: Stage) -> serde_json::Value {
    let verdict = if decision.verdict == Verdict::Permit { "permit" } else { "deny" };
    let consents: Vec<String> =
        decision.consents.iter().map(|(id, version)| format!("Consent/{id}/_history/{version}")).collect();
    json!({
        "stage": match stage { Stage::Accept => "accept", Stage::Attempt => "attempt", Stage::Relay => "relay" },
        "verdict": verdict,
        "reason": decision.reason.code(),
        "rules": decision.rules,
        "path": decision.rule_path,
        "consents": consents,
    })
}
