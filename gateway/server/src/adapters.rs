//! The one list that names platforms with code. Everything else finds an adapter by the name in the configuration.

use adapter_contract::{Adapter, TranslateError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// All adapters of this build.
#[must_use]
pub fn all() -> Vec<Arc<dyn Adapter>> {
    vec![Arc::from(adapter_fhir_task::adapter())]
}

/// The adapter of this name.
#[must_use]
pub fn find(name: &str) -> Option<Arc<dyn Adapter>> {
    all().into_iter().find(|adapter| adapter.descriptor().name == name)
}

/// Calls an adapter. A panic in it is a fault of that one translation, told as an error: it must not end the worker that
/// serves every other platform. (An adapter has no state, so nothing is left half changed.)
///
/// # Errors
/// What the adapter returns, or that it panicked.
pub fn guarded<T>(what: &str, call: impl FnOnce() -> Result<T, TranslateError>) -> Result<T, TranslateError> {
    catch_unwind(AssertUnwindSafe(call))
        .unwrap_or_else(|_| Err(TranslateError::new(what, "the adapter failed; this is a fault of the adapter")))
}
