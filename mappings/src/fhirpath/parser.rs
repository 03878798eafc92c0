//! The grammar of FHIRPath N1, with its precedence. Knows no types and no functions.

use std::ops::Range;

use super::ast::{Name, Node, Operator, Special, Syntax};
use super::fault::Fault;
use super::lexer::{Placed, Token, words};

/// How long an expression may be, in bytes.
pub const MAX_LENGTH: usize = 4096;
/// How many parts of an expression may stand in each other. `a.b.c` counts three.
pub const MAX_DEPTH: usize = 48;

/// Reads an expression.
pub(super) fn parse(text: &str) -> Result<Node, Fault> {
    if text.len() > MAX_LENGTH {
        return Err(Fault::new(MAX_LENGTH..text.len(), format!("an expression may be {MAX_LENGTH} bytes long"))
            .mend("divide it into several, bound to variables"));
    }
    let mut parser = Parser { words: words(text)?, at: 0, open: 0 };
    let node = parser.expression(0)?;
    match parser.peek() {
        Token::End => Ok(node),
        other => Err(Fault::new(parser.place(), format!("{} cannot follow here", describe(other)))
            .mend("put an operator between the two, or close the bracket")),
    }
}

struct Parser {
    words: Vec<Placed>,
    at: usize,
    /// Brackets and operators that are being read, so that a deep expression does not exhaust the stack.
    open: usize,
}

const TYPE_TEST: u8 = 9;

impl Parser {
    fn peek(&self) -> &Token {
        self.words.get(self.at).map_or(&Token::End, |(token, _)| token)
    }

    fn place(&self) -> Range<usize> {
        self.words.get(self.at).or(self.words.last()).map_or(0..0, |(_, at)| at.clone())
    }

    fn end_of_last(&self) -> usize {
        self.at.checked_sub(1).and_then(|at| self.words.get(at)).map_or(0, |(_, at)| at.end)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn takes(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Token::Symbol(found) if *found == symbol);
        self.at += usize::from(found);
        found
    }

    fn must(&mut self, symbol: &'static str) -> Result<(), Fault> {
        if self.takes(symbol) {
            return Ok(());
        }
        Err(Fault::new(self.place(), format!("{} stands where {symbol} must stand", describe(self.peek()))))
    }

    /// An expression whose operators bind at least this tightly.
    fn expression(&mut self, least: u8) -> Result<Node, Fault> {
        self.open += 1;
        if self.open > MAX_DEPTH {
            return Err(too_deep(self.place()));
        }
        let mut left = self.signed()?;
        loop {
            if let Some(cast) = self.type_test(least) {
                self.at += 1;
                let name = self.type_name()?;
                let at = left.at.start..name.at.end;
                left = node(at, Syntax::TypeTest(cast, Box::new(left), name))?;
                continue;
            }
            let Some(operator) = self.operator().filter(|operator| operator.binding() >= least) else { break };
            self.at += 1;
            let right = self.expression(operator.binding() + 1)?;
            let at = left.at.start..right.at.end;
            left = node(at, Syntax::Binary(operator, Box::new(left), Box::new(right)))?;
        }
        self.open -= 1;
        Ok(left)
    }

    fn type_test(&self, least: u8) -> Option<bool> {
        match self.peek() {
            Token::Word(word) if least <= TYPE_TEST && word == "is" => Some(false),
            Token::Word(word) if least <= TYPE_TEST && word == "as" => Some(true),
            _ => None,
        }
    }

    fn operator(&self) -> Option<Operator> {
        use Operator as O;
        Some(match self.peek() {
            Token::Symbol(symbol) => match *symbol {
                "*" => O::Multiply,
                "/" => O::Divide,
                "+" => O::Add,
                "-" => O::Subtract,
                "&" => O::Concatenate,
                "|" => O::Union,
                "<" => O::Less,
                "<=" => O::LessOrEqual,
                ">" => O::Greater,
                ">=" => O::GreaterOrEqual,
                "=" => O::Equal,
                "~" => O::Equivalent,
                "!=" => O::NotEqual,
                "!~" => O::NotEquivalent,
                _ => return None,
            },
            Token::Word(word) => match word.as_str() {
                "div" => O::Div,
                "mod" => O::Mod,
                "in" => O::In,
                "contains" => O::Contains,
                "and" => O::And,
                "or" => O::Or,
                "xor" => O::Xor,
                "implies" => O::Implies,
                _ => return None,
            },
            _ => return None,
        })
    }

    fn signed(&mut self) -> Result<Node, Fault> {
        let start = self.place().start;
        let minus = self.takes("-");
        if minus || self.takes("+") {
            // A sign binds more tightly than an operator and less than a point.
            let operand = self.expression(12)?;
            let at = start..operand.at.end;
            return node(at, Syntax::Sign(minus, Box::new(operand)));
        }
        self.postfix()
    }

    fn postfix(&mut self) -> Result<Node, Fault> {
        let mut left = self.term()?;
        loop {
            let start = left.at.start;
            if self.takes(".") {
                left = self.invocation(Some(left))?;
            } else if self.takes("[") {
                let index = self.expression(0)?;
                self.must("]")?;
                left = node(start..self.end_of_last(), Syntax::Index(Box::new(left), Box::new(index)))?;
            } else {
                return Ok(left);
            }
        }
    }

    fn term(&mut self) -> Result<Node, Fault> {
        let at = self.place();
        let syntax = match self.peek().clone() {
            Token::Symbol("(") => {
                self.at += 1;
                let inner = self.expression(0)?;
                self.must(")")?;
                return Ok(Node { at: at.start..self.end_of_last(), ..inner });
            }
            Token::Symbol("{") => {
                self.at += 1;
                self.must("}")?;
                return node(at.start..self.end_of_last(), Syntax::Empty);
            }
            Token::Word(word) if word == "true" || word == "false" => Syntax::Boolean(word == "true"),
            Token::Text(text) => Syntax::Text(text),
            Token::Number(number) => return self.number(number),
            Token::Temporal(text) => Syntax::Temporal(text),
            Token::Variable(name) => Syntax::Variable(name),
            Token::Special(_) | Token::Word(_) | Token::Quoted(_) => return self.invocation(None),
            other => {
                return Err(Fault::new(at, format!("{} stands where an expression must stand", describe(&other))));
            }
        };
        self.at += 1;
        node(at, syntax)
    }

    /// A number, or a quantity if a unit follows.
    fn number(&mut self, number: String) -> Result<Node, Fault> {
        let at = self.place();
        self.at += 1;
        let unit = match self.peek() {
            Token::Text(_) => true,
            Token::Word(word) => is_unit(word),
            _ => false,
        };
        self.at += usize::from(unit);
        let syntax = if unit { Syntax::Quantity } else { Syntax::Number(number) };
        node(at.start..self.end_of_last(), syntax)
    }

    fn invocation(&mut self, input: Option<Node>) -> Result<Node, Fault> {
        let at = self.place();
        let start = input.as_ref().map_or(at.start, |input| input.at.start);
        let name = match self.next() {
            Token::Special(name) => {
                let special = match name.as_str() {
                    "this" => Special::This,
                    "index" => Special::Index,
                    "total" => Special::Total,
                    _ => return Err(Fault::new(at, "after $ stands this, index or total")),
                };
                if input.is_some() {
                    return Err(Fault::new(at, format!("${name} cannot follow a point")));
                }
                return node(start..self.end_of_last(), Syntax::Special(special));
            }
            Token::Quoted(text) => Name { at, text },
            Token::Word(text) if !is_keyword(&text) => Name { at, text },
            other => return Err(Fault::new(at, format!("{} stands where a name must stand", describe(&other)))),
        };
        let input = input.map(Box::new);
        if !self.takes("(") {
            return node(start..self.end_of_last(), Syntax::Member(input, name));
        }
        let mut arguments = Vec::new();
        if !self.takes(")") {
            loop {
                arguments.push(self.expression(0)?);
                if !self.takes(",") {
                    break;
                }
            }
            self.must(")")?;
        }
        node(start..self.end_of_last(), Syntax::Call(input, name, arguments))
    }

    fn type_name(&mut self) -> Result<Name, Fault> {
        let mut at = self.place();
        let mut text = self.type_part()?;
        if self.takes(".") {
            text.push('.');
            text.push_str(&self.type_part()?);
        }
        at.end = self.end_of_last();
        Ok(Name { at, text })
    }

    fn type_part(&mut self) -> Result<String, Fault> {
        let at = self.place();
        match self.next() {
            Token::Word(text) | Token::Quoted(text) => Ok(text),
            other => Err(Fault::new(at, format!("{} stands where a type must stand", describe(&other)))),
        }
    }
}

/// Words that are never the name of an element or function. `as`, `is`, `in` and `contains` may be.
fn is_keyword(word: &str) -> bool {
    matches!(word, "true" | "false" | "and" | "or" | "xor" | "implies" | "div" | "mod")
}

fn is_unit(word: &str) -> bool {
    let word = word.strip_suffix('s').unwrap_or(word);
    matches!(word, "year" | "month" | "week" | "day" | "hour" | "minute" | "second" | "millisecond")
}

fn node(at: Range<usize>, syntax: Syntax) -> Result<Node, Fault> {
    let below = match &syntax {
        Syntax::Member(input, _) => input.as_ref().map_or(0, |input| input.depth),
        Syntax::Call(input, _, arguments) => {
            let deepest = arguments.iter().map(|argument| argument.depth).max().unwrap_or_default();
            deepest.max(input.as_ref().map_or(0, |input| input.depth))
        }
        Syntax::Sign(_, inner) | Syntax::TypeTest(_, inner, _) => inner.depth,
        Syntax::Index(left, right) | Syntax::Binary(_, left, right) => left.depth.max(right.depth),
        _ => 0,
    };
    if below >= MAX_DEPTH {
        return Err(too_deep(at));
    }
    Ok(Node { at, syntax, depth: below + 1 })
}

fn too_deep(at: Range<usize>) -> Fault {
    Fault::new(at, format!("an expression may be {MAX_DEPTH} parts deep"))
        .mend("divide it into several, bound to variables")
}

fn describe(token: &Token) -> String {
    match token {
        Token::Word(word) => word.clone(),
        Token::Quoted(_) => "a name in backquotes".to_owned(),
        Token::Text(_) => "a text".to_owned(),
        Token::Number(number) => number.clone(),
        Token::Temporal(text) => format!("@{text}"),
        Token::Variable(name) => format!("%{name}"),
        Token::Special(name) => format!("${name}"),
        Token::Symbol(symbol) => (*symbol).to_owned(),
        Token::End => "the end".to_owned(),
    }
}
