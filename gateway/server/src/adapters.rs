//! The one list that names platforms with code. Everything else finds an adapter by the name in the configuration.

use adapter_contract::Adapter;
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
