//! A letter in words: headings, lines and lists, in the order in which a practice needs them.

use super::fit::{Shortened, cut};
use super::{Better, Letter, Reading, Score, Section};
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

const DAY: &[BorrowedFormatItem<'_>] = format_description!("[day padding:none] [month repr:long] [year]");
const TIME: &[BorrowedFormatItem<'_>] = format_description!("[hour]:[minute]");

/// What a block of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Title,
    Heading,
    Line,
    Item,
    Notice,
}

/// One paragraph, heading or item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) section: Section,
    pub(crate) kind: Kind,
    /// In bold, before the text.
    pub(crate) label: Option<&'static str>,
    pub(crate) text: String,
}

/// The letter, and what of it was shortened. Of each text that may be shortened so many characters stay at most.
pub(crate) fn blocks(letter: &Letter, characters: usize) -> (Vec<Block>, Vec<Shortened>) {
    let mut told = Telling { blocks: Vec::new(), shortened: Vec::new() };
    told.put(Section::Head, Kind::Title, letter.title.clone());
    told.put(Section::Head, Kind::Line, headline(letter));
    patient(&mut told, letter);
    requests(&mut told, letter);
    told.texts(Section::Outcome, Kind::Line, &[letter.outcome.as_str()], characters);
    told.texts(Section::Need, Kind::Line, &[letter.need.as_str()], characters);
    let done: Vec<&str> = letter.done.iter().map(String::as_str).collect();
    told.texts(Section::Done, Kind::Item, &done, characters);
    if !letter.scores.is_empty() {
        told.heading(Section::Scores);
        letter.scores.iter().for_each(|each| told.put(Section::Scores, Kind::Item, score(each)));
    }
    parties(&mut told, letter);
    if !told.shortened.is_empty() {
        // Before everything but the title: nobody should act on a part and take it for the whole.
        told.blocks.insert(2, warning(letter));
    }
    (told.blocks, told.shortened)
}

struct Telling {
    blocks: Vec<Block>,
    shortened: Vec<Shortened>,
}

impl Telling {
    fn put(&mut self, section: Section, kind: Kind, text: String) {
        self.blocks.push(Block { section, kind, label: None, text });
    }

    fn heading(&mut self, section: Section) {
        self.put(section, Kind::Heading, section.heading().to_owned());
    }

    fn line(&mut self, section: Section, label: &'static str, text: String) {
        self.blocks.push(Block { section, kind: Kind::Line, label: Some(label), text });
    }

    fn texts(&mut self, section: Section, kind: Kind, items: &[&str], characters: usize) {
        self.heading(section);
        let (kept, shortened) = cut(section, items, characters);
        kept.into_iter().for_each(|text| self.put(section, kind, text));
        if let Some(shortened) = shortened {
            self.put(section, Kind::Notice, shortened.notice());
            self.shortened.push(shortened);
        }
    }
}

fn headline(letter: &Letter) -> String {
    let role = letter.author.role.as_deref().map(|role| format!(", {role}")).unwrap_or_default();
    let (name, day) = (letter.author.name.whole(), day(letter.written_at.date()));
    format!("Version {}. Written by {name}{role} on {day}.", letter.version)
}

fn warning(letter: &Letter) -> Block {
    let text = format!(
        "This letter was shortened to fit one page. Each part that is not complete says so. For the rest ask {}, telephone {}.",
        letter.sender.name, letter.sender.telephone
    );
    Block { section: Section::Head, kind: Kind::Notice, label: Some("Important"), text }
}

fn patient(told: &mut Telling, letter: &Letter) {
    told.heading(Section::Patient);
    told.line(Section::Patient, "Name", letter.patient.name.whole());
    told.line(Section::Patient, "Date of birth", day(letter.patient.birth_date));
    told.line(Section::Patient, "NHS number", letter.patient.nhs_number.spaced());
}

fn requests(told: &mut Telling, letter: &Letter) {
    told.heading(Section::Requests);
    if letter.requests.is_empty() {
        told.put(Section::Requests, Kind::Line, "Nothing. This letter is for your information.".to_owned());
    }
    letter.requests.iter().for_each(|each| told.put(Section::Requests, Kind::Item, each.clone()));
}

fn parties(told: &mut Telling, letter: &Letter) {
    told.heading(Section::Parties);
    let sender = &letter.sender;
    let code = sender.ods_code.as_str();
    told.line(Section::Parties, "From", format!("{} (ODS code {code}), telephone {}", sender.name, sender.telephone));
    told.line(Section::Parties, "Service", letter.service.clone());
    if let Some(telephone) = &letter.author.telephone {
        told.line(Section::Parties, "Author's telephone", telephone.clone());
    }
    let code = letter.practice.ods_code.as_ref().map(|code| format!(" (ODS code {})", code.as_str()));
    told.line(Section::Parties, "To", format!("{}{}", letter.practice.name, code.unwrap_or_default()));
    if let Some(referral) = &letter.referral {
        let reference = referral.reference.as_ref().map(|reference| format!(", reference {reference}"));
        told.line(Section::Parties, "Referral", format!("{}{}", day(referral.on), reference.unwrap_or_default()));
    }
    told.line(Section::Parties, "Date and time of this outcome", moment(letter.happened_at));
}

fn score(score: &Score) -> String {
    let better = match score.better {
        Better::Higher => "higher is better",
        Better::Lower => "lower is better",
    };
    let reading = |reading: Option<Reading>, when| match reading {
        Some(reading) => format!("{} {when} ({})", reading.points, day(reading.on)),
        None => format!("not measured {when}"),
    };
    let (before, after) = (reading(score.before, "before"), reading(score.after, "after"));
    format!("{}: {before}, {after}. Scale {} to {}, {better}.", score.measure, score.lowest, score.highest)
}

fn day(date: Date) -> String {
    // A date has every part that the form asks for.
    date.format(DAY).unwrap_or_else(|_| date.to_string())
}

fn moment(moment: OffsetDateTime) -> String {
    let time = moment.time().format(TIME).unwrap_or_else(|_| moment.time().to_string());
    format!("{} at {time}", day(moment.date()))
}
