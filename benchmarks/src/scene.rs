//! A gateway's surroundings: its folder and configuration, and the requests that a GP system sends.

use crate::process::Process;
use anyhow::{Context as _, Result};
use conformance_tests::generator::{Expectation, Generator, PRACTICE_ODS, RecipientSpec};
use conformance_tests::platform::PlatformConfig;
use sha2::{Digest as _, Sha256};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;
use vcse_gateway::store::Store as _;
use vcse_gateway::store::sqlite::{SqliteStore, backup};

/// The token with which platforms report.
pub(crate) const REPORT_TOKEN: &str = "bench-reports";

const GP_TOKEN: &str = "bench-gp-system";
const TENANT: &str = "bench-pcn";
const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";

/// Somebody who is referred to.
#[derive(Debug, Clone)]
pub(crate) struct Recipient {
    /// Its id in the configuration.
    pub(crate) id: String,
    /// Its ODS code.
    pub(crate) ods: String,
    /// Where it listens.
    pub(crate) base_url: String,
}

impl Recipient {
    /// The `number`-th.
    pub(crate) fn new(number: usize, base_url: &str) -> Self {
        Self { id: format!("platform-{number:02}"), ods: format!("VC{number:03}"), base_url: base_url.to_owned() }
    }

    /// One that nobody answers for.
    pub(crate) fn nobody() -> Self {
        Self::new(0, "http://127.0.0.1:9/fhir")
    }
}

/// A referral, ready to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Referral {
    /// Its `X-Correlation-Id`, which goes with what the platform is sent.
    pub(crate) correlation: String,
    /// The whole HTTP request.
    pub(crate) request: Vec<u8>,
    /// Bytes of the Bundle in it.
    pub(crate) body: usize,
}

/// The surroundings.
pub(crate) struct Scene {
    folder: TempDir,
    data: PathBuf,
    binary: PathBuf,
    /// Where the gateway listens.
    pub(crate) address: SocketAddr,
    recipients: Vec<Recipient>,
    /// The next referral that the generator is asked for.
    next: u64,
}

impl Scene {
    /// A folder below `scratch` with a configuration that has everything switched on, and a store of its own.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub(crate) fn new(binary: &Path, scratch: &Path, recipients: &[Recipient]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(scratch)?;
        let data = folder.path().join("data");
        fs::create_dir(&data)?;
        let (binary, recipients) = (binary.to_owned(), recipients.to_vec());
        let scene = Self { folder, data, binary, address: free_address()?, recipients, next: 0 };
        scene.configure()?;
        Ok(scene)
    }

    /// The database file.
    pub(crate) fn file(&self) -> PathBuf {
        self.data.join("gateway.db")
    }

    /// Whether the gateway only takes in: what it does with a store that was put back from a copy.
    ///
    /// # Errors
    /// When the mark cannot be written.
    pub(crate) fn take_in_only(&self, only: bool) -> Result<()> {
        let mark = backup::pause_mark(&self.file());
        if only {
            fs::write(&mark, "")?;
        } else if mark.exists() {
            fs::remove_file(&mark)?;
        }
        Ok(())
    }

    /// Starts the gateway; it is ready when this returns.
    ///
    /// # Errors
    /// As [`Process::start`].
    pub(crate) async fn serve(&self) -> Result<Process> {
        let mut command = Command::new(&self.binary);
        command.args(["serve", "--config"]).arg(self.folder.path().join("gateway.toml"));
        Process::start(command, self.address, &self.folder.path().join("log")).await
    }

    /// The next referrals to a recipient, which no earlier call has given.
    pub(crate) fn referrals(&mut self, recipient: &Recipient, count: usize) -> Vec<Referral> {
        let named = RecipientSpec::new(&recipient.ods, "Example organisation", &[]);
        let generator = Generator::new(1, vec![named]);
        let mut made = Vec::with_capacity(count);
        while made.len() < count {
            let number = self.next;
            self.next += 1;
            if Expectation::of(number) == Expectation::Delivered {
                made.push(request(&format!("bench-{number}"), &generator.referral(number).bundle_text()));
            }
        }
        made
    }

    /// How many referrals stand where, as the file has them.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) async fn counts(&self) -> Result<Vec<(String, String, u64)>> {
        Ok(SqliteStore::open_to_read(&self.file())?.counts().await?)
    }

    /// That so many referrals are stored, all in this delivery and status.
    ///
    /// # Errors
    /// With what is stored instead.
    pub(crate) async fn holds(&self, delivery: &str, status: &str, count: usize) -> Result<()> {
        let counts = self.counts().await?;
        anyhow::ensure!(
            counts == [(delivery.to_owned(), status.to_owned(), count as u64)],
            "expected {count} {delivery} {status}, and the store holds {counts:?}"
        );
        Ok(())
    }

    fn configure(&self) -> Result<()> {
        let token = self.folder.path().join("token");
        fs::write(&token, PlatformConfig::default().token)?;
        let mut text = format!(
            "[server]\nlisten = \"{}\"\ndata = \"{}\"\n\
             [limits]\nrequests-per-minute = 4000000\nburst = 1000000\nat-once = 1000\nbacklog = 4000000\n\
             [[client]]\nid = \"gp-system\"\ntenant = \"{TENANT}\"\norganisation = \"{PRACTICE_ODS}\"\n\
             token-sha256 = \"{}\"\nroles = [\"referrer\"]\n",
            self.address,
            self.data.display(),
            sha256(GP_TOKEN),
        );
        for Recipient { id, ods, base_url } in &self.recipients {
            text += &format!(
                "\n[[platform]]\nid = \"{id}\"\nname = \"Example {id}\"\nadapter = \"fhir-task\"\nbase-url = \"{base_url}\"\n\
                 identifiers = [{{ system = \"{ODS}\", value = \"{ods}\" }}]\ntoken = {{ file = \"{}\" }}\n\
                 report-token-sha256 = \"{}\"\npoll-seconds = 0\n\
                 settings = {{ conditional-create = \"true\", requester-ods = \"X26\", requester-name = \"Bench PCN\" }}\n\
                 [[route]]\nname = \"{id}\"\nplatform = \"{id}\"\nrecipients = [{{ system = \"{ODS}\", value = \"{ods}\" }}]\n\
                 [[policy]]\ntenant = \"{TENANT}\"\nplatform = \"{id}\"\nnotes = \"send\"\n",
                token.display(),
                sha256(REPORT_TOKEN),
            );
        }
        fs::write(self.folder.path().join("gateway.toml"), text).context("the configuration cannot be written")
    }
}

fn request(name: &str, body: &str) -> Referral {
    let request = format!(
        "POST /fhir HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {GP_TOKEN}\r\n\
         content-type: application/fhir+json\r\nx-request-id: {name}\r\nx-correlation-id: {name}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    Referral { correlation: name.to_owned(), request: request.into_bytes(), body: body.len() }
}

/// A read of a resource, ready to be sent.
pub(crate) fn read(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {GP_TOKEN}\r\n\r\n").into_bytes()
}

/// An address that stays ours when a process starts again: a loopback address of its own, so that no outgoing connection
/// can take the port in between.
pub(crate) fn free_address() -> Result<SocketAddr> {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed) % 60_000;
    let [_, _, _, low] = std::process::id().to_be_bytes();
    let [_, _, high, last] = number.to_be_bytes();
    Ok(TcpListener::bind((Ipv4Addr::new(127, 1 + low % 60, high, last), 0))?.local_addr()?)
}

fn sha256(token: &str) -> String {
    Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
