//! Names that a path mentions: `%settings.queue` is the variable `settings` with the member `queue`. Reads the text
//! alone, with strings and comments passed over; whether the names exist is not its business.

use std::ops::Range;

/// A variable that a path mentions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mention<'t> {
    /// Its name without `%`.
    pub(crate) name: &'t str,
    /// The member that is taken of it at once, if one is.
    pub(crate) member: Option<&'t str>,
    /// Where it stands.
    pub(crate) at: Range<usize>,
}

/// All variables that a path mentions, in their order.
pub(crate) fn mentions(text: &str) -> Vec<Mention<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(next) = text.get(at..).and_then(|rest| rest.chars().next()) {
        if let Some(end) = passed_over(text, at) {
            at = end;
        } else if next == '%' {
            let Some((name, after)) = name(text, at + 1) else {
                at += 1;
                continue;
            };
            let dot = text.get(after..).is_some_and(|rest| rest.starts_with('.'));
            let member = if dot { self::name(text, after + 1) } else { None };
            // A call is no member.
            let member = member.filter(|(_, end)| !text.get(*end..).is_some_and(|rest| rest.starts_with('(')));
            let end = member.map_or(after, |(_, end)| end);
            found.push(Mention { name, member: member.map(|(name, _)| name), at: at..end });
            at = end;
        } else {
            at += next.len_utf8();
        }
    }
    found
}

/// Whether a path calls this function.
pub(crate) fn calls(text: &str, function: &str) -> bool {
    let mut at = 0;
    while let Some(next) = text.get(at..).and_then(|rest| rest.chars().next()) {
        if let Some(end) = passed_over(text, at) {
            at = end;
        } else if next.is_ascii_alphabetic() || next == '_' {
            let Some((word, end)) = name(text, at) else { return false };
            if word == function && text.get(end..).is_some_and(|rest| rest.trim_start().starts_with('(')) {
                return true;
            }
            at = end;
        } else {
            at += next.len_utf8();
        }
    }
    false
}

/// The literal texts that a path gives to `extension(…)`, as they stand in quotes.
pub(crate) fn extension_urls(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("extension(") {
        rest = rest.get(at + "extension(".len()..).unwrap_or_default().trim_start();
        if let Some(quoted) = rest.strip_prefix('\'') {
            found.push(quoted.split('\'').next().unwrap_or_default());
        }
    }
    found
}

/// The end of a string or comment that begins here.
fn passed_over(text: &str, at: usize) -> Option<usize> {
    let rest = text.get(at..)?;
    let ends = |mark: &str, from: usize| {
        rest.get(from..).and_then(|inner| inner.find(mark)).map_or(text.len(), |end| at + from + end + mark.len())
    };
    if rest.starts_with("//") {
        return Some(ends("\n", 2));
    }
    if rest.starts_with("/*") {
        return Some(ends("*/", 2));
    }
    if !rest.starts_with('\'') {
        return None;
    }
    let mut escaped = false;
    for (offset, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' => return Some(at + offset + 1),
            _ => {}
        }
    }
    Some(text.len())
}

/// A name that begins here, with or without backticks, and where it ends.
fn name(text: &str, at: usize) -> Option<(&str, usize)> {
    let rest = text.get(at..)?;
    if let Some(inner) = rest.strip_prefix('`') {
        let end = inner.find('`')?;
        return Some((inner.get(..end)?, at + end + 2));
    }
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    (end > 0).then(|| (rest.get(..end).unwrap_or_default(), at + end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_found_outside_of_strings_and_comments() {
        let text = "%a.b + '%no \\' %no' // %no\n + %`c d`.exists() | %e.`f-g`.h /* %no */ & %i";
        let found: Vec<_> = mentions(text).iter().map(|m| (m.name.to_owned(), m.member.map(str::to_owned))).collect();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            found,
            [
                ("a".to_owned(), some("b")),
                ("c d".to_owned(), None),
                ("e".to_owned(), some("f-g")),
                ("i".to_owned(), None)
            ]
        );
        assert!(mentions("'%a").is_empty() && mentions("/* %a").is_empty() && mentions("% 'é").is_empty());
    }

    #[test]
    fn calls_are_found_by_their_whole_name() {
        assert!(calls("a.substring(1)", "substring") && calls("a.substring (1)", "substring"));
        assert!(
            !calls("a.substringX(1)", "substring")
                && !calls("'substring('", "substring")
                && !calls("substring", "substring")
        );
        assert_eq!(extension_urls("a.extension('u').b | extension( 'v')"), ["u", "v"]);
    }
}
