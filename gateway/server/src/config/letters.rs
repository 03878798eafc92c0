//! What a `[[client]]` says of letters to the practice: `notify.document`.

use super::access::{CertificateSection, Reader, network};
use super::files::{is_mailbox, mesh_of};
use super::sections::{Check, ClientSection, SecretSource};
use super::{Config, Fault, is_loopback};
use crate::notify::letter::{End, Office, Practice};
use crate::transport::access::{Access, Credentials};
use crate::transport::dial::Allowed;
use crate::transport::mesh::post::PostOffice;
use adapter_contract::TaskStatus;
use gateway_core::identity::{ClientId, Compartment, Owner};
use gateway_documents::mesh::{DateOrder, MeshOptions, SubjectForm, Workflow};
use gateway_documents::message::{
    Authorship, DocumentType, LocalExtension, MessageDefinition, Options, RecipientType, ReplacedId,
    VerificationExtension,
};
use gateway_documents::parties::{Author, OdsCode, Organisation, PersonName};
use serde::Deserialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// `notify.document` of a client.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DocumentSection {
    /// Address of the MESH API.
    pub base_url: String,
    /// Our mailbox.
    pub mailbox: String,
    /// The password of our mailbox.
    pub password: SecretSource,
    /// The shared key of the environment.
    pub shared_key: SecretSource,
    /// What the gateway shows of itself to MESH.
    pub certificate: Option<CertificateSection>,
    /// PEM file of those who vouch for MESH; absent = whom the operating system trusts.
    pub authority: Option<PathBuf>,
    /// Networks beside the internet into which its name may lead.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// A mailbox to which every letter goes, in place of the practice that MESH finds by the patient.
    pub to: Option<String>,
    /// Who sends.
    pub sender: SenderSection,
    /// Who answers for what is written.
    pub author: AuthorSection,
    /// For whom it is meant.
    pub practice: PracticeSection,
    /// Title of the letter; absent = "Outcome of a social prescribing referral".
    pub title: Option<String>,
    /// The ends of which a letter tells; absent = completed, rejected, failed, ended-by-service.
    pub on: Option<Vec<EndWord>>,
    /// Whether the practice is asked to act; absent = it is asked to put the letter into the record.
    #[serde(default)]
    pub recipient: RecipientWord,
    /// What becomes of a letter about somebody whose NHS number nobody says is traced; absent = a person is told.
    #[serde(default)]
    pub untraced: UntracedWord,
    /// Minutes that a letter waits for further word; absent = 30.
    pub wait_minutes: Option<u16>,
    /// Days in which both acknowledgements have to come before a person is told; absent = 5, after which MESH gives a message up.
    pub acknowledgement_days: Option<u16>,
    /// Seconds between two looks into the mailbox; absent = 300.
    pub poll_seconds: Option<u32>,
    /// Choices where the published sources contradict each other.
    #[serde(default)]
    pub options: OptionsSection,
}

/// The organisation that sends.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SenderSection {
    /// Its ODS code.
    pub ods: String,
    /// Its name.
    pub name: String,
    /// Where the practice can ask.
    pub telephone: String,
}

/// Who answers for what is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AuthorSection {
    /// Forenames.
    #[serde(default)]
    pub given: Vec<String>,
    /// Surname.
    pub family: String,
    /// Such as "Link worker".
    pub role: Option<String>,
    /// Where the practice can ask.
    pub telephone: Option<String>,
    /// User in the Spine Directory Service.
    pub sds_user_id: Option<String>,
}

/// For whom letters are meant.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PracticeSection {
    /// Its name.
    pub name: String,
    /// Its ODS code, by which a Consent may name it; absent = the client's organisation.
    pub ods: Option<String>,
}

/// An end of a referral.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndWord {
    /// `Task.status` completed.
    Completed,
    /// `Task.status` rejected.
    Rejected,
    /// `Task.status` failed.
    Failed,
    /// `Task.status` cancelled, whoever did that.
    Cancelled,
    /// `Task.status` cancelled by the service.
    EndedByService,
}

impl EndWord {
    const USUAL: [Self; 4] = [Self::Completed, Self::Rejected, Self::Failed, Self::EndedByService];

    const fn end(self) -> End {
        match self {
            Self::Completed => End::Status(TaskStatus::Completed),
            Self::Rejected => End::Status(TaskStatus::Rejected),
            Self::Failed => End::Status(TaskStatus::Failed),
            Self::Cancelled => End::Status(TaskStatus::Cancelled),
            Self::EndedByService => End::ByService,
        }
    }
}

/// Whether the practice is asked to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecipientWord {
    /// `FA`.
    #[default]
    ForAction,
    /// `FI`.
    ForInformation,
}

/// What becomes of a letter about somebody who is not traced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UntracedWord {
    /// A person is told.
    #[default]
    Hold,
    /// It is sent, and says so.
    Send,
}

/// Choices where the published sources contradict each other. The first of each is the default.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct OptionsSection {
    /// Order of day, month and year in `mex-to`.
    pub date_order: DateOrderWord,
    /// Form of `mex-subject`.
    pub subject: SubjectWord,
    /// The pair of workflows.
    pub workflow: WorkflowWord,
    /// The `MessageDefinition`.
    pub message_definition: MessageDefinitionWord,
    /// The spelling of "none".
    pub local_extension: LocalExtensionWord,
    /// `Composition.type`.
    pub document_type: DocumentTypeWord,
    /// Whom `Composition.author` names.
    pub authorship: AuthorshipWord,
    /// Which id of the letter before is named.
    pub replaced_id: ReplacedIdWord,
    /// The extension on the NHS number's verification.
    pub verification: VerificationWord,
}

/// The words of the file for the choices of the documents' crate: the first is meant where none is written.
macro_rules! choices {
    ($($name:ident => $into:ident { $first:ident $(, $other:ident)+ $(,)? })+) => {$(
        #[doc = concat!("[`", stringify!($into), "`].")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name {
            #[default]
            $first,
            $($other),+
        }

        impl From<$name> for $into {
            fn from(word: $name) -> Self {
                match word {
                    $name::$first => Self::$first,
                    $($name::$other => Self::$other),+
                }
            }
        }
    )+};
}

choices! {
    DateOrderWord => DateOrder { DayFirst, YearFirst }
    SubjectWord => SubjectForm { ConformanceList, ApiPage }
    WorkflowWord => Workflow { SendDocument, ConsultationReport }
    MessageDefinitionWord => MessageDefinition { One, InstanceOne }
    LocalExtensionWord => LocalExtension { None, Capitals }
    DocumentTypeWord => DocumentType { ReportOfClinicalEncounter, RemoteHealthCorrespondence, RemoteConsultation }
    AuthorshipWord => Authorship { Practitioner, Both }
    ReplacedIdWord => ReplacedId { Payload, Message }
    VerificationWord => VerificationExtension { CareConnect, CareConnectGpc }
}

/// GPCM-SD-096: within three hours; the sending itself needs some of them.
const LONGEST_WAIT: u16 = 170;
/// Longest title: it becomes part of a MESH subject.
const TITLE: usize = 100;

impl Check<'_> {
    /// What contradicts itself.
    pub(super) fn letters(&mut self, client: &ClientSection) {
        let Some(section) = &client.notify.document else { return };
        let (key, document) = ("client.notify.document", section.get_ref());
        let mut fault = |words: &str| self.at(section, key, words);
        match Url::parse(&document.base_url) {
            Err(_) => fault("`base-url` is the address of the MESH API"),
            Ok(url) if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(&url)) => {
                fault("patient data leaves through https only; http is for loopback (`base-url`)");
            }
            Ok(url) if !url.username().is_empty() || url.query().is_some() || url.fragment().is_some() => {
                fault("`base-url` has no credentials, no query and no fragment");
            }
            Ok(_) => {}
        }
        if !is_mailbox(&document.mailbox) || document.to.as_deref().is_some_and(|to| !is_mailbox(to)) {
            fault("`mailbox` and `to` are mailboxes: capital letters and digits, for example X26ABC1");
        }
        if document.to.as_ref() == Some(&document.mailbox) {
            fault("`to` is our own `mailbox`; leave it out, so that MESH finds the practice");
        }
        if document.addresses.iter().any(|address| network(address).is_none()) {
            fault("`addresses` are addresses or networks, for example `10.20.0.0/16`");
        }
        let codes = [Some(&document.sender.ods), document.practice.ods.as_ref()];
        if codes.into_iter().flatten().any(|code| OdsCode::read(code).is_err()) {
            fault("`sender.ods` and `practice.ods` are ODS codes: 3 to 12 capital letters and digits");
        }
        let texts =
            [&document.sender.name, &document.sender.telephone, &document.author.family, &document.practice.name];
        let plain = |text: &str| !text.trim().is_empty() && !text.chars().any(char::is_control);
        if texts.into_iter().any(|text| !plain(text)) {
            fault(
                "`sender.name`, `sender.telephone`, `author.family` and `practice.name` are one line each, and not empty",
            );
        }
        let title = |title: &String| plain(title) && title.is_ascii() && title.len() <= TITLE;
        if document.title.as_ref().is_some_and(|text| !title(text)) || !document.sender.name.is_ascii() {
            fault(
                "`title` and `sender.name` stand in the header of a MESH message: at most 100 letters of ASCII for the title",
            );
        }
        if document.on.as_ref().is_some_and(Vec::is_empty) {
            fault("`on` is empty, so no letter would ever be written; leave `document` out");
        }
        if document.wait_minutes.is_some_and(|minutes| minutes > LONGEST_WAIT) {
            fault("`wait-minutes` is at most 170: a letter has to be sent within three hours");
        }
        if document.acknowledgement_days == Some(0) || document.poll_seconds == Some(0) {
            fault("`acknowledgement-days` and `poll-seconds` are at least 1");
        }
        if client.platform.is_some() {
            fault("a platform's client refers nobody, so that nobody is written to; leave `document` out");
        }
    }
}

/// The ways of all clients, with their secrets.
pub(super) fn offices(config: &Config, faults: &mut Vec<Fault>) -> Vec<Arc<Office>> {
    config.client.iter().filter_map(|client| office(client, faults)).map(Arc::new).collect()
}

fn office(client: &ClientSection, faults: &mut Vec<Fault>) -> Option<Office> {
    let document = client.notify.document.as_ref()?.get_ref();
    let mut reader = Reader::of("client", client.id.get_ref(), faults);
    let tls = reader.tls(document.certificate.as_ref(), document.authority.as_ref());
    let password = reader.secret("notify.document.password", Some(document.password.clone()));
    let shared_key = reader.secret("notify.document.shared-key", Some(document.shared_key.clone()));
    let beside = document.addresses.iter().filter_map(|text| network(text)).collect();
    let url = Url::parse(&document.base_url).ok()?;
    let allowed = Allowed::also(beside).with_localhost(&url);
    let organisation = client.organisation.get_ref();
    let practice = document.practice.ods.as_ref().unwrap_or(organisation);
    let options = document.options;
    Some(Office {
        client: ClientId(client.id.get_ref().clone()),
        compartment: Compartment { tenant: client.tenant.clone(), owner: Owner::Organisation(organisation.clone()) },
        post: PostOffice {
            base_url: document.base_url.trim_end_matches('/').to_owned(),
            access: Access::new(Credentials::default(), tls, allowed),
            mesh: mesh_of(&document.mailbox, password?, shared_key?),
        },
        to: document.to.clone(),
        sender: Organisation {
            ods_code: OdsCode::read(&document.sender.ods).ok()?,
            name: document.sender.name.clone(),
            telephone: document.sender.telephone.clone(),
        },
        author: Author {
            name: PersonName {
                prefix: None,
                given: document.author.given.clone(),
                family: document.author.family.clone(),
            },
            role: document.author.role.clone(),
            telephone: document.author.telephone.clone(),
            sds_user_id: document.author.sds_user_id.clone(),
        },
        practice: Practice { name: document.practice.name.clone(), ods_code: OdsCode::read(practice).ok()? },
        title: document.title.clone().unwrap_or_else(|| "Outcome of a social prescribing referral".to_owned()),
        on: document.on.as_deref().unwrap_or(&EndWord::USUAL).iter().map(|word| word.end()).collect(),
        recipient: match document.recipient {
            RecipientWord::ForAction => RecipientType::ForAction,
            RecipientWord::ForInformation => RecipientType::ForInformation,
        },
        sends_untraced: document.untraced == UntracedWord::Send,
        wait: time::Duration::minutes(i64::from(document.wait_minutes.unwrap_or(30))),
        acknowledged_within: time::Duration::days(i64::from(document.acknowledgement_days.unwrap_or(5))),
        poll: Duration::from_secs(u64::from(document.poll_seconds.unwrap_or(300))),
        options: Options {
            message_definition: options.message_definition.into(),
            local_extension: options.local_extension.into(),
            document_type: options.document_type.into(),
            authorship: options.authorship.into(),
            replaced_id: options.replaced_id.into(),
            verification: options.verification.into(),
        },
        mesh: MeshOptions {
            date_order: options.date_order.into(),
            subject: options.subject.into(),
            workflow: options.workflow.into(),
        },
    })
}

#[cfg(test)]
mod tests {
    use crate::config::{ConfigError, EXAMPLE, parse};

    const GOOD: &str = "base-url = \"https://mesh.example\"\nmailbox = \"X26OT001\"\npassword = { env = \"P\" }\n\
                        shared-key = { env = \"K\" }\nsender = { ods = \"A1B2C\", name = \"Example\", telephone = \"01632 960123\" }\n\
                        author = { family = \"Example\" }\npractice = { name = \"The Example Surgery\" }\n";

    fn faults(keys: &str) -> String {
        let text = EXAMPLE.replacen("# profile = \"fhir\"", &format!("[client.notify.document]\n{keys}\n# "), 1);
        assert_ne!(text, EXAMPLE);
        match parse(&text) {
            Ok(_) => String::new(),
            Err(ConfigError::Faults(faults)) => faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn letters_that_can_be_sent_are_taken() {
        assert_eq!(faults(GOOD), "");
        let options = "wait-minutes = 0\nuntraced = \"send\"\nrecipient = \"for-information\"\non = [\"completed\", \"cancelled\"]\n\
                       options = { date-order = \"year-first\", workflow = \"consultation-report\", document-type = \"remote-consultation\" }";
        assert_eq!(faults(&format!("{GOOD}{options}")), "");
    }

    #[test]
    fn letters_that_cannot_be_are_told() {
        let changed = |from: &str, to: &str| {
            assert!(GOOD.contains(from), "{from}");
            faults(&GOOD.replacen(from, to, 1))
        };
        for (from, to, words) in [
            ("https://mesh.example", "http://mesh.example", "https only"),
            ("https://mesh.example", "https://a@mesh.example", "no credentials"),
            ("https://mesh.example", "mesh", "address of the MESH API"),
            ("X26OT001", "x26", "mailboxes"),
            ("A1B2C", "a practice", "ODS codes"),
            ("01632 960123", " ", "one line each"),
            ("name = \"Example\"", "name = \"Ex\\u00e4mple\"", "ASCII"),
            ("password = { env = \"P\" }", "password = \"secret\"", "never stands here"),
        ] {
            let found = changed(from, to);
            assert!(found.contains(words), "{to}: {found}");
            assert!(!found.contains("secret\""), "{found}");
        }
        for (keys, words) in [
            ("to = \"X26OT001\"", "our own"),
            ("on = []", "no letter would ever"),
            ("wait-minutes = 171", "three hours"),
            ("acknowledgement-days = 0", "at least 1"),
            ("addresses = [\"x\"]", "networks"),
            ("colour = 1", "unknown field"),
            ("options = { date-order = \"sideways\" }", "unknown variant"),
        ] {
            let found = faults(&format!("{GOOD}{keys}"));
            assert!(found.contains(words), "{keys}: {found}");
        }
    }
}
