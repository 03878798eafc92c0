//! A PostgreSQL server of our own: a cluster in a temporary folder, reached by a socket in that folder, gone afterwards.
//!
//! A shell stands between us and the server. It reads from us until we end, however we end, and then stops the server and
//! removes the folder: so that nothing is left when a test is killed. Only if that shell is killed as well something is.
//!
//! It knows how Debian lays PostgreSQL out, and no table of anybody's.

use std::ffi::OsStr;
use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// Set to `required`, it makes the absence of PostgreSQL a failure.
const VARIABLE: &str = "POSTGRES";
/// Debian keeps each version in a folder of its own.
const VERSIONS: &str = "/usr/lib/postgresql";
/// The oldest version that the tests start.
const OLDEST: u32 = 13;
/// The role that owns the databases: no superuser, so that row security holds for it.
const ROLE: &str = "gateway";

/// What PostgreSQL lacks to run here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    part: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "PostgreSQL cannot be run here: {} missing. On Debian as root: \
             apt-get install --no-install-recommends postgresql",
            self.part
        )
    }
}

impl std::error::Error for Missing {}

/// The folder of the server's programs.
///
/// # Errors
/// What is missing.
pub fn available() -> Result<PathBuf, Missing> {
    let versions = std::fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin"))))
        .filter(|(version, bin)| *version >= OLDEST && bin.join("initdb").is_file() && bin.join("pg_ctl").is_file())
        .max();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path =
        || std::env::split_paths(&path).find(|bin| bin.join("initdb").is_file() && bin.join("pg_ctl").is_file());
    let bin = newest.map(|(_, bin)| bin).or_else(on_path);
    let bin = bin.ok_or_else(|| Missing { part: format!("initdb and pg_ctl of version {OLDEST} or newer are") })?;
    if is_root() {
        // The server refuses to run as root.
        for (program, arguments) in [("runuser", ["--version"].as_slice()), ("id", ["postgres"].as_slice())] {
            let there = Command::new(program).args(arguments).stdin(Stdio::null()).output();
            if !there.is_ok_and(|output| output.status.success()) {
                return Err(Missing { part: "the user postgres, or runuser, is".to_owned() });
            }
        }
    }
    Ok(bin)
}

/// As [`available`], for a test: `Some` with what is missing means to skip, aloud.
///
/// # Errors
/// What is missing, if `POSTGRES=required` forbids to skip.
pub fn reason_to_skip() -> Result<Option<Missing>, Missing> {
    match available() {
        Ok(_) => Ok(None),
        Err(missing) if std::env::var_os(VARIABLE).is_some_and(|value| value == "required") => Err(missing),
        Err(missing) => Ok(Some(missing)),
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// A server that runs until its owner ends.
#[derive(Debug)]
pub struct PostgresServer {
    folder: PathBuf,
    bin: PathBuf,
    keeper: Child,
    databases: AtomicU32,
    // Its end removes what the keeper has left.
    _folder: TempDir,
}

/// Most connections; several gateways have some twenty each.
const CONNECTIONS: u32 = 200;

/// Starts the server, says so, waits for our end, stops it.
const KEEPER: &str = r#"
trap '' INT TERM HUP
PATH="$2:$PATH"
cd / || exit 1
initdb -D "$1/data" -U postgres -A trust -E UTF8 --locale=C >"$1/log" 2>&1 &&
    pg_ctl -D "$1/data" -l "$1/log" -w -o "-k '$1' -c listen_addresses='' -c max_connections=200" start >>"$1/log" 2>&1 || {
    echo failed
    exit 1
}
echo ready
read -r _
pg_ctl -D "$1/data" -m immediate stop >/dev/null 2>&1
rm -rf "$1"
"#;

impl PostgresServer {
    /// Makes a cluster and starts its server. Blocks for a second or two. `fsync` is on, as it is where people work.
    ///
    /// # Errors
    /// What is missing, or what the server says.
    pub fn start() -> std::io::Result<Self> {
        let bin = available().map_err(std::io::Error::other)?;
        let owned = tempfile::Builder::new().prefix("postgres-").tempdir()?;
        let folder = owned.path().to_path_buf();
        let mut command = if is_root() {
            let chown = Command::new("chown").arg("postgres").arg(&folder).status()?;
            if !chown.success() {
                return Err(std::io::Error::other("the folder cannot be given to the user postgres"));
            }
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--", "sh"]);
            command
        } else {
            Command::new("sh")
        };
        command.arg("-c").arg(KEEPER).arg("keeper").arg(&folder).arg(&bin);
        let mut keeper = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut said = String::new();
        if let Some(out) = keeper.stdout.take() {
            BufReader::new(out).read_line(&mut said)?;
        }
        if said.trim_end() != "ready" {
            let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            return Err(std::io::Error::other(format!("PostgreSQL does not start:\n{log}")));
        }
        let server = Self { folder, bin, keeper, databases: AtomicU32::new(0), _folder: owned };
        server.psql("postgres", &format!("CREATE ROLE {ROLE} LOGIN"))?;
        Ok(server)
    }

    /// The one server of this process, started by the first who asks. It ends with the process.
    ///
    /// # Errors
    /// As [`start`](Self::start), for everybody who asks.
    pub fn shared() -> Result<&'static Self, &'static str> {
        static SHARED: OnceLock<Result<PostgresServer, String>> = OnceLock::new();
        SHARED.get_or_init(|| Self::start().map_err(|error| error.to_string())).as_ref().map_err(String::as_str)
    }

    /// A new, empty database of the role `gateway`: its address.
    ///
    /// # Errors
    /// What the server says.
    pub fn database(&self) -> std::io::Result<String> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.psql("postgres", &format!("CREATE DATABASE {name} OWNER {ROLE}"))?;
        Ok(format!("postgres://{ROLE}@localhost/{name}?host={}", self.folder.display()))
    }

    /// Ends the server as a crash does: at once, without a checkpoint.
    ///
    /// # Errors
    /// What `pg_ctl` says.
    pub fn crash(&self) -> std::io::Result<()> {
        self.control(&["-m", "immediate", "stop"])
    }

    /// Starts the server after [`crash`](Self::crash): it recovers from its log.
    ///
    /// # Errors
    /// What `pg_ctl` says.
    pub fn start_again(&self) -> std::io::Result<()> {
        let options = format!("-k '{}' -c listen_addresses='' -c max_connections={CONNECTIONS}", self.folder.display());
        self.control(&["-o", &options, "start"])
    }

    fn control(&self, arguments: &[&str]) -> std::io::Result<()> {
        let program = self.bin.join("pg_ctl");
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.arg("-D").arg(self.folder.join("data")).arg("-l").arg(self.folder.join("log")).arg("-w");
        // A server that is started keeps what it inherits.
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let ended = command.current_dir(Path::new("/")).status()?;
        if ended.success() { Ok(()) } else { Err(std::io::Error::other(format!("pg_ctl {arguments:?}: {ended}"))) }
    }

    /// Runs SQL as the superuser in a database, by its name or address: what it prints, bare.
    ///
    /// # Errors
    /// What the server says.
    pub fn psql(&self, database: &str, sql: &str) -> std::io::Result<String> {
        let name = database.split(['/', '?']).find(|part| part.starts_with("test_")).unwrap_or(database);
        let psql = if self.bin.join("psql").is_file() { self.bin.join("psql") } else { PathBuf::from("psql") };
        let mut command = Command::new(psql);
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", name, "-c", sql]);
        command.args([OsStr::new("-h"), self.folder.as_os_str()]).stdin(Stdio::null()).current_dir(Path::new("/"));
        let output = command.output()?;
        if !output.status.success() {
            return Err(std::io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // The end of its input tells the keeper to stop the server.
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_with_its_mend() {
        let words = Missing { part: "initdb is".to_owned() }.to_string();
        assert!(words.contains("initdb is missing"), "{words}");
        assert!(words.contains("apt-get install --no-install-recommends postgresql"), "{words}");
    }

    #[test]
    #[expect(clippy::print_stderr, reason = "a test that did not run says so")]
    fn a_server_starts_answers_and_leaves_nothing() {
        if let Some(missing) = reason_to_skip().expect("PostgreSQL is required") {
            return eprintln!("SKIPPED: {missing}");
        }
        let server = PostgresServer::start().expect("starts");
        let database = server.database().expect("a database");
        assert_eq!(server.psql(&database, "SELECT current_database()").expect("answers"), "test_0");
        server.crash().expect("ends");
        server.psql(&database, "SELECT 1").expect_err("nobody answers");
        server.start_again().expect("starts again");
        assert_eq!(server.psql(&database, "SELECT 1").expect("answers"), "1");
        let folder = server.folder.clone();
        drop(server);
        assert!(!folder.exists(), "the folder is gone");
    }
}
