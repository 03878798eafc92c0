//! The account of a submission, in the contract's words: the requests that it would take, made without the platform's
//! answers, what each field was made of, and what does not arrive.

use crate::adapter::Made;
use crate::exchange::{self, refused};
use adapter_contract::{Account, Exchange, FieldLine, HttpRequest, Purpose, TranslateError};
use mappings::account as ours;
use mappings::document::Document;
use mappings::explain::Values;
use mappings::run::{self, Refusal, Scratch};
use std::collections::BTreeMap;

/// The account, and the requests that it is about.
pub(crate) struct Foreseen {
    pub(crate) requests: Vec<HttpRequest>,
    pub(crate) account: Account,
}

/// Makes all requests of a submission; `None` for another purpose. What only an answer could tell stands as its name in
/// brackets.
pub(crate) fn foresee(made: Made<'_>, exchange: &Exchange<'_>) -> Result<Option<Foreseen>, TranslateError> {
    let Purpose::Submit { referral } = exchange.purpose else { return Ok(None) };
    let document = Document::parse(referral.bundle()).map_err(|error| exchange::unreadable(&error))?;
    let foreseen = exchange::inputs(exchange, &BTreeMap::new(), |inputs| -> Result<Foreseen, Box<Refusal>> {
        let inputs = run::Inputs { referral: Some(&document), ..*inputs };
        let mut scratch = Scratch::default();
        let (requests, account) = run::foresee(made.program, &inputs, &mut scratch)?;
        // Nobody sees these hashes: whoever shows a line makes one of its value, with a key of its own.
        let lines = account.explain(made.program, &document, &[], Values::Revealed);
        let losses = account.losses(made.program, &document, &mut scratch).in_words(made.program);
        Ok(Foreseen {
            requests: requests.into_iter().map(exchange::request).collect(),
            account: Account { fields: lines.into_iter().map(field).collect(), losses },
        })
    });
    foreseen.map(Some).map_err(|refusal| refused(&refusal))
}

fn field(line: ours::FieldLine) -> FieldLine {
    FieldLine {
        target: line.target,
        sources: line.sources,
        rule: line.rule,
        steps: line.steps,
        class: line.class,
        value: line.value,
    }
}
