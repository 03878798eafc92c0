//! Scores out of Observations: which scale an Observation is on, whether its value is on that scale, and whether it is from the beginning
//! or the end.
//!
//! A value that is on no known scale is never bent to fit: it is told in words ([`Unread`]).

use super::entry::words;
use super::{Facts, day};
use crate::consent::Kept;
use gateway_codes::SNOMED_CT;
use gateway_codes::scales::{ONS4_ANSWER, SWEMWBS_RAW, WEMWBS_ANSWER, WEMWBS_TOTAL, swemwbs, swemwbs_metric};
use gateway_fhir::Json;
use std::ops::RangeInclusive;
use time::Date;

/// SNOMED CT ids of the scores; both are rows of the confirmed table (a test holds that).
pub(super) const SWEMWBS_CODE: &str = "718466001";
pub(super) const WEMWBS_CODE: &str = "718426000";

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Measure {
    /// One of the four questions on personal well-being of the Office for National Statistics: 0 to 10.
    Ons4(Question),
    /// Short Warwick-Edinburgh Mental Well-being Scale: metric score, 7.00 to 35.00.
    Swemwbs,
    /// Warwick-Edinburgh Mental Well-being Scale: total, 14 to 70.
    Wemwbs,
}

/// A question of ONS4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Question {
    /// Overall, how satisfied are you with your life nowadays?
    Satisfaction,
    /// Overall, to what extent do you feel that the things you do in your life are worthwhile?
    Worthwhile,
    /// Overall, how happy did you feel yesterday?
    Happiness,
    /// Overall, how anxious did you feel yesterday? Less is better.
    Anxiety,
}

impl Question {
    /// All four, in the order in which they are asked.
    pub const ALL: [Self; 4] = [Self::Satisfaction, Self::Worthwhile, Self::Happiness, Self::Anxiety];

    /// For people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Satisfaction => "Satisfied with life",
            Self::Worthwhile => "Things in life are worthwhile",
            Self::Happiness => "Happy yesterday",
            Self::Anxiety => "Anxious yesterday",
        }
    }

    fn of(text: &str) -> Option<Self> {
        let text = text.to_lowercase();
        let marks = [
            ("satisf", Self::Satisfaction),
            ("worthwhile", Self::Worthwhile),
            ("happ", Self::Happiness),
            ("anxi", Self::Anxiety),
        ];
        let mut found = marks.into_iter().filter(|(mark, _)| text.contains(mark)).map(|(_, question)| question);
        // "Not anxious but happy" names two and so none.
        found.next().filter(|_| found.next().is_none())
    }
}

impl Measure {
    /// For people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Ons4(question) => question.words(),
            Self::Swemwbs => "Short Warwick-Edinburgh Mental Well-being Scale, metric score (SWEMWBS)",
            Self::Wemwbs => "Warwick-Edinburgh Mental Well-being Scale (WEMWBS)",
        }
    }

    /// Lowest and highest score, in hundredths of a point.
    #[must_use]
    pub const fn scale(self) -> (i32, i32) {
        match self {
            Self::Ons4(_) => (0, 1_000),
            Self::Swemwbs => (700, 3_500),
            Self::Wemwbs => (1_400, 7_000),
        }
    }

    /// Whether more is better.
    #[must_use]
    pub const fn more_is_better(self) -> bool {
        !matches!(self, Self::Ons4(Question::Anxiety))
    }
}

/// When in the course of the support something was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Before it, or at its beginning.
    Baseline,
    /// At its end, or later.
    FollowUp,
}

impl Phase {
    /// One word, a code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::FollowUp => "follow-up",
        }
    }

    /// What somebody called a measurement.
    fn of(text: &str) -> Option<Self> {
        let text = text.to_lowercase();
        let is = |marks: &[&str]| text.split(|c: char| !c.is_alphanumeric()).any(|word| marks.contains(&word));
        let before = is(&["baseline", "before", "initial", "start", "intake", "entry", "pre"]);
        let after = text.contains("follow-up")
            || text.contains("follow up")
            || is(&["followup", "after", "final", "end", "exit", "closing", "post"]);
        match (before, after) {
            (true, false) => Some(Self::Baseline),
            (false, true) => Some(Self::FollowUp),
            _ => None,
        }
    }
}

/// Who gave a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// It came with the referral.
    Referral,
    /// The service gave it.
    Service,
}

/// One score.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reading {
    /// On which scale.
    pub measure: Measure,
    /// On which day.
    pub on: Option<Date>,
    /// Who gave it.
    pub source: Source,
    /// When, more exactly, as it was written; orders what is of one day.
    pub(super) issued: String,
    /// `Type/id` of the Observation.
    pub from: String,
    /// In hundredths of a point; of SWEMWBS the metric score.
    pub points: i32,
    /// Of SWEMWBS: the raw total.
    pub raw: Option<u8>,
    /// What it was called, if it was called baseline or follow-up in some word.
    pub called: Option<Phase>,
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = (self.measure, self.source, self.called);
        formatter.debug_tuple("Reading").field(&kind).finish()
    }
}

/// A score that cannot be placed on a scale.
#[derive(Clone, PartialEq, Eq)]
pub struct Unread {
    /// What it says it measures, its value as it was written, and why it was not placed.
    pub words: String,
    /// `Type/id` of the Observation.
    pub from: String,
}

impl std::fmt::Debug for Unread {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Unread").finish_non_exhaustive()
    }
}

/// A family of scales.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Ons4,
    Swemwbs,
    Wemwbs,
}

/// Whether an Observation claims to be on a scale that is known here.
pub(super) fn is_score(observation: &Json) -> bool {
    observation.get("code").is_some_and(|code| family(code).is_some())
}

/// All scores of referral and service, and those that could not be placed.
pub(super) fn readings(facts: &Facts<'_>) -> (Vec<Reading>, Vec<Unread>) {
    let (mut readings, mut unread) = (Vec::new(), Vec::new());
    let request = facts.service_request;
    let ours = request.items("supportingInfo").iter().chain(request.items("reasonReference"));
    for reference in ours.filter_map(|reference| reference.text("reference")) {
        read(facts, reference, (Source::Referral, None), &mut readings, &mut unread);
    }
    if facts.kept != Kept::All {
        for output in facts.task.items("output") {
            let Some(reference) = output.get("valueReference").and_then(|value| value.text("reference")) else {
                continue;
            };
            let called = output.get("type").and_then(|kind| kind.text("text")).and_then(Phase::of);
            read(facts, reference, (Source::Service, called), &mut readings, &mut unread);
        }
    }
    readings.sort();
    readings.dedup();
    (readings, unread)
}

fn read(
    facts: &Facts<'_>,
    reference: &str,
    (source, called): (Source, Option<Phase>),
    readings: &mut Vec<Reading>,
    unread: &mut Vec<Unread>,
) {
    let Some(observation) = (facts.lookup)(reference).filter(|found| found.text("resourceType") == Some("Observation"))
    else {
        return;
    };
    let Some((code, family)) = observation.get("code").and_then(|code| Some((code, family(code)?))) else { return };
    let not_final = !matches!(observation.text("status"), Some("final" | "amended" | "corrected"));
    if matches!(observation.text("status"), Some("entered-in-error" | "cancelled")) {
        return;
    }
    let when = ["effectiveDateTime", "effectiveInstant", "issued"].iter().find_map(|name| observation.text(name));
    let when = when.or_else(|| observation.get("effectivePeriod").and_then(|period| period.text("end")));
    let method = observation.get("method").and_then(|method| method.text("text"));
    let reading = |measure, points, raw| Reading {
        measure,
        on: when.and_then(day),
        source,
        issued: observation.text("issued").or(when).unwrap_or_default().to_owned(),
        from: reference.to_owned(),
        points,
        raw,
        called: called.or_else(|| method.and_then(Phase::of)).or_else(|| Phase::of(&names(code).join(" "))),
    };
    let what = || words(&names(code).join(", ")).unwrap_or_else(|| "A score".to_owned());
    let mut refuse = |value: Option<&Json>, of: &str, why: &str| {
        // Numbers are no words; what stands there as text may be.
        let value = value.map(|value| match value {
            Json::Number(text) => format!(", {text}"),
            _ => String::new(),
        });
        let what =
            if facts.kept == Kept::Nothing || source == Source::Referral { what() } else { "A score".to_owned() };
        let words = format!("{what}{of}{}: {why}", value.unwrap_or_default());
        unread.push(Unread { words, from: reference.to_owned() });
    };
    if not_final {
        refuse(value(observation), "", "it is not final, so it was not placed on its scale");
        return;
    }
    match family {
        Family::Ons4 => {
            let parts = observation.items("component");
            let alone = std::slice::from_ref(observation);
            let parts = if parts.is_empty() { alone } else { parts };
            for part in parts.iter().filter(|part| value(part).is_some()) {
                let question = part.get("code").and_then(|code| names(code).iter().find_map(|name| Question::of(name)));
                let points = value(part).and_then(hundredths).filter(|points| is_answer(*points, &ONS4_ANSWER));
                match (question, points) {
                    (Some(question), Some(points)) => readings.push(reading(Measure::Ons4(question), points, None)),
                    (Some(question), None) => {
                        let of = format!(", {}", question.words());
                        refuse(value(part), &of, "not a whole number from 0 to 10, so it was not placed on its scale");
                    }
                    (None, _) => refuse(value(part), "", "it is not said which of the four questions it answers"),
                }
            }
        }
        Family::Swemwbs => match short_scale(observation, code) {
            Ok((raw, metric)) => readings.push(reading(Measure::Swemwbs, metric, Some(raw))),
            Err(why) => refuse(value(observation), "", why),
        },
        Family::Wemwbs => match total(observation, 14, &WEMWBS_TOTAL) {
            Ok(total) => readings.push(reading(Measure::Wemwbs, i32::from(total) * 100, None)),
            Err(why) => refuse(value(observation), "", why),
        },
    }
}

/// Raw total and metric score. A whole number is a raw total, unless it is called metric; 7 and 35 are both.
fn short_scale(observation: &Json, code: &Json) -> Result<(u8, i32), &'static str> {
    const OFF: &str =
        "neither a raw total from 7 to 35 nor a metric score of the published table, so it was not placed on its scale";
    let points = value(observation).and_then(hundredths);
    let called_metric = names(code).iter().any(|name| name.to_lowercase().contains("metric"));
    let of_metric = |points: i32| swemwbs().ok()?.into_iter().find(|(_, metric)| *metric == points);
    match points {
        Some(points) if called_metric || points % 100 != 0 => of_metric(points).ok_or(OFF),
        _ => {
            let raw = total(observation, 7, &SWEMWBS_RAW).map_err(|why| if why == NO_TOTAL { OFF } else { why })?;
            Ok((raw, swemwbs_metric(raw).ok_or(OFF)?))
        }
    }
}

const NO_TOTAL: &str = "not a whole number from 14 to 70, so it was not placed on its scale";

/// A total that is given, or that the answers add up to; where both are there they must agree.
fn total(observation: &Json, answers: usize, bounds: &RangeInclusive<u8>) -> Result<u8, &'static str> {
    let parts = observation.items("component");
    let given: Vec<i32> = parts.iter().filter_map(|part| value(part).and_then(hundredths)).collect();
    let whole = parts.len() == answers
        && given.len() == answers
        && given.iter().all(|points| is_answer(*points, &WEMWBS_ANSWER));
    let sum = whole.then(|| given.iter().sum::<i32>() / 100);
    let stated = value(observation)
        .map(|value| hundredths(value).filter(|points| is_answer(*points, bounds)).map(|points| points / 100));
    let total = match (stated, sum) {
        (Some(Some(stated)), Some(sum)) if stated != sum => {
            return Err("the total is not the sum of the answers, so it was not placed on its scale");
        }
        (Some(Some(stated)), _) => stated,
        (Some(None), _) | (None, None) => return Err(NO_TOTAL),
        (None, Some(sum)) => sum,
    };
    u8::try_from(total).ok().filter(|total| bounds.contains(total)).ok_or(NO_TOTAL)
}

fn is_answer(points: i32, bounds: &RangeInclusive<u8>) -> bool {
    points % 100 == 0 && u8::try_from(points / 100).is_ok_and(|points| bounds.contains(&points))
}

fn family(code: &Json) -> Option<Family> {
    let has = |wanted: &str| {
        code.items("coding")
            .iter()
            .any(|coding| coding.text("system") == Some(SNOMED_CT) && coding.text("code") == Some(wanted))
    };
    if has(SWEMWBS_CODE) {
        return Some(Family::Swemwbs);
    }
    if has(WEMWBS_CODE) {
        return Some(Family::Wemwbs);
    }
    let text = names(code).join(" ").to_lowercase();
    let warwick = text.contains("warwick");
    if text.contains("swemwbs") || (warwick && text.contains("short")) {
        Some(Family::Swemwbs)
    } else if text.contains("wemwbs") || warwick {
        Some(Family::Wemwbs)
    } else if ["ons4", "ons 4", "ons-4", "office for national statistics"].iter().any(|mark| text.contains(mark)) {
        Some(Family::Ons4)
    } else {
        None
    }
}

/// The words of a code: its text, then the displays.
fn names(code: &Json) -> Vec<&str> {
    let displays = code.items("coding").iter().filter_map(|coding| coding.text("display"));
    let mut names: Vec<&str> = code.text("text").into_iter().chain(displays).collect();
    names.dedup();
    names
}

/// The number of an Observation or of a part of one.
fn value(of: &Json) -> Option<&Json> {
    let quantity = of.get("valueQuantity").and_then(|quantity| quantity.get("value"));
    quantity.or_else(|| of.get("valueInteger")).or_else(|| of.get("valueDecimal"))
}

/// A decimal in hundredths; `None` if it has more digits than that, an exponent, or is out of all proportion.
fn hundredths(value: &Json) -> Option<i32> {
    let Json::Number(text) = value else { return None };
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part = part.trim_end_matches('0');
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 6 || part.len() > 2 || !digits(whole) || !digits(part) {
        return None;
    }
    let part: i32 = format!("{part:0<2}").parse().ok()?;
    whole.parse::<i32>().ok()?.checked_mul(100)?.checked_add(part)
}
