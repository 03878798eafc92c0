//! Places in words: line and column of a fault in the text, and the path of a value. Never a value itself.

use std::fmt::Write as _;

use super::{Document, DocumentError, Kind, NodeId, Problem};

pub(super) fn error(text: &str, offset: usize, problem: Problem) -> DocumentError {
    let before = text.get(..offset.min(text.len())).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    DocumentError { offset, line, column, problem }
}

pub(super) fn location(document: &Document<'_>, id: NodeId) -> String {
    let mut at = document.root();
    let mut path = match document.get(at, "resourceType").and_then(|name| document.string(name)) {
        Some(name) => name.into_owned(),
        None => "$".to_owned(),
    };
    while at != id {
        let within = |child: &NodeId| *child <= id && id < document.descendants_end(*child);
        let Some((index, child)) = document.children(at).enumerate().find(|(_, child)| within(child)) else { break };
        match document.key(child) {
            Some(key) if is_plain(&key) => path.extend([".", &key]),
            Some(key) => path.extend([".`", &key, "`"]),
            None => {
                let _ = write!(path, "[{index}]");
            }
        }
        at = child;
    }
    path
}

fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl Kind {
    /// The kind in words, for messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "true or false",
            Self::Number => "a number",
            Self::String => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}
