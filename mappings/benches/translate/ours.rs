//! Ours: the mapping language, with and without its account of the translation.
//!
//! The mapping is `mapping/mapping.yaml`, compiled once. What is timed is everything from the referral's text on: reading
//! it, the request, and for the explained ones the explanation and the loss report too, in figures or in the words that
//! people read.

use crate::contestant::Contestant;
use crate::corpus::Document;
use anyhow::{Context as _, anyhow};
use mappings::document::{self, Buffer};
use mappings::explain::Values;
use mappings::program::{ExchangeName, Program};
use mappings::run::{Inputs, Keys, Rendered, Scratch, request, request_explained};
use mappings::{Manifest, compile};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

pub(crate) const FILES: [(&str, &[u8]); 8] = [
    ("mapping.yaml", include_bytes!("mapping/mapping.yaml")),
    ("gender.json", include_bytes!("mapping/gender.json")),
    ("language.json", include_bytes!("mapping/language.json")),
    ("preference.json", include_bytes!("mapping/preference.json")),
    ("telecom.json", include_bytes!("mapping/telecom.json")),
    ("priority.json", include_bytes!("mapping/priority.json")),
    ("category.json", include_bytes!("mapping/category.json")),
    ("problem.json", include_bytes!("mapping/problem.json")),
];

/// How much of an account is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Account {
    /// None.
    Nothing,
    /// Sources, steps and losses with their grades, in figures.
    Figures,
    /// The same, and then the words: what `translate --explain` shows.
    Words,
}

/// The mapping language.
pub(crate) struct Ours {
    program: Arc<Program>,
    account: Account,
    scratch: Scratch,
    buffer: Buffer,
}

/// The mapping, compiled.
///
/// # Errors
/// If it does not compile.
pub(crate) fn program() -> anyhow::Result<Arc<Program>> {
    let files: BTreeMap<String, Vec<u8>> =
        FILES.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect();
    let manifest = Manifest { steps: 2, ..Manifest::default() };
    match compile(&files, "mapping.yaml", &manifest) {
        Ok(compiled) => Ok(Arc::new(compiled.program)),
        Err(faults) => Err(anyhow!("{}", mappings::diagnostic::render_all(&faults, &[]))),
    }
}

impl Ours {
    pub(crate) fn new(program: &Arc<Program>, account: Account) -> Self {
        Self { program: Arc::clone(program), account, scratch: Scratch::default(), buffer: Buffer::default() }
    }
}

impl Contestant for Ours {
    fn name(&self) -> &'static str {
        match self.account {
            Account::Nothing => "ours",
            Account::Figures => "ours with explanation and loss report",
            Account::Words => "ours with explanation and loss report in words",
        }
    }

    fn translate(&mut self, document: &Document, out: &mut Vec<u8>) -> anyhow::Result<()> {
        let read = document::Document::parse_in(&document.bundle, &mut self.buffer)?;
        let inputs = Inputs {
            referral: Some(&read),
            keys: Keys { idempotency: &document.key, correlation: "" },
            ..Inputs::none()
        };
        let (program, scratch) = (&*self.program, &mut self.scratch);
        let made: Rendered = if self.account == Account::Nothing {
            request(program, ExchangeName::Submit, 0, &inputs, scratch)?
        } else {
            let (made, account) = request_explained(program, ExchangeName::Submit, 0, &inputs, scratch)?;
            let losses = account.losses(program, &read, scratch);
            if self.account == Account::Words {
                black_box(account.explain(program, &read, b"key of the bench", Values::Hidden));
                black_box(losses.in_words(program));
            }
            black_box((account, losses));
            made
        };
        out.extend_from_slice(&made.body.context("a submit has a body")?);
        self.buffer = read.into_buffer();
        Ok(())
    }
}
