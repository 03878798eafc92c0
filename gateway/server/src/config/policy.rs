//! What tenants decide about consent: `[[tenant]]` and `[[policy]]`, the code lists and records that they name, and what
//! must hold between them. All files are read when the configuration is, and each fault names file and line.

use super::people;
use super::sections::{Check, Config};
use super::{Fault, line};
use crate::adapters::Registry;
use gateway_core::consent::{
    Branch, ClassName, DirectCare, Notes, Policy, RecipientClass, RecipientPolicy, Register, WithheldCodes,
};
use gateway_core::identity::{PlatformId, TenantId};
use gateway_core::route;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use time::Date;
use toml::Spanned;
use toml::value::Datetime;

/// The conditions of UK GDPR that can be recorded, by article.
const BASES: [&str; 17] = [
    "6(1)(a)", "6(1)(b)", "6(1)(c)", "6(1)(d)", "6(1)(e)", "6(1)(ea)", "6(1)(f)", "9(2)(a)", "9(2)(b)", "9(2)(c)",
    "9(2)(d)", "9(2)(e)", "9(2)(f)", "9(2)(g)", "9(2)(h)", "9(2)(i)", "9(2)(j)",
];

/// Resources whose elements can be listed one by one; any other is listed as a whole.
const BY_ELEMENT: [&str; 3] = ["ServiceRequest", "Patient", "Task"];

/// `[[tenant]]`: what holds for all recipients of one tenant.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TenantSection {
    /// Which tenant.
    pub id: Spanned<TenantId>,
    /// Articles of UK GDPR under which it shares, where a recipient's policy names none.
    #[serde(default)]
    pub lawful_basis: Vec<Spanned<String>>,
    /// What any recipient of a class may have at most.
    #[serde(default)]
    pub at_most: BTreeMap<ClassSetting, Vec<Spanned<String>>>,
    /// Actor roles of its own in which somebody named in a Consent may receive.
    #[serde(default)]
    pub receiving_roles: Vec<route::Recipient>,
    /// Codes that ask for a review before a channel that the person reads is sent anything.
    #[serde(default)]
    pub review_codes: Vec<route::Recipient>,
    /// File with the codes that never leave.
    pub withheld_codes: Option<Spanned<PathBuf>>,
    /// File with its overrides.
    pub overrides: Option<Spanned<PathBuf>>,
    /// File that says who may consent for whom.
    pub standing: Option<Spanned<PathBuf>>,
    /// How much all its clients together may ask; absent = no more than each may.
    pub rate: Option<super::RateSection>,
}

/// `[[policy]]`: what one tenant lets one recipient have.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PolicySection {
    /// Whose decision it is.
    pub tenant: Spanned<TenantId>,
    /// The recipient.
    pub platform: Spanned<String>,
    /// What it is.
    #[serde(default)]
    pub class: ClassSetting,
    /// Who approved that it gives care, until when, and the minimum that it then gets.
    pub direct_care: Option<Spanned<DirectCareSection>>,
    /// What it may have at most; absent = what its class may have.
    pub at_most: Option<Vec<Spanned<String>>>,
    /// Whether it may have free text.
    #[serde(default)]
    pub notes: NotesSetting,
    /// The organisation of which it is a branch.
    pub branch_of: Option<Spanned<BranchSection>>,
    /// Articles of UK GDPR under which the tenant shares with it.
    #[serde(default)]
    pub lawful_basis: Vec<Spanned<String>>,
}

/// Kinds of recipients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassSetting {
    /// Nothing without a Consent that names it.
    #[default]
    Ordinary,
    /// It gives care itself.
    DirectCare,
    /// A statutory body.
    Statutory,
    /// A channel that the person, or somebody at home, reads.
    PatientFacing,
}

impl ClassSetting {
    const fn name(self) -> ClassName {
        match self {
            Self::Ordinary => ClassName::Ordinary,
            Self::DirectCare => ClassName::DirectCare,
            Self::Statutory => ClassName::Statutory,
            Self::PatientFacing => ClassName::PatientFacing,
        }
    }
}

/// `direct-care` of a policy.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DirectCareSection {
    /// Who approved it, by name.
    pub approver: String,
    /// The last day on which the listing counts.
    pub review: Datetime,
    /// What it gets where no Consent speaks of it.
    pub minimum: Vec<Spanned<String>>,
}

/// `branch-of` of a policy.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BranchSection {
    /// Identifiers by which a Consent names the organisation.
    pub identifiers: Vec<route::Recipient>,
    /// Whether a permit for the organisation is one for the branch.
    #[serde(default)]
    pub inherits: bool,
}

/// What happens to a referral with free text that this recipient's adapter reads.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotesSetting {
    /// It waits for a person.
    #[default]
    Review,
    /// Words beside a code or a reference are sent; for words that stand alone it waits.
    Labels,
    /// All is sent.
    Send,
}

/// What was decided, as the core reads it.
#[derive(Debug, Clone, Default)]
pub struct Decided {
    /// The policy of each tenant that has one.
    pub policies: BTreeMap<TenantId, Policy>,
    /// The records of each tenant that keeps some.
    pub registers: BTreeMap<TenantId, Register>,
}

/// Reads what tenants decided, with the files that they name, and tells every fault.
pub(super) fn read(config: &Config, text: &str) -> (Decided, Vec<Fault>) {
    let mut check = Check { text, faults: Vec::new() };
    let mut decided = Decided::default();
    check.tenants(config);
    for section in &config.policy {
        let policy = recipient_policy(&mut check, section, &config.adapters, config);
        let of_tenant = decided.policies.entry(section.tenant.get_ref().clone()).or_default();
        of_tenant.recipients.insert(PlatformId(section.platform.get_ref().clone()), policy);
    }
    for section in &config.tenant {
        let policy = decided.policies.entry(section.id.get_ref().clone()).or_default();
        tenant_policy(&mut check, section, config, policy);
        let register = people::read(&mut check, section, policy);
        decided.registers.insert(section.id.get_ref().clone(), register);
    }
    (decided, check.faults)
}

fn tenant_policy(check: &mut Check<'_>, section: &TenantSection, config: &Config, policy: &mut Policy) {
    policy.lawful_basis = check.bases("tenant.lawful-basis", &section.lawful_basis);
    policy.receiving_roles = pairs(&section.receiving_roles);
    policy.review_codes = pairs(&section.review_codes);
    for (class, list) in &section.at_most {
        check.paths("tenant.at-most", list);
        for platform in &config.platform {
            let id = PlatformId(platform.id.get_ref().clone());
            let of_class = policy.recipients.get(&id).map_or(ClassName::Ordinary, |of| of.class.name());
            if of_class == class.name() {
                check.leaves_needed(
                    "tenant.at-most",
                    list,
                    platform.adapter.get_ref(),
                    (&id.0, &config.adapters),
                    line(check.text, &section.id),
                );
            }
        }
        policy.at_most.insert(class.name(), texts(list));
    }
    let Some(path) = &section.withheld_codes else { return };
    let file = path.get_ref().display();
    match std::fs::read_to_string(path.get_ref()) {
        Err(error) => check.at(path, "tenant.withheld-codes", format!("{file}: {error}")),
        Ok(list) => match WithheldCodes::read(&list) {
            // A list by which nothing is recognised is a mistake, and one that nobody would notice.
            Ok(codes) if codes.is_empty() => {
                check.at(
                    path,
                    "tenant.withheld-codes",
                    format!("{file}: holds no code; leave the key out if that is meant"),
                );
            }
            Ok(codes) => policy.withheld = codes,
            Err(faults) => {
                for fault in faults {
                    check.at(path, "tenant.withheld-codes", format!("{file}:{}: {fault}", fault.line));
                }
            }
        },
    }
}

fn recipient_policy(
    check: &mut Check<'_>,
    section: &PolicySection,
    adapters: &Registry,
    config: &Config,
) -> RecipientPolicy {
    let (platform, place) = (section.platform.get_ref(), line(check.text, &section.platform));
    let adapter = config.platform.iter().find(|one| one.id.get_ref() == platform).map(|one| one.adapter.get_ref());
    if let Some(list) = &section.at_most {
        check.paths("policy.at-most", list);
        if let Some(adapter) = adapter {
            check.leaves_needed("policy.at-most", list, adapter, (platform, adapters), place);
        }
    }
    let notes = match section.notes {
        NotesSetting::Review => Notes::Review,
        NotesSetting::Labels => Notes::Labels,
        NotesSetting::Send => Notes::Send,
    };
    let branch = section.branch_of.as_ref().map(|branch| {
        if branch.get_ref().identifiers.is_empty() {
            check.at(branch, "policy.branch-of", "names no identifier of the organisation; give at least one");
        }
        Branch { identifiers: pairs(&branch.get_ref().identifiers), inherits: branch.get_ref().inherits }
    });
    let care = section.direct_care.as_ref().map(|care| {
        check.paths("policy.direct-care", &care.get_ref().minimum);
        if let Some(adapter) = adapter {
            check.leaves_needed("policy.direct-care", &care.get_ref().minimum, adapter, (platform, adapters), place);
        }
        direct_care(check, care)
    });
    let class = match (section.class, care) {
        (ClassSetting::DirectCare, Some(care)) => RecipientClass::DirectCare(care.unwrap_or(DirectCare {
            approver: String::new(),
            review: Date::MIN,
            minimum: Vec::new(),
        })),
        (ClassSetting::DirectCare, None) => {
            let words = "`direct-care` is missing: give it approver, review and minimum";
            check.at(&section.platform, "policy.class", words);
            RecipientClass::Ordinary
        }
        (_, Some(_)) => {
            let words =
                "`direct-care` stands here, and the class is another; set class = \"direct-care\" or leave it out";
            check.at(&section.platform, "policy.class", words);
            RecipientClass::Ordinary
        }
        (ClassSetting::Ordinary, None) => RecipientClass::Ordinary,
        (ClassSetting::Statutory, None) => RecipientClass::Statutory,
        (ClassSetting::PatientFacing, None) => RecipientClass::PatientFacing,
    };
    RecipientPolicy {
        class,
        at_most: section.at_most.as_ref().map(|list| texts(list)),
        notes,
        branch,
        lawful_basis: check.bases("policy.lawful-basis", &section.lawful_basis),
    }
}

/// `None` if something is missing; the faults say what.
fn direct_care(check: &mut Check<'_>, section: &Spanned<DirectCareSection>) -> Option<DirectCare> {
    let care = section.get_ref();
    if care.approver.trim().is_empty() {
        check.at(section, "policy.direct-care", "`approver` is empty; name the person who approved the listing");
    }
    if care.minimum.is_empty() {
        check.at(section, "policy.direct-care", "`minimum` is empty, so nothing would be sent; list what it gets");
    }
    let review = day(&care.review);
    if review.is_none() {
        check.at(section, "policy.direct-care", "`review` is no date; write it without time: 2027-01-31");
    }
    Some(DirectCare { approver: care.approver.clone(), review: review?, minimum: texts(&care.minimum) })
}

/// A date without time.
fn day(at: &Datetime) -> Option<Date> {
    let date = at.date.filter(|_| at.time.is_none())?;
    Date::from_calendar_date(i32::from(date.year), date.month.try_into().ok()?, date.day).ok()
}

fn texts(list: &[Spanned<String>]) -> Vec<String> {
    list.iter().map(|one| one.get_ref().clone()).collect()
}

fn pairs(list: &[route::Recipient]) -> Vec<(String, String)> {
    list.iter().map(|one| (one.system.clone(), one.value.clone())).collect()
}

impl Check<'_> {
    /// A tenant that nobody belongs to would be decisions that never count.
    fn tenants(&mut self, config: &Config) {
        let mut seen = BTreeSet::new();
        for section in &config.tenant {
            let tenant = section.id.get_ref();
            if !config.client.iter().any(|client| client.tenant == *tenant) {
                let words = format!("no [[client]] belongs to the tenant `{}`; name one that exists", tenant.0);
                self.at(&section.id, "tenant.id", words);
            }
            if !seen.insert(tenant) {
                self.at(&section.id, "tenant.id", "used twice; put both into one");
            }
        }
    }

    /// Articles as they are recorded: of each kind at most one, and one of Article 6 in any case.
    fn bases(&mut self, key: &str, list: &[Spanned<String>]) -> Vec<String> {
        for one in list.iter().filter(|one| !BASES.contains(&one.get_ref().as_str())) {
            let words =
                format!("`{}` is no condition of UK GDPR here; write for example 6(1)(e), 9(2)(h)", one.get_ref());
            self.at(one, key, words);
        }
        let of = |article: char| list.iter().filter(move |one| one.get_ref().starts_with(article)).count();
        if let Some(first) = list.first().filter(|_| of('6') != 1 || of('9') > 1) {
            self.at(first, key, "name one condition of Article 6, and at most one of Article 9");
        }
        texts(list)
    }

    /// A path that fits nothing would withhold what it was written to let through.
    fn paths(&mut self, key: &str, list: &[Spanned<String>]) {
        for path in list {
            let words = match path.get_ref().split('.').collect::<Vec<_>>()[..] {
                [kind] if gateway_fhir_elements::is_resource_type(kind) => continue,
                [kind, element] if BY_ELEMENT.contains(&kind) => {
                    if gateway_fhir_elements::member(kind, element).is_some() {
                        continue;
                    }
                    format!(
                        "{kind} has no element `{element}` in R4; a choice is written with its type: deceasedBoolean"
                    )
                }
                [kind, _, ..] if BY_ELEMENT.contains(&kind) => {
                    format!(
                        "`{}` is too deep: what is decided are whole elements such as {kind}.identifier",
                        path.get_ref()
                    )
                }
                [kind, _, ..] if gateway_fhir_elements::is_resource_type(kind) => {
                    format!("{kind} is let through as a whole or not at all; write `{kind}`")
                }
                _ => format!("`{}` begins with no resource type of R4", path.get_ref()),
            };
            self.at(path, key, words);
        }
    }

    /// A list without what the adapter cannot do without would let nothing through at all.
    fn leaves_needed(
        &mut self,
        key: &str,
        list: &[Spanned<String>],
        adapter: &str,
        (platform, adapters): (&str, &Registry),
        section: usize,
    ) {
        let Some(adapter) = adapters.find(adapter) else { return };
        let descriptor = adapter.descriptor();
        let overlaps = |need: &str, path: &str| {
            let within = |one: &str, other: &str| {
                one.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            within(need, path) || within(path, need)
        };
        for need in descriptor.data_needs.iter().filter(|need| need.needed) {
            if !list.iter().any(|path| overlaps(&need.path, path.get_ref())) {
                let words = format!(
                    "the platform `{platform}` would never be sent anything: its adapter cannot do without {}; add it",
                    need.path
                );
                let line = list.first().map_or(section, |first| line(self.text, first));
                self.fault(line, key, words);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, ConfigError, EXAMPLE, parse};
    use gateway_core::consent::{ClassName, RecipientClass};
    use gateway_core::identity::{PlatformId, TenantId};

    const POLICY: &str = "[[policy]]\ntenant = \"example-pcn\"\nplatform = \"food-bank\"\n";
    const TENANT: &str = "[[tenant]]\nid = \"example-pcn\"\n";

    fn read(sections: &str) -> Result<Config, Vec<String>> {
        match parse(&format!("{EXAMPLE}\n{sections}")) {
            Ok(config) => Ok(config),
            Err(ConfigError::Faults(faults)) => Err(faults.iter().map(ToString::to_string).collect()),
            Err(other) => Err(vec![other.to_string()]),
        }
    }

    fn faults(sections: &str) -> Vec<String> {
        read(sections).err().unwrap_or_default()
    }

    #[test]
    fn each_decision_that_could_not_count_is_a_fault_with_place_and_mend() {
        let care = "class = \"direct-care\"\ndirect-care = ";
        let cases = [
            (format!("{POLICY}class = \"charity\""), "unknown variant"),
            (format!("{POLICY}class = \"direct-care\""), "`direct-care` is missing"),
            (
                format!(
                    "{POLICY}direct-care = {{ approver = \"A\", review = 2027-01-31, minimum = [\"Patient\", \"ServiceRequest\"] }}"
                ),
                "the class is another",
            ),
            (
                format!(
                    "{POLICY}{care}{{ approver = \" \", review = 2027-01-31, minimum = [\"Patient\", \"ServiceRequest\"] }}"
                ),
                "`approver` is empty",
            ),
            (
                format!(
                    "{POLICY}{care}{{ approver = \"A\", review = 2027-01-31T00:00:00Z, minimum = [\"Patient\", \"ServiceRequest\"] }}"
                ),
                "`review` is no date",
            ),
            (format!("{POLICY}{care}{{ approver = \"A\", review = 2027-01-31, minimum = [] }}"), "`minimum` is empty"),
            (
                format!("{POLICY}{care}{{ approver = \"A\", review = 2027-01-31, minimum = [\"Patient.name\"] }}"),
                "cannot do without ServiceRequest.subject",
            ),
            (format!("{POLICY}at-most = [\"ServiceRequest\"]"), "cannot do without Patient.name"),
            (format!("{POLICY}at-most = []"), "cannot do without Patient.name"),
            (format!("{POLICY}at-most = [\"Patient\", \"ServiceRequest\", \"Patient.colour\"]"), "no element `colour`"),
            (
                format!("{POLICY}at-most = [\"Patient\", \"ServiceRequest\", \"Patient.deceased\"]"),
                "written with its type",
            ),
            (format!("{POLICY}at-most = [\"Patient\", \"ServiceRequest\", \"Patient.name.family\"]"), "too deep"),
            (format!("{POLICY}at-most = [\"Patient\", \"ServiceRequest\", \"Condition.code\"]"), "as a whole"),
            (format!("{POLICY}at-most = [\"Patient\", \"ServiceRequest\", \"Person x\"]"), "no resource type"),
            (format!("{POLICY}branch-of = {{ identifiers = [] }}"), "no identifier"),
            (format!("{POLICY}lawful-basis = [\"consent\"]"), "is no condition"),
            (format!("{POLICY}lawful-basis = [\"9(2)(h)\"]"), "one condition of Article 6"),
            (format!("{POLICY}lawful-basis = [\"6(1)(a)\", \"6(1)(e)\"]"), "one condition of Article 6"),
            (format!("{POLICY}lawful-basis = [\"6(1)(e)\", \"9(2)(a)\", \"9(2)(h)\"]"), "at most one"),
            ("[[tenant]]\nid = \"nobody\"".to_owned(), "no [[client]]"),
            (format!("{TENANT}{TENANT}"), "used twice"),
            (format!("{TENANT}at-most = {{ ordinary = [\"Patient.name\"] }}"), "`food-bank` would never be sent"),
            (format!("{TENANT}at-most = {{ charities = [] }}"), "unknown variant"),
            (format!("{TENANT}withheld-codes = \"no-such-file\""), "no-such-file: "),
            (format!("{TENANT}overrides = \"no-such-file\""), "no-such-file: "),
        ];
        for (sections, expected) in cases {
            let faults = faults(&sections);
            assert!(faults.iter().any(|fault| fault.contains(expected)), "{sections}: {faults:?}");
            assert!(faults.iter().all(|fault| fault.starts_with("line ")), "{sections}: {faults:?}");
        }
    }

    #[test]
    fn what_is_decided_reaches_the_engine() {
        let sections = format!(
            "{TENANT}lawful-basis = [\"6(1)(e)\"]\nreceiving-roles = [{{ system = \"urn:r\", value = \"provider\" }}]\n\
             review-codes = [{{ system = \"urn:c\", value = \"steps\" }}]\n\
             at-most = {{ ordinary = [\"Patient.name\"], direct-care = [\"Patient\", \"ServiceRequest\", \"Observation\"] }}\n\
             {POLICY}class = \"direct-care\"\nlawful-basis = [\"6(1)(c)\", \"9(2)(h)\"]\n\
             direct-care = {{ approver = \"Dr A\", review = 2027-01-31, minimum = [\"Patient.name\", \"ServiceRequest\"] }}\n\
             at-most = [\"Patient\", \"ServiceRequest\"]\n"
        );
        let config = read(&sections).expect("all is well: no ordinary recipient is left to starve");
        let policy = &config.decided.policies[&TenantId("example-pcn".to_owned())];
        let bank = PlatformId("food-bank".to_owned());
        let RecipientClass::DirectCare(care) = &policy.recipients[&bank].class else { panic!("{policy:?}") };
        assert_eq!((care.approver.as_str(), care.review), ("Dr A", time::macros::date!(2027 - 01 - 31)));
        assert_eq!(care.minimum, ["Patient.name", "ServiceRequest"]);
        assert_eq!(policy.at_most[&ClassName::DirectCare].len(), 3);
        assert_eq!(policy.receiving_roles, [("urn:r".to_owned(), "provider".to_owned())]);
        assert_eq!(policy.review_codes, [("urn:c".to_owned(), "steps".to_owned())]);
        assert_eq!(policy.lawful_basis(&bank), ["6(1)(c)", "9(2)(h)"]);
        assert_eq!(policy.lawful_basis(&PlatformId("other".to_owned())), ["6(1)(e)"]);
    }

    #[test]
    fn files_are_read_with_it_and_all_their_faults_told_by_file_and_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("is written");
            folder.path().join(name).display().to_string()
        };
        let codes = file("codes.tsv", "# ours\nabortion\turn:x\t1\ntermination\turn:x\n");
        let none = file("none.tsv", "# nothing yet\n");
        let record = |platform: &str, number: &str, who: &str, from: &str, expires: &str| {
            format!(
                "[[override]]\nid = \"a\"\nplatform = \"{platform}\"\nnhs-number = \"{number}\"\nprofessional = \"{who}\"\n\
                 reason = \"harm\"\nfrom = {from}\nexpires = {expires}\n"
            )
        };
        let (early, late) = ("2026-06-01T00:00:00Z", "2026-06-02T00:00:00Z");
        let overrides = file(
            "overrides.toml",
            &[
                record("food-bank", "9990000018", " ", early, late),
                record("food-bank", "9990000019", "Dr A", late, early),
                record("elsewhere", "9990000018", "Dr A", "2026-06-01", late),
            ]
            .concat(),
        );
        let person = "[[person]]\nnhs-number = \"9990000018\"\nrecorded-by = \"Dr A\"\n";
        let standing = file(
            "standing.toml",
            &format!(
                "{person}{person}proxy = [{{ reference = \"mother\", authority = \"parental\", until = 2030-01-01 }}]\n\
                 [[person]]\nnhs-number = \"123\"\nrecorded-by = \" \"\n"
            ),
        );
        let sections = format!(
            "{TENANT}withheld-codes = \"{codes}\"\noverrides = \"{overrides}\"\nstanding = \"{standing}\"\n\
             {POLICY}class = \"statutory\"\n"
        );
        let told = faults(&sections);
        for expected in [
            "codes.tsv:2: ",
            "codes.tsv:3: ",
            "overrides.toml:1: `professional`",
            "overrides.toml:9: `id`",
            "overrides.toml:9: `nhs-number`",
            "overrides.toml:9: `expires`",
            "overrides.toml:17: an override is for statutory",
            "overrides.toml:17: a time needs",
            "standing.toml:4: `reference`",
            "standing.toml:4: a time needs",
            "standing.toml:4: this person has a record already",
            "standing.toml:8: `nhs-number`",
        ] {
            assert!(told.iter().any(|fault| fault.contains(expected)), "{expected}: {told:#?}");
        }
        assert!(!told.concat().contains("999000001"), "no number is repeated");
        assert!(faults(&format!("{TENANT}withheld-codes = \"{none}\"")).concat().contains("holds no code"));
        let torn = file("torn.toml", "[[override]]\nid = 1\n");
        assert!(faults(&format!("{TENANT}overrides = \"{torn}\"")).concat().contains("torn.toml:2: "));
    }
}
