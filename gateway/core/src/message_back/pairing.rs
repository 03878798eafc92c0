//! Baseline and follow-up: of all readings on one scale, which is which.
//!
//! What somebody called a reading counts first. Of the others the last that came with the referral is the baseline, else the first of several
//! that the service gave; the last that the service gave is the follow-up. Nothing is a follow-up of what is later. Readings between the two
//! are not told. The result is a function of the set of readings.

use super::measure::{Measure, Phase, Reading, Source};

/// One measure, before and after.
#[derive(Clone, PartialEq, Eq)]
pub struct Score {
    /// On which scale.
    pub measure: Measure,
    /// The first reading.
    pub baseline: Option<Reading>,
    /// The last reading.
    pub follow_up: Option<Reading>,
}

impl std::fmt::Debug for Score {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let has = (self.measure, self.baseline.is_some(), self.follow_up.is_some());
        formatter.debug_tuple("Score").field(&has).finish()
    }
}

impl Score {
    /// Its readings, each with its phase.
    pub fn readings(&self) -> impl Iterator<Item = (Phase, &Reading)> {
        let baseline = self.baseline.iter().map(|reading| (Phase::Baseline, reading));
        baseline.chain(self.follow_up.iter().map(|reading| (Phase::FollowUp, reading)))
    }
}

/// The scores of all readings, by measure.
pub(super) fn pair(mut readings: Vec<Reading>) -> Vec<Score> {
    // By measure, then by day; a day that nobody knows comes first of what the referral brought and last of what the service gave.
    readings.sort_by(|one, other| order(one).cmp(&order(other)));
    readings.dedup();
    let mut scores: Vec<Score> = Vec::new();
    let mut rest = readings.as_slice();
    while let Some(first) = rest.first() {
        let of_one = rest.iter().take_while(|reading| reading.measure == first.measure).count();
        let (group, others) = rest.split_at(of_one);
        scores.extend(one(first.measure, group));
        rest = others;
    }
    scores
}

type Order<'a> = (Measure, u8, Option<time::Date>, Source, &'a str, &'a str, i32);

fn order(reading: &Reading) -> Order<'_> {
    let undated = match (reading.on, reading.source) {
        (None, Source::Referral) => 0,
        (Some(_), _) => 1,
        (None, Source::Service) => 2,
    };
    (reading.measure, undated, reading.on, reading.source, &reading.issued, &reading.from, reading.points)
}

fn one(measure: Measure, group: &[Reading]) -> Option<Score> {
    let called = |phase| move |reading: &&Reading| reading.called == Some(phase);
    let mut baseline = group.iter().find(called(Phase::Baseline));
    let mut follow_up = group.iter().rev().find(called(Phase::FollowUp));
    let open = |source| group.iter().filter(move |reading| reading.called.is_none() && reading.source == source);
    let in_order = |first: &Reading, last: &Reading| first.on.is_none() || last.on.is_none() || first.on <= last.on;
    if baseline.is_none() {
        let several = || {
            let mut given = open(Source::Service);
            let first = given.next()?;
            (given.next().is_some() || follow_up.is_some()).then_some(first)
        };
        let first = open(Source::Referral).next_back().or_else(several);
        baseline = first.filter(|first| follow_up.is_none_or(|last| in_order(first, last)));
    }
    if follow_up.is_none() {
        let last = open(Source::Service).next_back().filter(|last| baseline.is_none_or(|first| first != *last));
        follow_up = last.filter(|last| baseline.is_none_or(|first| in_order(first, last)));
    }
    let score = Score { measure, baseline: baseline.cloned(), follow_up: follow_up.cloned() };
    (score.baseline.is_some() || score.follow_up.is_some()).then_some(score)
}
