//! Who is who: tenants, clients, platforms, and the compartment in which a resource lives.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// A PCN or other sending customer. Part of every key and query.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TenantId(pub String);

/// A registered caller of the FHIR API.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientId(pub String);

/// A configured receiving product.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlatformId(pub String);

impl fmt::Display for PlatformId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A registered caller: what the configuration says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its name in the configuration, in authorship and in audit.
    pub id: ClientId,
    /// The customer it belongs to.
    pub tenant: TenantId,
    /// The organisation it acts for; for a platform's client, the platform's organisation.
    pub organisation: String,
    /// Rules of behaviour (design 6.2).
    pub profile: Profile,
    /// What it may do.
    pub roles: BTreeSet<Role>,
    /// Set for a client that is a platform collecting published referrals (*Direct Light*).
    pub platform: Option<PlatformId>,
}

impl Client {
    /// Where this client's resources live: its organisation's compartment, or its platform's.
    #[must_use]
    pub fn compartment(&self) -> Compartment {
        Compartment {
            tenant: self.tenant.clone(),
            owner: match &self.platform {
                Some(platform) => Owner::Platform(platform.clone()),
                None => Owner::Organisation(self.organisation.clone()),
            },
        }
    }

    /// How it signs what it writes: `client/<id>`, or `account/<name>` for somebody who has signed in. No client of the configuration
    /// has a slash in its id.
    #[must_use]
    pub fn author(&self) -> String {
        if self.id.0.starts_with(crate::account::ACTOR) { self.id.0.clone() } else { format!("client/{}", self.id.0) }
    }
}

/// The gateway's own signature on what it writes.
pub const GATEWAY_AUTHOR: &str = "gateway";

/// A client's rules of behaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// FHIR R4 REST.
    #[default]
    Fhir,
    /// BaRS: `X-Request-Id` and `X-Correlation-Id` required, `409` `duplicate` on replay, NHS error codes.
    Bars,
}

/// What a client may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Sends referrals and follows them.
    Referrer,
    /// Reads only.
    Reader,
    /// Records what patients of its organisation consented to, and that they withdrew it. A referrer does so too, unless the
    /// configuration says that it does not.
    Consent,
    /// An information-governance lead's: reads what the organisation has, and who received what of whom. Sends nothing and
    /// records no consent.
    Governance,
    /// Looks after delivery: redrives dead letters of its customer, whichever organisation sent them. It sees of them names,
    /// codes and causes, and nothing of a person.
    Operator,
    /// Collects referrals published for it and moves their Tasks.
    Platform,
}

/// The part of the store that a client can see; another's answers exactly as a missing one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Compartment {
    /// The customer.
    pub tenant: TenantId,
    /// The party within it.
    pub owner: Owner,
}

/// The party that a compartment belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Owner {
    /// A sending organisation, by ODS code.
    Organisation(String),
    /// A platform that collects from the gateway.
    Platform(PlatformId),
}

impl Owner {
    /// One text for both, as the store keeps it: `organisation/A82001`, `platform/food-bank`.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Organisation(code) => format!("organisation/{code}"),
            Self::Platform(id) => format!("platform/{}", id.0),
        }
    }

    /// Reads what [`key`](Self::key) wrote.
    #[must_use]
    pub fn from_key(key: &str) -> Option<Self> {
        match key.split_once('/')? {
            ("organisation", code) => Some(Self::Organisation(code.to_owned())),
            ("platform", id) => Some(Self::Platform(PlatformId(id.to_owned()))),
            _ => None,
        }
    }
}
