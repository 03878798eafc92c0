//! What somebody wrote themselves, above, between or below what they quote.

/// Lines that begin what is quoted, or what a mail program puts below.
const MARKS: [&str; 6] = [
    "-----original message-----",
    "----- original message -----",
    "---------- forwarded message",
    "begin forwarded message:",
    "-------- original message --------",
    "-----neges wreiddiol-----",
];
/// `On … wrote:`, in the languages of programs that people here use.
const ATTRIBUTIONS: [(&str, &str); 6] = [
    ("on ", "wrote:"),
    ("ar ", "ysgrifennodd"),
    ("am ", "schrieb"),
    ("le ", "écrit"),
    ("el ", "escribió"),
    ("w dniu ", "napisał"),
];
/// Lines over which an attribution may be broken.
const BROKEN_OVER: usize = 3;
/// Lines within which the heads of a quoted mail stand.
const HEADS_WITHIN: usize = 6;

/// The text above the first quote; if there is nothing, what of the rest is not quoted.
pub(super) fn without(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let end = (0..lines.len()).find(|at| begins_quote(lines.get(*at..).unwrap_or_default())).unwrap_or(lines.len());
    let above = own(lines.get(..end).unwrap_or_default());
    if !above.is_empty() || end == lines.len() {
        return above;
    }
    // Answered below or between: what is not marked as quoted.
    let below = lines.get(end..).unwrap_or_default();
    let skipped = if is_quoted(below.first().copied().unwrap_or_default()) { 0 } else { attribution(below) };
    let rest: Vec<&str> = below.iter().skip(skipped).copied().filter(|line| !is_quoted(line)).collect();
    if skipped == 0 && rest.len() == below.len() { String::new() } else { own(&rest) }
}

/// Without a signature, which begins with `-- ` (RFC 3676, 4.3), and without blank lines around it.
fn own(lines: &[&str]) -> String {
    let end = lines.iter().position(|line| *line == "-- ").unwrap_or(lines.len());
    lines.get(..end).unwrap_or_default().join("\n").trim().to_owned()
}

fn is_quoted(line: &str) -> bool {
    line.trim_start().starts_with('>')
}

/// Whether a quote begins with the first of these lines.
fn begins_quote(lines: &[&str]) -> bool {
    let line = lines.first().copied().unwrap_or_default().trim();
    let lower = line.to_lowercase();
    is_quoted(line)
        || MARKS.iter().any(|mark| lower.starts_with(mark))
        || (line.len() >= 20 && line.bytes().all(|byte| byte == b'_'))
        || attribution(lines) > 0
        || is_head(lines)
}

/// Over how many lines an attribution goes that begins with the first; 0 = none does.
fn attribution(lines: &[&str]) -> usize {
    let first = lines.first().copied().unwrap_or_default().trim().to_lowercase();
    let Some((_, ends)) = ATTRIBUTIONS.iter().find(|(begins, _)| first.starts_with(begins)) else { return 0 };
    let end = |line: &&str| {
        let line = line.trim().to_lowercase();
        line.ends_with(':') && line.contains(ends)
    };
    let over = lines.iter().take(BROKEN_OVER).position(|line| end(line) || line.trim().is_empty());
    over.filter(|at| lines.get(*at).is_some_and(end)).map_or(0, |at| at + 1)
}

/// The heads of a mail, as Outlook puts them above what it quotes.
fn is_head(lines: &[&str]) -> bool {
    let names = |line: &str, wanted: &[&str]| {
        let line = line.trim().trim_start_matches('*').to_lowercase();
        wanted
            .iter()
            .any(|name| line.strip_prefix(name).is_some_and(|rest| rest.trim_start_matches('*').starts_with(':')))
    };
    let within: Vec<&str> = lines.iter().take(HEADS_WITHIN).copied().collect();
    let has = |wanted: &[&str]| within.iter().skip(1).any(|line| names(line, wanted));
    names(within.first().copied().unwrap_or_default(), &["from", "oddi wrth"])
        && has(&["sent", "date", "anfonwyd"])
        && has(&["to", "subject", "at", "pwnc"])
}

#[cfg(test)]
mod tests;
