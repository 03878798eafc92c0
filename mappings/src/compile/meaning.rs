//! What a field stands for: its data class, the element that it means, and whether it says what it seems to say.

use super::Compiler;
use super::paths::Path;
use super::target::At;
use crate::class::{DataClass, covers};
use crate::diagnostic::Code;
use crate::source::Span;
use crate::yaml::Node;
use std::sync::LazyLock;

/// One row of `tables/names.tsv`.
struct NameRow {
    words: Vec<&'static str>,
    role: Option<&'static str>,
    elements: Vec<&'static str>,
}

static NAMES: LazyLock<Vec<NameRow>> = LazyLock::new(|| {
    let rows = include_str!("../../tables/names.tsv").lines().filter(|line| !line.starts_with('#'));
    rows.filter_map(|row| {
        let mut cells = row.split('\t');
        let words = cells.next()?.split('+').collect();
        let role = cells.next().filter(|role| *role != "-");
        Some(NameRow { words, role, elements: cells.next()?.split(',').collect() })
    })
    .collect()
});

impl Compiler<'_> {
    /// A field without a class. A word that is none was reported where it stands.
    pub(super) fn unclassed(&mut self, node: &Node, at: Span) {
        if node.has("class") {
            return;
        }
        let fault = "The field has no data class.";
        let mend =
            "Add `class`: administrative, demographic, need, contact, identity, clinical, third-party or safeguarding.";
        self.fault(Code::Unclassed, at, fault, mend);
    }

    /// The class of a rule that reads a path: as said, and no weaker than what it reads.
    pub(super) fn class_of_rule(&mut self, node: &Node, path: &Path, at: At<'_>) -> DataClass {
        let Some(said) = self.class_key(node).or(at.class) else {
            self.unclassed(node, at.place);
            return path.class;
        };
        let elements = path.reads.iter().map(|(element, _)| (self.class_of(element, &path.urls), element));
        let gravest = elements.filter(|(class, _)| *class == path.class).max();
        if path.class > said {
            let what = match gravest {
                Some((class, element)) => format!("{element} is {}", class.word()),
                None => format!("what it carries is {}", path.class.word()),
            };
            let fault = format!("The field is classed as {}; {what}.", said.word());
            let place = node.get("class").map_or(at.place, |node| node.at);
            self.fault(Code::WeakerClass, place, fault, format!("Write `class: {}`.", path.class.word()));
        }
        self.check_exposed(said.max(path.seen), at);
        said
    }

    pub(super) fn class_of_constant(&mut self, node: &Node, at: At<'_>) -> DataClass {
        let Some(said) = self.class_key(node).or(at.class) else {
            self.unclassed(node, at.place);
            return DataClass::Administrative;
        };
        self.check_exposed(said, at);
        said
    }

    /// Only administrative values may stand where logs see them.
    pub(super) fn check_exposed(&mut self, class: DataClass, at: At<'_>) {
        let Some(exposed) = at.exposed.filter(|_| class != DataClass::Administrative) else { return };
        let fault = format!("{exposed} would hold {} data.", class.word());
        let mend = "Send it in the body. Addresses and headers are written to logs by everybody on the way.";
        self.fault(Code::PatientDataOutside, at.place, fault, mend);
    }

    /// A constant says the same of everybody. Where the field stands for something of the referral it has to say why.
    pub(super) fn check_constant(&mut self, node: &Node, at: At<'_>, class: DataClass, place: Span) {
        self.known_element(node.text("means"));
        if node.has("means") && node.has("because") {
            return;
        }
        let named = name_row(at.target).filter(|_| !at.in_lines);
        let (fault, element) = match (node.text("means"), named, class) {
            (Some(means), ..) => {
                (format!("The constant stands for {} whatever the referral says.", means.text), means.text.to_owned())
            }
            (None, Some(row), _) => {
                let elements = row.elements.join(" or ");
                (
                    format!("By its name the field stands for {elements}; the constant says the same of everybody."),
                    elements,
                )
            }
            (None, None, DataClass::Administrative) => return,
            (None, None, class) => {
                let fault = format!("The constant is {} data, the same for everybody.", class.word());
                (fault, "the element that it stands for".to_owned())
            }
        };
        let mend = format!("Read {element} with `from`; or add `means` and `because` with the reason.");
        self.fault(Code::ConstantUnexplained, place, fault, mend);
    }

    /// A field that says what it means has to read that; one whose name says it, too.
    pub(super) fn check_meaning(&mut self, node: &Node, path: &Path, at: At<'_>, place: Span) {
        self.known_element(node.text("means"));
        if node.has("because") || path.reads.is_empty() {
            return;
        }
        let reads: Vec<&str> = path.reads.iter().map(|(path, _)| path.as_str()).collect();
        let agrees = |element: &str| reads.iter().any(|read| covers(element, read) || covers(read, element));
        if let Some(means) = node.text("means") {
            if !agrees(means.text) {
                let fault = format!("The field means {} and is filled from {}.", means.text, reads.join(", "));
                let mend = format!("Read {}, correct `means`, or say why with `because`.", means.text);
                self.fault(Code::MeansAnother, place, fault, mend);
            }
            return;
        }
        let Some(row) = name_row(at.target).filter(|row| row.role.is_some()) else { return };
        let other = NAMES.iter().filter(|other| other.role.is_some() && other.role != row.role);
        let mut others = other.flat_map(|other| other.elements.iter());
        let wrong = others.find(|element| path.conveyed().any(|read| covers(element, read)));
        if let (Some(wrong), false) = (wrong, row.elements.iter().any(|element| agrees(element))) {
            let fault =
                format!("By its name the field stands for {}; it is filled from {wrong}.", row.elements.join(" or "));
            let mend =
                format!("Read {}, or say with `means` and `because` what the field is.", row.elements.join(" or "));
            self.fault(Code::MeansAnother, place, fault, mend);
        }
    }
}

/// The row for the last name of a target.
fn name_row(target: &str) -> Option<&'static NameRow> {
    let last = target.trim_end_matches("[]").rsplit('.').next().unwrap_or_default();
    let words = words(last);
    NAMES.iter().find(|row| words.windows(row.words.len()).any(|window| window.iter().eq(row.words.iter())))
}

/// The words of a name: `ReferredByName` and `referred_by-name` are `referred`, `by`, `name`.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before = ' ';
    for c in name.chars() {
        let begins = c.is_alphabetic() && (!before.is_alphabetic() || (c.is_uppercase() && before.is_lowercase()));
        if begins {
            words.push(String::new());
        }
        if let (true, Some(word)) = (c.is_alphabetic(), words.last_mut()) {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elements;

    #[test]
    fn names_are_divided_into_words() {
        assert_eq!(words("ReferredByName_2-code"), ["referred", "by", "name", "code"]);
        assert_eq!(words("URGENCY"), ["urgency"]);
        assert!(name_row("create.body.Referrer").is_some() && name_row("create.body.Reference").is_none());
        assert_eq!(name_row("x.ReferredBy[]").and_then(|row| row.role), Some("requester"));
    }

    #[test]
    fn the_table_names_real_elements() {
        assert!(NAMES.len() > 10);
        for row in NAMES.iter() {
            assert!(row.elements.iter().all(|element| elements::find(element).is_some()), "{:?}", row.words);
        }
    }
}
