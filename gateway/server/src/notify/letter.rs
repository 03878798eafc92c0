//! A letter into the record of the practice, when a referral has ended: GP Connect Send Document over MESH.
//!
//! Written once and stored before anything leaves (`compose`); the same bytes go at each attempt. What is answered comes later, into the
//! mailbox (`inbox`). Whether the practice may have it is decided here, at each attempt. Address and subject of a message are patient
//! data: they go to MESH and into no log, audit or error.

mod compose;
mod inbox;

pub(crate) use inbox::worker;

use super::Way;
use crate::gateway::{Gateway, Platform, is_race};
use crate::store::{CommitError, SearchQuery, StoreError, UpdatedRange};
use crate::transport::Names;
use crate::transport::mesh::post::{Outgoing, PostAnswer, PostOffice, PostRequest};
use crate::view::{View, ViewError};
use adapter_contract::{DeliveryError, FailureCode, Repeat, TaskStatus};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use gateway_core::change::{Change, Check, Transaction};
use gateway_core::classify::{Class, class_of};
use gateway_core::consent::{Decision, Kept, Stage, Verdict};
use gateway_core::follow_up::{self, Cause, Opening, Priority};
use gateway_core::identity::{ClientId, Compartment};
use gateway_core::letter::{self, Answer, Letter, State};
use gateway_core::minimise::is_restricted;
use gateway_core::notify::{Destination, Fed, Notice, NoticeState, Told, Wanted, What};
use gateway_core::referral::ReferralId;
use gateway_core::resource::{ResourceKey, ResourceVersion, Token};
use gateway_documents::mesh::MeshOptions;
use gateway_documents::message::{Options, RecipientType};
use gateway_documents::parties::{Author, OdsCode, Organisation};
use gateway_fhir::Json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Letters of one referral that are looked at; there are hardly ever two.
const LETTERS: u32 = 50;

/// From where one client's letters are sent.
pub struct Office {
    /// Whose referrals they are about.
    pub client: ClientId,
    /// Where these live.
    pub compartment: Compartment,
    /// The mailbox.
    pub post: PostOffice,
    /// A mailbox to which every letter goes; absent: to the practice that MESH finds by the patient.
    pub to: Option<String>,
    /// Who sends.
    pub sender: Organisation,
    /// Who answers for what is written.
    pub author: Author,
    /// For whom it is meant.
    pub practice: Practice,
    /// Title of the letters, without patient data.
    pub title: String,
    /// The ends that are told.
    pub on: Vec<TaskStatus>,
    /// Whether the practice is asked to act.
    pub recipient: RecipientType,
    /// Whether it is sent about somebody whose NHS number nobody says is traced.
    pub sends_untraced: bool,
    /// How long a letter waits for further word.
    pub wait: time::Duration,
    /// How long both acknowledgements may take.
    pub acknowledged_within: time::Duration,
    /// Between two looks into the mailbox.
    pub poll: Duration,
    /// How a message is written.
    pub options: Options,
    /// How it is addressed.
    pub mesh: MeshOptions,
}

/// The practice for which letters are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Practice {
    /// Its name.
    pub name: String,
    /// Its ODS code, by which a Consent may name it.
    pub ods_code: OdsCode,
}

/// All clients whose practice is written to.
pub struct Letters(Vec<Arc<Office>>);

impl Letters {
    /// These.
    #[must_use]
    pub fn of(offices: &[Arc<Office>]) -> Self {
        Self(offices.to_vec())
    }

    fn office(&self, client: &ClientId, compartment: &Compartment) -> Option<&Arc<Office>> {
        self.0.iter().find(|office| office.client == *client && office.compartment == *compartment)
    }
}

#[async_trait]
impl Way for Letters {
    fn is_fed(&self, compartment: &Compartment) -> bool {
        self.0.iter().any(|office| office.compartment == *compartment)
    }

    fn tells(&self, destination: &Destination) -> bool {
        matches!(destination, Destination::Letter { .. })
    }

    async fn follows(
        &self,
        gateway: &Gateway,
        fed: &Fed,
        version: &ResourceVersion,
    ) -> Result<Vec<Wanted>, StoreError> {
        if version.key.kind != "Task" {
            return Ok(Vec::new());
        }
        let Some(task) = crate::ingest::parse(version) else { return Ok(Vec::new()) };
        let Some(status) = gateway_core::task::status(&task) else { return Ok(Vec::new()) };
        let compartment = &fed.key.compartment;
        let Some(referral) = gateway.store.referral_by_task(compartment, &version.key.id).await? else {
            return Ok(Vec::new());
        };
        let Some(office) = self.office(&referral.client, compartment).filter(|office| office.on.contains(&status))
        else {
            return Ok(Vec::new());
        };
        // What the gateway says there of a letter makes no letter.
        if version.version > 1
            && let Some(before) = gateway.store.resource(&fed.key, Some(version.version - 1)).await?
            && let Some(before) = crate::ingest::parse(&before)
            && letter::differ_in_letter_alone(&before, &task)
        {
            return Ok(Vec::new());
        }
        let (kind, id) = (version.key.kind.clone(), version.key.id.clone());
        Ok(vec![Wanted {
            compartment: compartment.clone(),
            destination: Destination::Letter { client: office.client.clone(), task: id.clone() },
            what: What::Version { kind, id, version: version.version },
            referral: Some(referral.id),
            due: fed.at + office.wait,
        }])
    }

    async fn tell(&self, gateway: &Gateway, notice: &Notice) -> Result<Told, StoreError> {
        let Destination::Letter { client, .. } = &notice.destination else {
            return Ok(Told::Never("This is no letter.".to_owned()));
        };
        let Some(office) = self.office(client, &notice.compartment) else {
            return Ok(Told::Never("This client has no `notify.document` any more.".to_owned()));
        };
        for _ in 0..=gateway.limits.conflict_retries {
            match attempt(gateway, office, notice).await {
                Ok(told) => return Ok(told),
                Err(Fault::Store(error) | Fault::Commit(CommitError::Store(error))) => return Err(error),
                Err(Fault::Commit(error)) if is_race(&error) => {}
                Err(Fault::Commit(error)) => return Err(StoreError::Engine(error.to_string())),
            }
        }
        Ok(Told::Later { failure: "The referral changed all the time.".to_owned(), retry_after: None })
    }

    async fn settle(&self, gateway: &Gateway, notice: &Notice, told: &Told) -> Result<Transaction, StoreError> {
        let (Some(id), NoticeState::Dead) = (&notice.referral, notice.state) else { return Ok(Transaction::default()) };
        let words = match told {
            Told::Never(words) | Told::Later { failure: words, .. } => words.as_str(),
            Told::Sent | Told::NotWanted(_) => "",
        };
        not_sent(gateway, id, notice, words).await
    }
}

/// Why an attempt came to no end.
#[derive(Debug)]
enum Fault {
    Store(StoreError),
    Commit(CommitError),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<CommitError> for Fault {
    fn from(error: CommitError) -> Self {
        Self::Commit(error)
    }
}

/// A letter as it is stored.
pub(super) struct Stored {
    pub(super) letter: Letter,
    pub(super) document: Json,
}

pub(super) fn key(compartment: &Compartment, kind: &str, id: &str) -> ResourceKey {
    ResourceKey { compartment: compartment.clone(), kind: kind.to_owned(), id: id.to_owned() }
}

pub(super) fn read(version: &ResourceVersion) -> Option<Stored> {
    let document = crate::ingest::parse(version)?;
    let letter = letter::read(&version.key.id, version.version, &document)?;
    Some(Stored { letter, document })
}

/// Letters with this token, in the order of their making.
pub(super) async fn found(
    gateway: &Gateway,
    compartment: &Compartment,
    token: Token,
    after: u64,
) -> Result<Vec<(u64, Stored)>, StoreError> {
    let query = SearchQuery {
        compartment: compartment.clone(),
        kind: "DocumentReference".to_owned(),
        all_of: vec![vec![token]],
        updated: UpdatedRange::default(),
        after,
        up_to: None,
        limit: LETTERS,
        count: false,
    };
    let page = gateway.store.search(&query).await?;
    Ok(page.rows.iter().filter_map(|(place, version)| Some((*place, read(version)?))).collect())
}

/// A letter that may leave, with what was decided.
pub(super) struct Permitted {
    pub(super) view: View,
    pub(super) platform: Arc<Platform>,
    pub(super) consent: Decision,
    pub(super) kept: Kept,
    pub(super) unchanged: Option<Check>,
}

/// Decides whether the practice may be written to now.
async fn permitted(gateway: &Gateway, office: &Office, id: &ReferralId) -> Result<Result<Permitted, Told>, StoreError> {
    let not_wanted = |words: &str| Ok(Err(Told::NotWanted(words.to_owned())));
    let view = match View::load(gateway, id).await {
        Ok(view) => view,
        Err(ViewError::Store(error)) => return Err(error),
        Err(ViewError::Erased) => return not_wanted("The record was erased."),
        Err(ViewError::Missing(what)) => return Ok(Err(Told::Never(format!("The referral points at no {what}.")))),
    };
    let Some(platform) = view.standing.referral.platform.as_ref().and_then(|id| gateway.platform(id)) else {
        return not_wanted("The referral went to no service that is configured.");
    };
    let consents = view.consents(gateway).await?;
    let needs = &platform.adapter.descriptor().data_needs;
    let consent = view.decision(gateway, &platform.id, needs, Stage::Relay, &consents, &BTreeMap::new()).await?;
    if consent.verdict != Verdict::Permit {
        return not_wanted("Consent no longer lets the outcome be told.");
    }
    // The practice is asked about by its own name, and so is the sender, who is another where a PCN refers.
    let practice = view.kept_from(gateway, &platform, &consents, office.practice.ods_code.as_str()).await?;
    let sender = view.kept(gateway, &platform, &consents).await?;
    let kept = most([practice, sender]);
    if kept == Kept::All {
        return not_wanted("The person does not wish the practice to learn of the outcome.");
    }
    let standing = &view.standing;
    if is_restricted(&standing.service_request.document)
        || is_restricted(&standing.task.document)
        || is_restricted(&view.person().document)
    {
        let words = "The person is restricted, and a document in the record has no restriction. Tell the practice by another way.";
        return Ok(Err(Told::Never(words.to_owned())));
    }
    let unchanged = view.unchanged(&consents);
    Ok(Ok(Permitted { view, platform, consent, kept, unchanged }))
}

fn most(kept: [Kept; 2]) -> Kept {
    match kept {
        [Kept::All, _] | [_, Kept::All] => Kept::All,
        [Kept::Words, _] | [_, Kept::Words] => Kept::Words,
        [Kept::Nothing, Kept::Nothing] => Kept::Nothing,
    }
}

async fn attempt(gateway: &Gateway, office: &Office, notice: &Notice) -> Result<Told, Fault> {
    let (Some(id), What::Version { version, .. }) = (&notice.referral, &notice.what) else {
        return Ok(Told::Never("This letter is about no referral.".to_owned()));
    };
    let permitted = match permitted(gateway, office, id).await? {
        Ok(permitted) => permitted,
        Err(told) => return Ok(told),
    };
    let token = Token::new(letter::OF_REFERRAL, &id.0);
    let letters = found(gateway, &office.compartment, token, 0).await?;
    let own = compose::id(notice);
    let made = letters.iter().find(|(_, stored)| stored.letter.id == own);
    let letter = match made {
        Some((_, stored)) => {
            if stored.letter.network.is_some() {
                return Ok(Told::Sent);
            }
            // Said again before each attempt, in a commit that fails if any Consent has changed since it was decided.
            let line = compose::disclosed(gateway, office, &permitted, None);
            let checks = permitted.unchanged.iter().cloned().collect();
            gateway.commit(Transaction { checks, changes: vec![line] }).await?;
            stored.letter.clone()
        }
        None => {
            let task = &permitted.view.standing.task;
            let stands = gateway_core::task::status(&task.document).is_some_and(|status| office.on.contains(&status));
            if !stands {
                return Ok(Told::NotWanted("The referral is under way again.".to_owned()));
            }
            if newer_word(gateway, &permitted, *version).await? {
                return Ok(Told::NotWanted("There is newer word, of which another letter tells.".to_owned()));
            }
            // What never left replaces nothing, and nobody was told it.
            let last = letters.iter().rev().map(|(_, stored)| stored).find(|stored| stored.letter.network.is_some());
            match compose::compose(gateway, office, &permitted, notice, last) {
                Ok(composed) => {
                    let letter = composed.letter.clone();
                    gateway.commit(composed.transaction).await?;
                    letter
                }
                Err(told) => return Ok(told),
            }
        }
    };
    send(gateway, office, id, &letter).await
}

/// Whether the Task has said more since the version of the notice than how far a letter is.
async fn newer_word(gateway: &Gateway, permitted: &Permitted, version: u64) -> Result<bool, StoreError> {
    let standing = &permitted.view.standing;
    if standing.task.version <= version {
        return Ok(false);
    }
    let key = key(&standing.referral.compartment, "Task", &standing.referral.task);
    let Some(told) = gateway.store.resource(&key, Some(version)).await? else { return Ok(true) };
    let told = crate::ingest::parse(&told);
    Ok(told.is_none_or(|told| !letter::differ_in_letter_alone(&told, &standing.task.document)))
}

/// Sends what is stored. That it is MESH's now is written down at once: from then on answers are waited for.
async fn send(gateway: &Gateway, office: &Office, id: &ReferralId, letter: &Letter) -> Result<Told, Fault> {
    let [_, message] = &letter.binaries;
    let stored = gateway.store.resource(&key(&office.compartment, "Binary", message), None).await?;
    let data = stored.as_ref().and_then(crate::ingest::parse).and_then(|body| Some(body.text("data")?.to_owned()));
    let Some(content) = data.and_then(|data| BASE64.decode(data).ok()) else {
        return Ok(Told::Never("The message of the letter is not there any more.".to_owned()));
    };
    let [to, subject] = &letter.envelope;
    let outgoing = Outgoing {
        to,
        subject,
        local_id: office.sender.ods_code.as_str(),
        workflow: office.mesh.workflow.send(),
        content: &content,
    };
    let names = Names { request_id: gateway.new_id(), correlation: letter.id.clone() };
    let answer = gateway.transport.post(&office.post, &PostRequest::Send(&outgoing), &names).await;
    let network = match answer {
        Ok(PostAnswer::Sent(network)) => network,
        Ok(_) => {
            return Ok(Told::Later {
                failure: "MESH did not say that it has the letter.".to_owned(),
                retry_after: None,
            });
        }
        Err(error) => return Ok(failed(&error)),
    };
    let due = gateway.clock.now() + office.acknowledged_within;
    let taken = Answer::Taken { network, due };
    inbox::apply(gateway, &office.compartment, id, &letter.id, &taken, None).await?;
    Ok(Told::Sent)
}

/// What a failure leads to. To send the same again is safe: a practice recognises it (codes 20007 and 20008).
fn failed(error: &DeliveryError) -> Told {
    let failure = error.diagnostic.clone();
    match error.code {
        // Credentials and certificates are mended without the letter being another.
        FailureCode::HttpStatus(401 | 403) | FailureCode::TlsRefused => Told::Later { failure, retry_after: None },
        _ if class_of(&error.code, Some(Repeat::Safe)) == Class::Permanent => Told::Never(failure),
        _ => Told::Later { failure, retry_after: error.retry_after_seconds },
    }
}

/// What is written when a letter is given up: a person sees it.
async fn not_sent(gateway: &Gateway, id: &ReferralId, notice: &Notice, words: &str) -> Result<Transaction, StoreError> {
    let view = match View::load(gateway, id).await {
        Ok(view) => view,
        Err(ViewError::Store(error)) => return Err(error),
        Err(ViewError::Erased | ViewError::Missing(_)) => return Ok(Transaction::default()),
    };
    let standing = &view.standing;
    let (now, mut referral) = (gateway.clock.now(), standing.referral.clone());
    let own = compose::id(notice);
    let stored = gateway.store.resource(&key(&referral.compartment, "DocumentReference", &own), None).await?;
    let mut changes = Vec::new();
    if let Some(stored) = stored.as_ref().and_then(read)
        && let Some(next) = stored.letter.after(&Answer::Dead, now)
    {
        changes.extend(letter::moved(&referral, (&next, &stored.document), standing.task(), now));
    }
    let occurrence = format!("{own}/{}", notice.revision);
    let detail = format!("{} {words}", State::NotSent.words());
    let documents = (standing.task().1, standing.service_request().1);
    changes.extend(follow_up::open(&mut referral, documents, &worry(&occurrence, detail.trim(), None), now));
    referral.revision += 1;
    changes.push(Change::PutReferral(Box::new(referral)));
    Ok(Transaction { checks: Vec::new(), changes })
}

/// A person is asked to look.
pub(super) fn worry<'a>(occurrence: &'a str, detail: &'a str, priority: Option<Priority>) -> Opening<'a> {
    Opening { detail: Some(detail), priority, ..Opening::new(Cause::LetterNotDelivered, occurrence) }
}
