//! `config check`, `config example`.

use super::{Exit, complain, say};
use crate::config;
use std::path::Path;

pub(super) fn check(file: &Path) -> Exit {
    match config::load(file) {
        Ok(config) => {
            say(&format!(
                "{}: right. {} clients, {} platforms, {} routes.",
                file.display(),
                config.client.len(),
                config.platform.len(),
                config.route.len()
            ));
            Exit::Done
        }
        Err(error @ config::ConfigError::Unreadable { .. }) => {
            complain(&error.to_string());
            Exit::Environment
        }
        Err(error) => {
            complain(&format!("{}:\n{error}", file.display()));
            Exit::NotRight
        }
    }
}

pub(super) fn example() -> Exit {
    say(config::EXAMPLE.trim_end());
    Exit::Done
}
