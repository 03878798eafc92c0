//! Whose key a body is sealed with.

use gateway_core::identity::{PlatformId, TenantId};
use gateway_core::subject::{Domain, Subject};

/// Domain of the keys of tenants and platforms.
const SHARED: &str = "shared";

/// Under what a body is sealed.
pub(super) struct Holder(pub(super) String, pub(super) &'static str);

impl Holder {
    /// A person's, or else the tenant's.
    pub(super) fn of(subject: Option<&Subject>, tenant: &TenantId) -> Self {
        match subject {
            Some(subject) => Self(subject.id.0.clone(), subject.domain.word()),
            None => Self(format!("tenant/{}", tenant.0), SHARED),
        }
    }

    /// A platform's.
    pub(super) fn platform(platform: &PlatformId) -> Self {
        Self(format!("platform/{}", platform.0), SHARED)
    }

    /// That of the person whose referral a statement is on; of one without a person the platform's.
    pub(super) fn of_statement(subject: Option<String>, platform: &PlatformId) -> Self {
        subject.map_or_else(|| Self::platform(platform), |id| Self(id, Domain::Record.word()))
    }
}

/// A key with the number by which rows name it.
pub(super) struct Known {
    pub(super) id: i64,
    pub(super) key: super::seal::Key,
}
