//! What sections say of how somebody is reached over HTTP, whatever they are the sections of.

use super::{AuthorizationSection, BasicSection, CertificateSection, NamedSecret, OAuth2Section};
use crate::config::sections::SecretSource;
use std::path::PathBuf;
use toml::Spanned;

/// What a section says of credentials, certificates and addresses, whatever it is the section of.
pub(in crate::config) struct Keys<'a> {
    /// How faults name the section: `platform`.
    pub(in crate::config) kind: &'static str,
    /// Whose section it is.
    pub(in crate::config) id: &'a str,
    /// Its addresses: where one is this machine's, its name may lead here.
    pub(in crate::config) bases: Vec<String>,
    pub(in crate::config) token: Option<&'a SecretSource>,
    pub(in crate::config) authorization: Option<&'a Spanned<AuthorizationSection>>,
    pub(in crate::config) basic: Option<&'a Spanned<BasicSection>>,
    pub(in crate::config) oauth2: Option<&'a Spanned<OAuth2Section>>,
    pub(in crate::config) secret_headers: &'a [Spanned<NamedSecret>],
    pub(in crate::config) secret_query: &'a [Spanned<NamedSecret>],
    pub(in crate::config) certificate: Option<&'a CertificateSection>,
    pub(in crate::config) authority: Option<&'a PathBuf>,
    pub(in crate::config) addresses: &'a [Spanned<String>],
}

/// A section about somebody who is reached over HTTP: its own keys, then those that say how.
macro_rules! reached_section {
    ($(#[$meta:meta])* pub struct $section:ident { $($(#[$about:meta])* pub $field:ident: $kind:ty,)* }) => {
        $(#[$meta])*
        pub struct $section {
            $($(#[$about])* pub $field: $kind,)*
            /// Bearer token, by reference.
            pub token: Option<$crate::config::SecretSource>,
            /// The same under another scheme than `Bearer`.
            pub authorization: Option<toml::Spanned<$crate::config::access::AuthorizationSection>>,
            /// HTTP Basic instead.
            pub basic: Option<toml::Spanned<$crate::config::access::BasicSection>>,
            /// A token that a server gives out instead.
            pub oauth2: Option<toml::Spanned<$crate::config::access::OAuth2Section>>,
            /// Headers with a secret each.
            #[serde(default)]
            pub secret_headers: Vec<toml::Spanned<$crate::config::access::NamedSecret>>,
            /// Query parameters with a secret each.
            #[serde(default)]
            pub secret_query: Vec<toml::Spanned<$crate::config::access::NamedSecret>>,
            /// What the gateway shows of itself (mutual TLS).
            pub certificate: Option<$crate::config::access::CertificateSection>,
            /// PEM file of those who vouch for it; absent = whom the operating system trusts.
            pub authority: Option<std::path::PathBuf>,
            /// Networks beside the internet into which its names may lead.
            #[serde(default)]
            pub addresses: Vec<toml::Spanned<String>>,
        }

        impl $section {
            /// How it is reached at these addresses.
            pub(super) fn reached_at<'a>(
                &'a self,
                (kind, id): (&'static str, &'a str),
                bases: Vec<String>,
            ) -> $crate::config::access::Keys<'a> {
                $crate::config::access::Keys {
                    kind,
                    id,
                    bases,
                    token: self.token.as_ref(),
                    authorization: self.authorization.as_ref(),
                    basic: self.basic.as_ref(),
                    oauth2: self.oauth2.as_ref(),
                    secret_headers: &self.secret_headers,
                    secret_query: &self.secret_query,
                    certificate: self.certificate.as_ref(),
                    authority: self.authority.as_ref(),
                    addresses: &self.addresses,
                }
            }
        }
    };
}

pub(in crate::config) use reached_section;
