//! Fonts, and how text is broken into lines.

use adapter_contract::TranslateError;
use icu_normalizer::ComposingNormalizer;
use krilla::text::{Font, GlyphId, KrillaGlyph};
use skrifa::charmap::Charmap;
use skrifa::instance::{LocationRef, Size};
use skrifa::metrics::GlyphMetrics;
use skrifa::{FontRef, MetadataProvider as _};

/// Which of the two faces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Face {
    Regular,
    Bold,
}

/// One font, to draw with and to measure by.
pub(super) struct Measured {
    pub(super) font: Font,
    map: Charmap<'static>,
    metrics: GlyphMetrics<'static>,
    units: f32,
}

/// Both faces.
pub(super) struct Fonts {
    regular: Measured,
    bold: Measured,
}

/// A piece of a line, in one face.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) face: Face,
    pub(super) text: String,
}

impl Measured {
    fn load(bytes: &'static [u8]) -> Option<Self> {
        let reference = FontRef::new(bytes).ok()?;
        let font = Font::new(bytes.into(), 0)?;
        let metrics = reference.glyph_metrics(Size::unscaled(), LocationRef::default());
        let units = font.units_per_em();
        Some(Self { font, map: reference.charmap(), metrics, units })
    }

    /// Share of the font's size by which a character moves on.
    fn advance(&self, character: char) -> f32 {
        let glyph = self.map.map(character);
        glyph.and_then(|glyph| self.metrics.advance_width(glyph)).unwrap_or_default() / self.units
    }

    /// The glyphs of a text, in the order of its characters.
    pub(super) fn glyphs(&self, text: &str) -> Vec<KrillaGlyph> {
        let glyph = |(start, character): (usize, char)| {
            let id = self.map.map(character).unwrap_or_default().to_u32();
            let range = start..start + character.len_utf8();
            KrillaGlyph::new(GlyphId::new(id), self.advance(character), 0.0, 0.0, 0.0, range, None)
        };
        text.char_indices().map(glyph).collect()
    }
}

impl Fonts {
    /// # Errors
    /// Never, as the fonts are part of the build.
    pub(super) fn load() -> Result<Self, TranslateError> {
        let load =
            |bytes| Measured::load(bytes).ok_or_else(|| TranslateError::new("attachment", "its font cannot be read"));
        Ok(Self { regular: load(dejavu::sans::regular())?, bold: load(dejavu::sans::bold())? })
    }

    pub(super) fn face(&self, face: Face) -> &Measured {
        match face {
            Face::Regular => &self.regular,
            Face::Bold => &self.bold,
        }
    }

    /// The text as it can be shown: composed, with single line ends and blanks for tabs. `None` if a character has no glyph of its
    /// own in both faces.
    pub(super) fn shown(&self, text: &str) -> Option<String> {
        let text = ComposingNormalizer::new_nfc().normalize(text).replace("\r\n", "\n").replace('\t', " ");
        let has = |character: char| {
            stands_alone(character) && [&self.regular, &self.bold].iter().all(|one| one.map.map(character).is_some())
        };
        text.chars().all(|character| character == '\n' || has(character)).then_some(text)
    }

    pub(super) fn width(&self, piece: &Piece, size: f32) -> f32 {
        piece.text.chars().map(|character| self.face(piece.face).advance(character)).sum::<f32>() * size
    }

    /// Breaks runs into lines that are at most so wide. Every character of the text is in one of them, but for blanks at the end of
    /// lines and line ends.
    pub(super) fn broken(&self, runs: &[(Face, String)], size: f32, widest: f32) -> Vec<Vec<Piece>> {
        let mut lines = Lines { fonts: self, size, widest, done: Vec::new(), line: Vec::new(), width: 0.0 };
        for (face, text) in runs {
            for (number, row) in text.split('\n').enumerate() {
                if number > 0 {
                    lines.end();
                }
                row.split_inclusive(' ').for_each(|word| lines.word(*face, word));
            }
        }
        lines.end();
        lines.done
    }
}

/// Lines in the making.
struct Lines<'a> {
    fonts: &'a Fonts,
    size: f32,
    widest: f32,
    done: Vec<Vec<Piece>>,
    line: Vec<Piece>,
    width: f32,
}

impl Lines<'_> {
    fn measure(&self, face: Face, text: &str) -> f32 {
        text.chars().map(|character| self.fonts.face(face).advance(character)).sum::<f32>() * self.size
    }

    fn word(&mut self, face: Face, word: &str) {
        // A blank may stand beyond the edge.
        if self.width > 0.0 && self.width + self.measure(face, word.trim_end()) > self.widest {
            self.end();
        }
        if self.measure(face, word.trim_end()) <= self.widest {
            return self.push(face, word);
        }
        for character in word.chars() {
            let one = character.to_string();
            if self.width > 0.0 && self.width + self.measure(face, &one) > self.widest {
                self.end();
            }
            self.push(face, &one);
        }
    }

    fn push(&mut self, face: Face, text: &str) {
        self.width += self.measure(face, text);
        match self.line.last_mut().filter(|piece| piece.face == face) {
            Some(piece) => piece.text.push_str(text),
            None => self.line.push(Piece { face, text: text.to_owned() }),
        }
    }

    fn end(&mut self) {
        self.done.push(std::mem::take(&mut self.line));
        self.width = 0.0;
    }
}

/// Whether a character is drawn by itself, from left to right: no control, no mark that is put on another, no script whose letters
/// join or run from right to left.
fn stands_alone(character: char) -> bool {
    matches!(u32::from(character),
        0x20..=0x7e | 0xa0..=0x2ff | 0x370..=0x482 | 0x48a..=0x556 | 0x559..=0x58a | 0x10a0..=0x10ff
        | 0x1e00..=0x1fff | 0x2010..=0x2027 | 0x202f..=0x205e | 0x2070..=0x20cf | 0x2100..=0x2bff)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fonts() -> Fonts {
        Fonts::load().unwrap()
    }

    #[test]
    fn what_the_font_shows_is_taken_and_the_rest_is_not() {
        let fonts = fonts();
        for text in ["Zoë Ó Briain", "Łukasz Żółć", "Ωμέγα", "Ольга", "Llŷn £5 – “ok” €", "a\tb\nc", "Nguyễn"]
        {
            assert!(fonts.shown(text).is_some(), "{text}");
        }
        assert_eq!(fonts.shown("Zoe\u{308}").as_deref(), Some("Zo\u{eb}"));
        assert_eq!(fonts.shown("a\r\nb\tc").as_deref(), Some("a\nb c"));
        for text in ["محمد", "שלום", "王", "🙂", "q\u{308}", "a\u{7}", "a\u{202e}b", "a\u{200d}b", "ไทย", "हिन्दी"]
        {
            assert_eq!(fonts.shown(text), None, "{text:?}");
        }
    }

    #[test]
    fn lines_are_no_wider_than_the_page_and_lose_nothing() {
        let fonts = fonts();
        let text = format!("A note of some length about nothing. {} and on\n\nit goes", "long".repeat(60));
        let runs = [(Face::Bold, "Note: ".to_owned()), (Face::Regular, text.clone())];
        let lines = fonts.broken(&runs, 10.0, 200.0);
        assert!(lines.len() > 6);
        let mut whole = String::new();
        for line in &lines {
            let width: f32 = line.iter().map(|piece| fonts.width(piece, 10.0)).sum();
            assert!(
                width <= 200.0 + fonts.width(&Piece { face: Face::Regular, text: " ".to_owned() }, 10.0),
                "{width}"
            );
            line.iter().for_each(|piece| whole.push_str(&piece.text));
        }
        assert_eq!(whole, format!("Note: {text}").replace('\n', ""));
        assert_eq!(lines.iter().filter(|line| line.is_empty()).count(), 1, "an empty line stays one");
    }
}
