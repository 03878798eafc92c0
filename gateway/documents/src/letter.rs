//! The outcome letter as plain data, and the words that it is told in.
//!
//! No consent and no minimisation is decided here: what the caller puts in is written. It knows neither PDF nor FHIR.

pub(crate) mod fit;
pub(crate) mod words;

use crate::parties::{Author, OdsCode, Organisation, Patient};
use std::fmt;
use std::num::NonZeroU32;
use time::{Date, OffsetDateTime};

/// A letter that tells a practice how a social prescribing referral ended.
///
/// What must be in it: Send Document GPCM-SD-090 (title, version, page number, patient, sender, intended recipient, date and time of the
/// activity, logical headings) and GPCM-SD-091 (version).
#[derive(Clone, PartialEq, Eq)]
pub struct Letter {
    /// Title, also of the document in the message. Without patient data: it becomes part of a MESH subject.
    pub title: String,
    /// 1 for the first; one more for each replacement (GPCM-SD-098).
    pub version: NonZeroU32,
    /// Whom it is about.
    pub patient: Patient,
    /// For whom it is meant.
    pub practice: Practice,
    /// Who sends it.
    pub sender: Organisation,
    /// The service that the person used, such as "Walking group". The sender may run several.
    pub service: String,
    /// The referral that it answers.
    pub referral: Option<Referral>,
    /// When what it tells of took place, in the time of the reader.
    pub happened_at: OffsetDateTime,
    /// Why the person was referred.
    pub need: String,
    /// What was done, one item each.
    pub done: Vec<String>,
    /// How it ended.
    pub outcome: String,
    /// Scores, before and after.
    pub scores: Vec<Score>,
    /// What the practice is asked to do, one item each. None is said as such.
    pub requests: Vec<String>,
    /// Who wrote it.
    pub author: Author,
    /// When it was written, in the time of the reader.
    pub written_at: OffsetDateTime,
}

impl fmt::Debug for Letter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Letter").field("version", &self.version).finish_non_exhaustive()
    }
}

/// The practice that a letter is meant for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Practice {
    /// Its name.
    pub name: String,
    /// Its ODS code, if known. MESH finds the registered practice without it.
    pub ods_code: Option<OdsCode>,
}

/// The referral that a letter answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referral {
    /// Day of the referral.
    pub on: Date,
    /// What the practice knows it by.
    pub reference: Option<String>,
}

/// One measure, before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Score {
    /// What was asked or measured, in plain words.
    pub measure: String,
    /// Lowest possible score.
    pub lowest: Points,
    /// Highest possible score.
    pub highest: Points,
    /// Which end is the better one.
    pub better: Better,
    /// The first score.
    pub before: Option<Reading>,
    /// The last score.
    pub after: Option<Reading>,
}

impl Score {
    /// One of the four questions on personal well-being of the Office for National Statistics (ONS4): whole points from 0 to 10.
    #[must_use]
    pub fn ons4(question: Ons4, before: Option<Reading>, after: Option<Reading>) -> Self {
        let (measure, better) = match question {
            Ons4::Satisfaction => ("Satisfied with life (ONS4)", Better::Higher),
            Ons4::Worthwhile => ("Things in life are worthwhile (ONS4)", Better::Higher),
            Ons4::Happiness => ("Happy yesterday (ONS4)", Better::Higher),
            Ons4::Anxiety => ("Anxious yesterday (ONS4)", Better::Lower),
        };
        let (lowest, highest) = (Points::whole(0), Points::whole(10));
        Self { measure: measure.to_owned(), lowest, highest, better, before, after }
    }
}

/// A question of ONS4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ons4 {
    /// Overall, how satisfied are you with your life nowadays?
    Satisfaction,
    /// Overall, to what extent do you feel that the things you do in your life are worthwhile?
    Worthwhile,
    /// Overall, how happy did you feel yesterday?
    Happiness,
    /// Overall, how anxious did you feel yesterday? Here less is better.
    Anxiety,
}

/// Which end of a scale is the better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
}

/// A score and its day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The score.
    pub points: Points,
    /// When it was taken.
    pub on: Date,
}

/// A score, exact to a hundredth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Points(i32);

impl Points {
    /// Whole points.
    #[must_use]
    pub const fn whole(points: i16) -> Self {
        Self(points as i32 * 100)
    }

    /// Hundredths of a point: 2321 is 23.21.
    #[must_use]
    pub const fn hundredths(hundredths: i32) -> Self {
        Self(hundredths)
    }
}

impl fmt::Display for Points {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, part) = (self.0.unsigned_abs() / 100, self.0.unsigned_abs() % 100);
        match part {
            0 => write!(formatter, "{sign}{whole}"),
            tenths if tenths % 10 == 0 => write!(formatter, "{sign}{whole}.{}", tenths / 10),
            hundredths => write!(formatter, "{sign}{whole}.{hundredths:02}"),
        }
    }
}

/// A part of a letter, to name in notices and errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Section {
    /// Title, version, who wrote it.
    Head,
    /// The person.
    Patient,
    /// What the practice is asked to do.
    Requests,
    /// How it ended.
    Outcome,
    /// Why the person was referred.
    Need,
    /// What was done.
    Done,
    /// Scores.
    Scores,
    /// From whom and to whom.
    Parties,
}

impl Section {
    /// Its heading.
    #[must_use]
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Head => "Title",
            Self::Patient => "About the person",
            Self::Requests => "What we ask you to do",
            Self::Outcome => "Outcome",
            Self::Need => "Why they were referred",
            Self::Done => "What we did",
            Self::Scores => "Scores before and after",
            Self::Parties => "From and to",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_written_as_people_write_them() {
        let cases = [(700, "7"), (2321, "23.21"), (750, "7.5"), (705, "7.05"), (0, "0"), (-150, "-1.5"), (-5, "-0.05")];
        for (hundredths, told) in cases {
            assert_eq!(Points::hundredths(hundredths).to_string(), told);
        }
        assert_eq!(Points::whole(-3), Points::hundredths(-300));
    }
}
