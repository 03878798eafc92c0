//! A letter into the record of the practice, when a referral has ended: GP Connect Send Document over MESH.
//!
//! Written once and stored before anything leaves (`compose`); the same bytes go at each attempt. What is answered comes later, into the
//! mailbox (`inbox`). Whether the practice may have it is decided here, at each attempt. Address and subject of a message are patient
//! data: they go to MESH and into no log, audit or error.

mod compose;
mod inbox;
mod office;
mod practice;
mod stored;

pub(crate) use inbox::worker;
pub use office::{End, Office, Practice};
use stored::{Stored, found, key, read};

use super::Way;
use crate::gateway::{Gateway, Platform, is_race};
use crate::store::{CommitError, StoreError};
use crate::transport::Names;
use crate::transport::mesh::post::{Outgoing, PostAnswer, PostRequest};
use crate::view::{View, ViewError};
use adapter_contract::{DeliveryError, FailureCode, Repeat};
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
use gateway_core::resource::{ResourceVersion, Token};
use gateway_documents::response::{Resend, ResponseCode};
use std::collections::BTreeMap;
use std::sync::Arc;

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
        let Some(office) =
            self.office(&referral.client, compartment).filter(|office| office.tells_of(status, &referral))
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

/// A letter that may leave, with what was decided.
pub(super) struct Permitted {
    pub(super) view: View,
    pub(super) platform: Arc<Platform>,
    pub(super) consent: Decision,
    pub(super) kept: Kept,
    pub(super) practice: Practice,
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
    let refused = "The person does not wish the practice to learn of the outcome.";
    let from_sender = view.kept(gateway, &platform, &consents).await?;
    if from_sender == Kept::All {
        return not_wanted(refused);
    }
    let practice = match practice::of(gateway, office, &view).await? {
        Ok(practice) => practice,
        Err(told) => return Ok(Err(told)),
    };
    let code = practice.ods_code.as_str();
    let kept = most([view.kept_from(gateway, &platform, &consents, code).await?, from_sender]);
    if kept == Kept::All {
        return not_wanted(refused);
    }
    if office.to.is_none() && practice::another_is_refused(gateway, &view, &platform, &consents, code).await? {
        let words = "A Consent keeps the outcome from another organisation than the practice that the Patient names, and MESH delivers to \
                     where the person is registered, which may be that one. Ask the person, and tell the practice by another way.";
        return Ok(Err(Told::Never(words.to_owned())));
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
    Ok(Ok(Permitted { view, platform, consent, kept, practice, unchanged }))
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
    let letters = letters_of(gateway, &office.compartment, id).await?;
    let (current, next_id) = compose::latest(notice, &letters);
    if current.is_some_and(|stored| stored.letter.is_taken()) {
        return Ok(Told::Sent);
    }
    let wanted = match permitted(gateway, office, id).await? {
        Ok(permitted) => wanted(gateway, office, permitted, *version, &letters).await?,
        Err(told) => Err(told),
    };
    let (permitted, gathered) = match wanted {
        Ok(wanted) => wanted,
        Err(told) => {
            // What is not told does not stand there as if it were about to be.
            if let (Some(stored), Told::NotWanted(_)) = (current, &told) {
                inbox::apply(gateway, &office.compartment, id, &stored.letter.id, &Answer::Withdrawn, None).await?;
            }
            return Ok(told);
        }
    };
    let now = gateway.clock.now();
    let due = now + office.acknowledged_within;
    // A letter leaves as it was written only while it is what would be written now: about the same person, by the same wish.
    let same = |stored: &&Stored| {
        let letter = &stored.letter;
        letter.contents == gathered.contents && letter.kept == permitted.kept && letter.state != State::Withdrawn
    };
    let leaving = |stored: &Stored| stored.letter.after(&Answer::Leaving { due }, now);
    let again = current.filter(same).and_then(|stored| Some((stored, leaving(stored)?)));
    let (letter, was_in_doubt) = match again {
        Some((stored, next)) => {
            // Said again before each attempt, in a commit that fails if any Consent, the Task or the person has changed since.
            let referral = &permitted.view.standing.referral;
            let line = compose::disclosed(gateway, office, &permitted, &gathered.back);
            let changes = vec![line, letter::noted(referral, (&next, &stored.document), now)];
            gateway.commit(Transaction { checks: compose::checks(&permitted), changes }).await?;
            (next, stored.letter.leaving.is_some())
        }
        None => {
            // What never left or never arrived replaces nothing.
            let last = letters.iter().rev().find(|stored| stored.letter.stands());
            let earlier = compose::Earlier { last, abandoned: current };
            match compose::compose(gateway, office, &permitted, gathered, (notice, &next_id), earlier, due) {
                Ok(composed) => {
                    gateway.commit(composed.transaction).await?;
                    (composed.letter, false)
                }
                Err(told) => return Ok(told),
            }
        }
    };
    send(gateway, office, id, &letter, was_in_doubt).await
}

/// All letters of a referral, in the order of their making.
async fn letters_of(gateway: &Gateway, compartment: &Compartment, id: &ReferralId) -> Result<Vec<Stored>, StoreError> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let page = found(gateway, compartment, Token::new(letter::OF_REFERRAL, &id.0), after).await?;
        let Some((last, _)) = page.last() else { return Ok(all) };
        after = *last;
        all.extend(page.into_iter().map(|(_, stored)| stored));
    }
}

/// What the practice is to be told now; or why it is told nothing.
async fn wanted(
    gateway: &Gateway,
    office: &Office,
    permitted: Permitted,
    version: u64,
    letters: &[Stored],
) -> Result<Result<(Permitted, compose::Gathered), Told>, StoreError> {
    let not_wanted = |words: &str| Ok(Err(Told::NotWanted(words.to_owned())));
    let task = &permitted.view.standing.task;
    let referral = &permitted.view.standing.referral;
    if !gateway_core::task::status(&task.document).is_some_and(|status| office.tells_of(status, referral)) {
        return not_wanted("The referral is under way again.");
    }
    if newer_word(gateway, &permitted, version).await? {
        return not_wanted("There is newer word, of which another letter tells.");
    }
    let gathered = match compose::gather(gateway, office, &permitted) {
        Ok(gathered) => gathered,
        Err(told) => return Ok(Err(told)),
    };
    let last = letters.iter().rev().find(|stored| stored.letter.stands());
    if last.is_some_and(|last| last.letter.contents == gathered.contents) {
        return not_wanted("The practice was told the same before.");
    }
    Ok(barred(letters).map_or(Ok((permitted, gathered)), |words| Err(Told::Never(words))))
}

/// Why the answers to earlier letters let none go by itself, if they do not.
fn barred(letters: &[Stored]) -> Option<String> {
    let says = |letter: &Letter, is: fn(&Resend) -> bool| {
        letter.heard.iter().map(|heard| ResponseCode::read(&heard.code)).find(|code| is(&code.resend()))
    };
    let never = letters.iter().find_map(|stored| says(&stored.letter, |resend| matches!(resend, Resend::Never)));
    if let Some(code) = never {
        return Some(format!(
            "The practice's system answered {} to an earlier letter: {} Nothing is sent about this person any more.",
            code.number(),
            code.meaning()
        ));
    }
    let last = letters.iter().rev().map(|stored| &stored.letter).find(|letter| letter.is_taken())?;
    if !matches!(last.state, State::Refused | State::Unclear) {
        return None;
    }
    let code = says(last, |resend| matches!(resend, Resend::PersonDecides))?;
    let number = if code.number().is_empty() { "nothing that is understood" } else { code.number() };
    Some(format!(
        "The practice's system answered {number} to the letter before: only a person decides whether another is sent. Ask the \
         practice, and tell it by another way."
    ))
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
async fn send(
    gateway: &Gateway,
    office: &Office,
    id: &ReferralId,
    letter: &Letter,
    was_in_doubt: bool,
) -> Result<Told, Fault> {
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
        Err(error) => {
            // Where an attempt before this one may have left, it is still not known whether the practice has it.
            if !was_in_doubt && has_not_left(&error.code) {
                not_taken(gateway, office, id, &letter.id).await?;
            }
            return Ok(failed(&error));
        }
    };
    let due = gateway.clock.now() + office.acknowledged_within;
    let taken = Answer::Taken { network, due };
    inbox::apply(gateway, &office.compartment, id, &letter.id, &taken, None).await?;
    Ok(Told::Sent)
}

/// Whether MESH certainly does not have what was sent. An answer of what stands before MESH says nothing of MESH.
const fn has_not_left(code: &FailureCode) -> bool {
    matches!(
        code,
        FailureCode::NotConnected
            | FailureCode::TlsRefused
            | FailureCode::Refused
            | FailureCode::HttpStatus(400..=499 | 503)
    )
}

/// Writes down that MESH does not have the letter. Where that cannot be written, it is in doubt, and is waited for.
async fn not_taken(gateway: &Gateway, office: &Office, id: &ReferralId, own: &str) -> Result<(), Fault> {
    let stored = gateway.store.resource(&key(&office.compartment, "DocumentReference", own), None).await?;
    let Some(stored) = stored.as_ref().and_then(read) else { return Ok(()) };
    let Some(referral) = gateway.store.referral(id).await? else { return Ok(()) };
    let now = gateway.clock.now();
    let Some(next) = stored.letter.after(&Answer::NotTaken, now) else { return Ok(()) };
    let changes = vec![letter::noted(&referral, (&next, &stored.document), now)];
    match gateway.commit(Transaction { checks: Vec::new(), changes }).await {
        Err(error) if !is_race(&error) => Err(error.into()),
        _ => Ok(()),
    }
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
    let letters = letters_of(gateway, &referral.compartment, id).await?;
    let mut changes = Vec::new();
    let occurrence = compose::occurrence(notice, notice.revision);
    if let (Some(stored), _) = compose::latest(notice, &letters)
        && let Some(mut next) = stored.letter.after(&Answer::Dead, now)
    {
        // Found again when the practice has the letter after all.
        next.follow_ups.push(follow_up::id(&referral, Cause::LetterNotDelivered, &occurrence));
        changes.extend(letter::moved(&referral, (&next, &stored.document), standing.task(), now));
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use gateway_core::letter::Heard;
    use gateway_fhir::Json;
    use std::num::NonZeroU32;
    use time::macros::datetime;

    fn answered(state: State, codes: &[&str]) -> Stored {
        let at = datetime!(2026-11-30 09:00 UTC);
        let id = || String::from("00000000-0000-4000-8000-000000000001");
        let heard = codes.iter().map(|code| Heard { code: (*code).to_owned(), ok: false, at }).collect();
        let letter = Letter {
            id: id(),
            version: 1,
            referral: id(),
            number: NonZeroU32::MIN,
            contents: id(),
            kept: Kept::Nothing,
            binaries: [id(), id()],
            identifiers: [id(), id()],
            message_ids: Vec::new(),
            envelope: [String::new(), String::new()],
            state,
            code: None,
            network: Some("n".to_owned()),
            leaving: Some(at),
            sent_at: Some(at),
            due: Some(at),
            heard,
            follow_ups: Vec::new(),
        };
        Stored { letter, document: Json::Object(Vec::new()) }
    }

    #[test]
    fn what_was_mended_goes_again_and_what_is_a_persons_to_decide_does_not() {
        for (state, codes, is_barred) in [
            (State::Refused, &["20013", "20003"][..], false),
            (State::Refused, &["30002"], false),
            (State::Undelivered, &[], false),
            (State::Unanswered, &["20013"], false),
            (State::Refused, &["20014"], true),
            (State::Refused, &["31999"], true),
            (State::Refused, &["20013", "30004"], true),
            (State::Known, &["20013", "30001"], false),
        ] {
            let letter = answered(state, codes);
            assert_eq!(barred(std::slice::from_ref(&letter)).is_some(), is_barred, "{state:?} {codes:?}");
            // Whatever failed is neither what the practice was told, nor what a new letter replaces.
            assert_eq!(letter.letter.stands(), state == State::Known, "{state:?} {codes:?}");
        }
        // What is never sent again is not forgotten behind a later letter; a person's decision is about the last one.
        let later = |before: &[&str]| vec![answered(State::Refused, before), answered(State::Known, &["30001"])];
        assert!(barred(&later(&["30004"])).is_some_and(|words| words.contains("30004")));
        assert_eq!(barred(&later(&["20014"])), None);
    }

    #[test]
    fn only_what_mesh_itself_refused_has_not_left() {
        for (code, has_not) in [
            (FailureCode::NotConnected, true),
            (FailureCode::HttpStatus(417), true),
            (FailureCode::HttpStatus(503), true),
            (FailureCode::HttpStatus(504), false),
            (FailureCode::NoAnswer, false),
            (FailureCode::UnreadableSuccess, false),
        ] {
            assert_eq!(has_not_left(&code), has_not, "{code:?}");
        }
    }
}
