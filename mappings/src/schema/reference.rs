//! The pages `docs/reference/mapping-language.md` and `docs/reference/mapping-faults.md`.

use super::examples::{EXAMPLES, Stands};
use crate::class::safety_elements;
use crate::diagnostic::CODES;
use crate::program::Slot;
use crate::spec::{FORMS, Form, Key, Kind, Names, Word};
use std::fmt::Write;

const MADE: &str = "<!-- Made from the code, do not edit: UPDATE=1 cargo test -p mappings schema -->";

/// All kinds of faults, with their numbers.
#[must_use]
pub fn faults_reference() -> String {
    let mut page = format!("# Faults of a mapping\n\n{MADE}\n\n");
    page.push_str(
        "A mapping with faults does not load. All of them are reported at once, each with file, line and column, the \
         fault in words and how to mend it. The numbers stay what they are.\n\n",
    );
    let mut chapter = "";
    for info in CODES {
        if info.chapter != chapter {
            chapter = info.chapter;
            let _ = writeln!(page, "## {chapter}\n");
        }
        let _ = writeln!(page, "### {}: {}\n\n{}\n", info.id, info.title, info.about);
    }
    page.trim_end().to_owned() + "\n"
}

/// The whole language.
#[must_use]
pub fn language_reference() -> String {
    let mut page = format!("# The mapping language, version 1\n\n{MADE}\n\n{INTRODUCTION}\n");
    for form in FORMS {
        self::form(&mut page, form);
    }
    values(&mut page);
    variables(&mut page);
    extends(&mut page);
    safety(&mut page);
    page.trim_end().to_owned() + "\n"
}

const INTRODUCTION: &str = "\
A mapping says how a referral becomes the requests of one platform, and how the platform's answers become reports. It is \
a YAML file in the adapter's folder. Expressions are FHIRPath, in the subset that `fhirpath-subset.md` names. What a \
mapping cannot take over from the referral has to be said in it; the compiler finds what is not said \
([faults](mapping-faults.md)).

Of YAML only the plain part is read: maps, lists and scalars. Anchors, aliases, tags, several documents and keys that \
stand twice are refused. Text that begins with `%`, or has a colon followed by a space, needs quotes. A file has at most \
1 MiB, a line 10,000 bytes, nesting 32 levels. Editors find the schema in `mappings/schema/mapping.schema.json`.
";

fn form(page: &mut String, form: &'static Form) {
    let _ = writeln!(page, "## {}\n\n{}\n", heading(form.name), form.about);
    let alternatives: Vec<String> = form.exactly_one.iter().map(|key| format!("`{key}`")).collect();
    if !alternatives.is_empty() {
        let _ = writeln!(page, "Exactly one of {} says what it is.\n", alternatives.join(", "));
    }
    if let Some(other) = form.and {
        let _ = writeln!(page, "It has the keys of a [{}](#{}) and these:\n", other.name, anchor(other.name));
    }
    page.push_str("| Key | Value | What it does |\n| --- | --- | --- |\n");
    for key in form.keys {
        let needed = if key.required { " (needed)" } else { "" };
        let _ = writeln!(page, "| `{}`{needed} | {} | {} |", key.name, value_of(&key.value), about(key));
    }
    page.push('\n');
    for key in form.keys {
        if let Kind::Choice(words) | Kind::Unmapped(words, _) = key.value {
            let _ = writeln!(page, "Words of `{}`: {}.\n", key.name, words_of(words));
        }
    }
    for example in EXAMPLES.iter().filter(|example| example.form == form.name) {
        let note = if example.stands == Stands::Fields { " (fields of a body)" } else { "" };
        let _ = writeln!(page, "{}{note}:\n\n```yaml\n{}```\n", example.title, example.yaml);
    }
}

fn about(key: &Key) -> String {
    let beside: Vec<String> = key.beside.iter().map(|other| format!("`{other}`")).collect();
    let place = if beside.is_empty() { String::new() } else { format!(" Beside {}.", beside.join(", ")) };
    // A bar would end the cell.
    format!("{}{place}", key.about).replace('|', "\\|")
}

fn words_of(words: &[Word]) -> String {
    words.iter().map(|Word(word, meaning)| format!("`{word}` ({meaning})")).collect::<Vec<_>>().join(", ")
}

fn value_of(kind: &Kind) -> String {
    match kind {
        Kind::Words => "words".to_owned(),
        Kind::Text => "text".to_owned(),
        Kind::Name => "a name".to_owned(),
        Kind::File => "a file of the folder".to_owned(),
        Kind::Path => "FHIRPath".to_owned(),
        Kind::Template => "text with FHIRPath in braces".to_owned(),
        Kind::Element => "an element".to_owned(),
        Kind::Pattern => "a regular expression".to_owned(),
        Kind::Count => "a whole number from 1".to_owned(),
        Kind::Integer => "a whole number".to_owned(),
        Kind::Flag => "`true`, `false`".to_owned(),
        Kind::True => "`true`".to_owned(),
        Kind::Scalar => "text, number, `true`, `false`".to_owned(),
        Kind::Version => "`1`".to_owned(),
        Kind::Choice(_) => "a word (below)".to_owned(),
        Kind::Unmapped(_, form) => format!("a word (below), or an [{}](#{})", form.name, anchor(form.name)),
        Kind::Shape => "a shape".to_owned(),
        Kind::List(inner) => format!("list of {}", value_of(inner)),
        Kind::Map(names, inner) => {
            let names = if *names == Names::Any { "names".to_owned() } else { format!("names ({})", names.words()) };
            format!("map from {names} to {}", value_of(inner))
        }
        Kind::Form(form) => format!("[{}](#{})", form.name, anchor(form.name)),
    }
}

fn heading(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

fn anchor(name: &str) -> String {
    name.to_lowercase().replace(' ', "-")
}

fn values(page: &mut String) {
    page.push_str(
        "## What happens to a value\n\n\
         In this order: the source (`from` or `constant`), `map`, `format`, `join`, `transform`, `label`; then \
         `one-of`, `pattern`, `min` and `max`, `max-length`, `encode`. Where nothing is left, `default`, `required` and \
         `empty` decide.\n\n\
         Without `type` a value is a `string`; with `map` it is a `code`, with `format` a date; a constant is what it is \
         written as. A `date` is written as `yyyy-MM-dd` and a `date-time` as it stands, unless `format` says otherwise.\n\n\
         A code, an identifier and a date are never cut, whatever the words. `substring()` in a path that is sent needs \
         `because`.\n\n",
    );
}

fn variables(page: &mut String) {
    page.push_str("## Variables\n\nBeside those under `variables`:\n\n| Variable | What it is |\n| --- | --- |\n");
    for slot in Slot::ALL {
        let _ = writeln!(page, "| `%{}` | {} |", slot.name(), described(slot));
    }
    page.push('\n');
}

const fn described(slot: Slot) -> &'static str {
    match slot {
        Slot::Referral => "The Bundle that the adapter is given. In requests of a submit, guards and variables.",
        Slot::ServiceRequest => "The ServiceRequest: entry 0 of the Bundle. Where `%referral` is.",
        Slot::Patient => "The Patient: entry 1 of the Bundle. Where `%referral` is.",
        Slot::Task => "The sender's Task: the last one of the Bundle. Where `%referral` is.",
        Slot::Settings => {
            "What the operator has configured: `%settings.name`; a name with a hyphen stands in backticks. Everywhere."
        }
        Slot::Keys => {
            "`%keys.idempotency` (one for each referral and platform, unchanged over attempts) and `%keys.correlation`. In all exchanges but poll."
        }
        Slot::AcceptedAt => "When the gateway accepted the referral: a date-time. In all exchanges but poll.",
        Slot::PlatformReferral => "The platform's name for the referral. In read, cancel, hold and release.",
        Slot::Progress => "The notes of earlier steps: `%progress.name`, text. In exchanges of several steps.",
        Slot::Cursor => "What the last poll kept: `%cursor.name`, text; nothing the first time. In poll.",
        Slot::Reason => "The sender's reason in words. In cancel, hold and release; never in an address.",
        Slot::Status => "The HTTP status, a whole number. In answers.",
        Slot::Header => {
            "Headers of the answer: `%header.name` in small letters, text; hyphens need backticks. In answers."
        }
    }
}

fn extends(page: &mut String) {
    page.push_str(
        "## Extends\n\n\
         A file that extends another is laid over it. Maps are merged key by key. Steps of an exchange are merged by \
         their names, new ones follow. Any other list, and any value, is replaced. A target that says what it is (`from`, \
         `constant`, `choose`, `lines`, `copy`, `use`, `each`) replaces the one below it; one that does not changes only \
         the keys that it names. `{ remove: true }` takes away what stands below. Everything is checked after that, and \
         faults point to the file in which the line stands.\n\n",
    );
}

fn safety(page: &mut String) {
    page.push_str(
        "## Safety content\n\n\
         Each of these elements has to be read by a rule, be the reason of a guard under `refuse`, or stand under \
         `accepted-losses` with the reason why it may be lost:\n\n",
    );
    for element in safety_elements() {
        let _ = writeln!(page, "- `{element}`");
    }
    page.push('\n');
}
