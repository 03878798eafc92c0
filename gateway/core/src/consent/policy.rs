//! What a tenant decides about the rules: who gives care itself, what each recipient may have at most, which codes never
//! leave, and overrides for safeguarding. Everything is off until it is configured.

use super::{Recipient, Standing};
use crate::identity::PlatformId;
use std::collections::BTreeMap;
use time::{Date, OffsetDateTime};

/// A tenant's policy. The default knows no recipient that gives care, no statutory one and no code list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// By platform; what is not listed is an ordinary recipient.
    pub recipients: BTreeMap<PlatformId, RecipientPolicy>,
    /// Element paths that any recipient of a class may have at most; a class that is not listed has no such limit. What a
    /// recipient's own list says narrows it further, and never widens it.
    pub at_most: BTreeMap<ClassName, Vec<String>>,
    /// The lawful basis where a recipient's own policy names none; see [`RecipientPolicy::lawful_basis`].
    pub lawful_basis: Vec<String>,
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
    /// Whether free text may be sent.
    pub notes: Notes,
    /// The organisation of which it is a branch.
    pub branch: Option<Branch>,
    /// Under which articles of UK GDPR the tenant shares with it: `6(1)(e)`, `9(2)(h)`. Recorded with each decision and no
    /// input of any: lawful basis and consent are two matters.
    pub lawful_basis: Vec<String>,
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

/// The name of a class, without what is particular to one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClassName {
    /// [`RecipientClass::Ordinary`].
    Ordinary,
    /// [`RecipientClass::DirectCare`].
    DirectCare,
    /// [`RecipientClass::Statutory`].
    Statutory,
    /// [`RecipientClass::PatientFacing`].
    PatientFacing,
}

impl RecipientClass {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> ClassName {
        match self {
            Self::Ordinary => ClassName::Ordinary,
            Self::DirectCare(_) => ClassName::DirectCare,
            Self::Statutory => ClassName::Statutory,
            Self::PatientFacing => ClassName::PatientFacing,
        }
    }
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

/// What happens to a referral with free text that this recipient's adapter reads (R7).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Notes {
    /// It waits for a person.
    #[default]
    Review,
    /// Words beside a code or a reference are sent; for words that stand alone it waits.
    Labels,
    /// All is sent.
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
    /// [`CodeListFault`] for each line that is not so, or names a group that does not exist.
    pub fn read(list: &str) -> Result<Self, Vec<CodeListFault>> {
        let (mut codes, mut faults) = (BTreeMap::new(), Vec::new());
        for (line, text) in (1..).zip(list.lines()) {
            if text.trim().is_empty() || text.starts_with('#') {
                continue;
            }
            let mut cells = text.split('\t').map(str::trim);
            let (Some(group), Some(system), Some(code), None) =
                (cells.next(), cells.next(), cells.next(), cells.next())
            else {
                faults.push(CodeListFault { line });
                continue;
            };
            if code.is_empty() || system.is_empty() || !Self::groups().any(|(known, _)| known == group) {
                faults.push(CodeListFault { line });
                continue;
            }
            codes.insert((system.to_owned(), code.to_owned()), group.to_owned());
        }
        if faults.is_empty() { Ok(Self { codes }) } else { Err(faults) }
    }

    /// Whether no code is listed, so that none is recognised.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
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
    /// What its class and what itself may have at most. Where both say something, both hold.
    pub(super) at_most: Vec<&'a [String]>,
    pub(super) notes: Notes,
    pub(super) branch_of: Option<&'a Branch>,
}

impl Policy {
    pub(super) fn of(&self, recipient: &Recipient) -> Of<'_> {
        let own = self.recipients.get(&recipient.platform);
        let class = own.map_or(&RecipientClass::Ordinary, |policy| &policy.class);
        let of_class = self.at_most.get(&class.name()).map(Vec::as_slice);
        let of_its_own = own.and_then(|policy| policy.at_most.as_deref());
        Of {
            class,
            at_most: of_class.into_iter().chain(of_its_own).collect(),
            notes: own.map(|policy| policy.notes).unwrap_or_default(),
            branch_of: own.and_then(|policy| policy.branch.as_ref()),
        }
    }

    /// The lawful basis under which the tenant shares with this platform; empty if it recorded none.
    #[must_use]
    pub fn lawful_basis(&self, platform: &PlatformId) -> &[String] {
        let own = self.recipients.get(platform).map(|policy| policy.lawful_basis.as_slice());
        own.filter(|basis| !basis.is_empty()).unwrap_or(&self.lawful_basis)
    }
}

/// What a tenant keeps on record about single persons, by NHS number: overrides, and who may consent for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Register {
    /// Overrides, each with the NHS number of the only person whom it is about.
    pub overrides: Vec<(String, Override)>,
    /// Who may consent.
    pub standing: BTreeMap<String, Standing>,
}

impl Register {
    /// The overrides about this person. Without an NHS number nobody can be told from others, and there are none.
    #[must_use]
    pub fn overrides(&self, nhs_number: Option<&str>) -> Vec<Override> {
        let about = self.overrides.iter().filter(|(number, _)| nhs_number == Some(number.as_str()));
        about.map(|(_, one)| one.clone()).collect()
    }

    /// Who may consent for this person.
    #[must_use]
    pub fn standing(&self, nhs_number: Option<&str>) -> Standing {
        nhs_number.and_then(|number| self.standing.get(number)).cloned().unwrap_or_default()
    }
}
