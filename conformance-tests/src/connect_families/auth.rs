//! Who calls: a JWT signed with the platform's one symmetric key, and the three claims that it carries.
//!
//! The algorithm is pinned to HS256 whatever the token says of itself. Life times are judged by the simulated clock, so
//! that the library's own look at the machine's clock is switched off.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Value, json};
use time::OffsetDateTime;

/// What a person or program may do at the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A professional of a local authority: makes referrals and sees those of its own account.
    LaProfessional,
    /// As [`Role::LaProfessional`], with more rights elsewhere in the product.
    LaDualRole,
    /// A professional of a voluntary organisation: sets the status of the referrals to its own organisation.
    VcsProfessional,
    /// As [`Role::VcsProfessional`], with more rights elsewhere in the product.
    VcsDualRole,
}

impl Role {
    const ALL: [Self; 4] = [Self::LaProfessional, Self::LaDualRole, Self::VcsProfessional, Self::VcsDualRole];

    /// The word of the claim.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LaProfessional => "LaProfessional",
            Self::LaDualRole => "LaDualRole",
            Self::VcsProfessional => "VcsProfessional",
            Self::VcsDualRole => "VcsDualRole",
        }
    }

    /// True for those who make referrals.
    pub(super) fn refers(self) -> bool {
        matches!(self, Self::LaProfessional | Self::LaDualRole)
    }

    /// True for those who receive them.
    pub(super) fn receives(self) -> bool {
        !self.refers()
    }
}

/// A caller whose token is good.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    /// None for a role that has no business with referrals.
    pub(super) role: Option<Role>,
    pub(super) account: i64,
    pub(super) organisation: i64,
}

/// A token with these claims.
pub(super) fn sign(key: &str, claims: &Value) -> String {
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(key.as_bytes()))
        .expect("JSON claims and a symmetric key can always be signed")
}

/// The claims of a caller.
pub(super) fn claims(role: Role, account: i64, organisation: i64) -> Value {
    // Numbers as text, as the platform's own tokens have them.
    json!({ "role": role.as_str(), "AccountId": account.to_string(), "OrganisationId": organisation.to_string() })
}

/// The caller that an `Authorization` header stands for; none if the token is not to be trusted.
pub(super) fn caller(key: &str, now: OffsetDateTime, authorization: Option<&str>) -> Option<Caller> {
    let token = authorization?.strip_prefix("Bearer ")?;
    let mut validation = Validation::new(Algorithm::HS256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let key = DecodingKey::from_secret(key.as_bytes());
    let claims = jsonwebtoken::decode::<Value>(token, &key, &validation).ok()?.claims;
    let instant = |name: &str| claims.get(name).map(|value| value.as_i64().unwrap_or(i64::MIN));
    let (now, ends, begins) = (now.unix_timestamp(), instant("exp"), instant("nbf"));
    if ends.is_some_and(|at| at <= now) || begins.is_some_and(|at| at > now || at == i64::MIN) {
        return None;
    }
    let word = claims.get("role")?.as_str()?;
    Some(Caller {
        role: Role::ALL.into_iter().find(|role| role.as_str() == word),
        account: number(claims.get("AccountId")?)?,
        organisation: number(claims.get("OrganisationId")?)?,
    })
}

fn number(claim: &Value) -> Option<i64> {
    claim.as_i64().or_else(|| claim.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const KEY: &str = "a-symmetric-key-of-a-test-0123456789";
    const NOW: OffsetDateTime = datetime!(2026-06-15 12:00 UTC);

    fn judged(claims: &Value) -> Option<Caller> {
        caller(KEY, NOW, Some(&format!("Bearer {}", sign(KEY, claims))))
    }

    #[test]
    fn a_good_token_tells_who_calls() {
        let caller = judged(&claims(Role::VcsDualRole, 7, 12)).unwrap();
        assert_eq!((caller.role, caller.account, caller.organisation), (Some(Role::VcsDualRole), 7, 12));
        assert!(Role::VcsDualRole.receives() && Role::LaDualRole.refers());
    }

    #[test]
    fn a_token_is_judged_by_the_simulated_clock() {
        let with = |name: &str, at: i64| {
            let mut claims = claims(Role::LaProfessional, 7, 1);
            claims[name] = json!(at);
            judged(&claims).is_some()
        };
        let now = NOW.unix_timestamp();
        assert_eq!(
            [with("exp", now + 1), with("exp", now), with("nbf", now), with("nbf", now + 1)],
            [true, false, true, false]
        );
    }

    #[test]
    fn a_claim_that_is_missing_or_no_number_makes_no_caller() {
        for name in ["role", "AccountId", "OrganisationId"] {
            let mut wrong = claims(Role::LaProfessional, 7, 1);
            wrong.as_object_mut().unwrap().remove(name);
            assert!(judged(&wrong).is_none(), "{name}");
        }
        let mut wrong = claims(Role::LaProfessional, 7, 1);
        wrong["AccountId"] = json!("seven");
        assert!(judged(&wrong).is_none());
    }

    #[test]
    fn another_key_another_algorithm_and_no_algorithm_are_refused() {
        let good = claims(Role::LaProfessional, 7, 1);
        let other = sign("another-key", &good);
        let secret = EncodingKey::from_secret(KEY.as_bytes());
        let longer = jsonwebtoken::encode(&Header::new(Algorithm::HS512), &good, &secret).unwrap();
        let none = format!("eyJhbGciOiJub25lIn0.{}.", other.split('.').nth(1).unwrap());
        for token in [other, longer, none, "nonsense".to_owned()] {
            assert!(caller(KEY, NOW, Some(&format!("Bearer {token}"))).is_none(), "{token}");
        }
        assert!(caller(KEY, NOW, None).is_none() && caller(KEY, NOW, Some(&sign(KEY, &good))).is_none());
    }
}
