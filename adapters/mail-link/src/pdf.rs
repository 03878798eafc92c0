//! The referral as PDF, for an organisation that prints or files it: tagged, with title, language and outline (PDF/UA-1), and a
//! function of its input alone.
//!
//! Fonts are embedded. A character that they lack, or that would need shaping, is refused; it is never left out.

mod draw;
mod lines;

use crate::document::{Document, Said};
use crate::page::{Shown, lead};
use adapter_contract::TranslateError;
use lines::{Face, Fonts};

/// What a block of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Title,
    Heading,
    Warning,
    Line,
}

/// One paragraph.
struct Block {
    kind: Kind,
    /// Runs of text, each in one face.
    runs: Vec<(Face, String)>,
}

/// Makes the PDF.
///
/// # Errors
/// [`TranslateError`] naming the element that has a character that cannot be shown.
pub(crate) fn make(shown: &Shown, title: &str, key: &str) -> Result<Vec<u8>, TranslateError> {
    let fonts = Fonts::load()?;
    let mut blocks = vec![Block { kind: Kind::Title, runs: vec![(Face::Bold, title.to_owned())] }];
    for warning in &shown.warnings {
        let text = fonts.shown(&warning.text).ok_or_else(|| unfit(&shown.document, warning))?;
        blocks.push(Block { kind: Kind::Warning, runs: vec![(Face::Bold, format!("Important: {text}"))] });
    }
    for section in &shown.sections {
        blocks.push(Block { kind: Kind::Heading, runs: vec![(Face::Bold, section.heading.to_owned())] });
        for (name, says) in &section.lines {
            let part = |part: &Said| fonts.shown(&part.text).ok_or_else(|| unfit(&shown.document, part));
            let runs = vec![(Face::Bold, lead(&part(name)?)), (Face::Regular, part(says)?)];
            blocks.push(Block { kind: Kind::Line, runs });
        }
    }
    draw::draw(&fonts, &blocks, title, key)
}

fn unfit(document: &Document, said: &Said) -> TranslateError {
    let element = said.from.first().and_then(|place| document.leaves.get(*place)).map(|leaf| leaf.element.as_str());
    let reason = "has a character that the PDF's font cannot show (it has Latin, Greek and Cyrillic): attach no PDF to this \
                  platform's mails (settings.attachment = none), or have it written in one of these";
    TranslateError::new(element.unwrap_or("ServiceRequest"), reason)
}

#[cfg(test)]
mod tests;
