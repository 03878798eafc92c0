//! Words of an expression. Knows the lexical rules of FHIRPath N1 and no grammar.

use std::ops::Range;

use super::fault::Fault;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A name as written, a keyword included.
    Word(String),
    /// A name in backquotes: never a keyword.
    Quoted(String),
    Text(String),
    Number(String),
    Temporal(String),
    /// `%name`
    Variable(String),
    /// `$name`
    Special(String),
    Symbol(&'static str),
    End,
}

pub(super) type Placed = (Token, Range<usize>);

/// Longest first, so that `<=` is not read as `<`.
const SYMBOLS: [&str; 24] = [
    "!=", "!~", "<=", ">=", "(", ")", "[", "]", "{", "}", ".", ",", "=", "~", "<", ">", "+", "-", "*", "/", "|", "&",
    "!", ";",
];

/// Splits a text into words, with an `End` behind the last.
pub(super) fn words(text: &str) -> Result<Vec<Placed>, Fault> {
    let mut lexer = Lexer { text, at: 0 };
    let mut words = Vec::new();
    loop {
        lexer.skip()?;
        let start = lexer.at;
        let token = lexer.token()?;
        let end = token == Token::End;
        words.push((token, start..lexer.at));
        if end {
            return Ok(words);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Steps over blanks and comments.
    fn skip(&mut self) -> Result<(), Fault> {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
            if blank > 0 {
                self.at += blank;
            } else if rest.starts_with("//") {
                self.at += rest.find(['\r', '\n']).unwrap_or(rest.len());
            } else if rest.starts_with("/*") {
                let start = self.at;
                let length = rest.find("*/").ok_or_else(|| {
                    Fault::new(start..start + 2, "this comment does not end").mend("close it with */")
                })?;
                self.at += length + 2;
            } else {
                return Ok(());
            }
        }
    }

    fn token(&mut self) -> Result<Token, Fault> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(Token::End) };
        match first {
            'A'..='Z' | 'a'..='z' | '_' => Ok(Token::Word(self.word())),
            '0'..='9' => Ok(Token::Number(self.number())),
            '\'' => Ok(Token::Text(self.delimited('\'')?)),
            '`' => Ok(Token::Quoted(self.delimited('`')?)),
            '@' => self.temporal(),
            '%' => self.variable(),
            '$' => {
                self.at += 1;
                Ok(Token::Special(self.word()))
            }
            '"' => Err(self
                .unexpected(first, "text stands in single quotes here")
                .mend("write 'text' instead of \"text\"")),
            _ => match SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
                Some(symbol) => {
                    self.at += symbol.len();
                    Ok(Token::Symbol(symbol))
                }
                None => Err(self.unexpected(first, "this character has no meaning in FHIRPath")),
            },
        }
    }

    fn unexpected(&self, character: char, problem: &str) -> Fault {
        Fault::new(self.at..self.at + character.len_utf8(), problem)
    }

    fn word(&mut self) -> String {
        self.take(|character| character.is_ascii_alphanumeric() || character == '_')
    }

    fn take(&mut self, part: impl Fn(char) -> bool) -> String {
        let rest = self.rest();
        let length = rest.find(|character| !part(character)).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default().to_owned()
    }

    fn number(&mut self) -> String {
        let mut number = self.take(|character| character.is_ascii_digit());
        let fraction = self.rest().strip_prefix('.').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        if fraction.is_some() {
            self.at += 1;
            number.push('.');
            number.push_str(&self.take(|character| character.is_ascii_digit()));
        }
        number
    }

    /// `@2020-01-01T10:00:00.000+01:00`, as far as its characters go; the checker reads the parts.
    fn temporal(&mut self) -> Result<Token, Fault> {
        let start = self.at;
        self.at += 1;
        let mut text = self.take(|character| character.is_ascii_digit() || character == '-');
        if self.rest().starts_with('T') {
            self.at += 1;
            text.push('T');
            text.push_str(&self.take(|character| character.is_ascii_digit() || character == ':'));
            if self.rest().strip_prefix('.').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
                self.at += 1;
                text.push('.');
                text.push_str(&self.take(|character| character.is_ascii_digit()));
            }
            let rest = self.rest();
            let zone = rest.strip_prefix(['+', '-']).is_some_and(is_offset);
            if rest.starts_with('Z') {
                self.at += 1;
                text.push('Z');
            } else if zone {
                text.push_str(rest.get(..6).unwrap_or_default());
                self.at += 6;
            }
        }
        if text.is_empty() {
            return Err(Fault::new(start..self.at, "a date or time must follow @").mend("for example @2026-01-31"));
        }
        Ok(Token::Temporal(text))
    }

    fn variable(&mut self) -> Result<Token, Fault> {
        let start = self.at;
        self.at += 1;
        let name = match self.rest().chars().next() {
            Some(quote @ ('\'' | '`')) => self.delimited(quote)?,
            _ => self.take(|character| character.is_ascii_alphanumeric() || character == '_'),
        };
        if name.is_empty() {
            return Err(Fault::new(start..self.at, "a name must follow %").mend("for example %patient"));
        }
        Ok(Token::Variable(name))
    }

    /// Text up to the closing quote, decoded.
    fn delimited(&mut self, quote: char) -> Result<String, Fault> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        let mut characters = self.rest().char_indices();
        while let Some((offset, character)) = characters.next() {
            match character {
                _ if character == quote => {
                    self.at += offset + 1;
                    return Ok(text);
                }
                '\\' => {
                    let at = self.at + offset;
                    let unknown = || {
                        Fault::new(at..at + 2, "an unknown escape")
                            .mend(r"the escapes are \' \` \\ \/ \f \n \r \t and \u with four hexadecimal digits")
                    };
                    match characters.next().ok_or_else(unknown)?.1 {
                        'f' => text.push('\u{c}'),
                        'n' => text.push('\n'),
                        'r' => text.push('\r'),
                        't' => text.push('\t'),
                        escaped @ ('\'' | '`' | '"' | '\\' | '/') => text.push(escaped),
                        'u' => {
                            let digits: String = characters.by_ref().take(4).map(|(_, digit)| digit).collect();
                            let code = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4);
                            text.push(code.and_then(char::from_u32).ok_or_else(unknown)?);
                        }
                        _ => return Err(unknown()),
                    }
                }
                _ => text.push(character),
            }
        }
        Err(Fault::new(start..self.text.len(), "this text does not end").mend(format!("close it with {quote}")))
    }
}

/// `01:00`, as it may follow a sign.
fn is_offset(rest: &str) -> bool {
    matches!(rest.as_bytes(), [a, b, b':', c, d, ..] if [a, b, c, d].into_iter().all(u8::is_ascii_digit))
}
