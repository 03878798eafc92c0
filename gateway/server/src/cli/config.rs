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
            let kept = config::kept_for_ever(&config.retention);
            if !kept.is_empty() {
                say(&format!("Kept for ever, as no [[retention]] says otherwise: {}.", kept.join(", ")));
            }
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
