//! The part of SOQL that is simulated, parsed and run:
//!
//! ```text
//! SELECT field {, field} FROM object [WHERE condition] [ORDER BY field [ASC|DESC] {, …}] [LIMIT number]
//! condition = term {AND term} | term {OR term}        a mixture needs parentheses
//! term      = ( condition ) | NOT term | field op literal
//! op        = = != < <= > >=
//! literal   = 'text' | 2026-01-31T09:30:00.000Z | null | true | false | number
//! ```
//!
//! Whatever else Salesforce takes (LIKE, IN, relationships, aggregates, OFFSET, date literals) is MALFORMED_QUERY here, so that a
//! double can never say yes to what nobody has looked at. Within text a backslash stands only before `n r t b f " ' \`.

use std::cmp::Ordering;

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::object::{Kind, SObject, Stored};

/// Longest query that is taken.
const LONGEST: usize = 100_000;
/// Deepest nesting of a condition.
const DEEPEST: usize = 32;

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Name(String),
    Text(String),
    Instant(OffsetDateTime),
    Number(i64),
    Op(&'static str),
    Mark(char),
}

#[derive(Debug, Clone, PartialEq)]
enum Literal {
    Text(String),
    Instant(OffsetDateTime),
    Number(i64),
    Truth(bool),
    Null,
}

#[derive(Debug, Clone, PartialEq)]
enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Compare { field: String, op: &'static str, with: Literal },
}

/// A query.
#[derive(Debug, PartialEq)]
pub(super) struct Query {
    columns: Vec<String>,
    /// The object.
    pub(super) from: String,
    condition: Option<Condition>,
    /// Field, and whether it descends.
    order: Vec<(String, bool)>,
    limit: Option<usize>,
}

/// Reads a query.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn parse(text: &str) -> Result<Query, String> {
    if text.len() > LONGEST {
        return Err("SOQL statements cannot be longer than 100000 characters".to_owned());
    }
    let tokens = lex(text)?;
    let mut parser = Parser { tokens: &tokens, at: 0 };
    let query = parser.query()?;
    match parser.peek() {
        None => Ok(query),
        Some(token) => Err(format!("unexpected token: {token:?}")),
    }
}

fn lex(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(&first) = chars.peek() {
        match first {
            _ if first.is_whitespace() => {
                chars.next();
            }
            '\'' => {
                chars.next();
                tokens.push(Token::Text(quoted(&mut chars)?));
            }
            '(' | ')' | ',' => {
                chars.next();
                tokens.push(Token::Mark(first));
            }
            '=' | '!' | '<' | '>' => {
                chars.next();
                let equal = chars.next_if_eq(&'=').is_some();
                tokens.push(Token::Op(match (first, equal) {
                    ('=', false) => "=",
                    ('!', true) => "!=",
                    ('<', false) => "<",
                    ('<', true) => "<=",
                    ('>', false) => ">",
                    ('>', true) => ">=",
                    _ => return Err(format!("unexpected token: '{first}'")),
                }));
            }
            _ if first.is_ascii_alphabetic() => {
                let mut name = String::new();
                while let Some(c) = chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
                    name.push(c);
                }
                tokens.push(Token::Name(name));
            }
            _ if first.is_ascii_digit() || first == '-' => {
                let mut word = String::new();
                while let Some(c) = chars.next_if(|c| c.is_ascii_alphanumeric() || "-+:.".contains(*c)) {
                    word.push(c);
                }
                tokens.push(match word.parse() {
                    Ok(number) => Token::Number(number),
                    Err(_) => Token::Instant(
                        OffsetDateTime::parse(&word, &Rfc3339).map_err(|_| format!("unexpected token: '{word}'"))?,
                    ),
                });
            }
            other => return Err(format!("unexpected token: '{other}'")),
        }
    }
    Ok(tokens)
}

/// The text behind an opening quotation mark, up to the closing one.
fn quoted(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, String> {
    let mut text = String::new();
    loop {
        match chars.next() {
            None | Some('\n' | '\r') => return Err("a text is not closed".to_owned()),
            Some('\'') => return Ok(text),
            Some('\\') => text.push(match chars.next() {
                Some('n' | 'N') => '\n',
                Some('r' | 'R') => '\r',
                Some('t' | 'T') => '\t',
                Some('b' | 'B') => '\u{8}',
                Some('f' | 'F') => '\u{c}',
                Some(escaped @ ('"' | '\'' | '\\')) => escaped,
                _ => return Err("Invalid string literal: illegal escape sequence".to_owned()),
            }),
            Some(c) => text.push(c),
        }
    }
}

struct Parser<'t> {
    tokens: &'t [Token],
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.at += 1;
        token
    }

    /// Whether the next token is this word; if so, it is taken.
    fn word(&mut self, word: &str) -> bool {
        let is = matches!(self.peek(), Some(Token::Name(name)) if name.eq_ignore_ascii_case(word));
        self.at += usize::from(is);
        is
    }

    fn mark(&mut self, mark: char) -> bool {
        let is = self.peek() == Some(&Token::Mark(mark));
        self.at += usize::from(is);
        is
    }

    fn expect(&mut self, word: &str) -> Result<(), String> {
        if self.word(word) { Ok(()) } else { Err(format!("{word} is expected, not {:?}", self.peek())) }
    }

    fn name(&mut self) -> Result<String, String> {
        match self.next() {
            Some(Token::Name(name)) if !reserved(&name) => Ok(name),
            other => Err(format!("a name is expected, not {other:?}")),
        }
    }

    fn query(&mut self) -> Result<Query, String> {
        self.expect("SELECT")?;
        let mut columns = vec![self.name()?];
        while self.mark(',') {
            columns.push(self.name()?);
        }
        self.expect("FROM")?;
        let from = self.name()?;
        let condition = if self.word("WHERE") { Some(self.condition(0)?) } else { None };
        let mut order = Vec::new();
        if self.word("ORDER") {
            self.expect("BY")?;
            loop {
                let field = self.name()?;
                let descends = !self.word("ASC") && self.word("DESC");
                order.push((field, descends));
                if !self.mark(',') {
                    break;
                }
            }
        }
        let limit = if self.word("LIMIT") {
            match self.next() {
                Some(Token::Number(number)) => Some(usize::try_from(number).map_err(|_| "LIMIT is negative")?),
                other => return Err(format!("a number is expected, not {other:?}")),
            }
        } else {
            None
        };
        Ok(Query { columns, from, condition, order, limit })
    }

    fn condition(&mut self, depth: usize) -> Result<Condition, String> {
        let first = self.term(depth)?;
        for (word, other, make) in [
            ("AND", "OR", Condition::All as fn(Vec<Condition>) -> Condition),
            ("OR", "AND", Condition::Any as fn(Vec<Condition>) -> Condition),
        ] {
            if self.word(word) {
                let mut terms = vec![first, self.term(depth)?];
                while self.word(word) {
                    terms.push(self.term(depth)?);
                }
                if self.word(other) {
                    return Err(format!("{word} and {other} are mixed without parentheses"));
                }
                return Ok(make(terms));
            }
        }
        Ok(first)
    }

    fn term(&mut self, depth: usize) -> Result<Condition, String> {
        if depth > DEEPEST {
            return Err("the condition is nested too deep".to_owned());
        }
        if self.mark('(') {
            let inner = self.condition(depth + 1)?;
            return if self.mark(')') { Ok(inner) } else { Err("a parenthesis is not closed".to_owned()) };
        }
        if self.word("NOT") {
            return Ok(Condition::Not(Box::new(self.term(depth + 1)?)));
        }
        let field = self.name()?;
        let Some(Token::Op(op)) = self.next() else { return Err("an operator is expected".to_owned()) };
        let with = match self.next() {
            Some(Token::Text(text)) => Literal::Text(text),
            Some(Token::Instant(at)) => Literal::Instant(at),
            Some(Token::Number(number)) => Literal::Number(number),
            Some(Token::Name(name)) if name.eq_ignore_ascii_case("null") => Literal::Null,
            Some(Token::Name(name)) if name.eq_ignore_ascii_case("true") => Literal::Truth(true),
            Some(Token::Name(name)) if name.eq_ignore_ascii_case("false") => Literal::Truth(false),
            other => return Err(format!("a value is expected, not {other:?}")),
        };
        Ok(Condition::Compare { field, op, with })
    }
}

fn reserved(name: &str) -> bool {
    ["SELECT", "FROM", "WHERE", "ORDER", "BY", "LIMIT", "AND", "OR", "NOT", "NULL", "TRUE", "FALSE", "LIKE", "IN"]
        .iter()
        .any(|word| name.eq_ignore_ascii_case(word))
}

/// An error code and words.
type Refused = (&'static str, String);

impl Query {
    /// The records, in their order.
    ///
    /// # Errors
    /// A field that the object does not have, or that does not compare so.
    pub(super) fn run(&self, object: &SObject) -> Result<Vec<Value>, Refused> {
        let unknown = |name: &str| {
            let said = format!("No such column '{name}' on entity '{}'.", object.name);
            ("INVALID_FIELD", said)
        };
        for name in self.columns.iter().chain(self.order.iter().map(|(name, _)| name)) {
            object.known(name).ok_or_else(|| unknown(name))?;
        }
        if let Some(condition) = &self.condition {
            condition.check(object, &unknown)?;
        }
        let holds = |record: &&Stored| self.condition.as_ref().is_none_or(|condition| condition.holds(object, record));
        let mut found: Vec<&Stored> = object.records.iter().filter(|record| !record.deleted).filter(holds).collect();
        found.sort_by(|one, other| {
            let each = self.order.iter().map(|(name, descends)| {
                let order = compared(
                    object.known(name).map(|field| field.kind),
                    value(object, one, name),
                    value(object, other, name),
                );
                if *descends { order.reverse() } else { order }
            });
            each.fold(Ordering::Equal, Ordering::then)
        });
        found.truncate(self.limit.unwrap_or(usize::MAX));
        Ok(found.into_iter().map(|record| self.row(object, record)).collect())
    }

    fn row(&self, object: &SObject, record: &Stored) -> Value {
        let id = record.fields.get("Id").and_then(Value::as_str).unwrap_or_default();
        let mut row = Map::new();
        let url = format!("/services/data/v62.0/sobjects/{}/{id}", object.name);
        row.insert("attributes".to_owned(), json!({ "type": object.name, "url": url }));
        for name in &self.columns {
            let named = object.known(name).map_or(name.as_str(), |field| field.name.as_str());
            row.insert(named.to_owned(), value(object, record, name).cloned().unwrap_or(Value::Null));
        }
        Value::Object(row)
    }
}

fn value<'r>(object: &SObject, record: &'r Stored, name: &str) -> Option<&'r Value> {
    let field = object.known(name)?;
    record.fields.get(&field.name).filter(|value| !value.is_null() && **value != "")
}

fn instant(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(&text.replace("+0000", "Z"), &Rfc3339).ok()
}

/// Nothing comes first. Ids are compared with regard to case, other texts without.
fn compared(kind: Option<Kind>, one: Option<&Value>, other: Option<&Value>) -> Ordering {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let (one, other) = (text(one), text(other));
    match kind {
        Some(Kind::DateTime) => one.as_deref().and_then(instant).cmp(&other.as_deref().and_then(instant)),
        Some(Kind::Id) => one.cmp(&other),
        _ => one.map(|text| text.to_lowercase()).cmp(&other.map(|text| text.to_lowercase())),
    }
}

impl Condition {
    fn check(&self, object: &SObject, unknown: &impl Fn(&str) -> Refused) -> Result<(), Refused> {
        match self {
            Self::All(terms) | Self::Any(terms) => terms.iter().try_for_each(|term| term.check(object, unknown)),
            Self::Not(term) => term.check(object, unknown),
            Self::Compare { field: name, op, with } => {
                let field = object.known(name).ok_or_else(|| unknown(name))?;
                let refused = |said: String| Err(("INVALID_FIELD", said));
                match (field.kind, with) {
                    (Kind::TextArea, _) => refused(format!("field '{name}' can not be filtered in a query call")),
                    (_, Literal::Null) if matches!(*op, "=" | "!=") => Ok(()),
                    (Kind::DateTime, Literal::Instant(_)) => Ok(()),
                    (Kind::DateTime, _) => refused(format!(
                        "value of filter criterion for field '{name}' must be of type dateTime and should not be enclosed in quotes"
                    )),
                    (Kind::MultiPicklist | Kind::Date, _) => refused(format!("field '{name}' is not compared so here")),
                    (_, Literal::Text(_)) => Ok(()),
                    _ => refused(format!(
                        "value of filter criterion for field '{name}' must be of type string and should be enclosed in quotes"
                    )),
                }
            }
        }
    }

    fn holds(&self, object: &SObject, record: &Stored) -> bool {
        match self {
            Self::All(terms) => terms.iter().all(|term| term.holds(object, record)),
            Self::Any(terms) => terms.iter().any(|term| term.holds(object, record)),
            Self::Not(term) => !term.holds(object, record),
            Self::Compare { field, op, with } => {
                let kind = object.known(field).map(|field| field.kind);
                let own = value(object, record, field);
                let order = match with {
                    Literal::Null => compared(kind, own, None),
                    Literal::Text(text) => compared(kind, own, Some(&json!(text))),
                    Literal::Instant(at) => own.and_then(Value::as_str).and_then(instant).cmp(&Some(*at)),
                    Literal::Number(_) | Literal::Truth(_) => return false,
                };
                match *op {
                    "=" => order.is_eq(),
                    "!=" => order.is_ne(),
                    // What is not there is neither less nor more.
                    _ if own.is_none() => false,
                    "<" => order.is_lt(),
                    "<=" => order.is_le(),
                    ">" => order.is_gt(),
                    _ => order.is_ge(),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_is_read() {
        let text = "select Id, Name from Referral where Key__c != null and (SystemModstamp > 2026-06-15T12:00:00.000Z or \
                    (SystemModstamp = 2026-06-15T12:00:00.000Z and Id > '0dV')) order by SystemModstamp asc, Id desc limit 200";
        let query = parse(text).unwrap();
        assert_eq!((query.columns.len(), query.from.as_str(), query.limit), (2, "Referral", Some(200)));
        assert_eq!(query.order, [("SystemModstamp".to_owned(), false), ("Id".to_owned(), true)]);
        assert!(matches!(query.condition, Some(Condition::All(terms)) if terms.len() == 2));
    }

    #[test]
    fn what_is_not_understood_is_malformed() {
        for text in [
            "",
            "SELECT FROM Referral",
            "SELECT Id FROM Referral WHERE",
            "SELECT Id FROM Referral WHERE Name = 'a",
            "SELECT Id FROM Referral WHERE Name = 'a' b",
            "SELECT Id FROM Referral WHERE Name = 'a\\x'",
            "SELECT Id FROM Referral WHERE Name = 'a' AND Id = 'b' OR Id = 'c'",
            "SELECT Id FROM Referral WHERE Name = 'a' OR Id = 'b' AND Id = 'c'",
            "SELECT Id FROM Referral WHERE (Name = 'a'",
            "SELECT Id FROM Referral WHERE Name LIKE 'a%'",
            "SELECT Id FROM Referral WHERE Name ! 'a'",
            "SELECT Id FROM Referral WHERE SystemModstamp > 2026-06-15",
            "SELECT Id FROM Referral WHERE SystemModstamp > TODAY",
            "SELECT Id FROM Referral ORDER SystemModstamp",
            "SELECT Id FROM Referral LIMIT '1'",
            "SELECT Id FROM Referral LIMIT -1",
            "SELECT Id FROM Referral; DELETE",
            "SELECT COUNT() FROM Referral",
            "SELECT Id FROM Referral OFFSET 3",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        let deep = format!("SELECT Id FROM R WHERE {}Id = 'a'{}", "(".repeat(40), ")".repeat(40));
        assert!(parse(&deep).is_err());
    }

    #[test]
    fn an_escaped_text_is_one_text() {
        let query = parse(r"SELECT Id FROM R WHERE Name = 'it\'s \\ \n'").unwrap();
        let Some(Condition::Compare { with: Literal::Text(text), .. }) = query.condition else { panic!("no text") };
        assert_eq!(text, "it's \\ \n");
    }
}
