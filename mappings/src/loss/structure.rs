//! What only holds a document together, so that it cannot be lost: the platform is sent another document.

use crate::document::{Document, Kind, NodeId, name_tag};
use std::sync::LazyLock;

/// The tags of `reference` and of the names of [`is_structure`].
pub(super) static TAGS: LazyLock<[u16; 4]> =
    LazyLock::new(|| ["reference", "resourceType", "id", "fullUrl"].map(name_tag));

/// The tags of the two lists of extensions.
pub(super) static EXTENSIONS: LazyLock<[u16; 2]> = LazyLock::new(|| ["extension", "modifierExtension"].map(name_tag));

/// Whether a member with this name, of an object at this depth of resources, is structure by itself.
pub(super) fn is_structure(name: &str) -> bool {
    matches!(name, "resourceType" | "id" | "fullUrl")
}

/// The members of `meta` that speak of the copy at its sender and not of the referral. Labels and tags are not among
/// them.
pub(super) fn is_version(name: &str) -> bool {
    matches!(name, "versionId" | "lastUpdated" | "profile" | "source")
}

/// Whether a value is the text of a reference that stays within the document. What it points to is judged by itself.
pub(super) fn is_link(document: &Document<'_>, id: NodeId) -> bool {
    if document.kind(id) != Kind::String {
        return false;
    }
    let Some(text) = document.string(id) else { return false };
    text.starts_with("urn:uuid:") || text.starts_with('#') || is_entry(document, &text)
}

fn is_entry(document: &Document<'_>, url: &str) -> bool {
    let Some(entries) = document.get(document.root(), "entry") else { return false };
    document.children(entries).any(|entry| {
        let full = document.get(entry, "fullUrl").and_then(|full| document.string(full));
        full.is_some_and(|full| full == url)
    })
}
