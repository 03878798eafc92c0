//! The account of a submission, in the contract's words.

use crate::adapter::Made;
use adapter_contract::{Account, Exchange, TranslateError};

pub(crate) fn account(_: Made<'_>, _: &Exchange<'_>) -> Result<Option<Account>, TranslateError> {
    Ok(None)
}
