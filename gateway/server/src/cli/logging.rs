//! What is logged, and what never is.

use tracing_subscriber::EnvFilter;

/// Libraries through whose hands requests and secrets go. What they would say below `info` is about bytes and headers.
const QUIET: [&str; 8] = ["h2", "hyper", "hyper_util", "reqwest", "rustls", "sqlx", "tower", "tower_http"];

/// Logs to standard error as JSON, as the filter says; of libraries that see requests nothing below `info`, whatever it says.
pub(crate) fn start(filter: EnvFilter) {
    // Only the first subscriber of a process counts; there is one.
    let _ = tracing_subscriber::fmt().json().with_env_filter(quiet(filter)).with_writer(std::io::stderr).try_init();
}

fn quiet(filter: EnvFilter) -> EnvFilter {
    let quiet = QUIET.iter().filter_map(|library| format!("{library}=info").parse().ok());
    quiet.fold(filter, EnvFilter::add_directive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_that_see_requests_are_not_turned_up() {
        for asked in ["trace", "h2=trace,vcse_gateway=debug", "hyper=debug"] {
            let filter = quiet(EnvFilter::new(asked)).to_string();
            for library in QUIET {
                let own: Vec<_> = filter.split(',').filter(|part| part.starts_with(&format!("{library}="))).collect();
                assert_eq!(own, [format!("{library}=info")], "{asked}");
            }
        }
    }
}
