//! A mail in parts. Parts within parts are walked here, with bounds, and each is read by the library for itself: its own walk has no
//! bound, so that a mail could exhaust the stack.

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{MessageParser, MimeHeaders, PartType};

/// Parts that are looked at.
const MOST_PARTS: usize = 100;
/// Parts within parts, at most.
const DEEPEST: usize = 8;
/// Header fields that are looked at, and bytes of all of them.
const MOST_FIELDS: usize = 500;
const LONGEST_HEAD: usize = 256 * 1024;

/// What one part is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// Text of any kind but HTML.
    Text(String),
    /// HTML.
    Html(String),
    /// Another mail, or its head, or what is said of its delivery: as it was written.
    Mail(Vec<u8>),
    /// Anything else: nothing of it is read.
    Other,
}

/// One part that holds no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// Its media type in lower case: `message/delivery-status`.
    pub(super) media_type: String,
    /// Whether it is meant to be kept as a file, and under which name.
    pub(super) attached: bool,
    pub(super) name: Option<String>,
    /// Whether it stands beside another way to say the same.
    pub(super) alternative: bool,
    pub(super) content: Content,
}

/// One mail.
#[derive(Debug)]
pub(super) struct Mail {
    fields: Vec<(String, String)>,
    subject: String,
    /// Type of the whole: `multipart/report`, and what kind of report.
    pub(super) media_type: String,
    pub(super) report_type: Option<String>,
    pub(super) parts: Vec<Part>,
    /// Whether there were more parts, or deeper ones, than are looked at.
    pub(super) more: bool,
    body: Vec<u8>,
}

impl Mail {
    /// Reads a mail. `None`: it has no header, so that it is none.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (head, body) = split(bytes);
        let fields = fields(head.get(..head.len().min(LONGEST_HEAD))?);
        // A colon stands in many texts: a mail says from whom it is, or what it is.
        let is_mail =
            |(name, _): &(String, String)| matches!(name.as_str(), "from" | "message-id" | "received" | "date");
        if !fields.iter().any(is_mail) {
            return None;
        }
        let message = MessageParser::default().parse_headers(bytes)?;
        let kind = message.content_type();
        let mut mail = Self {
            subject: message.subject().unwrap_or_default().to_owned(),
            media_type: media_type(kind),
            report_type: kind.and_then(|kind| kind.attribute("report-type")).map(str::to_ascii_lowercase),
            fields,
            parts: Vec::new(),
            more: false,
            body: body.to_vec(),
        };
        mail.walk(bytes, 0, false);
        Some(mail)
    }

    /// The first field of this name, in lower case, unfolded.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All fields of this name.
    pub(super) fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The subject in plain characters.
    pub(super) fn subject(&self) -> &str {
        &self.subject
    }

    /// What stands below the header, as it came.
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    fn walk(&mut self, bytes: &[u8], depth: usize, alternative: bool) {
        if self.parts.len() >= MOST_PARTS || depth > DEEPEST {
            self.more = true;
            return;
        }
        let Some(head) = MessageParser::default().parse_headers(bytes) else {
            self.parts.push(headless(bytes));
            return;
        };
        let kind = head.content_type();
        let media_type = media_type(kind);
        let boundary = kind.and_then(|kind| kind.attribute("boundary")).filter(|boundary| !boundary.is_empty());
        if let (true, Some(boundary)) = (media_type.starts_with("multipart/"), boundary) {
            let alternative = alternative || media_type == "multipart/alternative";
            for part in between(split(bytes).1, boundary) {
                self.walk(part, depth + 1, alternative);
            }
            return;
        }
        let disposition = head.content_disposition();
        let part = Part {
            attached: disposition.is_some_and(mail_parser::ContentType::is_attachment),
            name: head.attachment_name().map(str::to_owned),
            alternative,
            content: content(bytes, &media_type, head.content_transfer_encoding()),
            media_type,
        };
        self.parts.push(part);
    }
}

/// A part without a head is plain text (RFC 2046, 5.1).
fn headless(bytes: &[u8]) -> Part {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let media_type = "text/plain".to_owned();
    Part { media_type, attached: false, name: None, alternative: false, content: Content::Text(text) }
}

/// What a part that holds no other says, decoded.
fn content(bytes: &[u8], media_type: &str, encoding: Option<&str>) -> Content {
    if media_type.starts_with("message/") || media_type == "text/rfc822-headers" {
        // Read as text by whoever wants something of it. Such parts should not be encoded (RFC 2046, 5.2.1; RFC 3464, 2.1), but
        // those for addresses in other scripts may be (RFC 6533, 3), and some programs encode everything.
        return Content::Mail(decoded(split(bytes).1, encoding));
    }
    if media_type.starts_with("multipart/") {
        return Content::Other;
    }
    let Some(message) = MessageParser::default().parse(bytes) else { return Content::Other };
    match message.parts.into_iter().next().map(|part| part.body) {
        Some(PartType::Text(text)) => Content::Text(text.into_owned()),
        Some(PartType::Html(text)) => Content::Html(text.into_owned()),
        _ => Content::Other,
    }
}

/// Without its transfer encoding; as it came, if it has none or not that one.
fn decoded(body: &[u8], encoding: Option<&str>) -> Vec<u8> {
    let plain = match encoding.map(|name| name.trim().to_ascii_lowercase()).as_deref() {
        Some("base64") => base64_decode(body),
        Some("quoted-printable") => quoted_printable_decode(body),
        _ => None,
    };
    plain.unwrap_or_else(|| body.to_vec())
}

fn media_type(kind: Option<&mail_parser::ContentType<'_>>) -> String {
    let Some(kind) = kind else { return "text/plain".to_owned() };
    format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default()).to_ascii_lowercase()
}

/// Header and body.
fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let mut end = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        end += line.len();
        if line.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
            break;
        }
    }
    bytes.split_at_checked(end).unwrap_or((bytes, &[]))
}

/// Names in lower case and unfolded values (RFC 5322, 2.2).
pub(super) fn fields(head: &[u8]) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in String::from_utf8_lossy(head).lines() {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            if fields.len() == MOST_FIELDS {
                break;
            }
            fields.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    fields
}

/// The parts between boundaries (RFC 2046, 5.1.1). The last one counts even if its end is missing.
fn between<'a>(body: &'a [u8], boundary: &str) -> Vec<&'a [u8]> {
    let mark = format!("--{boundary}");
    let (mut parts, mut start, mut place) = (Vec::new(), None, 0_usize);
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let after = place + line.len();
        let rest = line.strip_prefix(mark.as_bytes()).map(<[u8]>::trim_ascii);
        if let Some(rest) = rest.filter(|rest| rest.is_empty() || *rest == b"--") {
            // The line end before a boundary is the boundary's.
            let part = start.and_then(|start: usize| body.get(start..place));
            parts.extend(part.map(|part| {
                let part = part.strip_suffix(b"\n").unwrap_or(part);
                part.strip_suffix(b"\r").unwrap_or(part)
            }));
            start = rest.is_empty().then_some(after);
            // One more than are looked at, so that it is known that there are more.
            if rest == b"--" || parts.len() > MOST_PARTS {
                return parts;
            }
        }
        place = after;
    }
    parts.extend(start.and_then(|start| body.get(start..)));
    parts
}
