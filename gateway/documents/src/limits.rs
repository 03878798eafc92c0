//! Every bound of this crate, so that no input takes more memory or time than is meant.

/// Most characters of one free text of a letter.
pub const LETTER_TEXT: usize = 20_000;
/// Most characters of one short text of a letter: a name, a title, a reference.
pub const LETTER_LINE: usize = 300;
/// Most items of one list of a letter.
pub const LETTER_ITEMS: usize = 100;
/// Fewest characters of a text that stay when a letter is shortened: with fewer it would say nothing.
pub const SHOWN_AT_LEAST: usize = 80;
/// Most bytes of a PDF in a message. A letter of one page has some 40,000; a practice may refuse large messages (code 20015).
pub const PDF_BYTES: usize = 5 * 1024 * 1024;
/// Most characters of `SenderReference` (ITK3 Message Distribution, "Handling Specification": any string up to 255 characters).
pub const SENDER_REFERENCE: usize = 255;
/// Most bytes of an acknowledgement. Real ones have some 5,000.
pub const RESPONSE_BYTES: usize = 1024 * 1024;
/// Deepest nesting in an acknowledgement. Real ones reach 12.
pub const RESPONSE_DEPTH: usize = 64;
/// Most elements of an acknowledgement.
pub const RESPONSE_ELEMENTS: usize = 20_000;
/// Most bytes of one value of an acknowledgement that are kept.
pub const RESPONSE_VALUE: usize = 4_000;
