//! The outcome letter as a PDF of one page: tagged, with title, language and outline (PDF/UA-1), and a function of the letter alone.
//!
//! The fonts (DejaVu Sans, free to embed) are part of the build and of the PDF. A character that they lack, or that would need shaping, is
//! an error; it is never left out. Text that does not fit is shortened with a notice, or refused: see [`Overflow`].

mod draw;
mod fonts;
mod place;

pub use crate::letter::fit::Shortened;

use crate::letter::words::{Block, blocks};
use crate::letter::{Letter, Score, Section, fit};
use crate::limits::{LETTER_ITEMS, LETTER_LINE, LETTER_TEXT, SHOWN_AT_LEAST};
use fonts::Fonts;
use thiserror::Error;

/// What happens to a letter that is longer than a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overflow {
    /// Outcome, need and what was done are shortened; the letter says where and how much.
    #[default]
    Shorten,
    /// It is an error.
    Refuse,
}

/// A finished letter.
#[derive(Clone, PartialEq, Eq)]
pub struct Pdf {
    /// The file.
    pub bytes: Vec<u8>,
    /// What was shortened, for whoever must be told. Empty if the letter is whole.
    pub shortened: Vec<Shortened>,
}

impl std::fmt::Debug for Pdf {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Pdf").field("bytes", &self.bytes.len()).field("shortened", &self.shortened).finish()
    }
}

/// Why no PDF is made. No text of the letter is told.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PdfFault {
    /// A part that a letter must have is empty.
    #[error("the letter has nothing under \"{}\": fill it in", .section.heading())]
    Missing {
        /// Which.
        section: Section,
    },
    /// A character has no glyph of its own.
    #[error(
        "\"{}\" has the character U+{code_point:04X}, which the letter's font cannot show (it has Latin, Greek and Cyrillic): have it written otherwise",
        .section.heading()
    )]
    Character {
        /// Where.
        section: Section,
        /// Which.
        code_point: u32,
    },
    /// Longer than a letter can be.
    #[error("\"{}\" is too long for a letter: shorten it", .section.heading())]
    TooLong {
        /// Where.
        section: Section,
    },
    /// More than a page, even with what may be shortened at its shortest, or with [`Overflow::Refuse`].
    #[error("the letter does not fit one page: shorten what is asked, the scores or the texts")]
    TooMuch,
    /// A score outside its own scale.
    #[error("a score is outside its scale: correct the score or the scale")]
    OffScale,
    /// The library refused.
    #[error(
        "no PDF that a screen reader can read can be made of this letter; this is a fault of the gateway, report it"
    )]
    Unmakeable,
}

/// Makes the PDF. `id` names the document in its metadata and must not name the person; an UUID will do.
///
/// # Errors
/// [`PdfFault`] telling what to mend, and where.
pub fn make(letter: &Letter, id: &str, overflow: Overflow) -> Result<Pdf, PdfFault> {
    check(letter)?;
    let fonts = Fonts::load().ok_or(PdfFault::Unmakeable)?;
    let (blocks, shortened) = fitted(&fonts, letter, overflow)?;
    let bytes = draw::draw(&fonts, &blocks, &letter.title, id).ok_or(PdfFault::Unmakeable)?;
    Ok(Pdf { bytes, shortened })
}

/// The blocks that fit a page, with as much text as there is room for.
fn fitted(fonts: &Fonts, letter: &Letter, overflow: Overflow) -> Result<(Vec<Block>, Vec<Shortened>), PdfFault> {
    let tell = |characters| {
        let (blocks, shortened) = blocks(letter, characters);
        Ok((shown(fonts, blocks)?, shortened))
    };
    let whole: (Vec<Block>, _) = tell(usize::MAX)?;
    if place::fits(fonts, &whole.0) {
        return Ok(whole);
    }
    let mut best = None;
    let (mut low, mut high) = (SHOWN_AT_LEAST, fit::longest(letter));
    while overflow == Overflow::Shorten && low <= high {
        let middle = low.midpoint(high);
        let told = tell(middle)?;
        if place::fits(fonts, &told.0) {
            (best, low) = (Some(told), middle + 1);
        } else {
            high = middle - 1;
        }
    }
    best.ok_or(PdfFault::TooMuch)
}

/// The blocks as the fonts can show them.
fn shown(fonts: &Fonts, blocks: Vec<Block>) -> Result<Vec<Block>, PdfFault> {
    let show = |mut block: Block| {
        let section = block.section;
        block.text = fonts
            .shown(&block.text)
            .map_err(|character| PdfFault::Character { section, code_point: u32::from(character) })?;
        Ok(block)
    };
    blocks.into_iter().map(show).collect()
}

/// What every letter must have, and how long its parts may be.
fn check(letter: &Letter) -> Result<(), PdfFault> {
    let needed = [
        (Section::Head, &letter.title, LETTER_LINE),
        (Section::Head, &letter.author.name.family, LETTER_LINE),
        (Section::Patient, &letter.patient.name.family, LETTER_LINE),
        (Section::Outcome, &letter.outcome, LETTER_TEXT),
        (Section::Need, &letter.need, LETTER_TEXT),
        (Section::Parties, &letter.sender.name, LETTER_LINE),
        (Section::Parties, &letter.sender.telephone, LETTER_LINE),
        (Section::Parties, &letter.service, LETTER_LINE),
        (Section::Parties, &letter.practice.name, LETTER_LINE),
    ];
    for (section, text, most) in needed {
        within(section, text, most)?;
        if text.trim().is_empty() {
            return Err(PdfFault::Missing { section });
        }
    }
    let (author, patient) = (&letter.author, &letter.patient.name);
    let head =
        author.name.given.iter().chain(&author.name.prefix).chain(&author.role).map(|text| (Section::Head, text));
    let person = patient.given.iter().chain(&patient.prefix).map(|text| (Section::Patient, text));
    let reference = letter.referral.iter().filter_map(|referral| referral.reference.as_ref());
    let others = author.telephone.iter().chain(reference).map(|text| (Section::Parties, text));
    head.chain(person).chain(others).try_for_each(|(section, text)| within(section, text, LETTER_LINE))?;
    if letter.done.is_empty() {
        return Err(PdfFault::Missing { section: Section::Done });
    }
    for (section, items) in [(Section::Done, &letter.done), (Section::Requests, &letter.requests)] {
        if items.len() > LETTER_ITEMS {
            return Err(PdfFault::TooLong { section });
        }
        for item in items {
            within(section, item, LETTER_TEXT)?;
            if item.trim().is_empty() {
                return Err(PdfFault::Missing { section });
            }
        }
    }
    if letter.scores.len() > LETTER_ITEMS {
        return Err(PdfFault::TooLong { section: Section::Scores });
    }
    letter.scores.iter().try_for_each(on_scale)
}

fn on_scale(score: &Score) -> Result<(), PdfFault> {
    within(Section::Scores, &score.measure, LETTER_LINE)?;
    let scale = score.lowest..=score.highest;
    let fits = score.before.iter().chain(&score.after).all(|reading| scale.contains(&reading.points));
    if fits && !scale.is_empty() { Ok(()) } else { Err(PdfFault::OffScale) }
}

fn within(section: Section, text: &str, most: usize) -> Result<(), PdfFault> {
    if text.chars().count() > most { Err(PdfFault::TooLong { section }) } else { Ok(()) }
}
