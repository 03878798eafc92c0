//! Lists the adapter folders that ship with the gateway (those beside this crate that hold a `mapping.yaml`), so that they
//! are part of the binary. A new folder needs no line of code; cargo builds again when a file comes, goes or changes.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    let own = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo names the crate's folder"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo names the folder of what is generated"));
    let adapters = own.parent().expect("the crate lies among the adapters");
    println!("cargo::rerun-if-changed={}", adapters.display());
    let mut text = String::from("&[");
    for folder in sorted(adapters).into_iter().filter(|folder| folder.join("mapping.yaml").is_file()) {
        let mut files = Vec::new();
        collect(&folder, "", &mut files);
        let name = folder.file_name().expect("a folder has a name").to_string_lossy();
        let _ = write!(text, "({name:?}, &[");
        for (relative, file) in files {
            let _ = write!(text, "({relative:?}, include_bytes!({:?}).as_slice()),", file.display().to_string());
        }
        text.push_str("]),\n");
    }
    text.push(']');
    fs::write(out.join("shipped.rs"), text).expect("the list is written");
    fs::write(out.join("template.rs"), template(&own.join("template"))).expect("the list is written");
}

/// Every file of the folder that `adapter new` copies.
fn template(folder: &Path) -> String {
    let mut text = String::from("&[");
    let mut todo = vec![(String::new(), folder.to_path_buf())];
    while let Some((prefix, folder)) = todo.pop() {
        for path in sorted(&folder) {
            let relative = format!("{prefix}{}", path.file_name().expect("an entry has a name").to_string_lossy());
            if path.is_dir() {
                todo.push((format!("{relative}/"), path));
            } else {
                let _ = writeln!(text, "({relative:?}, include_bytes!({:?}).as_slice()),", path.display().to_string());
            }
        }
    }
    text.push(']');
    text
}

/// What makes the adapter: manifest, mapping files, concept maps. `folder.rs` has the same rule, and a test compares.
fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) {
    for path in sorted(folder) {
        let name = path.file_name().expect("an entry has a name").to_string_lossy().into_owned();
        let relative = format!("{prefix}{name}");
        if path.is_dir() && !name.starts_with('.') && name != "fixtures" {
            collect(&path, &format!("{relative}/"), files);
        } else if relative == "adapter.toml"
            || name.ends_with(".yaml")
            || (relative.starts_with("concept-maps/") && name.ends_with(".json"))
        {
            files.push((relative, path));
        }
    }
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}
