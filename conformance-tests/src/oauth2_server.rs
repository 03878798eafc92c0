//! An OAuth2 server that others wrote, the certified `oidc-provider` (npm, MIT), on a free port of loopback: it gives tokens to clients
//! that it knows, says of a token whether it is good (RFC 7662), and takes tokens back (RFC 7009).
//!
//! `server.mjs` beside the module sets it up. It ends with its standard input, so that it never outlives us, however we end.
//! A platform asks it whether a token is good by [`Introspection`].

mod installed;

pub use installed::{Missing, available, reason_to_skip};

use crate::npm::Process;
use crate::simulator::Introspection;
use serde_json::{Value, json};
use std::io;
use std::path::Path;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Id and secret of the client that platforms are when they ask whether a token is good.
pub const RESOURCE: (&str, &str) = ("platform", "platform-secret-of-a-test");
/// The grant by which a client shows an assertion that it acts for a user (RFC 7523, 2.1).
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// A client that the server knows.
#[derive(Debug, Clone, Default)]
pub struct Client {
    /// `client_id`.
    pub id: String,
    /// Its secret, if it has one.
    pub secret: Option<String>,
    /// `token_endpoint_auth_method`: `client_secret_basic`, `client_secret_post` or `private_key_jwt`.
    pub auth: &'static str,
    /// Grants besides client credentials.
    pub grants: Vec<&'static str>,
    /// Scopes that it may have, with spaces between.
    pub scope: &'static str,
    /// Private key in PEM, of which the server is given the public half, named `k1`.
    pub private_key: Option<String>,
}

/// How a server is set up.
#[derive(Debug, Clone)]
pub struct OAuth2ServerConfig {
    /// Whom it knows, beside [`RESOURCE`].
    pub clients: Vec<Client>,
    /// Scopes that there are.
    pub scopes: Vec<&'static str>,
    /// Seconds that a token lasts.
    pub token_seconds: u32,
    /// The time that it has until [`OAuth2Server::advance`]; `None`: the machine's.
    pub now: Option<OffsetDateTime>,
}

/// A request that the server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The endpoint: `/token`, `/token/introspection`, `/token/revocation`.
    pub path: String,
    /// The status.
    pub status: u16,
    /// `error` of the answer (RFC 6749, 5.2), if it was one.
    pub error: Option<String>,
}

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct OAuth2Server {
    config: OAuth2ServerConfig,
    issuer: String,
    process: Process,
}

impl OAuth2Server {
    /// Starts one. Blocks for about a second.
    ///
    /// # Errors
    /// What is missing, or what the server says.
    pub fn start(config: OAuth2ServerConfig) -> io::Result<Self> {
        let (process, issuer) = begin(&config, 0)?;
        Ok(Self { config, issuer, process })
    }

    /// Ends it and starts it anew at the same address: it knows its clients, and none of the tokens that it gave. Its time is again
    /// that of the configuration.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn restart(&mut self) -> io::Result<()> {
        let port = self.issuer.rsplit(':').next().and_then(|port| port.parse().ok());
        let port = port.ok_or_else(|| io::Error::other("the address has no port"))?;
        self.process.end();
        (self.process, self.issuer) = begin(&self.config, port)?;
        Ok(())
    }

    /// Ends it; whoever asks for a token finds nobody.
    pub fn stop(&mut self) {
        self.process.end();
    }

    /// Where tokens are had.
    #[must_use]
    pub fn token_url(&self) -> String {
        format!("{}/token", self.issuer)
    }

    /// Where tokens are given back (RFC 7009).
    #[must_use]
    pub fn revocation_url(&self) -> String {
        format!("{}/token/revocation", self.issuer)
    }

    /// By what a platform asks whether a token is good.
    #[must_use]
    pub fn introspection(&self) -> Introspection {
        let (id, secret) = RESOURCE;
        Introspection {
            url: format!("{}/token/introspection", self.issuer),
            client: (id.to_owned(), secret.to_owned()),
            http: reqwest::Client::builder().no_proxy().build().unwrap_or_default(),
        }
    }

    /// Lets time pass at the server. Only where its time is not the machine's.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn advance(&mut self, seconds: u32) -> io::Result<()> {
        self.process.command(&format!("advance {seconds}")).map(|_| ())
    }

    /// Every request that it has answered, in order.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn asked(&mut self) -> io::Result<Vec<Answered>> {
        let all = self.process.command("asked")?;
        let read = |one: &Value| {
            let status = one["status"].as_u64().and_then(|status| u16::try_from(status).ok())?;
            let error = one["error"].as_str().map(str::to_owned);
            Some(Answered { path: one["path"].as_str()?.to_owned(), status, error })
        };
        Ok(all.as_array().into_iter().flatten().filter_map(read).collect())
    }

    /// How many tokens it has given.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn given(&mut self) -> io::Result<usize> {
        let all = self.asked()?;
        Ok(all.iter().filter(|one| one.path == "/token" && one.status == 200).count())
    }
}

/// The process, and its issuer.
fn begin(config: &OAuth2ServerConfig, port: u16) -> io::Result<(Process, String)> {
    let folder = available().map_err(io::Error::other)?;
    let now = config.now.map(|now| now.format(&Rfc3339)).transpose().map_err(io::Error::other)?;
    let (id, secret) = RESOURCE;
    let resource =
        Client { id: id.to_owned(), secret: Some(secret.to_owned()), auth: "client_secret_basic", ..Client::default() };
    let clients: Vec<Value> = config.clients.iter().chain([&resource]).map(metadata).collect();
    let set_up = json!({ "folder": folder, "port": port, "now": now, "tokenSeconds": config.token_seconds,
        "scopes": config.scopes, "clients": clients });
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/oauth2_server/server.mjs");
    let (process, first) = Process::start("OAuth2 server", &script, &set_up)?;
    Ok((process, first["issuer"].as_str().unwrap_or_default().to_owned()))
}

/// As RFC 7591 writes a client, but for the key, of which the script takes the public half.
fn metadata(client: &Client) -> Value {
    let grants: Vec<&str> = [&["client_credentials"], client.grants.as_slice()].concat();
    let all = json!({ "client_id": client.id, "client_secret": client.secret, "grant_types": grants,
        "token_endpoint_auth_method": client.auth, "scope": (!client.scope.is_empty()).then_some(client.scope),
        "private_key": client.private_key });
    let given = all.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    given.map(|(name, value)| (name.clone(), value.clone())).collect::<serde_json::Map<_, _>>().into()
}
