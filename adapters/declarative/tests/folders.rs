//! Every adapter folder of the source tree that is made of files alone passes its own check.

use adapter_declarative::check::check;
use adapter_declarative::{Folder, folders_in};
use std::path::{Path, PathBuf};

/// Folders that ship with the gateway, and those that the guide shows.
fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut all: Vec<PathBuf> = ["adapters", "docs/examples"]
        .into_iter()
        .flat_map(|place| folders_in(&root.join(place)).expect("it is listed"))
        .filter(|folder| folder.join("mapping.yaml").is_file())
        .collect();
    all.sort();
    all
}

#[test]
fn every_folder_passes_its_check() {
    let folders = folders();
    assert!(!folders.is_empty());
    let mut failing = Vec::new();
    for path in folders {
        let folder = Folder::read_all(&path).expect("it is read");
        let checked = check(&folder);
        if !checked.passed() {
            failing.push(checked.to_text());
        }
    }
    assert!(failing.is_empty(), "{}", failing.join("\n\n"));
}

#[test]
fn the_same_folder_is_judged_the_same() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples/good-neighbours");
    let folder = Folder::read_all(&path).expect("it is read");
    assert_eq!(check(&folder), check(&folder));
}
