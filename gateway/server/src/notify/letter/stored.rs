//! Letters as they are stored: a DocumentReference each, found by its tokens.

use crate::gateway::Gateway;
use crate::store::{SearchQuery, StoreError, UpdatedRange};
use gateway_core::identity::Compartment;
use gateway_core::letter::{self, Letter};
use gateway_core::resource::{ResourceKey, ResourceVersion, Token};
use gateway_fhir::Json;

/// Letters that are read at once; of one referral there are hardly ever two.
const LETTERS: u32 = 50;

/// A letter as it is stored.
pub(super) struct Stored {
    pub(super) letter: Letter,
    pub(super) document: Json,
}

pub(super) fn key(compartment: &Compartment, kind: &str, id: &str) -> ResourceKey {
    ResourceKey { compartment: compartment.clone(), kind: kind.to_owned(), id: id.to_owned() }
}

pub(super) fn read(version: &ResourceVersion) -> Option<Stored> {
    let document = crate::ingest::parse(version)?;
    let letter = letter::read(&version.key.id, version.version, &document)?;
    Some(Stored { letter, document })
}

/// Letters with this token, in the order of their making.
pub(super) async fn found(
    gateway: &Gateway,
    compartment: &Compartment,
    token: Token,
    after: u64,
) -> Result<Vec<(u64, Stored)>, StoreError> {
    let query = SearchQuery {
        compartment: compartment.clone(),
        kind: "DocumentReference".to_owned(),
        all_of: vec![vec![token]],
        updated: UpdatedRange::default(),
        after,
        up_to: None,
        limit: LETTERS,
        count: false,
    };
    let page = gateway.store.search(&query).await?;
    Ok(page.rows.iter().filter_map(|(place, version)| Some((*place, read(version)?))).collect())
}
