//! JSON text, written in one pass; what turned out to be empty is taken back.
//!
//! The writer does not check that calls make a document: the runtime's walk over a target does. Commas are derived from
//! the last byte, which after an opened object or array is its bracket and after a value never is.

/// JSON text under way.
#[derive(Debug, Default)]
pub(crate) struct Json {
    out: Vec<u8>,
}

impl Json {
    /// A writer that will probably need so many bytes.
    pub(crate) fn with_room(room: usize) -> Self {
        Self { out: Vec::with_capacity(room) }
    }

    /// What was written so far.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.out
    }

    /// What was written.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// The place reached.
    pub(crate) fn len(&self) -> usize {
        self.out.len()
    }

    /// Takes back all that was written behind a place.
    pub(crate) fn back_to(&mut self, place: usize) {
        self.out.truncate(place);
    }

    /// Opens an object.
    pub(crate) fn open_object(&mut self) {
        self.out.push(b'{');
    }

    /// Closes an object.
    pub(crate) fn close_object(&mut self) {
        self.out.push(b'}');
    }

    /// Opens an array.
    pub(crate) fn open_array(&mut self) {
        self.out.push(b'[');
    }

    /// Closes an array.
    pub(crate) fn close_array(&mut self) {
        self.out.push(b']');
    }

    /// A comma unless this is the first member or item.
    pub(crate) fn next(&mut self) {
        if !matches!(self.out.last(), Some(b'{' | b'[') | None) {
            self.out.push(b',');
        }
    }

    /// A member's name with its colon, prepared by the compiler.
    pub(crate) fn name(&mut self, prepared: &str) {
        self.next();
        self.out.extend_from_slice(prepared.as_bytes());
    }

    /// A text.
    pub(crate) fn text(&mut self, text: &str) {
        if needs_no_escape(text.as_bytes()) {
            self.plain_text(text);
        } else {
            serde_json::to_writer(&mut self.out, text).expect("writing a string into memory cannot fail");
        }
    }

    /// A text that is known to need no escape: it stood unescaped in other JSON.
    pub(crate) fn plain_text(&mut self, text: &str) {
        self.out.push(b'"');
        self.out.extend_from_slice(text.as_bytes());
        self.out.push(b'"');
    }

    /// JSON as it stands: a number with its digits, `true`, a whole element.
    pub(crate) fn raw(&mut self, json: &str) {
        self.out.extend_from_slice(json.as_bytes());
    }

    /// A whole number.
    pub(crate) fn integer(&mut self, number: i64) {
        serde_json::to_writer(&mut self.out, &number).expect("writing a number into memory cannot fail");
    }
}

/// Whether a text holds none of the bytes that JSON writes as escapes: controls, quote and backslash. Eight bytes at a
/// time, by the arithmetic that sets the high bit of each byte that is below 32 or equal to another.
fn needs_no_escape(text: &[u8]) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let (words, rest) = text.as_chunks::<8>();
    let mut escapes = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        let below = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        escapes |= below | zero(word ^ (ONES * u64::from(b'"'))) | zero(word ^ (ONES * u64::from(b'\\')));
    }
    escapes == 0 && !rest.iter().any(|byte| matches!(byte, 0..0x20 | b'"' | b'\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_items_are_parted_and_what_is_taken_back_leaves_no_comma() {
        let mut json = Json::default();
        json.open_object();
        json.name("\"a\":");
        json.open_array();
        json.next();
        json.integer(-1);
        json.next();
        json.text("{");
        json.close_array();
        let place = json.len();
        json.name("\"b\":");
        json.open_object();
        json.close_object();
        json.back_to(place);
        json.name("\"c\":");
        json.plain_text("[");
        json.name("\"d\":");
        json.raw("1.50");
        json.close_object();
        assert_eq!(String::from_utf8(json.into_bytes()).unwrap(), r#"{"a":[-1,"{"],"c":"[","d":1.50}"#);
    }

    #[test]
    fn what_needs_an_escape_is_found_at_every_place() {
        for byte in 0..=0x7f_u8 {
            for place in 0..17 {
                let mut text = "é plain text, so".to_owned().into_bytes();
                text.truncate(17);
                text.insert(place.min(text.len()).max(2), byte);
                let expected = !(byte < 0x20 || byte == b'"' || byte == b'\\');
                assert_eq!(needs_no_escape(&text), expected, "{byte} at {place}");
            }
        }
        assert!(needs_no_escape("ü\u{7f}€\u{1f600}~}|{[]".as_bytes()) && needs_no_escape(b""));
    }

    #[test]
    fn every_character_survives_another_parser() {
        let text: String =
            (0..0x3000_u32).filter_map(char::from_u32).chain(['\u{2028}', '\u{1f600}', '\u{10ffff}']).collect();
        let mut json = Json::default();
        json.text(&text);
        assert_eq!(serde_json::from_slice::<String>(json.bytes()).unwrap(), text);
    }
}
