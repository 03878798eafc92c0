//! Makes one request: guards, path, query, headers, body.

use super::environment::Run;
use super::record::Record;
use super::refusal::{Cause, Fault, Refusal, refuse};
use crate::document::Document;
use crate::program::{Body, Format, Method, Node, PathPart, Program, Repeat, Request};
use crate::write::{self, Json, WriteFault};
use std::fmt;

/// A request, ready to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Rendered {
    /// HTTP verb.
    pub method: Method,
    /// Path below the platform's base address, percent-encoded, without query.
    pub path: String,
    /// Query string without `?`; empty if there is none.
    pub query: String,
    /// Headers in their order, `content-type` of a body included.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Option<Vec<u8>>,
    /// What happens if it is sent twice.
    pub repeat: Repeat,
}

impl fmt::Debug for Rendered {
    /// Sizes only: body and parts may hold patient data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rendered")
            .field("method", &self.method)
            .field("headers", &self.headers.len())
            .field("body", &self.body.as_ref().map(Vec::len))
            .field("repeat", &self.repeat)
            .finish_non_exhaustive()
    }
}

impl<'e, R: Record> Run<'e, '_, R> {
    /// Refuses what the mapping's author says must not be sent.
    pub(crate) fn guards(&mut self, program: &'e Program) -> Result<(), Box<Refusal>> {
        for guard in &program.guards {
            let held = self.holds(&guard.when, None).map_err(|cause| self.refuse(guard.rule, cause))?;
            if held {
                let cause = Cause::Guard(guard.because.clone());
                let mut refusal = refuse(program, guard.rule, Some(guard.element.clone()), cause);
                refusal.target = None;
                refusal.unsafe_to_send = guard.unsafe_to_send;
                return Err(refusal);
            }
        }
        Ok(())
    }

    /// Makes the request; `room` is about how many bytes its body will have.
    pub(crate) fn request(&mut self, request: &'e Request, room: usize) -> Result<Rendered, Box<Refusal>> {
        let path = self.path(&request.path)?;
        let query = self.query(&request.query)?;
        let mut headers = self.headers(&request.headers)?;
        let body = match &request.body {
            Some(body) => Some(self.body(body, room)?),
            None => None,
        };
        if let Some(body) = &request.body
            && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        {
            headers.push(("content-type".to_owned(), body.content_type.clone()));
        }
        Ok(Rendered { method: request.method, path, query, headers, body, repeat: request.repeat })
    }

    fn path(&mut self, parts: &'e [PathPart]) -> Result<String, Box<Refusal>> {
        let mut path = String::with_capacity(64);
        for part in parts {
            match part {
                PathPart::Literal(literal) => path.push_str(literal),
                PathPart::Value(rule, expression) => {
                    let begun = self.record.begin();
                    let held = self.first(expression, None).and_then(|item| match item {
                        Some(item) => super::held::Held::item(item),
                        None => Ok(super::held::Held::Nothing),
                    });
                    let held = held.map_err(|cause| self.refuse(*rule, cause))?;
                    if held.is_nothing() {
                        return Err(self.refuse(*rule, Cause::EmptyPathPart));
                    }
                    self.record.wrote(begun, self.environment.bundle, *rule, &held);
                    write::encode_segment(&mut path, &held.characters().unwrap_or_default());
                }
            }
        }
        let named = parts.iter().find_map(|part| match part {
            PathPart::Value(rule, _) => Some(*rule),
            PathPart::Literal(_) => None,
        });
        write::check_segments(&path).map_err(|fault| match named {
            Some(rule) => self.refuse(rule, Cause::Write(fault)),
            None => Refusal::of("the request's path", Cause::Write(fault)),
        })?;
        Ok(path)
    }

    fn query(&mut self, parameters: &'e [(String, Node)]) -> Result<String, Box<Refusal>> {
        if parameters.is_empty() {
            return Ok(String::new());
        }
        let mut json = Json::default();
        json.open_object();
        for (name, node) in parameters {
            let place = json.len();
            json.next();
            json.text(name);
            json.raw(":");
            if !self.node(node, None, &mut json)? {
                json.back_to(place);
            }
        }
        json.close_object();
        converted(json.bytes(), write::form).map_err(|cause| Refusal::of("the request's query string", *cause))
    }

    fn headers(&mut self, declared: &'e [(String, Node)]) -> Result<Vec<(String, String)>, Box<Refusal>> {
        let mut headers = Vec::with_capacity(declared.len() + 1);
        for (name, node) in declared {
            let mut json = Json::default();
            if !self.node(node, None, &mut json)? {
                continue;
            }
            let value = converted(json.bytes(), |document| {
                let text = write::plain(document, document.root())?;
                write::header(&text)?;
                Ok(text.into_owned())
            });
            headers.push((name.clone(), value.map_err(|cause| Refusal::of(&format!("the header {name}"), *cause))?));
        }
        Ok(headers)
    }

    fn body(&mut self, body: &'e Body, room: usize) -> Result<Vec<u8>, Box<Refusal>> {
        let mut json = Json::with_room(room);
        if !self.node(&body.node, None, &mut json)? {
            match (&body.format, &body.node) {
                (Format::Text, _) => json.plain_text(""),
                (_, Node::Each(_)) => json.raw("[]"),
                _ => json.raw("{}"),
            }
        }
        if json.len() > super::node::MAX_BODY {
            return Err(Refusal::of("the request's body", Cause::TooLarge(super::node::MAX_BODY)));
        }
        let made = match &body.format {
            Format::Json | Format::Fhir => return Ok(json.into_bytes()),
            Format::Form => converted(json.bytes(), |document| write::form(document).map(String::into_bytes)),
            Format::Csv => converted(json.bytes(), write::csv_row),
            Format::Xml { root, namespace } => {
                converted(json.bytes(), |document| write::xml(document, root, namespace.as_deref()))
            }
            Format::Text => converted(json.bytes(), |document| {
                write::plain(document, document.root()).map(|text| text.into_owned().into_bytes())
            }),
        };
        made.map_err(|cause| Refusal::of("the request's body", *cause))
    }
}

/// Makes another format of JSON text that was just written.
fn converted<T>(json: &[u8], make: impl FnOnce(&Document<'_>) -> Result<T, WriteFault>) -> Result<T, Fault> {
    let text = std::str::from_utf8(json).map_err(|error| Box::new(Cause::Unreadable(error.to_string())))?;
    let document = Document::parse(text).map_err(|error| Box::new(Cause::Unreadable(error.to_string())))?;
    make(&document).map_err(|fault| Box::new(Cause::Write(fault)))
}
