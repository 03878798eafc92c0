//! A model of what a disk keeps: for each file its synced bytes and what was done to it since, for the folder which names
//! are synced. Fed with what strace wrote down, it gives the folder as it is after a power cut.

use anyhow::{Context as _, Result, bail};
use rand::Rng as _;
use rand::rngs::StdRng;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What a disk writes as one.
const SECTOR: usize = 512;

/// What is kept of what was not synced.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Keep {
    /// Nothing.
    Nothing,
    /// Each sector and each other operation by itself, with this chance.
    Part(f64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Operation {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

#[derive(Debug, Clone, Default)]
struct File {
    synced: Vec<u8>,
    since: Vec<Operation>,
}

impl File {
    fn sync(&mut self) {
        for operation in std::mem::take(&mut self.since) {
            apply(&mut self.synced, &operation);
        }
    }
}

fn apply(bytes: &mut Vec<u8>, operation: &Operation) {
    match operation {
        Operation::Write(at, what) => {
            let end = at + what.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            if let Some(place) = bytes.get_mut(*at..end) {
                place.copy_from_slice(what);
            }
        }
        Operation::Truncate(length) => bytes.resize(*length, 0),
    }
}

/// The folder on the disk.
#[derive(Debug, Default)]
pub(super) struct Disk {
    files: Vec<File>,
    /// Names as processes see them.
    seen: BTreeMap<String, usize>,
    /// Names as they are on the disk.
    named: BTreeMap<String, usize>,
}

/// Files whose content no power cut may touch, or that are made anew from the others.
fn is_ours(name: &str) -> bool {
    name.starts_with("gateway.db") && !name.ends_with("-shm") && !name.ends_with(".lock")
}

impl Disk {
    /// Takes in what one process did below `folder`.
    pub(super) fn replay(&mut self, folder: &Path, text: &str) -> Result<()> {
        let folder = folder.to_string_lossy().into_owned();
        let mut begun: BTreeMap<&str, &str> = BTreeMap::new();
        for line in text.lines() {
            let Some((thread, rest)) = line.split_once(' ') else { continue };
            let rest = rest.trim_start();
            if let Some(head) = rest.strip_suffix(" <unfinished ...>") {
                begun.insert(thread, head);
            } else if rest.starts_with("<... ") {
                let (Some(head), Some((_, tail))) = (begun.remove(thread), rest.split_once(" resumed>")) else {
                    continue;
                };
                self.call(&folder, &format!("{head}{tail}"))?;
            } else {
                self.call(&folder, rest)?;
            }
        }
        Ok(())
    }

    fn call(&mut self, folder: &str, line: &str) -> Result<()> {
        let Some((head, result)) = line.rsplit_once(" = ") else { return Ok(()) };
        // A call that failed, or that the death overtook, did nothing.
        if !result.starts_with(|first: char| first.is_ascii_digit()) {
            return Ok(());
        }
        let Some((call, arguments)) = head.split_once('(') else { return Ok(()) };
        let arguments = arguments.trim_end().trim_end_matches(')');
        match call {
            "openat" | "unlink" => {
                let Some(path) = quoted(arguments) else { return Ok(()) };
                let Some(name) = name(folder, &text_of(path)?) else { return Ok(()) };
                if call == "unlink" {
                    self.seen.remove(&name);
                } else if arguments.contains("O_CREAT") && !self.seen.contains_key(&name) {
                    self.files.push(File::default());
                    self.seen.insert(name, self.files.len() - 1);
                }
            }
            "fsync" | "fdatasync" => {
                let path = descriptor(arguments)?;
                if path == folder {
                    self.named = self.seen.clone();
                } else if let Some((name, file)) = self.file(folder, &path) {
                    file.sync();
                    if let Some(at) = self.seen.get(&name) {
                        self.named.insert(name, *at);
                    }
                }
            }
            "pwrite64" => {
                let path = descriptor(arguments)?;
                let Some((_, file)) = self.file(folder, &path) else { return Ok(()) };
                let bytes = bytes_of(quoted(arguments).context("a write without bytes")?)?;
                let at: usize = last_number(arguments)?;
                let written: usize = result.split_whitespace().next().unwrap_or("0").parse()?;
                if written > bytes.len() {
                    bail!("strace shows {} of {written} bytes", bytes.len());
                }
                file.since.push(Operation::Write(at, bytes.into_iter().take(written).collect()));
            }
            "ftruncate" => {
                let path = descriptor(arguments)?;
                let length = last_number(arguments)?;
                if let Some((_, file)) = self.file(folder, &path) {
                    file.since.push(Operation::Truncate(length));
                }
            }
            "rename" => bail!("a rename, which this model does not know: {line}"),
            _ => {}
        }
        Ok(())
    }

    fn file(&mut self, folder: &str, path: &str) -> Option<(String, &mut File)> {
        let name = name(folder, path)?;
        let at = *self.seen.get(&name)?;
        self.files.get_mut(at).map(|file| (name, file))
    }

    /// Unsynced operations in all, and of this file.
    pub(super) fn unsynced(&self, name: &str) -> (u64, u64) {
        let of = |at: &usize| self.files.get(*at).map_or(0, |file| file.since.len() as u64);
        (self.seen.values().map(of).sum(), self.seen.get(name).map_or(0, of))
    }

    /// The power goes.
    pub(super) fn cut(&mut self, keep: Keep, rng: &mut StdRng) {
        let keeps = |rng: &mut StdRng| match keep {
            Keep::Nothing => false,
            Keep::Part(chance) => rng.random_bool(chance),
        };
        // Creations and removals that were not synced happened or did not.
        let names: Vec<String> = self.seen.keys().chain(self.named.keys()).cloned().collect();
        for name in names {
            if self.seen.get(&name) != self.named.get(&name) && keeps(rng) {
                match self.seen.get(&name) {
                    Some(at) => self.named.insert(name, *at),
                    None => self.named.remove(&name),
                };
            }
        }
        for file in &mut self.files {
            for operation in std::mem::take(&mut file.since) {
                match operation {
                    Operation::Truncate(_) => {
                        if keeps(rng) {
                            apply(&mut file.synced, &operation);
                        }
                    }
                    Operation::Write(at, bytes) => {
                        for (place, part) in sectors(at, &bytes) {
                            if keeps(rng) {
                                apply(&mut file.synced, &Operation::Write(place, part.to_vec()));
                            }
                        }
                    }
                }
            }
        }
        self.seen = self.named.clone();
    }

    /// Makes the folder what the disk has.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        for entry in fs::read_dir(folder)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if is_ours(&name) || name.ends_with("-shm") {
                fs::remove_file(folder.join(name))?;
            }
        }
        for (name, at) in &self.named {
            if let Some(file) = self.files.get(*at) {
                fs::write(folder.join(name), &file.synced)?;
            }
        }
        Ok(())
    }

    /// Takes the folder as it is for what the disk has. Fails where the model differs from it: then the record is not whole.
    pub(super) fn take(&mut self, folder: &Path) -> Result<()> {
        for (name, at) in &self.seen {
            let Some(file) = self.files.get_mut(*at) else { continue };
            file.sync();
            let there = fs::read(folder.join(name)).with_context(|| format!("{name} is recorded and not there"))?;
            if there != file.synced {
                bail!("{name}: {} bytes are there, {} were recorded, or they differ", there.len(), file.synced.len());
            }
        }
        self.named = self.seen.clone();
        Ok(())
    }
}

/// The parts of a write, by the sectors that they lie in.
fn sectors(at: usize, bytes: &[u8]) -> Vec<(usize, &[u8])> {
    let mut parts = Vec::new();
    let (mut place, mut rest) = (at, bytes);
    while !rest.is_empty() {
        let (part, more) = rest.split_at((SECTOR - place % SECTOR).min(rest.len()));
        parts.push((place, part));
        place += part.len();
        rest = more;
    }
    parts
}

/// The name of a file of ours in the folder.
fn name(folder: &str, path: &str) -> Option<String> {
    let name = path.strip_prefix(folder)?.strip_prefix('/')?;
    is_ours(name).then(|| name.to_owned())
}

/// The first argument in quotes.
fn quoted(arguments: &str) -> Option<&str> {
    let (_, rest) = arguments.split_once('"')?;
    rest.split_once('"').map(|(inside, _)| inside)
}

/// The path that `-y` shows behind the file descriptor.
fn descriptor(arguments: &str) -> Result<String> {
    let inside = arguments.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    text_of(inside.context("a descriptor without a path")?.0)
}

fn last_number(arguments: &str) -> Result<usize> {
    let last = arguments.rsplit(", ").next().unwrap_or_default();
    last.parse().with_context(|| format!("no number at the end: {last:.20}"))
}

fn text_of(hex: &str) -> Result<String> {
    Ok(String::from_utf8_lossy(&bytes_of(hex)?).into_owned())
}

/// `\x41\x42` as bytes.
fn bytes_of(hex: &str) -> Result<Vec<u8>> {
    let parts = hex.split("\\x").skip(1);
    parts.map(|part| u8::from_str_radix(part, 16).with_context(|| format!("no byte: {part:.8}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    fn hex(text: &str) -> String {
        text.bytes().map(|byte| format!("\\x{byte:02x}")).collect()
    }

    /// What strace writes of a process that creates a file, syncs one write, and makes another.
    fn trace(folder: &str, and: &str) -> String {
        let (db, dir) = (hex(&format!("{folder}/gateway.db")), hex(folder));
        format!(
            "7 openat(AT_FDCWD<\\x2f>, \"{db}\", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = 3<{db}>\n\
             7 pwrite64(3<{db}>, \"{}\", 3, 0) = 3\n7 fsync(3<{db}> <unfinished ...>\n8 getpid() = 1\n\
             7 <... fsync resumed>) = 0\n7 fsync(4<{dir}>) = 0\n{}",
            hex("one"),
            and.replace("DB", &db).replace("TWO", &hex("two")),
        )
    }

    fn after(and: &str, keep: Keep) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let mut disk = Disk::default();
        disk.replay(folder.path(), &trace(&folder.path().to_string_lossy(), and)).unwrap();
        disk.cut(keep, &mut StdRng::seed_from_u64(1));
        disk.write(folder.path()).unwrap();
        fs::read(folder.path().join("gateway.db")).unwrap()
    }

    #[test]
    fn what_was_not_synced_is_forgotten() {
        assert_eq!(after("", Keep::Nothing), b"one");
        assert_eq!(after("7 pwrite64(3<DB>, \"TWO\", 3, 3) = 3\n", Keep::Nothing), b"one");
        assert_eq!(after("7 pwrite64(3<DB>, \"TWO\", 3, 3) = 3\n", Keep::Part(1.0)), b"onetwo");
        assert_eq!(after("7 ftruncate(3<DB>, 1) = 0\n", Keep::Nothing), b"one");
        assert_eq!(after("7 ftruncate(3<DB>, 1) = 0\n7 fsync(3<DB>) = 0\n", Keep::Nothing), b"o");
        assert_eq!(after("7 unlink(\"DB\") = 0\n", Keep::Nothing), b"one");
    }

    #[test]
    fn a_call_that_the_death_overtook_did_nothing() {
        let and = "7 pwrite64(3<DB>, \"TWO\", 3, 3) = 3\n7 fsync(3<DB>) = ?\n7 +++ killed by SIGKILL +++\n";
        assert_eq!(after(and, Keep::Nothing), b"one");
        assert_eq!(after("7 pwrite64(3<DB>, \"TWO\", 3, 3 <unfinished ...>\n", Keep::Part(1.0)), b"one");
    }

    #[test]
    fn writes_are_torn_at_sectors() {
        let bytes = vec![1; 1_000];
        let lengths: Vec<(usize, usize)> = sectors(500, &bytes).iter().map(|(at, part)| (*at, part.len())).collect();
        assert_eq!(lengths, [(500, 12), (512, 512), (1024, 476)]);
    }
}
