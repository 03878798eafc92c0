//! Loss: what of a referral does not reach the platform as it was sent, why, how grave that is, and what follows.
//!
//! Two sources are joined into one report: what the gateway itself took away before translating, and what the adapter
//! says of its own translation ([`adapter_contract::Account`]). A report holds element paths, figures and codes of code
//! systems, never what stood there. It knows no platform by name and sends nothing.

mod assess;
mod grading;
mod show;

pub use assess::{Asking, Assessment, Removed, Translator, Translators, assess};
pub use show::{EXTENSION, Shown, is_ours, provenance, put_back, without_ours};

use adapter_contract::{Grade, Loss, LossReason};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::cmp::Reverse;

/// Losses that one report names; what lies beyond is counted. The gravest stand first.
pub const MOST: usize = 200;

/// What did not arrive of one referral at one platform, with one version of its adapter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LossReport {
    /// The adapter that would translate.
    pub adapter: String,
    /// Its version.
    pub version: String,
    /// The gravest first, then by element and reason.
    pub losses: Vec<Loss>,
    /// Losses beyond [`MOST`], none of them graver than those that are named.
    #[serde(default)]
    pub more: u32,
    /// The gravest grade among them; absent = nothing is lost.
    pub worst: Option<Grade>,
    /// False if the adapter gives no account: then only what the gateway took away is in here, and the rest is unknown.
    pub complete: bool,
}

/// What a report says when it is not complete.
pub const INCOMPLETE: &str = "This adapter gives no account of its translation: what it leaves out or changes by itself \
                              is unknown. Only what the gateway takes away before translating is listed.";

/// Sets something where losses reach a grade. `None` = never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// From this grade on a referral waits until its sender has seen what would be lost.
    pub hold_at: Option<Grade>,
    /// From this grade on a referral is not taken.
    pub refuse_at: Option<Grade>,
}

impl Default for Policy {
    fn default() -> Self {
        Self { hold_at: Some(Grade::Unsafe), refuse_at: None }
    }
}

impl Policy {
    /// The grade at which an attempt waits: once a referral is taken, it can no longer be refused.
    #[must_use]
    pub fn stops_at(&self) -> Option<Grade> {
        match (self.hold_at, self.refuse_at) {
            (Some(hold), Some(refuse)) => Some(hold.min(refuse)),
            (hold, refuse) => hold.or(refuse),
        }
    }
}

impl LossReport {
    /// Puts losses in order and bounds their number.
    #[must_use]
    pub fn new(adapter: &str, version: &str, mut losses: Vec<Loss>, complete: bool) -> Self {
        losses.sort_by(|one, other| {
            let order = |loss: &Loss| (Reverse(loss.grade), loss.element.clone(), reason_word(loss.reason));
            order(one).cmp(&order(other)).then_with(|| one.detail.cmp(&other.detail))
        });
        let more = u32::try_from(losses.len().saturating_sub(MOST)).unwrap_or(u32::MAX);
        losses.truncate(MOST);
        let worst = losses.first().map(|loss| loss.grade);
        Self { adapter: adapter.to_owned(), version: version.to_owned(), losses, more, worst, complete }
    }

    /// How many of the named losses have this grade.
    #[must_use]
    pub fn count(&self, grade: Grade) -> usize {
        self.losses.iter().filter(|loss| loss.grade == grade).count()
    }

    /// Those of this grade or a graver one.
    pub fn from_grade(&self, grade: Grade) -> impl Iterator<Item = &Loss> {
        self.losses.iter().filter(move |loss| loss.grade >= grade)
    }

    /// Whether it reaches this grade; `None` is never reached.
    #[must_use]
    pub fn reaches(&self, grade: Option<Grade>) -> bool {
        grade.is_some_and(|grade| self.worst >= Some(grade))
    }

    /// Whether the Task must tell of it: somebody should look at something, or not all is known.
    #[must_use]
    pub fn is_worth_showing(&self) -> bool {
        !self.complete || self.reaches(Some(Grade::Notable))
    }

    /// Names the report: equal for equal losses, whatever version of the adapter they come from.
    #[must_use]
    pub fn hash(&self) -> String {
        let text = serde_json::to_string(&(&self.losses, self.more, self.complete)).unwrap_or_default();
        Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// True if everything of this grade or a graver one was in the other report already, no graver and no more often.
    #[must_use]
    pub fn adds_nothing_to(&self, other: &Self, grade: Grade) -> bool {
        let known = |loss: &Loss| {
            other.losses.iter().any(|known| {
                known.element == loss.element
                    && known.reason == loss.reason
                    && known.grade >= loss.grade
                    && known.count >= loss.count
                    && known.detail == loss.detail
            })
        };
        self.more <= other.more && (self.complete || !other.complete) && self.from_grade(grade).all(known)
    }

    /// One sentence for a person: how many, how grave, which.
    #[must_use]
    pub fn sentence(&self, grade: Grade) -> String {
        const NAMED: usize = 5;
        let grave: Vec<&Loss> = self.from_grade(grade).collect();
        let named: Vec<String> =
            grave.iter().take(NAMED).map(|loss| format!("{} ({})", loss.element, reason_words(loss.reason))).collect();
        let more = match grave.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let worst = self.worst.map_or("informational", grade_word);
        let at_worst = if worst == grade_word(grade) { "" } else { " at worst" };
        let (elements, verb) = if grave.len() == 1 { ("element", "does") } else { ("elements", "do") };
        format!(
            "{} {elements} ({worst}{at_worst}) {verb} not reach this recipient as sent: {}{more}.",
            grave.len(),
            named.join(", ")
        )
    }
}

/// Why a referral waits for its sender: what would be lost, and how to go on.
#[must_use]
pub fn hold_words(report: &LossReport, grade: Grade) -> String {
    format!(
        "{} The Task's extension and its Provenance name each. Move the Task to requested to send it nonetheless, or \
         cancel it and choose another recipient.",
        report.sentence(grade)
    )
}

/// The FHIR code of a grade.
#[must_use]
pub const fn grade_word(grade: Grade) -> &'static str {
    match grade {
        Grade::Informational => "informational",
        Grade::Notable => "notable",
        Grade::Unsafe => "unsafe",
    }
}

/// The FHIR code of a reason.
#[must_use]
pub const fn reason_word(reason: LossReason) -> &'static str {
    match reason {
        LossReason::NoField => "no-field",
        LossReason::NotChosen => "not-chosen",
        LossReason::Truncated => "truncated",
        LossReason::CodeUnmapped => "code-unmapped",
        LossReason::CodeWidened => "code-widened",
        LossReason::Replaced => "replaced",
        LossReason::Defaulted => "defaulted",
        LossReason::DidNotFit => "did-not-fit",
        LossReason::Altered => "altered",
        LossReason::Minimised => "minimised",
        LossReason::Withheld => "withheld",
    }
}

/// The same for people.
#[must_use]
pub const fn reason_words(reason: LossReason) -> &'static str {
    match reason {
        LossReason::NoField => "no field for it",
        LossReason::NotChosen => "others were taken",
        LossReason::Truncated => "cut",
        LossReason::CodeUnmapped => "the code is unknown there",
        LossReason::CodeWidened => "the code there means something near",
        LossReason::Replaced => "a constant stands in its place",
        LossReason::Defaulted => "a default stands where nothing was given",
        LossReason::DidNotFit => "it did not fit",
        LossReason::Altered => "characters went",
        LossReason::Minimised => "policy keeps it back",
        LossReason::Withheld => "consent does not cover it",
    }
}
