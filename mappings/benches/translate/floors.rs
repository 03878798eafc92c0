//! Floors: what reading the text alone costs, whatever is made of it afterwards.

use crate::contestant::Contestant;
use crate::corpus::Document;
use mappings::document::{self, Buffer};
use serde::de::IgnoredAny;
use serde_json::Value;
use std::hint::black_box;

/// The text is checked and forgotten.
#[derive(Debug)]
pub(crate) struct Skip;

impl Contestant for Skip {
    fn name(&self) -> &'static str {
        "floor: serde_json, IgnoredAny"
    }

    fn translate(&mut self, document: &Document, _: &mut Vec<u8>) -> anyhow::Result<()> {
        black_box(serde_json::from_str::<IgnoredAny>(black_box(&document.bundle))?);
        Ok(())
    }

    fn answers(&self) -> bool {
        false
    }
}

/// The text becomes the index that ours reads from.
#[derive(Debug, Default)]
pub(crate) struct Index {
    buffer: Buffer,
}

impl Contestant for Index {
    fn name(&self) -> &'static str {
        "floor: ours, index alone"
    }

    fn translate(&mut self, document: &Document, _: &mut Vec<u8>) -> anyhow::Result<()> {
        let read = document::Document::parse_in(black_box(&document.bundle), &mut self.buffer)?;
        self.buffer = black_box(read).into_buffer();
        Ok(())
    }

    fn answers(&self) -> bool {
        false
    }
}

/// The text becomes a tree, and the tree is dropped.
#[derive(Debug)]
pub(crate) struct ParseTree;

impl Contestant for ParseTree {
    fn name(&self) -> &'static str {
        "floor: serde_json::Value, parse alone"
    }

    fn translate(&mut self, document: &Document, _: &mut Vec<u8>) -> anyhow::Result<()> {
        black_box(serde_json::from_str::<Value>(black_box(&document.bundle))?);
        Ok(())
    }

    fn answers(&self) -> bool {
        false
    }

    fn orientation(&self) -> Option<f64> {
        Some(65.0)
    }
}
