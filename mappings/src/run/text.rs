//! Changes of text that a rule may ask for, and how many characters each took away.
//!
//! Nothing here knows where a text came from. A change that takes only white space or mark-up away says how much, so
//! that the loss report can say it too.

use crate::program::Transform;
use std::borrow::Cow;

/// The changed text, borrowed where nothing changed.
pub(crate) fn transform(text: Cow<'_, str>, how: Transform) -> Cow<'_, str> {
    match how {
        Transform::Trim => trim(text),
        Transform::CollapseWhitespace if is_collapsed(&text) => text,
        Transform::CollapseWhitespace => Cow::Owned(collapse(&text)),
        Transform::SingleLine if !text.contains(is_line_end) => text,
        Transform::SingleLine => Cow::Owned(single_line(&text)),
        Transform::Upper => changed(text, str::to_uppercase),
        Transform::Lower => changed(text, str::to_lowercase),
        Transform::StripHtml if !text.contains(['<', '&']) => text,
        Transform::StripHtml => changed(text, strip_html),
        Transform::DigitsOnly if text.bytes().all(|each| each.is_ascii_digit()) => text,
        Transform::DigitsOnly => Cow::Owned(text.chars().filter(char::is_ascii_digit).collect()),
    }
}

fn trim(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) if text.trim().len() == text.len() => Cow::Owned(text),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}

fn changed<'t>(text: Cow<'t, str>, how: impl Fn(&str) -> String) -> Cow<'t, str> {
    let made = how(&text);
    if made == *text { text } else { Cow::Owned(made) }
}

fn is_collapsed(text: &str) -> bool {
    let mut before = false;
    text.chars().all(|each| {
        let space = each.is_whitespace();
        let good = !space || (each == ' ' && !before);
        before = space;
        good
    })
}

fn collapse(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = false;
    for each in text.chars() {
        let space = each.is_whitespace();
        if !space {
            out.push(each);
        } else if !before {
            out.push(' ');
        }
        before = space;
    }
    out
}

/// The line ends of Unicode: a reader of one line must not be given any of them.
const fn is_line_end(each: char) -> bool {
    matches!(each, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn single_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(is_line_end) {
        let (line, tail) = rest.split_at(at);
        out.push_str(line);
        out.push(' ');
        rest = tail.strip_prefix("\r\n").unwrap_or_else(|| skip_one(tail));
    }
    out.push_str(rest);
    out
}

fn skip_one(text: &str) -> &str {
    let mut characters = text.chars();
    characters.next();
    characters.as_str()
}

/// What people wrote, out of a text that may hold mark-up: `strip-html` and `trim`, for adapters with code.
#[must_use]
pub fn plain_text(text: &str) -> String {
    strip_html(text).trim().to_owned()
}

/// Takes tags, comments, scripts and style sheets away and decodes entities. A `<` that opens no tag stays, and so does an
/// `&` that begins no known entity.
fn strip_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['<', '&']) {
        let (plain, tail) = rest.split_at(at);
        out.push_str(plain);
        rest = if tail.starts_with('<') { after_tag(tail, &mut out) } else { after_entity(tail, &mut out) };
    }
    out.push_str(rest);
    out
}

fn after_tag<'t>(tail: &'t str, out: &mut String) -> &'t str {
    if let Some(comment) = tail.strip_prefix("<!--") {
        return comment.split_once("-->").map_or("", |(_, after)| after);
    }
    let opens =
        tail.as_bytes().get(1).is_some_and(|next| next.is_ascii_alphabetic() || matches!(next, b'/' | b'!' | b'?'));
    let Some(end) = tag_end(tail).filter(|_| opens) else {
        out.push('<');
        return skip_one(tail);
    };
    let (tag, after) = tail.split_at(end);
    let name = tag_name(tag);
    if breaks_line(&name) && !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    if matches!(name.as_str(), "script" | "style") && !tag.starts_with("</") {
        return after_element(after, &name);
    }
    after
}

/// Behind the `>` that ends a tag; one in a quoted attribute ends nothing.
fn tag_end(tail: &str) -> Option<usize> {
    let mut quote = None;
    for (at, each) in tail.char_indices() {
        match (quote, each) {
            (None, '>') => return Some(at + 1),
            (None, '"' | '\'') => quote = Some(each),
            (Some(open), each) if open == each => quote = None,
            _ => {}
        }
    }
    None
}

fn tag_name(tag: &str) -> String {
    let inner = tag.trim_start_matches(['<', '/']);
    inner.chars().take_while(char::is_ascii_alphanumeric).map(|each| each.to_ascii_lowercase()).collect()
}

fn breaks_line(name: &str) -> bool {
    matches!(
        name,
        "br" | "p"
            | "div"
            | "li"
            | "ul"
            | "ol"
            | "tr"
            | "table"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "blockquote"
    )
}

fn after_element<'t>(text: &'t str, name: &str) -> &'t str {
    let mut rest = text;
    while let Some(at) = rest.find("</") {
        let tail = rest.get(at..).unwrap_or_default();
        if tag_name(tail.split('>').next().unwrap_or_default()) == name {
            return tail.split_once('>').map_or("", |(_, after)| after);
        }
        rest = tail.get(2..).unwrap_or_default();
    }
    ""
}

fn after_entity<'t>(tail: &'t str, out: &mut String) -> &'t str {
    const LONGEST: usize = 10;
    let found = tail.bytes().take(LONGEST).position(|each| each == b';').and_then(|end| {
        let name = tail.get(1..end)?;
        Some((entity(name)?, tail.get(end + 1..)?))
    });
    if let Some((each, after)) = found {
        out.push(each);
        return after;
    }
    out.push('&');
    skip_one(tail)
}

fn entity(name: &str) -> Option<char> {
    if let Some(digits) = name.strip_prefix('#') {
        let number = match digits.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => digits.parse(),
        };
        return char::from_u32(number.ok()?).filter(|&each| each != '\0');
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "ndash" => '–',
        "mdash" => '—',
        "hellip" => '…',
        "lsquo" => '‘',
        "rsquo" => '’',
        "ldquo" => '“',
        "rdquo" => '”',
        "pound" => '£',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(how: Transform, cases: &[(&str, &str)]) {
        for (text, expected) in cases {
            assert_eq!(transform(Cow::Borrowed(text), how), *expected, "{how:?} {text:?}");
            assert_eq!(transform(Cow::Owned((*text).to_owned()), how), *expected, "{how:?} {text:?}");
        }
    }

    #[test]
    fn white_space() {
        check(Transform::Trim, &[(" a b\u{a0}", "a b"), ("a", "a"), ("", "")]);
        check(
            Transform::CollapseWhitespace,
            &[("a  b\r\n\tc", "a b c"), ("a b", "a b"), (" a", " a"), ("a\u{a0}b", "a b")],
        );
        check(Transform::SingleLine, &[("a\r\nb\nc\rd\u{2028}e", "a b c d e"), ("a\n\nb", "a  b"), ("a", "a")]);
    }

    #[test]
    fn letters_and_digits() {
        check(Transform::Upper, &[("straße", "STRASSE"), ("A", "A")]);
        check(Transform::Lower, &[("ÉA", "éa")]);
        check(
            Transform::DigitsOnly,
            &[("+44 7700 900 123", "447700900123"), ("12", "12"), ("x", ""), ("\u{0661}", "")],
        );
    }

    #[test]
    fn mark_up_goes_and_text_stays() {
        check(
            Transform::StripHtml,
            &[
                ("<p>Needs <b>help</b></p><p>soon</p>", "Needs help\nsoon\n"),
                ("a < b and 3<4", "a < b and 3<4"),
                ("<3 you", "<3 you"),
                ("x<!-- hidden -->y", "xy"),
                ("x<script>alert('</b>')</script>y", "xy"),
                ("<a title=\"a>b\">link</a>", "link"),
                ("Tom &amp; Jo &lt;3 &#163;5 &#x20AC;1 &unknown; &", "Tom & Jo <3 £5 €1 &unknown; &"),
                ("&amp;lt;", "&lt;"),
                ("unclosed <b", "unclosed <b"),
                ("one<br/>two", "one\ntwo"),
            ],
        );
    }

    #[test]
    fn what_is_as_it_should_be_is_not_copied() {
        for how in [Transform::Trim, Transform::CollapseWhitespace, Transform::SingleLine, Transform::StripHtml] {
            assert!(matches!(transform(Cow::Borrowed("a b"), how), Cow::Borrowed("a b")), "{how:?}");
        }
        assert!(matches!(transform(Cow::Borrowed("12"), Transform::DigitsOnly), Cow::Borrowed("12")));
    }
}
