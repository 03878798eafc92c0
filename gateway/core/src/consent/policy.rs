//! What a tenant decides about the rules: who gives care itself, what each recipient may have at most, which codes never
//! leave, and overrides for safeguarding. Everything is off until it is configured.

use super::Recipient;
use crate::identity::PlatformId;
use std::collections::BTreeMap;
use time::{Date, OffsetDateTime};

/// A tenant's policy. The default knows no recipient that gives care, no statutory one and no code list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// By platform; what is not listed is an ordinary recipient.
    pub recipients: BTreeMap<PlatformId, RecipientPolicy>,
    /// Actor roles (system, code), beyond those of HL7, in which somebody named may receive.
    pub receiving_roles: Vec<(String, String)>,
    /// The codes that never leave.
    pub withheld: WithheldCodes,
    /// Codes (system, code) on a record that ask for a review before anything is shown to the person or the family.
    pub review_codes: Vec<(String, String)>,
}

/// What holds for one recipient.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecipientPolicy {
    /// What it is.
    pub class: RecipientClass,
    /// Element paths (as in the adapter's needs) that it may have at most; `None` = no limit beyond consent and needs.
    pub at_most: Option<Vec<String>>,
    /// Whether free-text notes may be sent.
    pub notes: Notes,
    /// The organisation of which it is a branch.
    pub branch: Option<Branch>,
}

/// Kinds of recipients that the rules tell apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum RecipientClass {
    /// A VCSE organisation: nothing without a Consent that names it (R12).
    #[default]
    Ordinary,
    /// It gives care itself (R1): without any Consent it may have the minimum.
    DirectCare(DirectCare),
    /// A statutory body: the only kind that an override may serve (R8).
    Statutory,
    /// A channel that the person, or somebody at home, can read.
    PatientFacing,
}

/// Why, and until when, a recipient is listed as giving care.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectCare {
    /// Who approved it, by name. Without a name the listing does not count.
    pub approver: String,
    /// The day on which it has to be looked at again; after it the listing does not count.
    pub review: Date,
    /// Element paths of the minimum set.
    pub minimum: Vec<String>,
}

/// What happens to a referral with a note that this recipient's adapter reads (R7).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Notes {
    /// It waits for a person.
    #[default]
    Review,
    /// The note is sent.
    Send,
}

/// The organisation of which a recipient is a branch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Branch {
    /// Identifiers (system, value) of the organisation.
    pub identifiers: Vec<(String, String)>,
    /// Whether a permit that names the organisation is one for the branch. A refusal always is.
    pub inherits: bool,
}

/// A decision to share without consent (R8). It is a record of its own and never a Consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// Its id, for audit.
    pub id: String,
    /// The only recipient.
    pub recipient: PlatformId,
    /// Who decided, by name or registration.
    pub professional: String,
    /// Why: safeguarding or vital interests, in words of theirs.
    pub reason: String,
    /// From when.
    pub from: OffsetDateTime,
    /// Until when; at this instant it is over.
    pub expires: OffsetDateTime,
}

/// Codes that never leave, by group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WithheldCodes {
    /// System, code, and the group.
    codes: BTreeMap<(String, String), String>,
}

/// The four groups that GP systems withhold, as a table: group, title, the NHS reference set that lists its codes.
const GROUPS: &str = include_str!("../../tables/withheld-groups.tsv");

/// A line of a code list that cannot be read. Its text is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the code list is not `group`, tab, `system`, tab, `code` with a group of withheld-groups.tsv")]
pub struct CodeListFault {
    /// Which line, from 1.
    pub line: usize,
}

impl WithheldCodes {
    /// The groups: short name and title.
    pub fn groups() -> impl Iterator<Item = (&'static str, &'static str)> {
        let rows = GROUPS.lines().filter(|line| !line.starts_with('#'));
        rows.filter_map(|row| {
            let mut cells = row.split('\t');
            Some((cells.next()?, cells.next()?))
        })
    }

    /// Reads a tenant's list: `group`, `system` and `code`, with tabs between; lines with `#` are remarks.
    ///
    /// # Errors
    /// [`CodeListFault`] for the first line that is not so, or names a group that does not exist.
    pub fn read(list: &str) -> Result<Self, CodeListFault> {
        let mut codes = BTreeMap::new();
        for (line, text) in (1..).zip(list.lines()) {
            if text.trim().is_empty() || text.starts_with('#') {
                continue;
            }
            let mut cells = text.split('\t').map(str::trim);
            let (Some(group), Some(system), Some(code), None) =
                (cells.next(), cells.next(), cells.next(), cells.next())
            else {
                return Err(CodeListFault { line });
            };
            if code.is_empty() || system.is_empty() || !Self::groups().any(|(known, _)| known == group) {
                return Err(CodeListFault { line });
            }
            codes.insert((system.to_owned(), code.to_owned()), group.to_owned());
        }
        Ok(Self { codes })
    }

    /// Whether this code is in any group.
    #[must_use]
    pub fn holds(&self, system: &str, code: &str) -> bool {
        // A code without a system may be of any.
        self.codes.keys().any(|(of, known)| known == code && (of == system || system.is_empty()))
    }
}

/// What the engine reads of one recipient's policy.
pub(super) struct Of<'a> {
    pub(super) class: &'a RecipientClass,
    pub(super) at_most: Option<&'a [String]>,
    pub(super) notes: Notes,
    pub(super) branch_of: Option<&'a Branch>,
}

impl Policy {
    pub(super) fn of(&self, recipient: &Recipient) -> Of<'_> {
        match self.recipients.get(&recipient.platform) {
            Some(policy) => Of {
                class: &policy.class,
                at_most: policy.at_most.as_deref(),
                notes: policy.notes,
                branch_of: policy.branch.as_ref(),
            },
            None => Of { class: &RecipientClass::Ordinary, at_most: None, notes: Notes::Review, branch_of: None },
        }
    }
}
