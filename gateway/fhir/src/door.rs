//! The one door for bytes: from here on a document is JSON that every reader sees in the same way.
//!
//! Refuses what parsers disagree on (duplicate member names, lone surrogates, a byte order mark) and what costs out
//! of proportion (size, depth, count, number text), before anything looks at the meaning. Threats H12 and H19 to H21
//! of the trust model. It knows no FHIR. Nothing that was received is repeated in a diagnostic, except member names
//! that could be element names.

use struson::reader::{JsonReader, JsonReaderPosition, JsonStreamReader, ReaderError, ReaderSettings, ValueType};

use crate::{Issue, IssueCode, Json};

/// How much a document may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorLimits {
    /// Bytes of the whole document.
    pub body_bytes: usize,
    /// Arrays and objects inside each other, the document itself included.
    pub depth: usize,
    /// Values of every kind, the document itself included.
    pub values: usize,
    /// Characters of one number.
    pub number_chars: usize,
    /// Bytes of one string or member name, unescaped.
    pub string_bytes: usize,
}

impl Default for DoorLimits {
    fn default() -> Self {
        Self {
            body_bytes: 5 * 1024 * 1024,
            depth: 64,
            values: 200_000,
            number_chars: 64,
            string_bytes: 2 * 1024 * 1024,
        }
    }
}

/// Why bytes were not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Over a limit of size: HTTP 413.
    TooLarge(Issue),
    /// Not JSON as the gateway takes it: HTTP 400.
    Malformed(Vec<Issue>),
}

impl Refusal {
    /// The faults, at least one.
    #[must_use]
    pub fn issues(&self) -> &[Issue] {
        match self {
            Self::TooLarge(issue) => std::slice::from_ref(issue),
            Self::Malformed(issues) => issues,
        }
    }
}

/// An exponent beyond this is an attack or a slip, not a measurement.
const EXPONENT: u32 = 400;
/// Reading on after a fault is a courtesy that ends here.
const FAULTS_TOLD: usize = 50;

/// Reads a document. Number text, member order and every character of every string survive.
///
/// # Errors
/// [`Refusal::TooLarge`] over `body_bytes`, `values` or `string_bytes`; [`Refusal::Malformed`] for everything else
/// listed at the top of this file. Faults that do not stop the reading are told together.
pub fn admit(bytes: &[u8], limits: &DoorLimits) -> Result<Json, Refusal> {
    if bytes.len() > limits.body_bytes {
        let text = format!("the document is larger than {} bytes", limits.body_bytes);
        return Err(Refusal::TooLarge(Issue::general(IssueCode::TooLong, text)));
    }
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        return Err(malformed("the document starts with a byte order mark; send UTF-8 without one"));
    }
    if let Err(error) = std::str::from_utf8(bytes) {
        return Err(malformed(format!("the document is not UTF-8: byte {} is wrong", error.valid_up_to())));
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(malformed("the document is empty"));
    }
    let settings = ReaderSettings {
        allow_comments: false,
        allow_trailing_comma: false,
        allow_multiple_top_level: false,
        // The path is kept here, so that only the harmless parts of it are told.
        track_path: false,
        max_nesting_depth: Some(u32::try_from(limits.depth).unwrap_or(u32::MAX)),
        // The limits on numbers are our own.
        restrict_number_values: false,
    };
    let mut reading = Reading { open: Vec::new(), faults: Vec::new(), values: 0, limits };
    let document = reading.document(JsonStreamReader::new_custom(bytes, settings))?;
    if reading.faults.is_empty() { Ok(document) } else { Err(Refusal::Malformed(reading.faults)) }
}

/// An array or object that has begun and not ended.
enum Open {
    Array(Vec<Json>),
    /// The members so far, and the name of the one whose value is next.
    Object(Vec<(String, Json)>, Option<String>),
}

/// The state of one reading: an explicit stack, so that depth costs memory and never the call stack.
struct Reading<'a> {
    open: Vec<Open>,
    faults: Vec<Issue>,
    values: usize,
    limits: &'a DoorLimits,
}

impl Reading<'_> {
    fn document(&mut self, mut reader: JsonStreamReader<&[u8]>) -> Result<Json, Refusal> {
        if self.reader_result(reader.peek())? != ValueType::Object {
            return Err(malformed("the document must be one JSON object"));
        }
        loop {
            let Some(value) = self.step(&mut reader)? else { continue };
            match self.open.last_mut() {
                Some(Open::Array(items)) => items.push(value),
                Some(Open::Object(members, name)) => members.push((name.take().unwrap_or_default(), value)),
                None => {
                    let end = reader.consume_trailing_whitespace();
                    self.reader_result(end)?;
                    return Ok(value);
                }
            }
        }
    }

    /// One step on: a value that is complete, or `None` when one has begun.
    fn step(&mut self, reader: &mut JsonStreamReader<&[u8]>) -> Result<Option<Json>, Refusal> {
        if !self.open.is_empty() {
            let more = reader.has_next();
            if !self.reader_result(more)? {
                return self.end(reader).map(Some);
            }
        }
        if matches!(self.open.last(), Some(Open::Object(..))) {
            let name = reader.next_name_owned();
            let name = self.reader_result(name)?;
            if let Some(Open::Object(_, slot)) = self.open.last_mut() {
                *slot = Some(name.clone());
            }
            self.check_string(&name)?;
        }
        self.values += 1;
        if self.values > self.limits.values {
            let text = format!("the document holds more than {} values", self.limits.values);
            return Err(Refusal::TooLarge(Issue::general(IssueCode::TooCostly, text)));
        }
        let kind = reader.peek();
        let value = match self.reader_result(kind)? {
            ValueType::Object => {
                let begun = reader.begin_object();
                self.reader_result(begun)?;
                self.open.push(Open::Object(Vec::new(), None));
                return Ok(None);
            }
            ValueType::Array => {
                let begun = reader.begin_array();
                self.reader_result(begun)?;
                self.open.push(Open::Array(Vec::new()));
                return Ok(None);
            }
            ValueType::String => {
                let text = reader.next_string();
                let text = self.reader_result(text)?;
                self.check_string(&text)?;
                Json::String(text)
            }
            ValueType::Number => {
                let text = reader.next_number_as_string();
                let text = self.reader_result(text)?;
                self.check_number(&text)?;
                Json::Number(text)
            }
            ValueType::Boolean => {
                let bit = reader.next_bool();
                Json::Bool(self.reader_result(bit)?)
            }
            ValueType::Null => {
                let null = reader.next_null();
                self.reader_result(null)?;
                Json::Null
            }
        };
        Ok(Some(value))
    }

    /// Ends the innermost array or object.
    fn end(&mut self, reader: &mut JsonStreamReader<&[u8]>) -> Result<Json, Refusal> {
        if let Some(Open::Object(members, _)) = self.open.last() {
            let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
            names.sort_unstable();
            let twice =
                names.iter().zip(names.iter().skip(1)).find(|(a, b)| a == b).map(|(a, _)| harmless(a).to_owned());
            if let Some(name) = twice {
                self.fault(&format!("the member {name} occurs twice in one object"))?;
            }
        }
        match self.open.pop() {
            Some(Open::Array(items)) => {
                let ended = reader.end_array();
                self.reader_result(ended)?;
                Ok(Json::Array(items))
            }
            Some(Open::Object(members, _)) => {
                let ended = reader.end_object();
                self.reader_result(ended)?;
                Ok(Json::Object(members))
            }
            None => Err(malformed("the document ends before it begins")),
        }
    }

    /// NUL and control characters (R4, datatypes, string: only tab, line feed and carriage return are allowed), and
    /// the length.
    fn check_string(&mut self, text: &str) -> Result<(), Refusal> {
        if text.len() > self.limits.string_bytes {
            let text = format!("a string is longer than {} bytes: {}", self.limits.string_bytes, self.place());
            return Err(Refusal::TooLarge(Issue::general(IssueCode::TooLong, text)));
        }
        if text.chars().any(|character| character < ' ' && !matches!(character, '\t' | '\n' | '\r')) {
            return self.fault("a NUL or control character in a string or member name");
        }
        Ok(())
    }

    /// A number every reader can hold: short, with a sane exponent, and finite as a double.
    fn check_number(&mut self, text: &str) -> Result<(), Refusal> {
        if text.len() > self.limits.number_chars {
            return self.fault(&format!("a number has more than {} characters", self.limits.number_chars));
        }
        let exponent = text.split_once(['e', 'E']).map_or(Some(0), |(_, digits)| digits.parse::<i32>().ok());
        let sane = exponent.is_some_and(|exponent| exponent.unsigned_abs() <= EXPONENT);
        if !sane || !text.parse::<f64>().is_ok_and(f64::is_finite) {
            return self.fault("a number is too large or too small to be meant");
        }
        Ok(())
    }

    /// Notes a fault here, and gives up when there are many.
    fn fault(&mut self, text: &str) -> Result<(), Refusal> {
        self.faults.push(Issue::general(IssueCode::Structure, format!("{text}: {}", self.place())));
        if self.faults.len() < FAULTS_TOLD { Ok(()) } else { Err(self.give_up()) }
    }

    fn give_up(&mut self) -> Refusal {
        Refusal::Malformed(std::mem::take(&mut self.faults))
    }

    /// A result of the reader; its error ends the reading, after the faults that were noted before it.
    fn reader_result<T>(&mut self, result: Result<T, ReaderError>) -> Result<T, Refusal> {
        result.map_err(|error| {
            let (text, at) = explain(&error, self.limits);
            let at =
                at.line_pos.map_or_else(String::new, |at| format!(" line {}, column {},", at.line + 1, at.column + 1));
            self.faults.push(Issue::general(IssueCode::Structure, format!("{text}:{at} {}", self.place())));
            self.give_up()
        })
    }

    /// Where the reading is: `at .entry[2].resource.name`.
    fn place(&self) -> String {
        let mut path = String::from("at ");
        for open in &self.open {
            match open {
                Open::Array(items) => path.push_str(&format!("[{}]", items.len())),
                Open::Object(_, Some(name)) => path.push_str(&format!(".{}", harmless(name))),
                Open::Object(_, None) => {}
            }
        }
        if path == "at " { "at the top".to_owned() } else { path }
    }
}

/// A member name if it could be an element name (`valueBase64Binary` has the most digits); other names are as much
/// received text as values are.
fn harmless(name: &str) -> &str {
    let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    if letters && digits <= 2 && (1..=64).contains(&name.len()) { name } else { "(a name that is no element)" }
}

fn malformed(text: impl Into<String>) -> Refusal {
    Refusal::Malformed(vec![Issue::general(IssueCode::Structure, text)])
}

/// Our words for an error of the reader, whose own repeat what was received.
fn explain<'e>(error: &'e ReaderError, limits: &DoorLimits) -> (String, &'e JsonReaderPosition) {
    match error {
        // The kind is a bare name, such as `MissingComma`.
        ReaderError::SyntaxError(error) => (format!("not JSON ({})", error.kind), &error.location),
        ReaderError::MaxNestingDepthExceeded { location, .. } => {
            (format!("nested deeper than {} levels", limits.depth), location)
        }
        ReaderError::UnexpectedValueType { location, .. }
        | ReaderError::UnexpectedStructure { location, .. }
        | ReaderError::UnsupportedNumberValue { location, .. }
        | ReaderError::IoError { location, .. } => ("not JSON that can be read".to_owned(), location),
        // `ReaderError` may grow; without a place of its own the path must do.
        _ => ("not JSON that can be read".to_owned(), &NOWHERE),
    }
}

/// For an error that tells no place.
static NOWHERE: JsonReaderPosition = JsonReaderPosition { path: None, line_pos: None, data_pos: None };

#[cfg(test)]
mod tests;
