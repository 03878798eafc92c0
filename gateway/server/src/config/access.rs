//! What a `[[platform]]` says of credentials, certificates and addresses.

mod reached;

pub(super) use reached::{Keys, reached_section};

use super::build::read_secret;
use super::sections::{Check, PlatformSection, SecretSource};
use super::{Fault, is_loopback};
use crate::gateway::Secret;
use crate::transport::access::{Access, Authorization, Credentials, Tls};
use crate::transport::dial::Allowed;
use crate::transport::oauth2::{ClientAuth, Grant, OAuth2, Signer};
use ipnet::IpNet;
use serde::Deserialize;
use std::net::IpAddr;
use std::path::PathBuf;
use toml::Spanned;
use url::Url;

/// Headers that the gateway or HTTP itself sets.
const TAKEN: [&str; 7] =
    ["authorization", "connection", "content-length", "host", "transfer-encoding", "x-correlation-id", "x-request-id"];

/// `authorization` of a platform: `scheme`, then the secret.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AuthorizationSection {
    /// Word before the secret in the `Authorization` header.
    pub scheme: String,
    /// The secret stands in this environment variable.
    pub env: Option<String>,
    /// The secret stands in this file; a line end after it is not part of it.
    pub file: Option<PathBuf>,
}

/// `basic` of a platform: HTTP Basic.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BasicSection {
    /// Who asks.
    pub username: String,
    /// The password stands in this environment variable.
    pub env: Option<String>,
    /// The password stands in this file.
    pub file: Option<PathBuf>,
}

/// A header or query parameter with a secret.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NamedSecret {
    /// Its name at the platform.
    pub name: String,
    /// The secret stands in this environment variable.
    pub env: Option<String>,
    /// The secret stands in this file.
    pub file: Option<PathBuf>,
}

/// `certificate` of a platform: what the gateway shows of itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CertificateSection {
    /// PEM file: the certificate, then those that vouch for it.
    pub chain: PathBuf,
    /// Where the private key stands (PEM).
    pub key: SecretSource,
}

/// `oauth2` of a platform.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OAuth2Section {
    /// Where tokens are had.
    pub token_url: String,
    /// What is asked for.
    pub grant: GrantWord,
    /// The client.
    pub client_id: String,
    /// How the client is known; absent = by what it has.
    pub client_auth: Option<ClientAuthWord>,
    /// Its secret.
    pub secret: Option<SecretSource>,
    /// Its private key (PEM).
    pub key: Option<SecretSource>,
    /// Name of the key at the token server (`kid`).
    pub key_id: Option<String>,
    /// How the key signs; absent = RS384 or ES384.
    pub algorithm: Option<String>,
    /// For whom a JWT bearer grant is.
    pub subject: Option<String>,
    /// `aud` of what is signed; absent = the token address.
    pub audience: Option<String>,
    /// `scope`.
    pub scope: Option<String>,
}

/// Grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GrantWord {
    /// RFC 6749, 4.4.
    ClientCredentials,
    /// RFC 7523, 2.1.
    JwtBearer,
}

/// Ways in which a client is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientAuthWord {
    /// HTTP Basic.
    Basic,
    /// In the body.
    Body,
    /// A signed assertion (RFC 7523, 2.2).
    PrivateKeyJwt,
}

impl PlatformSection {
    /// How it is reached.
    pub(super) fn keys(&self) -> Keys<'_> {
        let own = self.base_url.as_ref().map(|url| url.get_ref().clone());
        let bases = own.into_iter().chain(super::files::sftp_address(self)).collect();
        self.reached_at(("platform", self.id.get_ref()), bases)
    }
}

/// Where a secret stands; `None` unless it is exactly one place.
fn source(env: Option<&String>, file: Option<&PathBuf>) -> Option<SecretSource> {
    match (env, file) {
        (Some(name), None) => Some(SecretSource::Env(name.clone())),
        (None, Some(path)) => Some(SecretSource::File(path.clone())),
        _ => None,
    }
}

impl OAuth2Section {
    fn auth(&self) -> Option<ClientAuthWord> {
        self.client_auth.or(match (self.grant, &self.secret, &self.key) {
            (_, Some(_), _) => Some(ClientAuthWord::Basic),
            (GrantWord::ClientCredentials, None, Some(_)) => Some(ClientAuthWord::PrivateKeyJwt),
            _ => None,
        })
    }

    /// What is missing or says nothing.
    fn contradicts(&self) -> Option<&'static str> {
        let Ok(url) = Url::parse(&self.token_url) else { return Some("`token-url` is not a URL") };
        let signs = self.grant == GrantWord::JwtBearer || self.auth() == Some(ClientAuthWord::PrivateKeyJwt);
        let tells = matches!(self.auth(), Some(ClientAuthWord::Basic | ClientAuthWord::Body));
        if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(&url)) {
            Some("a credential leaves through https only; http is for loopback (`token-url`)")
        } else if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            Some("`token-url` has credentials or a fragment in it; write them as `client-id` and `secret`")
        } else if self.grant == GrantWord::ClientCredentials && self.auth().is_none() {
            Some("says not how the client is known; give `secret` or `key`")
        } else if self.grant == GrantWord::JwtBearer && self.subject.is_none() {
            Some("the grant `jwt-bearer` is for somebody; name them in `subject`")
        } else if signs && self.key.is_none() {
            Some("something has to be signed, and there is no `key`")
        } else if tells && self.secret.is_none() {
            Some("`client-auth` is by a secret, and there is no `secret`")
        } else if !tells && self.secret.is_some() {
            Some("`secret` is not used; leave it out, or write `client-auth = \"basic\"`")
        } else if self.grant == GrantWord::ClientCredentials && self.subject.is_some() {
            Some("`subject` is for the grant `jwt-bearer`; leave it out")
        } else {
            None
        }
    }
}

/// RFC 9110, "token".
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

pub(super) fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// Of a secret whose place is not told.
const NOWHERE: &str = "says not where the secret stands; give either `env` or `file`";

impl Check<'_> {
    /// Scheme and secret of an `Authorization` header.
    pub(super) fn authorization(&mut self, section: &Spanned<AuthorizationSection>, key: &str) {
        if !is_word(&section.get_ref().scheme) {
            self.at(section, key, "`scheme` is one word without spaces, for example `Bearer` or `token`");
        }
        if source(section.get_ref().env.as_ref(), section.get_ref().file.as_ref()).is_none() {
            self.at(section, key, NOWHERE);
        }
    }

    /// What contradicts itself.
    pub(super) fn access(&mut self, keys: &Keys<'_>) {
        let named = |key: &str| format!("{}.{key}", keys.kind);
        let beside = "stands beside another of `token`, `authorization`, `basic` and `oauth2`; a request carries one Authorization \
                      header: keep one of them";
        let before = [keys.token.is_some(), keys.authorization.is_some(), keys.basic.is_some()];
        let some_before = |count: usize| before.iter().take(count).any(|is| *is);
        if let Some(section) = keys.authorization {
            let key = &named("authorization");
            if some_before(1) {
                self.at(section, key, beside);
            }
            self.authorization(section, key);
        }
        if let Some(section) = keys.basic {
            let key = &named("basic");
            if some_before(2) {
                self.at(section, key, beside);
            }
            // RFC 7617: the first colon ends the name.
            if section.get_ref().username.contains(':') || section.get_ref().username.is_empty() {
                self.at(section, key, "`username` is a name without a colon");
            }
            if source(section.get_ref().env.as_ref(), section.get_ref().file.as_ref()).is_none() {
                self.at(section, key, NOWHERE);
            }
        }
        if let Some(section) = keys.oauth2 {
            if some_before(3) {
                self.at(section, &named("oauth2"), beside);
            }
            if let Some(words) = section.get_ref().contradicts() {
                self.at(section, &named("oauth2"), words);
            }
        }
        for (key, section) in [("secret-headers", keys.secret_headers), ("secret-query", keys.secret_query)] {
            for one in section {
                let name = one.get_ref().name.to_ascii_lowercase();
                if !is_word(&name) || (key == "secret-headers" && TAKEN.contains(&name.as_str())) {
                    self.at(one, &named(key), "`name` is one word, and none that the gateway sets itself");
                }
                if source(one.get_ref().env.as_ref(), one.get_ref().file.as_ref()).is_none() {
                    self.at(one, &named(key), NOWHERE);
                }
            }
        }
        for address in keys.addresses {
            if network(address.get_ref()).is_none() {
                let words = "neither an address nor a network, for example `10.20.0.0/16`";
                self.at(address, &named("addresses"), words);
            }
        }
    }
}

/// Reads secrets and files, and says what cannot be had.
pub(super) struct Reader<'a> {
    /// `platform` or `mailbox`.
    kind: &'a str,
    id: &'a str,
    faults: &'a mut Vec<Fault>,
}

impl<'a> Reader<'a> {
    /// For the section of this kind and id.
    pub(super) const fn of(kind: &'a str, id: &'a str, faults: &'a mut Vec<Fault>) -> Self {
        Self { kind, id, faults }
    }

    pub(super) fn fault(&mut self, key: &str, words: String) {
        self.faults.push(Fault { line: 0, key: format!("{} {}: {key}", self.kind, self.id), words });
    }

    pub(super) fn secret(&mut self, key: &str, source: Option<SecretSource>) -> Option<String> {
        match read_secret(&source?) {
            Ok(secret) => Some(secret),
            Err(words) => {
                self.fault(key, words);
                None
            }
        }
    }

    fn named(&mut self, key: &str, sections: &[Spanned<NamedSecret>]) -> Vec<(String, Secret)> {
        let mut found = Vec::new();
        for one in sections.iter().map(Spanned::get_ref) {
            let secret = self.secret(key, source(one.env.as_ref(), one.file.as_ref()));
            found.extend(secret.map(|secret| (one.name.clone(), Secret::new(secret))));
        }
        found
    }

    /// The value of an `Authorization` header.
    pub(super) fn fixed(&mut self, key: &str, section: &AuthorizationSection) -> Option<Secret> {
        let secret = self.secret(key, source(section.env.as_ref(), section.file.as_ref()))?;
        Some(Secret::new(format!("{} {secret}", section.scheme)))
    }

    fn authorization(&mut self, section: &Keys<'_>) -> Option<Authorization> {
        if let Some(token) = section.token {
            let secret = self.secret("token", Some(token.clone()))?;
            return Some(Authorization::Fixed(Secret::new(format!("Bearer {secret}"))));
        }
        if let Some(other) = section.authorization.map(Spanned::get_ref) {
            return Some(Authorization::Fixed(self.fixed("authorization", other)?));
        }
        if let Some(basic) = section.basic.map(Spanned::get_ref) {
            let password = self.secret("basic", source(basic.env.as_ref(), basic.file.as_ref()))?;
            return Some(Authorization::basic(&basic.username, password));
        }
        let oauth2 = section.oauth2?.get_ref();
        self.oauth2(oauth2).map(|oauth2| Authorization::OAuth2(Box::new(oauth2)))
    }

    fn oauth2(&mut self, section: &OAuth2Section) -> Option<OAuth2> {
        let secret = match &section.secret {
            Some(source) => Some(Secret::new(self.secret("oauth2.secret", Some(source.clone()))?)),
            None => None,
        };
        let signer = match &section.key {
            Some(source) => {
                let pem = self.secret("oauth2.key", Some(source.clone()))?;
                let audience = section.audience.clone().unwrap_or_else(|| section.token_url.clone());
                let (algorithm, id) = (section.algorithm.as_deref(), section.key_id.clone());
                match Signer::from_pem(pem.as_bytes(), algorithm, id, audience) {
                    Ok(signer) => Some(signer),
                    Err(words) => {
                        self.fault("oauth2.key", words.to_owned());
                        return None;
                    }
                }
            }
            None => None,
        };
        let auth = match section.auth() {
            Some(ClientAuthWord::Basic) => ClientAuth::Basic(secret?),
            Some(ClientAuthWord::Body) => ClientAuth::Body(secret?),
            Some(ClientAuthWord::PrivateKeyJwt) => ClientAuth::Assertion(signer.clone()?),
            None => ClientAuth::None,
        };
        let grant = match section.grant {
            GrantWord::ClientCredentials => Grant::ClientCredentials,
            GrantWord::JwtBearer => Grant::JwtBearer { subject: section.subject.clone()?, signer: signer.clone()? },
        };
        Some(OAuth2 {
            token_url: Url::parse(&section.token_url).ok()?,
            client_id: section.client_id.clone(),
            auth,
            grant,
            scope: section.scope.clone(),
            // What is signed names its audience; some servers want one where nothing is.
            audience: section.audience.clone().filter(|_| signer.is_none()),
            held: tokio::sync::Mutex::default(),
        })
    }

    /// Certificates, from their files.
    pub(super) fn tls(&mut self, certificate: Option<&CertificateSection>, authority: Option<&PathBuf>) -> Tls {
        let mut tls = Tls::default();
        if let Some(certificate) = certificate {
            let key = self.secret("certificate.key", Some(certificate.key.clone()));
            match std::fs::read(&certificate.chain) {
                Err(error) => self.fault("certificate.chain", format!("{}: {error}", certificate.chain.display())),
                Ok(chain) => {
                    let pem = key.map(|key| [chain.as_slice(), b"\n", key.as_bytes()].concat());
                    let identity = pem.map(|pem| reqwest::Identity::from_pem(&pem));
                    if let Some(Err(_)) = &identity {
                        self.fault("certificate", "chain and key are not a certificate and its key, in PEM".to_owned());
                    }
                    tls.identity = identity.and_then(Result::ok);
                }
            }
        }
        if let Some(path) = authority {
            let read = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
            let found = read.and_then(|pem| {
                let found = reqwest::Certificate::from_pem_bundle(&pem).unwrap_or_default();
                if found.is_empty() { Err(format!("{}: no certificate in PEM", path.display())) } else { Ok(found) }
            });
            match found {
                Ok(found) => tls.authorities = found,
                Err(words) => self.fault("authority", words),
            }
        }
        tls
    }
}

/// How whoever has these keys is reached.
pub(super) fn reached(keys: &Keys<'_>, faults: &mut Vec<Fault>) -> Access {
    let mut reader = Reader::of(keys.kind, keys.id, faults);
    let credentials = Credentials {
        authorization: reader.authorization(keys),
        headers: reader.named("secret-headers", keys.secret_headers),
        query: reader.named("secret-query", keys.secret_query),
    };
    let tls = reader.tls(keys.certificate, keys.authority);
    let beside = keys.addresses.iter().filter_map(|text| network(text.get_ref()));
    let mut allowed = Allowed::also(beside.collect());
    for url in keys.bases.iter().filter_map(|base| Url::parse(base).ok()) {
        allowed = allowed.with_localhost(&url);
    }
    Access::new(credentials, tls, allowed)
}

/// How a platform is reached.
pub(super) fn access(section: &PlatformSection, faults: &mut Vec<Fault>) -> Access {
    let access = reached(&section.keys(), faults);
    let mut reader = Reader::of("platform", section.id.get_ref(), faults);
    let (mesh, sftp) = (reader.mesh(section), reader.sftp(section));
    access.with_files(mesh, sftp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ConfigError, EXAMPLE, parse};

    fn text(keys: &str) -> String {
        EXAMPLE.replacen("# poll-seconds = 900", keys, 1)
    }

    /// The first platform's access, and how many faults there are in reading it.
    fn read(keys: &str) -> (Access, usize) {
        let config = parse(&text(keys)).expect("a valid configuration");
        let mut faults = Vec::new();
        (access(&config.platform[0], &mut faults), faults.len())
    }

    fn faults(keys: &str) -> String {
        match parse(&text(keys)) {
            Ok(_) => String::new(),
            Err(ConfigError::Faults(faults)) => faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
            Err(error) => error.to_string(),
        }
    }

    fn header(keys: &str) -> (Option<String>, usize) {
        let (access, faults) = read(keys);
        let header = access.credentials.authorization.as_ref().and_then(Authorization::header);
        let header = header.map(|secret| secret.reveal().to_owned());
        (header, faults)
    }

    #[test]
    fn the_secret_is_sent_under_the_scheme_that_the_platform_wants() {
        let home = tempfile::tempdir().expect("a folder");
        let file = home.path().join("secret");
        std::fs::write(&file, "s3cret\n").expect("is written");
        let file = file.display();
        let found = |header: &str| (Some(header.to_owned()), 0);
        assert_eq!(header(&format!("token = {{ file = \"{file}\" }}")), found("Bearer s3cret"));
        let keys = format!("authorization = {{ scheme = \"token\", file = \"{file}\" }}");
        assert_eq!(header(&keys), found("token s3cret"));
        let keys = format!("basic = {{ username = \"gateway\", file = \"{file}\" }}");
        assert_eq!(header(&keys), found("Basic Z2F0ZXdheTpzM2NyZXQ="));
        assert_eq!(header("token = { file = \"/no/such/file\" }"), (None, 1));
        assert_eq!(header(""), (None, 0));
        let keys = format!(
            "secret-headers = [{{ name = \"Org\", file = \"{file}\" }}, {{ name = \"User\", file = \"/none\" }}]\n\
             secret-query = [{{ name = \"key\", file = \"{file}\" }}]"
        );
        let (access, faults) = read(&keys);
        let names: Vec<_> = access.credentials.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!((names, access.credentials.query[0].1.reveal(), faults), (vec!["Org"], "s3cret", 1));
    }

    #[test]
    fn what_contradicts_itself_is_told() {
        let oauth2 = |rest: &str| faults(&format!("oauth2 = {{ client-id = \"gw\", {rest} }}"));
        let good =
            "token-url = \"https://login.example/token\", grant = \"client-credentials\", secret = { env = \"S\" }";
        assert_eq!(oauth2(good), "");
        for (rest, words) in [
            (
                "token-url = \"http://login.example/token\", grant = \"client-credentials\", secret = { env = \"S\" }",
                "https only",
            ),
            (
                "token-url = \"https://a@login.example\", grant = \"client-credentials\", secret = { env = \"S\" }",
                "credentials",
            ),
            ("token-url = \"login\", grant = \"client-credentials\", secret = { env = \"S\" }", "not a URL"),
            ("token-url = \"https://login.example\", grant = \"client-credentials\"", "`secret` or `key`"),
            ("token-url = \"https://login.example\", grant = \"jwt-bearer\", key = { env = \"K\" }", "`subject`"),
            ("token-url = \"https://login.example\", grant = \"jwt-bearer\", subject = \"u\"", "no `key`"),
            (
                "token-url = \"https://login.example\", grant = \"client-credentials\", key = { env = \"K\" }, client-auth = \"body\"",
                "no `secret`",
            ),
            (
                "token-url = \"https://login.example\", grant = \"client-credentials\", key = { env = \"K\" }, secret = { env = \"S\" }, \
                 client-auth = \"private-key-jwt\"",
                "not used",
            ),
        ] {
            let found = oauth2(rest);
            assert!(found.contains(words) && found.contains("platform.oauth2"), "{rest}: {found}");
        }
        for (keys, words) in [
            ("token = { env = \"A\" }\nbasic = { username = \"u\", env = \"A\" }", "stands beside"),
            ("basic = { username = \"a:b\", env = \"A\" }", "without a colon"),
            ("basic = { username = \"a\" }", "either `env` or `file`"),
            ("secret-headers = [{ name = \"Host\", env = \"A\" }]", "one word, and none"),
            ("secret-headers = [{ name = \"two words\", env = \"A\" }]", "one word, and none"),
            ("secret-query = [{ name = \"key\" }]", "either `env` or `file`"),
            ("addresses = [\"10.0.0.0/99\"]", "neither an address nor a network"),
        ] {
            let found = faults(keys);
            assert!(found.contains(words), "{keys}: {found}");
        }
    }

    #[test]
    fn files_that_are_not_what_they_should_be_are_told() {
        let home = tempfile::tempdir().expect("a folder");
        let file = home.path().join("pem");
        std::fs::write(&file, "no certificate").expect("is written");
        let file = file.display();
        for keys in [
            format!("authority = \"{file}\""),
            "authority = \"/no/such/file\"".to_owned(),
            format!("certificate = {{ chain = \"{file}\", key = {{ file = \"{file}\" }} }}"),
            format!(
                "oauth2 = {{ token-url = \"https://login.example\", client-id = \"a\", grant = \"client-credentials\", \
                 key = {{ file = \"{file}\" }} }}"
            ),
        ] {
            assert_eq!(read(&keys).1, 1, "{keys}");
        }
    }

    #[test]
    fn this_machine_is_reached_by_name_where_the_configuration_names_it() {
        assert!(read("").0.allowed.is_plain());
        let allowed = read("addresses = [\"10.20.0.0/16\", \"10.30.0.1\"]").0.allowed;
        let permits = |text: &str| allowed.permits(text.parse().expect("an address"));
        assert!(permits("10.20.1.1") && permits("10.30.0.1") && !permits("10.30.0.2"));
    }
}
