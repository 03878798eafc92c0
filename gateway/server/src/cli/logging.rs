//! What is logged, and what never is.

use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Libraries through whose hands requests and secrets go. What they would say below `info` is about bytes and headers.
const QUIET: [&str; 11] =
    ["h2", "hyper", "hyper_util", "lettre", "reqwest", "russh", "russh_sftp", "rustls", "sqlx", "tower", "tower_http"];

/// Logs to standard error as JSON, as the filter says; of libraries that see requests nothing below `info`, whatever it says.
pub(crate) fn start(filter: EnvFilter) {
    let lines = tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr).with_filter(filter_fn(may_speak));
    // Only the first subscriber of a process counts; there is one.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
}

fn may_speak(metadata: &Metadata<'_>) -> bool {
    is_said(metadata.target(), *metadata.level())
}

fn is_said(target: &str, level: Level) -> bool {
    let library = target.split("::").next().unwrap_or_default();
    level <= Level::INFO || !QUIET.contains(&library)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_that_see_requests_are_not_turned_up() {
        for (target, level, said) in [
            ("h2::codec::framed_write", Level::TRACE, false),
            ("hyper_util::client::legacy", Level::DEBUG, false),
            ("rustls", Level::DEBUG, false),
            ("h2::codec", Level::INFO, true),
            ("sqlx::query", Level::WARN, true),
            ("vcse_gateway::deliver", Level::TRACE, true),
            ("hyper_unrelated", Level::TRACE, true),
        ] {
            assert_eq!(is_said(target, level), said, "{target} {level}");
        }
    }
}
