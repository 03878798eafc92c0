//! The real OpenSSH server, with its own SFTP, on a free port of loopback: each connection gets a process of it, with a configuration and
//! keys of our own, and the folders of an organisation in a temporary place.
//!
//! It knows how Debian lays OpenSSH out, and how an organisation that uses SFTP reads and leaves files: on the server's own disk.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tempfile::TempDir;

/// Set to `required`, it makes the absence of OpenSSH a failure.
const VARIABLE: &str = "SFTP";
/// The server.
const SSHD: &str = "/usr/sbin/sshd";
/// Where the server goes for what needs no rights; it has to be there.
const EMPTY: &str = "/run/sshd";

/// What OpenSSH lacks to run here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing;

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the OpenSSH server cannot be run here: sshd, ssh-keygen or the right to make /run/sshd is missing. On Debian as root: \
             apt-get install --no-install-recommends openssh-server",
        )
    }
}

impl std::error::Error for Missing {}

/// Whether the server can be run here.
///
/// # Errors
/// That it cannot.
pub fn available() -> Result<(), Missing> {
    let keygen = Command::new("ssh-keygen").arg("-?").stdin(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    // A service makes it when the machine starts; where no services run, nobody has.
    let empty = Path::new(EMPTY).is_dir() || std::fs::create_dir(EMPTY).is_ok();
    if Path::new(SSHD).is_file() && keygen && empty { Ok(()) } else { Err(Missing) }
}

/// As [`available`], for a test: `Some` with what is missing means to skip, aloud.
///
/// # Errors
/// What is missing, if `SFTP=required` forbids to skip.
pub fn reason_to_skip() -> Result<Option<Missing>, Missing> {
    match available() {
        Ok(()) => Ok(None),
        Err(missing) if std::env::var_os(VARIABLE).is_some_and(|value| value == "required") => Err(missing),
        Err(missing) => Ok(Some(missing)),
    }
}

/// A server that takes connections until it is dropped.
#[derive(Debug)]
pub struct SftpServer {
    home: TempDir,
    address: SocketAddr,
    host_key: String,
    username: String,
    stopped: Arc<AtomicBool>,
    connections: Arc<AtomicUsize>,
}

impl SftpServer {
    /// Makes keys and folders, and listens.
    ///
    /// # Errors
    /// What is missing, or what cannot be made.
    pub fn start() -> io::Result<Self> {
        available().map_err(io::Error::other)?;
        let home = tempfile::Builder::new().prefix("sftp-").tempdir()?;
        let at = |name: &str| home.path().join(name);
        for folder in ["files", "files/in", "files/out"] {
            std::fs::create_dir(at(folder))?;
        }
        for key in ["host", "client", "stranger"] {
            let mut keygen = Command::new("ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", key, "-f"]).arg(at(key));
            if !keygen.stdin(Stdio::null()).status()?.success() {
                return Err(io::Error::other("ssh-keygen makes no key"));
            }
        }
        std::fs::copy(at("client.pub"), at("authorized"))?;
        let config = format!(
            "HostKey {host}\nAuthorizedKeysFile {keys}\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nPrintMotd no\nPrintLastLog no\n\
             Subsystem sftp internal-sftp\nForceCommand internal-sftp -d {files}\nLogLevel ERROR\n",
            host = at("host").display(),
            keys = at("authorized").display(),
            files = at("files").display(),
        );
        std::fs::write(at("config"), config)?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (stopped, connections) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (own, count) = (Arc::clone(&stopped), Arc::clone(&connections));
        let (config, log) = (at("config"), at("log"));
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if own.load(Ordering::SeqCst) {
                    return;
                }
                count.fetch_add(1, Ordering::SeqCst);
                // One that cannot be served is closed, as by a server that is overloaded.
                let _ = serve(stream, &config, &log);
            }
        });
        let host_key = said(Command::new("ssh-keygen").arg("-lf").arg(at("host.pub")))?;
        let host_key = host_key.split_whitespace().nth(1).unwrap_or_default().to_owned();
        let username = said(Command::new("id").arg("-un"))?.trim().to_owned();
        Ok(Self { home, address, host_key, username, stopped, connections })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The hash of its key, as `ssh-keygen` shows it.
    #[must_use]
    pub fn host_key(&self) -> &str {
        &self.host_key
    }

    /// Who may log in.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.username
    }

    /// File of the private key with which that is shown.
    #[must_use]
    pub fn client_key(&self) -> PathBuf {
        self.home.path().join("client")
    }

    /// File of a private key that opens nothing.
    #[must_use]
    pub fn strange_key(&self) -> PathBuf {
        self.home.path().join("stranger")
    }

    /// The folder in which the organisation finds files.
    #[must_use]
    pub fn inward(&self) -> PathBuf {
        self.home.path().join("files/in")
    }

    /// The folder in which it leaves files.
    #[must_use]
    pub fn outward(&self) -> PathBuf {
        self.home.path().join("files/out")
    }

    /// How many connections there were.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// What the server has to complain of.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }
}

impl Drop for SftpServer {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes whoever waits for the next connection.
        let _ = TcpStream::connect(self.address);
    }
}

/// A server process for one connection; it ends with it.
fn serve(stream: TcpStream, config: &Path, log: &Path) -> io::Result<()> {
    let other = stream.try_clone()?;
    let mut sshd = Command::new(SSHD);
    sshd.arg("-i").arg("-f").arg(config).arg("-E").arg(log).stdin(Stdio::from(OwnedFd::from(stream)));
    let mut child = sshd.stdout(Stdio::from(OwnedFd::from(other))).stderr(Stdio::null()).spawn()?;
    std::thread::spawn(move || child.wait());
    Ok(())
}

fn said(command: &mut Command) -> io::Result<String> {
    let output = command.stdin(Stdio::null()).output()?;
    String::from_utf8(output.stdout).map_err(io::Error::other)
}
