//! Puts lines on pages, draws them, and says what each of them is.

use super::lines::{Fonts, Piece};
use super::{Block, Kind};
use adapter_contract::TranslateError;
use krilla::configure::{Accessibility, ConfigurationBuilder};
use krilla::destination::XyzDestination;
use krilla::geom::Point;
use krilla::metadata::Metadata;
use krilla::outline::{Outline, OutlineNode};
use krilla::page::PageSettings;
use krilla::surface::Surface;
use krilla::tagging::{Artifact, ArtifactType, ContentTag, Identifier, SpanTag, Tag, TagGroup, TagKind, TagTree};
use krilla::{Document, SerializeSettings};
use std::num::NonZeroU16;

/// A4, in points.
const WIDTH: f32 = 595.28;
const HEIGHT: f32 = 841.89;
/// Free on each side, in points.
const MARGIN: f32 = 56.0;
/// Language of headings and of most of what is written.
const LANGUAGE: &str = "en-GB";

/// Size of a kind's letters, and what is free above it, in points.
const fn size(kind: Kind) -> (f32, f32) {
    match kind {
        Kind::Title => (18.0, 0.0),
        Kind::Heading => (13.0, 14.0),
        Kind::Warning => (11.0, 8.0),
        Kind::Line => (10.5, 4.0),
    }
}

/// A line with its place.
struct Placed {
    block: usize,
    page: usize,
    /// Of its base line, from the top.
    y: f32,
    pieces: Vec<Piece>,
}

fn place(fonts: &Fonts, blocks: &[Block]) -> Vec<Placed> {
    let mut placed = Vec::new();
    let (mut page, mut y) = (0, MARGIN);
    for (block, what) in blocks.iter().enumerate() {
        let (size, above) = size(what.kind);
        let lines = fonts.broken(&what.runs, size, WIDTH - 2.0 * MARGIN);
        // A heading does not stand alone at the end of a page.
        let needed = if what.kind == Kind::Heading { above + 4.0 * size } else { above + size };
        if y + needed > HEIGHT - MARGIN {
            (page, y) = (page + 1, MARGIN);
        } else {
            y += above;
        }
        for pieces in lines {
            if y + size > HEIGHT - MARGIN {
                (page, y) = (page + 1, MARGIN);
            }
            placed.push(Placed { block, page, y: y + size, pieces });
            y += size * 1.35;
        }
    }
    placed
}

/// Draws the blocks.
///
/// # Errors
/// [`TranslateError`] if no PDF can be made of them that a screen reader can read.
pub(super) fn draw(fonts: &Fonts, blocks: &[Block], title: &str, key: &str) -> Result<Vec<u8>, TranslateError> {
    let fault = |_| TranslateError::new("attachment", "cannot be made as a PDF that a screen reader can read");
    let configuration = ConfigurationBuilder::new().with_accessibility_validator(Accessibility::UA1).finish();
    let configuration =
        configuration.map_err(|_| TranslateError::new("attachment", "asks for a PDF that there is not"))?;
    let mut document = Document::new_with(SerializeSettings { configuration, ..SerializeSettings::default() });
    document.set_metadata(
        Metadata::new().title(title.to_owned()).language(LANGUAGE.to_owned()).document_id(key.to_owned()),
    );
    let placed = place(fonts, blocks);
    let last = placed.last().map_or(0, |line| line.page);
    let mut parts: Vec<Vec<Identifier>> = blocks.iter().map(|_| Vec::new()).collect();
    for number in 0..=last {
        let size =
            PageSettings::from_wh(WIDTH, HEIGHT).ok_or_else(|| TranslateError::new("attachment", "has no page"))?;
        let mut page = document.start_page_with(size);
        let mut surface = page.surface();
        for line in placed.iter().filter(|line| line.page == number) {
            if let (Some(block), Some(part)) = (blocks.get(line.block), parts.get_mut(line.block)) {
                part.extend(draw_line(&mut surface, fonts, line, self::size(block.kind).0));
            }
        }
        footer(&mut surface, fonts, &format!("{title}, page {} of {}", number + 1, last + 1));
        surface.finish();
        page.finish();
    }
    document.set_outline(outline(blocks, &placed));
    document.set_tag_tree(tags(blocks, parts));
    document.finish().map_err(fault)
}

fn draw_line(surface: &mut Surface<'_>, fonts: &Fonts, line: &Placed, size: f32) -> Vec<Identifier> {
    let mut x = MARGIN;
    let mut drawn = Vec::new();
    for piece in line.pieces.iter().filter(|piece| !piece.text.is_empty()) {
        drawn.push(surface.start_tagged(ContentTag::Span(SpanTag::empty())));
        put(surface, fonts, piece, (x, line.y), size);
        surface.end_tagged();
        x += fonts.width(piece, size);
    }
    drawn
}

fn put(surface: &mut Surface<'_>, fonts: &Fonts, piece: &Piece, (x, y): (f32, f32), size: f32) {
    let face = fonts.face(piece.face);
    let glyphs = face.glyphs(&piece.text);
    surface.draw_glyphs(Point::from_xy(x, y), &glyphs, face.font.clone(), &piece.text, size, false);
}

fn footer(surface: &mut Surface<'_>, fonts: &Fonts, text: &str) {
    let piece = Piece { face: super::Face::Regular, text: text.to_owned() };
    surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(ArtifactType::Footer)));
    put(surface, fonts, &piece, (MARGIN, HEIGHT - MARGIN / 2.0), 8.0);
    surface.end_tagged();
}

fn words(block: &Block) -> String {
    block.runs.iter().map(|(_, text)| text.as_str()).collect()
}

fn outline(blocks: &[Block], placed: &[Placed]) -> Outline {
    let mut outline = Outline::new();
    for (number, block) in blocks.iter().enumerate() {
        let first = placed.iter().find(|line| line.block == number);
        if let (Kind::Title | Kind::Heading, Some(line)) = (block.kind, first) {
            let there = XyzDestination::new(line.page, Point::from_xy(MARGIN, line.y - size(block.kind).0));
            outline.push_child(OutlineNode::new(words(block), there));
        }
    }
    outline
}

fn tags(blocks: &[Block], parts: Vec<Vec<Identifier>>) -> TagTree {
    let mut tree = TagTree::new().with_lang(Some(LANGUAGE.to_owned()));
    for (block, parts) in blocks.iter().zip(parts) {
        let level = |number| Tag::Hn(NonZeroU16::MIN.saturating_add(number), Some(words(block)));
        let kind: TagKind = match block.kind {
            Kind::Title => level(0).into(),
            Kind::Heading => level(1).into(),
            Kind::Warning | Kind::Line => Tag::P.into(),
        };
        let mut group = TagGroup::new(kind);
        parts.into_iter().for_each(|part| group.push(part));
        tree.push(group);
    }
    tree
}

#[cfg(test)]
mod tests {
    use super::super::Face;
    use super::*;

    fn block(kind: Kind, text: &str) -> Block {
        Block { kind, runs: vec![(Face::Regular, text.to_owned())] }
    }

    #[test]
    fn every_line_stands_on_a_page_below_the_one_before() {
        let fonts = Fonts::load().unwrap();
        let long = "A line.\n".repeat(150);
        let blocks = [block(Kind::Title, "Title"), block(Kind::Line, &long), block(Kind::Warning, "Warning")];
        let placed = place(&fonts, &blocks);
        assert_eq!(placed.len(), 1 + 151 + 1);
        let mut before = (0, 0.0);
        for line in &placed {
            assert!(line.y > MARGIN && line.y <= HEIGHT - MARGIN + 0.01, "{}", line.y);
            assert!(line.page > before.0 || line.y > before.1);
            before = (line.page, line.y);
        }
        // 49 lines, 51, 51, and what did not fit behind them.
        assert_eq!(placed.last().map(|line| line.page), Some(3));
    }

    #[test]
    fn a_heading_stands_with_what_follows() {
        let fonts = Fonts::load().unwrap();
        for filled in 40..60 {
            let lines = vec!["x"; filled].join("\n");
            let blocks = [block(Kind::Line, &lines), block(Kind::Heading, "Heading"), block(Kind::Line, "One line.")];
            let placed = place(&fonts, &blocks);
            let [.., heading, line] = placed.as_slice() else { panic!("lines") };
            assert_eq!(heading.page, line.page, "{filled}");
        }
    }
}
