//! The registry: names are used once, faults are told with their folder, what ships can be used.

use super::*;

#[test]
fn every_adapter_of_this_build_can_be_used_and_has_a_name_of_its_own() {
    let registry = Registry::built_in();
    assert_eq!(registry.all().len(), with_code().len() + shipped().len());
    assert!(find("fhir-task").is_some() && find("fax").is_none());
}

#[test]
fn a_folder_with_faults_or_a_name_that_is_taken_is_told() {
    let home = tempfile::tempdir().unwrap();
    let write = |adapter: &str, file: &str, text: &str| {
        let folder = home.path().join(adapter);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(file), text).unwrap();
    };
    write("broken", "adapter.toml", "name = \n");
    write("notes", "README.md", "no adapter");
    let mut registry = Registry::built_in();
    let before = registry.all().len();
    let faults = registry.add_folder(home.path());
    assert!(!faults.is_empty());
    assert!(faults.iter().all(|fault| fault.folder.ends_with("broken")), "{faults:?}");
    assert!(faults.iter().any(|fault| fault.words.contains("adapter.toml:1")), "{faults:?}");
    assert_eq!(registry.all().len(), before);
    assert!(registry.folders().is_empty());
    assert_eq!(registry.add_folder(&home.path().join("none")).len(), 1);
}

/// Makes an adapter of every folder, always of the same name.
struct Same;

impl FolderReader for Same {
    fn hash(&self, _: &Path) -> Result<String, String> {
        Ok("hash".to_owned())
    }

    fn read(&self, _: &Path) -> Result<(Arc<dyn Adapter>, String), Vec<String>> {
        let same = with_code().into_iter().find(|adapter| adapter.descriptor().name == "fhir-task");
        Ok((same.unwrap(), "hash".to_owned()))
    }
}

#[test]
fn two_adapters_of_one_name_are_a_fault() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(home.path().join("again")).unwrap();
    std::fs::write(home.path().join("again/adapter.toml"), "").unwrap();
    let faults = Registry::reading_with(Arc::new(Same)).add_folder(home.path());
    assert_eq!(faults.len(), 1);
    assert!(faults[0].words.contains("another adapter of the name `fhir-task`"), "{faults:?}");
}
