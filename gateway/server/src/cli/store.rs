//! `store copy`: moves a stopped gateway's store from its file into an empty database.

use super::audit::load;
use super::{Exit, complain, say};
use crate::config;
use crate::store::postgres::copy::copy;
use indicatif::{ProgressBar, ProgressStyle};
use std::path::Path;

pub(super) async fn run(from: &Path, to: &Path) -> Exit {
    let config = match load(to) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let Some(source) = &config.store.postgres else {
        complain(&format!("{} names no database: [store] postgres = {{ env = \"…\" }} does.", to.display()));
        return Exit::NotRight;
    };
    let address = match config::address(source.get_ref()) {
        Ok(address) => address,
        Err(error) => {
            complain(&format!("{error}."));
            return Exit::Environment;
        }
    };
    let file = if from.is_dir() { from.join("gateway.db") } else { from.to_path_buf() };
    // Shown on a terminal alone.
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos} of {len} rows") {
        bar.set_style(style);
    }
    let copied = copy(&file, &address, |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    })
    .await;
    bar.finish_and_clear();
    match copied {
        Ok(copied) => {
            say(&format!(
                "{} rows were copied, with {} lines of audit. Both stores have the content hash {}.",
                copied.rows, copied.audit_lines, copied.content_hash
            ));
            say(
                "Start the gateway on the database from now on, and keep the file aside, closed to others: it holds the keys.",
            );
            Exit::Done
        }
        Err(error) => {
            complain(&format!("Nothing was copied: {error}."));
            Exit::Environment
        }
    }
}
