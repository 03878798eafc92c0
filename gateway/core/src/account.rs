//! Accounts: people who sign in to the gateway's own pages with a name and a passphrase, what each may do there, and how a
//! sign-in goes on and ends. Which referrals somebody sees is [`reach`](crate::reach).
//!
//! Only hashes are kept of what opens something. Failed attempts are counted by the name that was typed, whether there is such an
//! account or not: an answer and what is stored for it tell nobody which names exist. They are counted by where they come from as well
//! ([`Place`]): whoever tries a colleague's name in vain keeps out themselves, and not the colleague.

use crate::identity::{Client, ClientId, Profile, Role, TenantId};
use crate::reach::Reach;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use time::{Duration, OffsetDateTime};

/// Wrong passphrases for one name from one place after which none is looked at from there for a while.
pub const WRONG_BEFORE_REST: u32 = 5;
/// For how long that is, the first time.
pub const REST: Duration = Duration::minutes(15);
/// For how long it is at most: each further [`WRONG_BEFORE_REST`] double it. From one place that is at most 50 passphrases of a name
/// on the first day and 30 on each further one. It never is for ever: colleagues may share a place.
pub const LONGEST_REST: Duration = Duration::hours(4);
/// After so long without a wrong passphrase, earlier ones no longer count.
pub const FORGOTTEN: Duration = Duration::DAY;

/// A browser is known for so long after somebody last signed in with it.
pub const KNOWN: Duration = Duration::days(180);

/// A sign-in ends after so long without a request.
pub const IDLE: Duration = Duration::minutes(20);
/// A sign-in ends after so long, whatever is done: a working day.
pub const LONGEST: Duration = Duration::hours(10);
/// That somebody was there is written down again after so long, not with every page.
pub const SEEN_AGAIN: Duration = Duration::minutes(1);

/// What the name that a person signs in with begins with, as audit and resources write who acted.
pub const ACTOR: &str = "account/";

/// The name that a person signs in with.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(pub String);

impl AccountId {
    /// A name as it is kept: in small letters.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(typed: &str) -> Result<Self, String> {
        let name = typed.trim().to_lowercase();
        let fits = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || ".-_@+".contains(char);
        let begins = name.chars().next().is_some_and(|char| char.is_ascii_lowercase() || char.is_ascii_digit());
        if (2..=64).contains(&name.len()) && begins && name.chars().all(fits) {
            return Ok(Self(name));
        }
        Err("a sign-in name has 2 to 64 letters (a-z), digits and . - _ @ +, and begins with a letter or a digit"
            .to_owned())
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What somebody may do on the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccountRole {
    /// Sees the work list and its referrals, and acts on them.
    LinkWorker,
    /// Sees the same, and changes nothing.
    Reader,
    /// Looks after delivery: sees that something waits, where and why, and nothing of a person.
    Operator,
}

impl AccountRole {
    /// All, in the order in which they are listed.
    pub const ALL: [Self; 3] = [Self::LinkWorker, Self::Reader, Self::Operator];

    /// Its word on the command line and in lists.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::LinkWorker => "link-worker",
            Self::Reader => "reader",
            Self::Operator => "operator",
        }
    }

    /// What this word names.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }
}

/// Somebody who may sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The name to sign in with; one in the whole gateway.
    pub id: AccountId,
    /// Grows by one with each change; a change made on an older revision is refused.
    pub revision: u64,
    /// The customer it belongs to.
    pub tenant: TenantId,
    /// The sending organisations (ODS codes) whose referrals it works on; at least one.
    pub organisations: BTreeSet<String>,
    /// As colleagues read it.
    pub name: String,
    /// What it may do.
    pub roles: BTreeSet<AccountRole>,
    /// Which of the organisations' referrals it sees.
    pub reach: Reach,
    /// Argon2id hash (PHC string) of its passphrase.
    pub passphrase_hash: String,
    /// Grows when every sign-in has to end: with a new passphrase, and when it is closed.
    pub epoch: u32,
    /// True if nobody signs in with it any more.
    pub disabled: bool,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub made_at: OffsetDateTime,
}

impl Account {
    /// With another passphrase; whoever is signed in has to sign in again.
    #[must_use]
    pub fn with_passphrase(&self, passphrase_hash: String) -> Self {
        Self { revision: self.revision + 1, passphrase_hash, epoch: self.epoch + 1, ..self.clone() }
    }

    /// Closed, or open again; whoever is signed in has to sign in again.
    #[must_use]
    pub fn disabled(&self, disabled: bool) -> Self {
        Self { revision: self.revision + 1, disabled, epoch: self.epoch + 1, ..self.clone() }
    }

    /// Whether it has this role.
    #[must_use]
    pub fn may(&self, role: AccountRole) -> bool {
        self.roles.contains(&role)
    }

    /// Whether it may read what the referrals say of people.
    #[must_use]
    pub fn reads_people(&self) -> bool {
        self.may(AccountRole::LinkWorker) || self.may(AccountRole::Reader)
    }

    /// How it signs what it does: `account/<name>`.
    #[must_use]
    pub fn actor(&self) -> String {
        format!("{ACTOR}{}", self.id.0)
    }

    /// The account as a caller of the FHIR API in the compartment of one of its organisations: the same decisions are made for it as
    /// for any other. `None` if the organisation is not one of its own.
    #[must_use]
    pub fn client(&self, organisation: &str) -> Option<Client> {
        self.organisations.contains(organisation).then(|| Client {
            id: ClientId(self.actor()),
            tenant: self.tenant.clone(),
            organisation: organisation.to_owned(),
            profile: Profile::Fhir,
            // It records no consent: that is asked for where the person is.
            roles: if self.may(AccountRole::LinkWorker) { [Role::Referrer].into() } else { [Role::Reader].into() },
            platform: None,
        })
    }
}

/// What the store keeps of signing in: a browser that is signed in, or attempts that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum SignIn {
    /// Somebody is signed in.
    Session(Session),
    /// A name was tried in vain.
    Attempts(Attempts),
}

impl SignIn {
    /// What it is found by; tells nothing of name or secret.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Session(session) => &session.secret_sha256,
            Self::Attempts(attempts) => &attempts.key,
        }
    }

    /// Grows by one with each change.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        match self {
            Self::Session(session) => session.revision,
            Self::Attempts(attempts) => attempts.revision,
        }
    }

    /// From when on it means nothing any more.
    #[must_use]
    pub fn expires_at(&self) -> OffsetDateTime {
        match self {
            Self::Session(session) => session.expires_at(),
            Self::Attempts(attempts) => attempts.last + FORGOTTEN,
        }
    }
}

/// A browser that is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// SHA-256 (hex) of the secret that the browser was given.
    pub secret_sha256: String,
    /// Grows by one with each change.
    pub revision: u64,
    /// Whose it is.
    pub account: AccountId,
    /// [`Account::epoch`] at the sign-in.
    pub epoch: u32,
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    pub began: OffsetDateTime,
    /// When somebody was last seen with it, to [`SEEN_AGAIN`].
    #[serde(with = "time::serde::rfc3339")]
    pub seen: OffsetDateTime,
}

impl Session {
    /// A new one.
    #[must_use]
    pub fn begun(account: &Account, secret_sha256: String, now: OffsetDateTime) -> Self {
        Self { secret_sha256, revision: 1, account: account.id.clone(), epoch: account.epoch, began: now, seen: now }
    }

    /// When it ends by itself, if nothing more is asked with it.
    #[must_use]
    pub fn expires_at(&self) -> OffsetDateTime {
        (self.seen + IDLE).min(self.began + LONGEST)
    }

    /// Whether it is open at this time, for the account as it stands. A clock that was put back opens nothing again.
    #[must_use]
    pub fn is_open(&self, account: &Account, now: OffsetDateTime) -> bool {
        self.account == account.id && self.epoch == account.epoch && !account.disabled && now < self.expires_at()
    }

    /// The next revision, if it is time to write down that somebody was there.
    #[must_use]
    pub fn seen_again(&self, now: OffsetDateTime) -> Option<Self> {
        (now >= self.seen + SEEN_AGAIN).then(|| Self { revision: self.revision + 1, seen: now, ..self.clone() })
    }
}

/// Where an attempt to sign in comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A browser with which this name was signed in before, by what it was given then. Nobody else has it: nobody else's attempts count
    /// against it, also where everybody has the address of one proxy.
    Browser(String),
    /// Any other, by its network.
    Network(IpAddr),
}

/// Attempts to sign in with one name from one place that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempts {
    /// [`attempts_key`] of the name and the place.
    pub key: String,
    /// Grows by one with each change.
    pub revision: u64,
    /// How many.
    pub wrong: u32,
    /// When the last one was.
    #[serde(with = "time::serde::rfc3339")]
    pub last: OffsetDateTime,
    /// Until when no passphrase is looked at; absent = one is.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub rests_until: Option<OffsetDateTime>,
}

/// Under which key the attempts with a name from a place are counted.
#[must_use]
pub fn attempts_key(name: &AccountId, place: &Place) -> String {
    match place {
        Place::Browser(known) => crate::task::derived_id(&["sign-in", &name.0, "browser", known]),
        Place::Network(network) => crate::task::derived_id(&["sign-in", &name.0, "network", &network.to_string()]),
    }
}

impl Attempts {
    /// Whether a passphrase is looked at now.
    #[must_use]
    pub fn may_be_tried(&self, now: OffsetDateTime) -> bool {
        self.rests_until.is_none_or(|until| until <= now)
    }

    /// One more, after these; the first if there were none.
    #[must_use]
    pub fn one_more(before: Option<&Self>, key: &str, now: OffsetDateTime) -> Self {
        let counted = before.filter(|before| now < before.last + FORGOTTEN).map_or(0, |before| before.wrong);
        let wrong = counted.saturating_add(1);
        let rests = wrong / WRONG_BEFORE_REST;
        let rest = REST * 2_i32.saturating_pow(rests.saturating_sub(1).min(8));
        let rests_until = wrong.is_multiple_of(WRONG_BEFORE_REST).then(|| now + rest.min(LONGEST_REST));
        // One that was counted at the same moment takes no rest away.
        let standing = before.and_then(|before| before.rests_until).filter(|until| *until > now);
        let rests_until = rests_until.max(standing);
        let revision = before.map_or(0, |before| before.revision) + 1;
        Self { key: key.to_owned(), revision, wrong, last: now, rests_until }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-06-15 09:00 UTC);

    fn account() -> Account {
        Account {
            id: AccountId("anna".to_owned()),
            revision: 3,
            tenant: TenantId("pcn".to_owned()),
            organisations: ["A82001".to_owned()].into(),
            name: "Anna Link".to_owned(),
            roles: [AccountRole::LinkWorker].into(),
            reach: Reach::default(),
            passphrase_hash: String::new(),
            epoch: 1,
            disabled: false,
            made_at: NOW,
        }
    }

    #[test]
    fn names_are_kept_in_one_form_and_odd_ones_are_refused() {
        assert_eq!(AccountId::read("  Anna.Link@NHS.net "), Ok(AccountId("anna.link@nhs.net".to_owned())));
        for typed in ["", "a", "anna link", "anna/../x", "-anna", "ännä", &"a".repeat(65), "anna\u{0}b"] {
            assert!(AccountId::read(typed).is_err(), "{typed}");
        }
    }

    #[test]
    fn a_session_ends_when_nobody_is_there_at_the_end_of_the_day_and_with_its_account() {
        let account = account();
        let session = Session::begun(&account, "hash".to_owned(), NOW);
        assert!(session.is_open(&account, NOW + IDLE - Duration::SECOND));
        assert!(!session.is_open(&account, NOW + IDLE), "idle");
        assert_eq!(session.seen_again(NOW + SEEN_AGAIN - Duration::SECOND), None);
        let mut busy = session.clone();
        let mut at = NOW;
        while at < NOW + LONGEST - Duration::minutes(10) {
            at += Duration::minutes(10);
            busy = busy.seen_again(at).expect("it is time");
        }
        assert!(busy.is_open(&account, NOW + LONGEST - Duration::SECOND));
        assert!(!busy.is_open(&account, NOW + LONGEST), "the day is over, whatever is done");
        for ended in [account.with_passphrase("new".to_owned()), account.disabled(true), account.disabled(false)] {
            assert!(!session.is_open(&ended, NOW), "{ended:?}");
            assert_eq!(ended.revision, 4);
        }
        let other = Account { id: AccountId("ben".to_owned()), ..account };
        assert!(!session.is_open(&other, NOW));
    }

    #[test]
    fn names_rest_longer_and_longer_and_never_for_ever() {
        let (name, place) = (AccountId("anna".to_owned()), Place::Network([192, 0, 2, 1].into()));
        let key = attempts_key(&name, &place);
        let (mut attempts, mut now, mut rests) = (None, NOW, Vec::new());
        for _ in 0..(WRONG_BEFORE_REST * 8) {
            let next = Attempts::one_more(attempts.as_ref(), &key, now);
            assert_eq!(next.revision, attempts.as_ref().map_or(1, |before: &Attempts| before.revision + 1));
            if let Some(until) = next.rests_until {
                assert!(!next.may_be_tried(until - Duration::SECOND) && next.may_be_tried(until));
                rests.push((until - now).whole_minutes());
                now = until;
            }
            attempts = Some(next);
        }
        assert_eq!(rests, [15, 30, 60, 120, 240, 240, 240, 240]);
        let fresh = Attempts::one_more(attempts.as_ref(), &key, now + FORGOTTEN);
        assert_eq!((fresh.wrong, fresh.rests_until), (1, None));
        assert!(SignIn::Attempts(fresh.clone()).expires_at() > now);
    }

    #[test]
    fn one_that_is_counted_at_the_same_moment_takes_no_rest_away() {
        let five = (0..5).fold(None, |before, _| Some(Attempts::one_more(before.as_ref(), "key", NOW))).unwrap();
        assert!(!five.may_be_tried(NOW));
        let six = Attempts::one_more(Some(&five), "key", NOW);
        assert_eq!((six.wrong, six.rests_until), (6, five.rests_until));
    }

    #[test]
    fn one_place_tries_fifty_passphrases_of_a_name_a_day_and_no_more() {
        let (mut attempts, mut now) = (None::<Attempts>, NOW);
        let mut tried = |until: OffsetDateTime| {
            let mut count = 0;
            while now < until {
                match attempts.as_ref().and_then(|before| before.rests_until).filter(|rests| *rests > now) {
                    Some(rests) => now = rests,
                    None => {
                        attempts = Some(Attempts::one_more(attempts.as_ref(), "key", now));
                        count += 1;
                    }
                }
            }
            count
        };
        assert_eq!(tried(NOW + Duration::DAY), 50);
        assert_eq!(tried(NOW + Duration::days(2)), 30);
    }

    #[test]
    fn each_name_and_place_is_counted_alone() {
        let (anna, ben) = (AccountId("anna".to_owned()), AccountId("ben".to_owned()));
        let places = [
            Place::Network([192, 0, 2, 1].into()),
            Place::Network([192, 0, 2, 2].into()),
            Place::Browser("192.0.2.1".to_owned()),
            Place::Browser("other".to_owned()),
        ];
        let keys: BTreeSet<String> =
            places.iter().flat_map(|place| [attempts_key(&anna, place), attempts_key(&ben, place)]).collect();
        assert_eq!(keys.len(), 8);
    }

    #[test]
    fn an_account_calls_as_a_client_of_its_own_organisations_alone() {
        let account = account();
        let client = account.client("A82001").expect("its own");
        assert_eq!((client.author(), client.organisation.as_str()), ("account/anna".to_owned(), "A82001"));
        assert!(client.roles.contains(&Role::Referrer) && !client.roles.contains(&Role::Consent));
        assert_eq!(account.client("A82002"), None);
        let reader = Account { roles: [AccountRole::Reader].into(), ..account };
        assert!(!reader.client("A82001").expect("its own").roles.contains(&Role::Referrer));
    }
}
