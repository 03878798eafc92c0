//! Requests: method, address, query, headers, body.

use super::env::Env;
use super::target::At;
use super::{Compiler, Says};
use crate::class::DataClass;
use crate::diagnostic::Code;
use crate::program::{Body, Format, Method, Node as Target, PathPart, Repeat, Request};
use crate::source::Span;
use crate::spec::Text;
use crate::yaml::{Node, Scalar, Style};
use std::ops::Range;

/// Headers that the gateway writes, in small letters.
const RESERVED: [&str; 17] = [
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "x-correlation-id",
    "x-request-id",
];

impl<'t> Compiler<'t> {
    /// `step` names the step in targets.
    pub(super) fn request(&mut self, node: &'t Node, step: &str, env: &Env) -> Option<Request> {
        let method = method(node.text("method")?.text);
        let path = node.text("path").and_then(|text| self.address(text, step, env));
        let query = self.named(node, "query", step, env, "A query parameter");
        let headers = self.named(node, "headers", step, env, "A header");
        self.check_headers(node);
        let body = node.get("body").map(|body| self.body(body, node.key_at("body"), step, env));
        if let (Some(Method::Get | Method::Delete), true) = (method, node.has("body")) {
            let fault = "A request of this method has no body.";
            self.fault(Code::BodyMisfit, node.key_at("body"), fault, "Put what it says into `query`, or use POST.");
        }
        let repeat = match node.text("repeat")?.text {
            "safe" => Repeat::Safe,
            "keyed" => Repeat::Keyed,
            "look-up-first" => Repeat::LookUpFirst,
            _ => return None,
        };
        let body = match body {
            Some(body) => Some(body?),
            None => None,
        };
        Some(Request { method: method?, path: path?, query, headers, body, repeat })
    }

    fn named(&mut self, node: &'t Node, key: &str, step: &str, env: &Env, what: &'static str) -> Vec<(String, Target)> {
        let mut made = Vec::new();
        for entry in node.map(key) {
            let target = format!("{step}.{key}.{}", entry.key);
            let at = At {
                target: &target,
                class: None,
                env,
                place: entry.key_at,
                optional: false,
                exposed: Some(what),
                format: None,
                is_body: false,
                in_lines: false,
            };
            if let Some(shape) = ["fields", "copy"].into_iter().find(|shape| entry.value.has(shape)) {
                let fault = format!("{what} is one value or several; `{shape}` makes an object.");
                self.fault(Code::BodyMisfit, entry.value.key_at(shape), fault, "Write `from`, `constant` or `each`.");
                continue;
            }
            made.extend(self.target(&entry.value, at).map(|target| (entry.key.clone(), target)));
        }
        made
    }

    fn check_headers(&mut self, node: &Node) {
        let mut seen: Vec<String> = Vec::new();
        for entry in node.map("headers") {
            let name = entry.key.to_lowercase();
            if RESERVED.contains(&name.as_str()) {
                let fault = format!("The gateway writes the header {}.", entry.key);
                let mend = "Credentials belong into the gateway's configuration, the media type into `content-type` of the body.";
                self.fault(Code::ReservedHeader, entry.key_at, fault, mend);
            }
            if seen.contains(&name) {
                let fault = format!("The header {} stands here in other letters already.", entry.key);
                self.fault(Code::TwoRules, entry.key_at, fault, "Keep one of them.");
            }
            seen.push(name);
        }
    }

    /// Divides an address into what stands there and what is filled in.
    fn address(&mut self, text: Text<'_>, step: &str, env: &Env) -> Option<Vec<PathPart>> {
        let pieces = match pieces(text.text) {
            Ok(pieces) => pieces,
            Err(problem) => {
                let mend =
                    "Write `api/referral/{%platformReferral}`: relative to the base address, each path in braces.";
                self.fault(Code::BadAddress, text.at, problem, mend);
                return None;
            }
        };
        let mut made = Vec::new();
        let mut well = true;
        for piece in pieces {
            match piece {
                Piece::Literal(literal) => made.push(PathPart::Literal(literal.to_owned())),
                Piece::Path(range) => {
                    // A part is a text of its own; where it stands is counted from the whole.
                    let inner = text.text.get(range.clone()).unwrap_or_default();
                    let at = self.at_part(text, range);
                    let scalar = Scalar { text: inner.to_owned(), style: Style::Plain };
                    match self.address_part(Text { text: inner, scalar: &scalar, at }, step, env) {
                        Some(part) => made.push(part),
                        None => well = false,
                    }
                }
            }
        }
        well.then_some(made)
    }

    fn address_part(&mut self, text: Text<'_>, step: &str, env: &Env) -> Option<PathPart> {
        let path = self.path(text, env)?;
        let target = format!("{step}.path");
        let rule = self.rule(text.at, Says { target: &target, text: text.text, ..Says::default() });
        if path.result().many {
            let fault = "The path can give several values, and the address takes one.";
            self.fault(Code::SeveralIntoOne, text.at, fault, "Say which with first() or where(…).");
        }
        self.check_type(&path, crate::program::Scalar::Text, text.at);
        if path.seen != DataClass::Administrative {
            let fault = format!("The address would hold {} data.", path.seen.word());
            let mend = "Send it in the body. Addresses are written to logs by everybody on the way.";
            self.fault(Code::PatientDataOutside, text.at, fault, mend);
        }
        self.keep_reads(Some(rule), &path, DataClass::Administrative, true, true);
        Some(PathPart::Value(rule, path.expression))
    }

    fn body(&mut self, node: &'t Node, place: Span, step: &str, env: &Env) -> Option<Body> {
        let format = self.format(node);
        let target = format!("{step}.body");
        let at = At {
            target: &target,
            class: None,
            env,
            place,
            optional: false,
            exposed: None,
            format: format.as_ref(),
            is_body: true,
            in_lines: false,
        };
        let made = self.target(node, at);
        let format = format?;
        self.check_body(node, place, &format);
        let usual = match format {
            Format::Json => "application/json",
            Format::Form => "application/x-www-form-urlencoded",
            Format::Csv => "text/csv; charset=utf-8",
            Format::Xml { .. } => "application/xml",
            Format::Fhir => "application/fhir+json",
            Format::Text => "text/plain; charset=utf-8",
        };
        let said = node.text("content-type");
        if let Some(said) = said.filter(|said| said.text.bytes().any(|byte| !(0x20..0x7f).contains(&byte))) {
            let fault = "A media type is written in plain characters on one line.";
            self.fault(Code::WrongKind, said.at, fault, "Write for example `application/json`.");
        }
        let content_type = said.map_or(usual, |text| text.text).to_owned();
        Some(Body { format, content_type, node: made? })
    }

    fn format(&mut self, node: &Node) -> Option<Format> {
        let said = node.text("format")?.text;
        let root = node.text("root").map(|text| text.text.to_owned());
        for key in ["root", "namespace"].into_iter().filter(|key| node.has(key) && said != "xml") {
            let fault = format!("`{key}` is for XML.");
            self.fault(Code::MisplacedKey, node.key_at(key), fault, "Remove it, or write `format: xml`.");
        }
        Some(match said {
            "json" => Format::Json,
            "form" => Format::Form,
            "csv" => Format::Csv,
            "fhir" => Format::Fhir,
            "text" => Format::Text,
            "xml" => {
                let namespace = node.text("namespace").map(|text| text.text.to_owned());
                let Some(root) = root else {
                    let fault = "An XML body lacks `root`.";
                    self.fault(
                        Code::MissingKey,
                        node.value_at("format"),
                        fault,
                        "Add `root`: the name of the root element.",
                    );
                    return None;
                };
                Format::Xml { root, namespace }
            }
            _ => return None,
        })
    }

    /// What a format cannot hold.
    fn check_body(&mut self, node: &'t Node, place: Span, format: &Format) {
        let Some(node) = self.resolved(node) else { return };
        let object = node.has("fields");
        let value = node.has("from") || node.has("constant") || node.has("lines");
        let (fits, wants) = match format {
            Format::Json | Format::Fhir => (true, ""),
            Format::Form | Format::Csv => (object, "one object: `fields`"),
            Format::Xml { .. } => (object || value, "an object or a value"),
            Format::Text => (value || node.has("choose"), "one value: `from`, `constant` or `lines`"),
        };
        if !fits {
            let fault = format!("This format wants {wants}.");
            self.fault(Code::BodyMisfit, place, fault, "Correct the body, or choose another format.");
        }
        if !matches!(format, Format::Form | Format::Csv) {
            return;
        }
        for entry in node.map("fields") {
            let Some(field) = self.resolved(&entry.value) else { continue };
            let nested =
                field.has("fields") || field.has("copy") || (field.has("each") && matches!(format, Format::Csv));
            if nested {
                let fault =
                    format!("`{}` is no single value, and this format has no place for anything else.", entry.key);
                self.fault(
                    Code::BodyMisfit,
                    entry.key_at,
                    fault,
                    "Give each value a field of its own, or join several with `join`.",
                );
            }
        }
    }

    /// The node, or the fragment that it names.
    fn resolved(&self, node: &'t Node) -> Option<&'t Node> {
        let Some(name) = node.text("use") else { return Some(node) };
        self.tree.get("fragments")?.get(name.text)
    }
}

fn method(word: &str) -> Option<Method> {
    Some(match word {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "PATCH" => Method::Patch,
        "DELETE" => Method::Delete,
        _ => return None,
    })
}

enum Piece<'t> {
    Literal(&'t str),
    Path(Range<usize>),
}

/// Divides an address at its braces. Braces in quotes belong to the path.
fn pieces(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut made = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let open = rest.find('{').unwrap_or(rest.len());
        let literal = rest.get(..open).unwrap_or_default();
        check_literal(literal)?;
        if !literal.is_empty() {
            made.push(Piece::Literal(literal));
        }
        at += open;
        if at < text.len() {
            let end = closing(text, at + 1).ok_or("A brace is not closed.")?;
            made.push(Piece::Path(at + 1..end));
            at = end + 1;
        }
    }
    if text.starts_with('/') || text.contains("://") {
        return Err("The address is relative to the base address: no scheme, and no / at the beginning.".to_owned());
    }
    Ok(made)
}

/// What stands in an address as it is has to be good there already: there is nothing that would encode it.
fn check_literal(literal: &str) -> Result<(), String> {
    // Servers read `%2e` as a dot and `%2f` as a slash.
    let lower = literal.to_ascii_lowercase();
    if ["%2f", "%5c", "%00"].iter().any(|hidden| lower.contains(hidden)) {
        return Err("A slash or a zero byte does not stand in an address in disguise.".to_owned());
    }
    let hex = |part: &str| part.get(..2).is_some_and(|two| two.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if !literal.split('%').skip(1).all(hex) {
        return Err("`%` stands before two hexadecimal digits: write `%25` for the sign itself.".to_owned());
    }
    if lower.replace("%2e", ".").split('/').any(|segment| segment == "." || segment == "..") {
        return Err("`.` and `..` would leave the base address.".to_owned());
    }
    match literal.chars().find(|c| !c.is_ascii_alphanumeric() && !"/-._~!$&'()*+,;=:@%".contains(*c)) {
        Some('?') => Err("A query does not stand in the path: use `query`.".to_owned()),
        Some(c) => Err(format!("`{c}` cannot stand in an address.")),
        None => Ok(()),
    }
}

fn closing(text: &str, from: usize) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    for (offset, c) in text.get(from..)?.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '\'' => quoted = !quoted,
            '{' if !quoted => depth += 1,
            '}' if !quoted && depth == 0 => return Some(from + offset),
            '}' if !quoted => depth -= 1,
            _ => {}
        }
    }
    None
}
