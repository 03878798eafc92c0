//! The read-set: which elements of a referral a compiled mapping can read. It is the adapter's data need, and the page
//! that an information-governance lead signs.

use crate::class::DataClass;
use crate::program::{Program, RuleId};
use std::fmt::Write;

/// All elements that a mapping can read, sorted by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadSet {
    /// The elements.
    pub elements: Vec<ReadElement>,
}

/// One element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadElement {
    /// Path without indexes, resource type first; covers all below it.
    pub path: String,
    /// What kind of data it is, by the table of classes or the rule, whichever is graver.
    pub class: DataClass,
    /// Whether its value can reach the platform, or is only looked at.
    pub conveyed: bool,
    /// Whether nothing can be sent without it.
    pub needed: bool,
    /// If it is an extension: the urls that are looked for. Others are passed over.
    pub urls: Vec<String>,
    /// The rules that read it.
    pub rules: Vec<RuleId>,
}

/// The data need of a mapping as a page of Markdown: what the platform is given, what is only looked at, what is lost
/// and what is refused, with lines to sign.
#[must_use]
pub fn page(program: &Program) -> String {
    let mut page = format!("# What {} is given of a referral\n\n", program.name);
    page.push_str(
        "Made from the mapping itself: these are all the elements of a referral that it can read. Whatever is not in \
         this list does not exist in the document that the adapter works on, and cannot be sent.\n\n",
    );
    let elements = &program.read_set.elements;
    let (sent, seen): (Vec<_>, Vec<_>) = elements.iter().partition(|element| element.conveyed);
    section(&mut page, "Sent to the platform", &sent, program, "Nothing of the referral is sent.");
    section(&mut page, "Looked at, and not sent", &seen, program, "Nothing.");
    list(
        &mut page,
        "Safety content that this platform does not get",
        program.accepted_losses.iter().map(|loss| format!("{}: {}", loss.element, loss.because)),
    );
    list(
        &mut page,
        "Referrals that are not sent",
        program.guards.iter().map(|guard| format!("{}: {}", guard.element, guard.because)),
    );
    page.push_str("## Signed\n\n");
    for line in ["Name", "Role", "Date", "Signature"] {
        let _ = writeln!(page, "{line:<10} ______________________________\n");
    }
    page
}

fn section(page: &mut String, title: &str, elements: &[&ReadElement], program: &Program, none: &str) {
    let _ = writeln!(page, "## {title}\n");
    if elements.is_empty() {
        let _ = writeln!(page, "{none}\n");
        return;
    }
    let heads = ["Element", "Kind of data", "Needed", "Used for"].map(str::to_owned);
    let mut rows = vec![heads];
    for element in elements {
        let mut name = element.path.clone();
        for url in &element.urls {
            let _ = write!(name, " ({url})");
        }
        let needed = if element.needed { "yes" } else { "no" };
        rows.push([name, element.class.word().to_owned(), needed.to_owned(), targets(element, program)]);
    }
    let widths: Vec<usize> = (0..4)
        .map(|at| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    for (at, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        let _ = writeln!(page, "| {} |", cells.join(" | ").trim_end());
        if at == 0 {
            let lines: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
            let _ = writeln!(page, "| {} |", lines.join(" | "));
        }
    }
    page.push('\n');
}

/// The fields that an element goes to.
fn targets(element: &ReadElement, program: &Program) -> String {
    let rules = element.rules.iter().filter_map(|rule| program.rules.get(rule.0 as usize));
    let mut targets: Vec<&str> = rules.map(|rule| rule.target.as_str()).collect();
    targets.sort_unstable();
    targets.dedup();
    if targets.is_empty() { "a condition".to_owned() } else { targets.join(", ") }
}

fn list(page: &mut String, title: &str, items: impl Iterator<Item = String>) {
    let _ = writeln!(page, "## {title}\n");
    let before = page.len();
    for item in items {
        let _ = writeln!(page, "- {item}");
    }
    if page.len() == before {
        page.push_str("None.\n");
    }
    page.push('\n');
}
