//! Regular expressions that every dialect reads alike: the specification names none. What Perl, Java, JavaScript and
//! Rust read differently is refused; classes are those of ASCII.

/// The pattern for the crate `regex`, or what is wrong with it.
pub(super) fn translate(pattern: &str) -> Result<String, String> {
    if pattern.is_empty() {
        return Err("an empty pattern is read differently by dialects".to_owned());
    }
    let mut translated = String::with_capacity(pattern.len());
    let mut characters = pattern.chars().peekable();
    // Whether the last item can be repeated.
    let mut repeatable = false;
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                let escaped = characters.next().ok_or("a backslash at the end")?;
                translated.push_str(&escape(escaped, false)?);
                repeatable = escaped != 'b';
            }
            '[' => {
                class(&mut characters, &mut translated)?;
                repeatable = true;
            }
            '(' => {
                translated.push('(');
                if characters.next_if_eq(&'?').is_some() {
                    if characters.next() != Some(':') {
                        return Err(
                            "of the groups with (? only (?:…) is read: no look-around, flags or names".to_owned()
                        );
                    }
                    translated.push_str("?:");
                }
                repeatable = false;
            }
            '*' | '+' | '?' | '{' => {
                if !repeatable {
                    return Err(format!("{character} repeats nothing here"));
                }
                translated.push(character);
                if character == '{' {
                    counts(&mut characters, &mut translated)?;
                }
                translated.extend(characters.next_if_eq(&'?'));
                repeatable = false;
            }
            ']' | '}' => return Err(format!("a {character} outside must be written \\{character}")),
            _ => {
                translated.push(character);
                repeatable = !matches!(character, '^' | '$' | '|');
            }
        }
    }
    Ok(translated)
}

type Characters<'p> = std::iter::Peekable<std::str::Chars<'p>>;

/// A character class, behind its opening bracket.
fn class(characters: &mut Characters<'_>, translated: &mut String) -> Result<(), String> {
    translated.push('[');
    translated.extend(characters.next_if_eq(&'^'));
    if characters.peek() == Some(&']') {
        return Err("an empty character class, or a ] that must be written \\]".to_owned());
    }
    while let Some(character) = characters.next() {
        match character {
            ']' => {
                translated.push(']');
                return Ok(());
            }
            '\\' => {
                let escaped = characters.next().ok_or("a backslash at the end")?;
                translated.push_str(&escape(escaped, true)?);
            }
            '[' => return Err("a [ inside a character class must be written \\[".to_owned()),
            '&' | '~' | '-' if characters.peek() == Some(&character) => {
                return Err(format!("{character}{character} inside a character class is read differently by dialects"));
            }
            _ => translated.push(character),
        }
    }
    Err("a character class that does not end".to_owned())
}

fn escape(escaped: char, class: bool) -> Result<String, String> {
    Ok(match (escaped, class) {
        ('d', false) => "[0-9]".to_owned(),
        ('d', true) => "0-9".to_owned(),
        ('w', false) => "[0-9A-Za-z_]".to_owned(),
        ('w', true) => "0-9A-Za-z_".to_owned(),
        ('s', false) => r"[ \t\n\r\x0b\x0c]".to_owned(),
        ('s', true) => r" \t\n\r\x0b\x0c".to_owned(),
        ('D', false) => "[^0-9]".to_owned(),
        ('W', false) => "[^0-9A-Za-z_]".to_owned(),
        ('S', false) => r"[^ \t\n\r\x0b\x0c]".to_owned(),
        ('b', false) => r"(?-u:\b)".to_owned(),
        ('B', false) => return Err("\\B is read differently by dialects".to_owned()),
        ('t' | 'n' | 'r' | 'f', _) => format!("\\{escaped}"),
        (other, _) if other.is_ascii_punctuation() => format!("\\{other}"),
        (other, _) => return Err(format!("\\{other} is read differently by dialects")),
    })
}

/// `2}`, `2,}` or `2,5}`, behind the brace.
fn counts(characters: &mut impl Iterator<Item = char>, translated: &mut String) -> Result<(), String> {
    let mut text = String::new();
    for character in characters {
        text.push(character);
        if character == '}' {
            break;
        }
    }
    let numbers = text.strip_suffix('}').ok_or("a { that is not closed")?;
    let (least, most) = numbers.split_once(',').unwrap_or((numbers, ""));
    let digits = |text: &str| text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    if least.is_empty() || !digits(least) || !digits(most) {
        return Err("a repetition is written {2}, {2,} or {2,5}".to_owned());
    }
    translated.push_str(&text);
    Ok(())
}

/// The substitution for the crate `regex`.
pub(super) fn substitution(text: &str, groups: usize) -> Result<String, String> {
    let mut translated = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '$' => {
                let group = characters.next().and_then(|digit| digit.to_digit(10)).filter(|group| *group > 0);
                let group = group.ok_or("a $ in a substitution must be followed by the number of a group")?;
                if characters.peek().is_some_and(char::is_ascii_digit) {
                    return Err("a digit behind $1 is read differently by dialects".to_owned());
                }
                if group as usize > groups {
                    return Err(format!("the pattern has no group {group}"));
                }
                translated.push_str(&format!("${{{group}}}"));
            }
            '\\' => return Err("a backslash in a substitution is read differently by dialects".to_owned()),
            other => translated.push(other),
        }
    }
    Ok(translated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_all_dialects_read_alike() {
        for (pattern, text, matches) in [
            (r"^\d{2}$", "12", true),
            (r"^\d{2}$", "١٢", false),
            (r"^\w+$", "a_1", true),
            (r"^\w+$", "é", false),
            (r"[\w-]+@[\d.]+", "a-b@1.2", true),
            (r"\bcat\b", "a cat.", true),
            (r"a\.b", "axb", false),
            ("^(?:a|b)+?$", "abba", true),
            ("[^a-c]", "abc", false),
            (r"[\]\\]", "]", true),
            ("a{2,}", "aa", true),
            ("a.c", "a\nc", true),
        ] {
            let pattern = regex::RegexBuilder::new(&translate(pattern).unwrap()).dot_matches_new_line(true).build();
            assert_eq!(pattern.unwrap().is_match(text), matches, "{text}");
        }
    }

    #[test]
    fn refuses_what_dialects_read_differently() {
        for pattern in [
            "",
            "(?i)a",
            "(?=a)",
            "(?<n>a)",
            r"(a)\1",
            r"\pL",
            r"\x41",
            "[[:alpha:]]",
            "[a&&b]",
            "[]a]",
            "a**",
            "a*+",
            "*a",
            "a{,2}",
            "a{x}",
            "a]",
            "a}",
            r"\h",
            r"[\b]",
            "[a",
            r"a\",
            r"[\D]",
            r"\B",
            "^*",
            "[a--b]",
        ] {
            assert!(translate(pattern).is_err(), "{pattern}");
        }
        assert_eq!(substitution("$1-$2", 2).as_deref(), Ok("${1}-${2}"));
        for text in ["$", "$0", "$3", "$12", "$x", "${1}", r"\1"] {
            assert!(substitution(text, 2).is_err(), "{text}");
        }
    }
}
