//! Draws the lines and says what each of them is: headings, paragraphs, lists.

use super::fonts::{Face, Fonts};
use super::place::{self, HEIGHT, MARGIN, Placed, WIDTH, place};
use crate::letter::words::{Block, Kind};
use krilla::configure::{Accessibility, ConfigurationBuilder};
use krilla::destination::XyzDestination;
use krilla::geom::Point;
use krilla::metadata::Metadata;
use krilla::outline::{Outline, OutlineNode};
use krilla::page::PageSettings;
use krilla::surface::Surface;
use krilla::tagging::{Artifact, ArtifactType, ContentTag, Identifier, ListNumbering, SpanTag, Tag, TagGroup, TagTree};
use krilla::{Document, SerializeSettings};
use std::num::NonZeroU16;

/// Language of the words of the letter, and of most of what is written.
const LANGUAGE: &str = "en-GB";
const BULLET: &str = "•";

/// What was drawn of a block.
#[derive(Default)]
struct Drawn {
    bullet: Option<Identifier>,
    text: Vec<Identifier>,
}

/// Draws the blocks on one page. `None` if the library cannot make an accessible PDF (PDF/UA-1) of them.
pub(super) fn draw(fonts: &Fonts, blocks: &[Block], title: &str, id: &str) -> Option<Vec<u8>> {
    let configuration = ConfigurationBuilder::new().with_accessibility_validator(Accessibility::UA1).finish().ok()?;
    let mut document = Document::new_with(SerializeSettings { configuration, ..SerializeSettings::default() });
    let metadata = Metadata::new().title(title.to_owned()).language(LANGUAGE.to_owned());
    document.set_metadata(metadata.document_id(id.to_owned()));
    let placed = place(fonts, blocks);
    let mut drawn: Vec<Drawn> = blocks.iter().map(|_| Drawn::default()).collect();
    let mut page = document.start_page_with(PageSettings::from_wh(WIDTH, HEIGHT)?);
    let mut surface = page.surface();
    for line in &placed {
        if let (Some(block), Some(drawn)) = (blocks.get(line.block), drawn.get_mut(line.block)) {
            draw_line(&mut surface, fonts, block, line, drawn);
        }
    }
    footer(&mut surface, fonts);
    surface.finish();
    page.finish();
    document.set_outline(outline(blocks, &placed));
    document.set_tag_tree(tags(blocks, drawn));
    document.finish().ok()
}

fn draw_line(surface: &mut Surface<'_>, fonts: &Fonts, block: &Block, line: &Placed, drawn: &mut Drawn) {
    let size = place::size(block.kind).0;
    if block.kind == Kind::Item && drawn.text.is_empty() && drawn.bullet.is_none() {
        drawn.bullet = Some(surface.start_tagged(ContentTag::Span(SpanTag::empty())));
        put(surface, fonts, Face::Regular, BULLET, (MARGIN + 2.0, line.y), size);
        surface.end_tagged();
    }
    let mut x = line.x;
    for piece in line.pieces.iter().filter(|piece| !piece.text.is_empty()) {
        drawn.text.push(surface.start_tagged(ContentTag::Span(SpanTag::empty())));
        put(surface, fonts, piece.face, &piece.text, (x, line.y), size);
        surface.end_tagged();
        x += fonts.width(piece.face, &piece.text, size);
    }
}

fn put(surface: &mut Surface<'_>, fonts: &Fonts, face: Face, text: &str, (x, y): (f32, f32), size: f32) {
    let face = fonts.face(face);
    surface.draw_glyphs(Point::from_xy(x, y), &face.glyphs(text), face.font.clone(), text, size, false);
}

/// GPCM-SD-090: "page number x of y". There is one page.
fn footer(surface: &mut Surface<'_>, fonts: &Fonts) {
    surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(ArtifactType::Footer)));
    put(surface, fonts, Face::Regular, "Page 1 of 1", (MARGIN, HEIGHT - MARGIN / 2.0), 9.0);
    surface.end_tagged();
}

fn outline(blocks: &[Block], placed: &[Placed]) -> Outline {
    let mut outline = Outline::new();
    for (number, block) in blocks.iter().enumerate() {
        let first = placed.iter().find(|line| line.block == number);
        if let (Kind::Title | Kind::Heading, Some(line)) = (block.kind, first) {
            let there = XyzDestination::new(0, Point::from_xy(MARGIN, line.y - place::size(block.kind).0));
            outline.push_child(OutlineNode::new(block.text.clone(), there));
        }
    }
    outline
}

fn tags(blocks: &[Block], drawn: Vec<Drawn>) -> TagTree {
    let mut tree = TagTree::new().with_lang(Some(LANGUAGE.to_owned()));
    let mut list: Option<TagGroup> = None;
    for (block, drawn) in blocks.iter().zip(drawn) {
        if block.kind == Kind::Item {
            list.get_or_insert_with(|| TagGroup::new(Tag::L(ListNumbering::Disc))).push(item(drawn));
            continue;
        }
        if let Some(list) = list.take() {
            tree.push(list);
        }
        let level = |number| Tag::Hn(NonZeroU16::MIN.saturating_add(number), Some(block.text.clone()));
        let mut group = match block.kind {
            Kind::Title => TagGroup::new(level(0)),
            Kind::Heading => TagGroup::new(level(1)),
            Kind::Line | Kind::Item | Kind::Notice => TagGroup::new(Tag::P),
        };
        drawn.text.into_iter().for_each(|part| group.push(part));
        tree.push(group);
    }
    if let Some(list) = list {
        tree.push(list);
    }
    tree
}

/// An item of a list: its bullet and its text.
fn item(drawn: Drawn) -> TagGroup {
    let mut item = TagGroup::new(Tag::LI);
    if let Some(bullet) = drawn.bullet {
        let mut label = TagGroup::new(Tag::Lbl);
        label.push(bullet);
        item.push(label);
    }
    let mut body = TagGroup::new(Tag::LBody);
    drawn.text.into_iter().for_each(|part| body.push(part));
    item.push(body);
    item
}
