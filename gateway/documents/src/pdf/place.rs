//! Where each line stands on the page.

use super::fonts::{Face, Fonts, Piece};
use crate::letter::words::{Block, Kind};

/// A4, in points.
pub(super) const WIDTH: f32 = 595.28;
/// A4, in points.
pub(super) const HEIGHT: f32 = 841.89;
/// Free on each side, in points.
pub(super) const MARGIN: f32 = 50.0;
/// How far an item stands in from its bullet, in points.
const INDENT: f32 = 14.0;
/// Distance of lines, in sizes of their letters.
const LEADING: f32 = 1.3;

/// A line with its place.
pub(super) struct Placed {
    /// Number of its block.
    pub(super) block: usize,
    pub(super) x: f32,
    /// Of its base line, from the top.
    pub(super) y: f32,
    pub(super) pieces: Vec<Piece>,
}

/// Size of a kind's letters and what is free above it, in points. Ten points are the least for a text that is printed and filed.
pub(super) const fn size(kind: Kind) -> (f32, f32) {
    match kind {
        Kind::Title => (17.0, 0.0),
        Kind::Heading => (12.0, 10.0),
        Kind::Line | Kind::Notice => (10.5, 3.0),
        Kind::Item => (10.5, 2.0),
    }
}

/// Every line, from top to bottom, on a page that is as long as it must be.
pub(super) fn place(fonts: &Fonts, blocks: &[Block]) -> Vec<Placed> {
    let mut placed = Vec::new();
    let mut y = MARGIN;
    for (number, block) in blocks.iter().enumerate() {
        let (size, above) = size(block.kind);
        let x = if block.kind == Kind::Item { MARGIN + INDENT } else { MARGIN };
        let face = match block.kind {
            Kind::Title | Kind::Heading | Kind::Notice => Face::Bold,
            Kind::Line | Kind::Item => Face::Regular,
        };
        let label = block.label.map(|label| format!("{label}: ")).unwrap_or_default();
        let runs = [(Face::Bold, label.as_str()), (face, block.text.as_str())];
        y += above;
        for pieces in fonts.broken(&runs, size, WIDTH - MARGIN - x) {
            placed.push(Placed { block: number, x, y: y + size, pieces });
            y += size * LEADING;
        }
    }
    placed
}

/// Whether all lines stand above the foot of one page.
pub(super) fn fits(fonts: &Fonts, blocks: &[Block]) -> bool {
    place(fonts, blocks).last().is_none_or(|line| line.y <= HEIGHT - MARGIN - 8.0)
}
