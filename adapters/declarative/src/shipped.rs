//! The folders that are part of this build. Which they are is seen from the source tree; no name stands here.

use crate::folder::Folder;

/// Names and bytes of one folder's files.
type Files = [(&'static str, &'static [u8])];

/// Made by `build.rs`.
const SHIPPED: &[(&str, &Files)] = include!(concat!(env!("OUT_DIR"), "/shipped.rs"));

/// The declarative adapters that ship with the gateway, sorted by name, without their fixtures.
#[must_use]
pub fn shipped() -> Vec<Folder> {
    let folder = |(name, files): &(&str, &Files)| {
        Folder::new(*name, files.iter().map(|(file, bytes)| ((*file).to_owned(), bytes.to_vec())))
    };
    SHIPPED.iter().map(folder).collect()
}

#[cfg(test)]
mod tests {
    use crate::folder::{Folder, content_hash, folders_in};
    use std::path::Path;

    #[test]
    fn what_ships_is_what_lies_in_the_source_tree() {
        let adapters = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let with_mapping = folders_in(adapters).unwrap().into_iter().filter(|path| path.join("mapping.yaml").is_file());
        let there: Vec<Folder> = with_mapping.map(|path| Folder::read(&path).unwrap()).collect();
        let hashes = |folders: &[Folder]| -> Vec<(String, String)> {
            folders.iter().map(|folder| (folder.name().to_owned(), content_hash(folder))).collect()
        };
        assert_eq!(hashes(&super::shipped()), hashes(&there));
    }
}
