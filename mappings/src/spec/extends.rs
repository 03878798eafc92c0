//! Lays one file over another. Works on trees, so that each part keeps the place where it was written.

use crate::diagnostic::{Code, Faults};
use crate::source::{Files, Sources, Span, size};
use crate::spec::nearest;
use crate::yaml::{self, Entry, Node, Value};
use std::collections::HashMap;

/// How many files may stand in one chain.
const DEEPEST: usize = 4;

/// Keys that make a target a rule of its own: such a map replaces what it is laid over.
const RULES: [&str; 7] = ["from", "constant", "choose", "lines", "copy", "use", "each"];

/// Reads a file and all that it extends, and merges them.
pub(crate) fn load(files: &dyn Files, entry: &str, sources: &mut Sources, faults: &mut Faults) -> Option<Node> {
    let mut loader = Loader { files, sources, faults, chain: Vec::new() };
    loader.load(entry, Span::default())
}

struct Loader<'a> {
    files: &'a dyn Files,
    sources: &'a mut Sources,
    faults: &'a mut Faults,
    chain: Vec<String>,
}

impl Loader<'_> {
    /// `asked` is where the file was named.
    fn load(&mut self, name: &str, asked: Span) -> Option<Node> {
        if self.chain.iter().any(|file| file == name) || self.chain.len() > DEEPEST {
            let chain = format!("{} -> {name}", self.chain.join(" -> "));
            let fault = format!("These files extend each other in a circle or more than {DEEPEST} deep: {chain}.");
            self.faults.add(Code::ExtendsCycle, asked, fault, "Let the common part stand in a file that extends none.");
            return None;
        }
        let text = self.text(name, asked)?;
        let file = self.sources.add(name, text);
        let source = self.sources.get(file)?;
        let mut tree = yaml::read(source, file, self.faults)?;
        let Value::Map(entries) = &mut tree.value else {
            let fault = format!("A mapping is a map with keys; here stands {}.", tree.words());
            self.faults.add(Code::WrongKind, tree.at, fault, "Begin the file with `mapping: 1`.");
            return None;
        };
        let Some(at) = entries.iter().position(|entry| entry.key == "extends") else { return Some(tree) };
        let base = entries.remove(at).value;
        let Some(base_name) = base.as_text().map(|text| text.text.to_owned()) else {
            self.faults.add(
                Code::WrongKind,
                base.at,
                "`extends` wants the name of a file.",
                "Name another mapping file.",
            );
            return Some(tree);
        };
        self.chain.push(name.to_owned());
        let below = self.load(&base_name, base.at);
        self.chain.pop();
        Some(merge(below?, tree, self.faults))
    }

    fn text(&mut self, name: &str, asked: Span) -> Option<String> {
        let Some(bytes) = self.files.read(name) else {
            let names = self.files.names();
            let mend = match nearest(name, names.iter().map(String::as_str)) {
                Some(near) => format!("Did you mean `{near}`?"),
                None => "Name a file of the adapter's folder.".to_owned(),
            };
            let asked = self.first_place(name, asked);
            self.faults.add(Code::MissingFile, asked, format!("There is no file `{name}`."), mend);
            return None;
        };
        if bytes.len() > yaml::MOST_BYTES {
            let fault = format!("`{name}` has {} bytes; at most {} are read.", bytes.len(), yaml::MOST_BYTES);
            let asked = self.first_place(name, asked);
            self.faults.add(Code::TooLarge, asked, fault, "Split it with `extends`, and keep data in concept maps.");
            return None;
        }
        match std::str::from_utf8(&bytes) {
            Ok(text) => Some(text.to_owned()),
            Err(error) => {
                let readable = String::from_utf8_lossy(&bytes).into_owned();
                let at = size(error.valid_up_to());
                let file = self.sources.add(name, readable);
                let fault = "The file is not UTF-8 from here on.";
                self.faults.add(Code::HiddenCharacter, Span { file, start: at, end: at }, fault, "Save it as UTF-8.");
                None
            }
        }
    }

    /// The entry file is named nowhere: its own beginning stands for that.
    fn first_place(&mut self, name: &str, asked: Span) -> Span {
        if !self.chain.is_empty() {
            return asked;
        }
        Span { file: self.sources.add(name, String::new()), start: 0, end: 0 }
    }
}

/// Lays `over` over `base`.
fn merge(base: Node, over: Node, faults: &mut Faults) -> Node {
    let value = match (base.value, over.value) {
        (Value::Map(below), Value::Map(above)) if !is_rule(&above) => Value::Map(merge_maps(below, above, faults)),
        (Value::List(below), Value::List(above)) if has_steps(&below) && has_steps(&above) => {
            Value::List(merge_steps(below, above, faults))
        }
        (_, value) => value,
    };
    Node { at: over.at, value }
}

fn merge_maps(below: Vec<Entry>, above: Vec<Entry>, faults: &mut Faults) -> Vec<Entry> {
    let places: HashMap<String, usize> =
        below.iter().enumerate().map(|(place, entry)| (entry.key.clone(), place)).collect();
    let mut merged: Vec<Option<Entry>> = below.into_iter().map(Some).collect();
    for entry in above {
        let place = places.get(&entry.key).and_then(|place| merged.get_mut(*place));
        match (removes(&entry.value), place) {
            (true, Some(place)) => *place = None,
            (true, None) => {
                let fault = format!("`{}` does not stand in the file that is extended.", entry.key);
                faults.add(Code::RemovesNothing, entry.key_at, fault, "Correct the name, or remove this.");
            }
            (false, Some(place)) => {
                let value = match place.take() {
                    Some(other) => merge(other.value, entry.value, faults),
                    None => entry.value,
                };
                *place = Some(Entry { value, ..entry });
            }
            (false, None) => merged.push(Some(entry)),
        }
    }
    merged.into_iter().flatten().collect()
}

/// Steps are laid over each other by their names; new ones follow.
fn merge_steps(below: Vec<Node>, above: Vec<Node>, faults: &mut Faults) -> Vec<Node> {
    let name = |node: &Node| node.text("step").map(|text| text.text.to_owned());
    let places: HashMap<String, usize> =
        below.iter().enumerate().filter_map(|(place, step)| Some((name(step)?, place))).collect();
    let mut merged: Vec<Option<Node>> = below.into_iter().map(Some).collect();
    for step in above {
        match name(&step).and_then(|name| places.get(&name)).and_then(|place| merged.get_mut(*place)) {
            Some(place) => {
                *place = match place.take() {
                    Some(other) => Some(merge(other, step, faults)),
                    None => Some(step),
                };
            }
            None => merged.push(Some(step)),
        }
    }
    merged.into_iter().flatten().collect()
}

fn removes(node: &Node) -> bool {
    node.entries().len() == 1 && node.flag("remove")
}

fn is_rule(entries: &[Entry]) -> bool {
    entries.iter().any(|entry| RULES.contains(&entry.key.as_str()))
}

fn has_steps(items: &[Node]) -> bool {
    !items.is_empty() && items.iter().all(|item| item.has("step"))
}
