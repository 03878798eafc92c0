//! `backup`, `restore` and `store check`.

use super::audit::load;
use super::{Exit, complain, say};
use crate::clock::{Clock as _, SystemClock};
use crate::config;
use crate::store::StoreError;
use crate::store::sqlite::backup::{self, Checked};
use std::path::{Path, PathBuf};

/// The store that a configuration names.
fn path(config: &Path) -> Result<PathBuf, Exit> {
    let loaded = load(config)?;
    config::store_file(&loaded).ok_or_else(|| {
        complain("The store is a database: copy and restore it with PostgreSQL's own tools (docs/operations.md).");
        Exit::Usage
    })
}

fn failed(error: &StoreError) -> Exit {
    complain(&format!("{error}."));
    Exit::Environment
}

pub(super) fn take(config: &Path, to: &Path) -> Exit {
    let done = path(config).and_then(|from| backup::copy(&from, to).map_err(|error| failed(&error)));
    match done {
        Ok(copy) => {
            say(&format!("{}: {} bytes, SHA-256 {}", to.display(), copy.bytes, copy.sha256));
            say("It holds patient data with the keys that open it: keep it as you keep the store itself.");
            Exit::Done
        }
        Err(exit) => exit,
    }
}

/// Says what was found, and whether it holds.
fn judged(checked: &Checked) -> bool {
    checked.faults.iter().for_each(|fault| complain(fault));
    for chain in checked.audit.iter().filter(|chain| chain.broken.is_none()) {
        let last = chain.last.as_deref().unwrap_or("-");
        say(&format!("{}: {} lines of audit hold. The last has the hash {last}.", chain.tenant.0, chain.lines));
    }
    if !checked.had_sum {
        say("No SHA-256 stands beside it: a changed byte in words that nothing seals would go unseen.");
    }
    checked.faults.is_empty()
}

pub(super) fn check(config: Option<&Path>, file: Option<&Path>) -> Exit {
    let named = match (file, config) {
        (Some(file), _) => Ok(file.to_owned()),
        (None, Some(config)) => path(config),
        (None, None) => Err(Exit::Usage),
    };
    let checked = named.and_then(|path| backup::check(&path).map_err(|error| failed(&error)));
    match checked {
        Ok(checked) if judged(&checked) => {
            say("All of it can be read.");
            Exit::Done
        }
        Ok(_) => Exit::NotRight,
        Err(exit) => exit,
    }
}

pub(super) fn restore(config: &Path, from: &Path) -> Exit {
    put_back(config, from).unwrap_or_else(|exit| exit)
}

fn put_back(config: &Path, from: &Path) -> Result<Exit, Exit> {
    let path = path(config)?;
    let checked = backup::check(from).map_err(|error| failed(&error))?;
    if !judged(&checked) {
        complain("It does not hold, so nothing was put back. Take another copy.");
        return Ok(Exit::NotRight);
    }
    if let Some(folder) = path.parent()
        && let Err(error) = std::fs::create_dir_all(folder)
    {
        complain(&format!("{}: {error}.", folder.display()));
        return Err(Exit::Environment);
    }
    let restored = backup::restore(from, &path, SystemClock.now()).map_err(|error| failed(&error))?;
    say(&format!("{} is in its place.", path.display()));
    for (platform, count) in &restored.uncertain {
        say(&format!(
            "{platform}: {count} errands may have been done since the copy; it is asked before anything is sent."
        ));
    }
    say(
        "What happened after the copy is not in it: consents that were withdrawn, referrals, outcomes. A gateway that starts now",
    );
    say(
        "takes in and sends nothing. Have the practices record again what they withdrew, then `vcse-gateway serve --resume`.",
    );
    Ok(Exit::Done)
}
