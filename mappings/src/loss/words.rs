//! The report in words: figures and rows, without values.

use super::Lost;
use crate::account::{Detail, LeftOut, Loss};
use crate::concept_map::Equivalence;
use crate::program::{Count, Program};
use crate::run::place;

pub(super) fn loss(lost: &Lost, program: &Program) -> Loss {
    let info = lost.rule.and_then(|rule| program.rules.get(rule.0 as usize));
    let accepted = lost.accepted.and_then(|index| program.accepted_losses.get(index as usize));
    let because = accepted.map(|loss| loss.because.clone()).or_else(|| info.and_then(|info| info.because.clone()));
    Loss {
        element: if lost.element.is_empty() { "the referral".to_owned() } else { shown(&lost.element) },
        reason: lost.reason,
        grade: lost.grade,
        count: lost.count,
        detail: detail(lost.detail),
        rule: info.map(|info| place(program, info.place)),
        because,
    }
}

fn detail(detail: Detail) -> Option<String> {
    Some(match detail {
        Detail::Nothing => return None,
        Detail::Cut { from, to, count } => format!("cut from {from} to {to} {}", unit(count)),
        Detail::Removed(count) => format!("{count} characters removed"),
        Detail::TimeOfDay => "the time of day is left out".to_owned(),
        Detail::Row { group, element, equivalence } => {
            format!("row {element} of group {group}: the target is {}", relation(equivalence))
        }
        Detail::StandIn => "one code stands for all that have no row".to_owned(),
        Detail::LeftOut(why) => left_out(why).to_owned(),
        Detail::Items { kept, of } => format!("{kept} of {of} items are sent"),
    })
}

/// An element as reports name it. The address of an extension is the sender's to choose: one in which data could hide is
/// left out.
fn shown(element: &str) -> String {
    let Some((before, rest)) = element.split_once('(') else { return element.to_owned() };
    let Some((url, after)) = rest.rsplit_once(')') else { return before.to_owned() };
    let digits = |text: &str| text.split(|c: char| !c.is_ascii_digit()).any(|run| run.len() >= 6);
    let plain = url.starts_with("http") && url.len() <= 200 && !digits(url) && !url.contains(['(', ' ', '?', '#']);
    if plain { format!("{before}({url}){after}") } else { format!("{before}(another){after}") }
}

pub(crate) const fn unit(count: Count) -> &'static str {
    match count {
        Count::Characters | Count::CharactersWithoutCr => "characters",
        Count::Utf16 => "UTF-16 units",
        Count::Bytes => "bytes",
    }
}

pub(crate) const fn relation(equivalence: Equivalence) -> &'static str {
    match equivalence {
        Equivalence::Equal => "equal",
        Equivalence::Equivalent => "equivalent",
        Equivalence::RelatedTo => "related to the source",
        Equivalence::Wider | Equivalence::Subsumes => "wider than the source",
        Equivalence::Narrower | Equivalence::Specializes => "narrower than the source",
        Equivalence::Inexact => "inexact",
        Equivalence::Unmatched | Equivalence::Disjoint => "no match",
    }
}

const fn left_out(why: LeftOut) -> &'static str {
    match why {
        LeftOut::Pattern => "not written as the platform demands",
        LeftOut::NotAllowed => "none of the values that the platform knows",
        LeftOut::Range => "outside the range that the platform takes",
        LeftOut::PartialDate => "a partial date",
        LeftOut::NothingLeft => "nothing is left after the transforms",
    }
}
