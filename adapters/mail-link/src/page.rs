//! The referral as people read it: what must be seen first, then who the person is, what is asked for, and who asks.
//!
//! One making serves the page behind the link, the mail and its attachment, so that none shows what another does not.

mod help;
mod known;
mod person;
mod sender;
mod warnings;

use crate::document::{Document, Said};
use crate::words::is_date;
use adapter_contract::{MinimisedReferral, PageSection, ReferralPage, TranslateError};
use std::fmt::Write as _;

/// A referral in words.
#[derive(Debug)]
pub(crate) struct Shown {
    /// What it was read from.
    pub(crate) document: Document,
    /// What must be seen before anything else.
    pub(crate) warnings: Vec<Said>,
    /// The rest, in the order in which it is read.
    pub(crate) sections: Vec<Section>,
}

/// One part of it.
#[derive(Debug)]
pub(crate) struct Section {
    /// Its heading.
    pub(crate) heading: &'static str,
    /// What it says, each with its name.
    pub(crate) lines: Vec<(Said, Said)>,
}

impl Section {
    fn new(heading: &'static str) -> Self {
        Self { heading, lines: Vec::new() }
    }

    /// A line, if there is something to say.
    fn line(&mut self, name: &str, says: Option<Said>) {
        self.lines.extend(says.map(|says| (Said::ours(name), says)));
    }

    /// A line for each.
    fn lines(&mut self, name: &str, says: impl IntoIterator<Item = Said>) {
        self.lines.extend(says.into_iter().map(|says| (Said::ours(name), says)));
    }
}

/// A name before what it names. A question has its own mark.
pub(crate) fn lead(name: &str) -> String {
    if name.ends_with(['?', ':']) { format!("{name} ") } else { format!("{name}: ") }
}

impl Shown {
    /// Reads a referral and puts it into words.
    ///
    /// # Errors
    /// [`TranslateError`] for a referral that this adapter cannot say, or could say only without what keeps the person safe.
    pub(crate) fn read(referral: &MinimisedReferral) -> Result<Self, TranslateError> {
        let document = Document::read(referral)?;
        let warnings = warnings::of(&document)?;
        let mut sections =
            vec![person::about(&document), person::reach(&document), help::asked(&document), known::known(&document)];
        sections.push(sender::sent(&document));
        sections.retain(|section| !section.lines.is_empty());
        Ok(Self { document, warnings, sections })
    }

    /// As the page behind the link has it.
    pub(crate) fn page(&self) -> ReferralPage {
        let line = |(name, says): &(Said, Said)| (name.text.clone(), says.text.clone());
        let section = |section: &Section| PageSection {
            heading: section.heading.to_owned(),
            lines: section.lines.iter().map(line).collect(),
        };
        ReferralPage {
            warnings: self.warnings.iter().map(|warning| warning.text.clone()).collect(),
            sections: self.sections.iter().map(section).collect(),
        }
    }

    /// Until when an answer is wanted, if the sender says so. It is for mails, so that it is made of dates and of nothing else.
    pub(crate) fn answer_by(&self) -> Option<String> {
        let wanted = self.document.of_kind("Task").find_map(help::answer_by)?;
        let mut values = wanted.from.iter().filter_map(|place| self.document.leaves.get(*place));
        values.all(|leaf| is_date(&leaf.value)).then_some(wanted.text)
    }

    /// As a mail has it.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for warning in &self.warnings {
            let _ = writeln!(text, "IMPORTANT: {}\n", warning.text);
        }
        for section in &self.sections {
            let _ = writeln!(text, "{}\n", section.heading.to_uppercase());
            for (name, says) in &section.lines {
                let says = says.text.replace('\n', "\n  ");
                let _ = writeln!(text, "{}{says}", lead(&name.text));
            }
            text.push('\n');
        }
        text
    }
}
