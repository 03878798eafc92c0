//! The adapter guide, walked: its commands are run in their order, its excerpts stand in the example, its outputs are seen.

use crate::support::{binary, stderr, stdout};
use std::fs;
use std::path::{Path, PathBuf};

/// One thing that the guide shows or asks for.
#[derive(Debug)]
enum Item {
    /// Lines to be run, and the exit code that each must have.
    Commands(Vec<String>, i32),
    /// Text that stands in this file of the example.
    Excerpt(String, String),
    /// Lines of the output of the last command.
    Output(String),
    /// Takes this over from the example.
    Take(String),
    /// Takes this away.
    Remove(String),
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Reads fences and comments of the guide.
fn items(guide: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut excerpt = None;
    let mut lines = guide.lines();
    while let Some(line) = lines.next() {
        if let Some(comment) = line.strip_prefix("<!-- ").and_then(|line| line.strip_suffix(" -->")) {
            match comment.split_once(": ") {
                Some(("excerpt", file)) => excerpt = Some(file.to_owned()),
                Some(("take", what)) => items.push(Item::Take(what.to_owned())),
                Some(("remove", what)) => items.push(Item::Remove(what.to_owned())),
                _ => panic!("the guide has a comment that nobody knows: {comment}"),
            }
        }
        let Some(info) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        match (info, excerpt.take()) {
            ("sh", _) => items.push(Item::Commands(block.iter().map(|line| (*line).to_owned()).collect(), 0)),
            ("sh fails", _) => items.push(Item::Commands(block.iter().map(|line| (*line).to_owned()).collect(), 1)),
            ("text", _) => items.push(Item::Output(block.join("\n"))),
            (_, Some(file)) => items.push(Item::Excerpt(file, block.join("\n"))),
            (_, None) => {}
        }
    }
    items
}

/// Copies; `by_hand`: only what an author writes, as opposed to what `--update` writes. An author who wants the loss report
/// held makes an empty file.
fn copy(from: &Path, to: &Path, by_hand: bool) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            copy(&path, &to.join(path.file_name().unwrap()), by_hand);
        }
        return;
    }
    match from.file_name().unwrap().to_str().unwrap() {
        "losses.json" if by_hand => fs::write(to, "").unwrap(),
        name if by_hand && (name.ends_with("-request.json") || name == "result.json") => {}
        _ => {
            fs::copy(from, to).unwrap();
        }
    }
}

fn remove(path: &Path) {
    if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
}

#[test]
fn the_guide_can_be_followed() {
    let guide = fs::read_to_string(root().join("docs/adapter-guide.md")).unwrap();
    let example = root().join("docs/examples/good-neighbours");
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("good-neighbours");
    fs::copy(root().join("docs/examples/referral-bundle.json"), home.path().join("referral-bundle.json")).unwrap();
    let (mut said, mut commands, mut excerpts) = (String::new(), 0, 0);
    for item in items(&guide) {
        match item {
            Item::Commands(lines, code) => {
                for line in lines {
                    let words: Vec<&str> = line.split_whitespace().collect();
                    assert_eq!(words[0], "vcse-gateway", "{line}");
                    let output = binary().args(&words[1..]).current_dir(home.path()).output().unwrap();
                    said = format!("{}{}", stdout(&output), stderr(&output));
                    assert_eq!(output.status.code(), Some(code), "{line}:\n{said}");
                    commands += 1;
                }
            }
            Item::Excerpt(file, text) => {
                let whole = fs::read_to_string(example.join(&file)).unwrap();
                assert!(whole.contains(&text), "{file} of the example does not have:\n{text}");
                excerpts += 1;
            }
            Item::Output(text) => {
                for line in text.lines() {
                    assert!(said.contains(line), "{line}\nis not in:\n{said}");
                }
            }
            Item::Take(what) => {
                let name = what.strip_suffix(", without expectations").unwrap_or(&what);
                copy(&example.join(name), &folder.join(name), name != what);
            }
            Item::Remove(what) => remove(&folder.join(what)),
        }
    }
    assert!(commands >= 9 && excerpts >= 10, "{commands} commands, {excerpts} excerpts");
    same(&example, &folder);
}

/// What came of following the guide is the example, to the byte.
fn same(example: &Path, folder: &Path) {
    for entry in fs::read_dir(example).unwrap() {
        let path = entry.unwrap().path();
        let other = folder.join(path.file_name().unwrap());
        if path.is_dir() {
            same(&path, &other);
        } else {
            let (ours, theirs) = (fs::read_to_string(&path).unwrap(), fs::read_to_string(&other).unwrap());
            assert_eq!(ours, theirs, "{}", path.display());
        }
    }
}
