//! From parser events to the tree. Keeps a stack of its own, so that deep nesting cannot exhaust the thread's.

use super::{Entry, Node, Scalar, Style, Value};
use crate::diagnostic::{Code, Faults, is_hidden};
use crate::source::{Source, Span, size};
use saphyr_parser::{Event, Parser, ScalarStyle, Span as Parsed};
use std::collections::HashMap;

/// Most bytes of a file.
pub(crate) const MOST_BYTES: usize = 1 << 20;
/// Most bytes of a line.
const MOST_LINE: usize = 10_000;
/// Deepest nesting.
const DEEPEST: usize = 32;

/// Reads one file. `None` if there is no tree to go on with; faults say why.
pub(crate) fn read(source: &Source, file: u16, faults: &mut Faults) -> Option<Node> {
    let before = faults.count();
    hidden_characters(source, file, faults);
    long_lines(source, file, faults);
    if faults.count() > before {
        return None;
    }
    let mut reader = Reader { source, places: Places::new(&source.text, file), stack: Vec::new(), root: None, faults };
    let mut parser = Parser::new_from_str(&source.text);
    while let Some(next) = parser.next_event() {
        match next {
            Ok((event, at)) => reader.take(event, at)?,
            Err(error) => {
                let marker = *error.marker();
                let at = reader.places.span(Parsed::empty(marker));
                let mend = "Correct the YAML here; often the indentation or a missing quote in a line above is the cause. \
                            Text that begins with % or holds a colon and a space needs quotes.";
                reader.faults.add(Code::NotYaml, at, format!("This is not YAML: {}.", error.info()), mend);
                return None;
            }
        }
    }
    let root = reader.root;
    if root.is_none() {
        let at = Span { file, start: 0, end: 0 };
        faults.add(Code::NotYaml, at, "The file is empty.", "Write a mapping into it, or do not name it.");
    }
    root
}

/// Refuses what does not show or reorders what shows: a reviewer would read another mapping than the one that runs.
fn hidden_characters(source: &Source, file: u16, faults: &mut Faults) {
    for (at, c) in source.text.char_indices() {
        let allowed = matches!(c, '\n' | '\r' | '\t') || (at == 0 && c == '\u{feff}');
        if !allowed && (is_hidden(c) || c.is_control()) {
            let span = Span { file, start: size(at), end: size(at + c.len_utf8()) };
            let fault =
                format!("The character U+{:04X} does not show, or changes the order of what shows.", u32::from(c));
            faults.add(
                Code::HiddenCharacter,
                span,
                fault,
                "Remove it. Where a value needs it, write it as an escape in double quotes, such as \"\\u200F\".",
            );
        }
    }
}

fn long_lines(source: &Source, file: u16, faults: &mut Faults) {
    let mut start = 0;
    for line in source.text.split('\n') {
        if line.len() > MOST_LINE {
            let at = Span { file, start: size(start), end: size(start + 1) };
            let fault = format!("The line has {} bytes; at most {MOST_LINE} are read.", line.len());
            faults.add(Code::TooLarge, at, fault, "Break it into several lines.");
        }
        start += line.len() + 1;
    }
}

/// Turns the parser's character indexes into bytes.
struct Places {
    file: u16,
    length: u32,
    /// Byte of each character; absent where each character is one byte.
    bytes: Option<Vec<u32>>,
}

impl Places {
    fn new(text: &str, file: u16) -> Self {
        let bytes = (!text.is_ascii()).then(|| text.char_indices().map(|(at, _)| size(at)).collect());
        Self { file, length: size(text.len()), bytes }
    }

    fn byte(&self, index: usize) -> u32 {
        match &self.bytes {
            None => size(index).min(self.length),
            Some(bytes) => bytes.get(index).copied().unwrap_or(self.length),
        }
    }

    fn span(&self, parsed: Parsed) -> Span {
        let start = self.byte(parsed.start.index());
        Span { file: self.file, start, end: self.byte(parsed.end.index()).max(start) }
    }
}

/// A collection that is not closed yet.
enum Open {
    List { at: Span, items: Vec<Node> },
    Map { at: Span, entries: Vec<Entry>, seen: HashMap<String, u32>, key: Option<Key> },
}

/// A key whose value is awaited.
struct Key {
    text: String,
    at: Span,
    /// Whether it stands here for the second time; the first counts, so that the rest can still be checked.
    again: bool,
}

struct Reader<'a> {
    source: &'a Source,
    places: Places,
    stack: Vec<Open>,
    root: Option<Node>,
    faults: &'a mut Faults,
}

impl Reader<'_> {
    /// Takes one event; `None` ends the reading.
    fn take(&mut self, event: Event<'_>, at: Parsed) -> Option<()> {
        let at = self.places.span(at);
        match event {
            Event::DocumentStart(_) if self.root.is_some() => {
                self.refuse(at, "A second document begins here", "Keep one document in each file; remove the ---.")
            }
            Event::Alias(_) => self.refuse(at, "An alias (*name) stands here", FRAGMENT),
            Event::Scalar(text, style, anchor, tag) => {
                self.plain(at, anchor, tag.is_some())?;
                let scalar = Scalar { text: text.into_owned(), style: style_of(style) };
                let at = self.trimmed(&scalar, at);
                self.scalar(scalar, at)
            }
            Event::SequenceStart(anchor, tag) => {
                self.plain(at, anchor, tag.is_some())?;
                self.open(at, Open::List { at, items: Vec::new() })
            }
            Event::MappingStart(anchor, tag) => {
                self.plain(at, anchor, tag.is_some())?;
                self.open(at, Open::Map { at, entries: Vec::new(), seen: HashMap::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(at),
            _ => Some(()),
        }
    }

    fn refuse(&mut self, at: Span, what: &str, mend: &str) -> Option<()> {
        self.faults.add(Code::YamlFeature, at, format!("{what}, which a mapping may not use."), mend);
        None
    }

    fn plain(&mut self, at: Span, anchor: usize, tagged: bool) -> Option<()> {
        if anchor != 0 {
            return self.refuse(at, "An anchor (&name) stands here", FRAGMENT);
        }
        if tagged {
            return self.refuse(at, "A tag (!name) stands here", "Remove it; quotes make a value text.");
        }
        Some(())
    }

    /// The parser lets a scalar reach to the next token, blanks and comments included.
    fn trimmed(&self, scalar: &Scalar, at: Span) -> Span {
        let raw = self.source.text.get(at.start as usize..at.end as usize).unwrap_or_default();
        let length = match scalar.style {
            Style::Plain if raw.starts_with(&scalar.text) => scalar.text.len(),
            Style::Single => quoted_length(raw, |rest| if rest.starts_with("''") { 2 } else { 0 }),
            Style::Double => quoted_length(raw, |rest| if rest.starts_with('\\') { 2 } else { 0 }),
            _ => raw.trim_end().len(),
        };
        Span { end: at.start + size(length), ..at }
    }

    fn open(&mut self, at: Span, open: Open) -> Option<()> {
        if let Some(Open::Map { key: None, .. }) = self.stack.last() {
            return self.refuse(at, "A key that is a list or a map stands here", "Write a plain name as the key.");
        }
        if self.stack.len() >= DEEPEST {
            let fault = format!("The nesting is deeper than {DEEPEST}.");
            self.faults.add(Code::TooLarge, at, fault, "Move inner parts into fragments and name them with use.");
            return None;
        }
        self.stack.push(open);
        Some(())
    }

    fn scalar(&mut self, scalar: Scalar, at: Span) -> Option<()> {
        if let Some(Open::Map { key: key @ None, seen, .. }) = self.stack.last_mut() {
            let before = seen.len();
            if scalar.text == "<<" {
                return self.refuse(at, "A merge key (<<) stands here", FRAGMENT);
            }
            let line = self.source.position(at.start).line;
            let first = *seen.entry(scalar.text.clone()).or_insert(line);
            let again = seen.len() == before;
            if again {
                let fault =
                    format!("The key `{}` stands here a second time; line {first} has it already.", scalar.text);
                self.faults.add(Code::DuplicateKey, at, fault, "Keep one of them.");
            }
            *key = Some(Key { text: scalar.text, at, again });
            return Some(());
        }
        self.put(Node { at, value: Value::Scalar(scalar) })
    }

    fn close(&mut self, end: Span) -> Option<()> {
        let node = match self.stack.pop()? {
            Open::List { at, items } => Node { at: Span { end: end.end.max(at.end), ..at }, value: Value::List(items) },
            Open::Map { at, entries, .. } => {
                Node { at: Span { end: end.end.max(at.end), ..at }, value: Value::Map(entries) }
            }
        };
        self.put(node)
    }

    fn put(&mut self, node: Node) -> Option<()> {
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map { entries, key, .. }) => {
                let Key { text, at, again } = key.take()?;
                if !again {
                    entries.push(Entry { key: text, key_at: at, value: node });
                }
            }
        }
        Some(())
    }
}

/// Length of a quoted scalar with its quotes. `escaped` says how many bytes stand for one that is no end.
fn quoted_length(raw: &str, escaped: impl Fn(&str) -> usize) -> usize {
    let Some(quote) = raw.chars().next() else { return 0 };
    let mut at = quote.len_utf8();
    while let Some(rest) = raw.get(at..) {
        let Some(next) = rest.chars().next() else { break };
        match escaped(rest) {
            0 if next == quote => return at + quote.len_utf8(),
            0 => at += next.len_utf8(),
            // What is escaped may be longer than one byte; it is no end in any case.
            _ => at += 1 + rest.chars().nth(1).map_or(0, char::len_utf8),
        }
    }
    raw.len()
}

const FRAGMENT: &str = "Write the repeated part as a fragment and name it with use.";

const fn style_of(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted => Style::Single,
        ScalarStyle::DoubleQuoted => Style::Double,
        ScalarStyle::Literal => Style::Literal,
        ScalarStyle::Folded => Style::Folded,
    }
}
