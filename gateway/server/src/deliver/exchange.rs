//! One exchange: adapter and platform in turn, bounded in steps, with the row marked before each request that is not
//! safe to repeat.

use super::AttemptError;
use crate::gateway::{Gateway, Platform, Secret};
use crate::pace::Try;
use crate::store::{CommitError, SearchQuery, UpdatedRange};
use crate::transport::Names;
use crate::view::View;
use adapter_contract::{
    Amend, Answer, DeliveryError, Exchange, FailureCode, Keys, MailRequest, MinimisedReferral, PlatformReferralId,
    PlatformRequest, Progress, Publication, Purpose, Reading, Receipt, Repeat, STATUS_LINK, SenderMove, Settings,
    StatusReport, Step, TaskAmendment, TranslateError, systems,
};
use gateway_core::accept::RESTRICTED;
use gateway_core::accept::version_of;
use gateway_core::amend::{self, Due};
use gateway_core::change::{Change, Check, CheckFailure, Transaction};
use gateway_core::consent::Decision;
use gateway_core::deliver::{Job, Weighed, before_safe_send, before_send, weigh};
use gateway_core::disclose::{Contents, Leaving, Manner};
use gateway_core::identity::{Compartment, GATEWAY_AUTHOR, Owner};
use gateway_core::loss::{Asking, Assessment, assess};
use gateway_core::minimise::is_restricted;
use gateway_core::outbox::{Errand, OutboxRow};
use gateway_core::resource::{ResourceKey, Token, WriteMethod};
use gateway_core::status_link::StatusLink;
use gateway_core::subject::Subject;
use gateway_core::task::{TaskMove, derived_id, moved};
use gateway_fhir::{door, instant, references};

/// How an exchange ended.
pub(super) enum End {
    /// The platform has it.
    Delivered(Receipt),
    /// The platform does not have it.
    Absent,
    /// What was read.
    Reports(Vec<StatusReport>),
    /// The consents that it rests on were changed before the next request left.
    Overtaken {
        /// The step that was to be made next, where earlier ones were answered.
        reached: Option<Progress>,
    },
    /// The platform could not be asked whether it has it.
    NotAsked(DeliveryError),
    /// It did not work.
    Failed {
        /// Why.
        error: DeliveryError,
        /// Where the exchange stood: the step to make again.
        progress: Option<Progress>,
        /// What sending the failed request again would mean.
        repeat: Repeat,
    },
}

/// What an errand has to send, if anything.
pub(super) enum Prepared {
    /// It may go: what a submission sends.
    Ready(Option<Box<Outgoing>>),
    /// It cannot be said to this platform.
    Not(DeliveryError),
    /// The Task has to say first what would be lost: write this and look again.
    Tell(Box<Transaction>),
    /// The sender has to see it first: write this.
    Stop(Box<Transaction>),
}

/// What a submission sends.
pub(super) struct Outgoing {
    /// The referral.
    referral: MinimisedReferral,
    /// What it tells of the person.
    contents: Contents,
    /// The same as [`content`](gateway_core::amend::content) says it.
    carries: String,
}

/// Nothing was sent, because it cannot be said.
pub(super) fn unsent(error: DeliveryError, progress: Option<Progress>) -> End {
    failed(error, progress, Repeat::Safe)
}

/// A status link that is about to be sent.
struct NewLink {
    /// As it is stored.
    kept: StatusLink,
    /// Its address, with the secret.
    address: Secret,
}

/// Said where a letter has a place for a status link and there is no way to answer behind one.
const NO_WAY: &str = "The letter holds a status link, and nothing says how the organisation opens one. Give its [[platform]] a \
                      `status-link`.";

/// Said where a change would lose more than its sender has let pass.
const LOSES: &str =
    "As it is now it would lose more at this recipient than may be lost without a person having seen it.";

/// Carries exchanges out.
pub(super) struct Exchanger<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) platform: &'a Platform,
    pub(super) view: &'a View,
    pub(super) row: &'a OutboxRow,
    /// The consent decision for this very attempt.
    pub(super) consent: &'a Decision,
    /// That the consents are still those on which it was made.
    pub(super) unchanged: Option<&'a Check>,
}

impl Exchanger<'_> {
    /// Asks the platform whether it has the referral.
    pub(super) async fn look_up(&self, job: &Job<'_>) -> Result<End, AttemptError> {
        if self.platform.base_url.is_empty() {
            return self.look_up_published().await;
        }
        Ok(match self.exchange(job, Purpose::LookUp, None, None).await? {
            // Looking up changes nothing: whatever was uncertain before is as uncertain after a failure.
            End::Failed { error, .. } => End::NotAsked(error),
            End::Reports(_) => {
                let words = "The adapter answered a look-up with something else.";
                End::NotAsked(DeliveryError::new(FailureCode::Refused, words))
            }
            end => end,
        })
    }

    /// Does the row's errand, from the step that it had reached. `outgoing` is what a submission or an update sends. Beside the end
    /// stands what of the referral the platform then has, as [`content`](gateway_core::amend::content) says it, if that is known.
    pub(super) async fn run(
        &self,
        job: &Job<'_>,
        outgoing: Option<Box<Outgoing>>,
        at: Option<Progress>,
    ) -> Result<(End, Option<String>), AttemptError> {
        // What goes on where it was interrupted may have told what was true then.
        let fresh = outgoing.as_ref().filter(|_| at.is_none()).map(|outgoing| outgoing.carries.clone());
        let carries = fresh.or_else(|| job.row.carries.clone());
        let row = OutboxRow { carries: carries.clone(), ..job.row.clone() };
        Ok((self.errand(&Job { row: &row, ..*job }, outgoing, at).await?, carries))
    }

    async fn errand(
        &self,
        job: &Job<'_>,
        outgoing: Option<Box<Outgoing>>,
        at: Option<Progress>,
    ) -> Result<End, AttemptError> {
        match &self.row.errand {
            Errand::Update if job.capabilities.amend == Amend::CancelAndResend => self.end_there(job).await,
            Errand::Submit | Errand::Update => {
                let Some(outgoing) = &outgoing else { return Err(AttemptError::Missing("the referral to send")) };
                let leaving = Leaving {
                    manner: Manner::Sent,
                    consent: self.consent,
                    contents: &outgoing.contents,
                    recipient: self.gateway.rules.recipients.get(&self.platform.id),
                };
                let referral = &outgoing.referral;
                let purpose = match (&self.row.errand, &self.view.standing.referral.platform_referral) {
                    (Errand::Submit, _) => Purpose::Submit { referral },
                    (_, Some(platform_referral)) => Purpose::Update { platform_referral, referral },
                    (_, None) => return Ok(End::Absent),
                };
                self.exchange(job, purpose, at, Some(leaving)).await
            }
            Errand::Tell { sender_move } => {
                let Some(platform_referral) = &self.view.standing.referral.platform_referral else {
                    return Ok(End::Absent);
                };
                // The sender's words are free text, and no policy here says yet who may have them.
                let purpose = Purpose::Tell { platform_referral, sender_move: *sender_move, reason: None };
                self.exchange(job, purpose, at, None).await
            }
            // Nothing of it is done at a platform: the plan has ended it.
            Errand::Chase => Ok(End::Absent),
            Errand::Ask { why, number } => {
                let Some(platform_referral) = &self.view.standing.referral.platform_referral else {
                    return Ok(End::Absent);
                };
                let purpose = Purpose::Ask { platform_referral, why: *why, number: *number };
                self.exchange(job, purpose, at, None).await
            }
            Errand::Read => {
                let now = self.view.standing.referral.platform_referral.as_ref();
                let Some(platform_referral) = self.row.former.as_ref().or(now) else {
                    return Ok(End::Absent);
                };
                self.exchange(job, Purpose::Read { platform_referral }, None, None).await
            }
        }
    }

    /// Has a referral ended at its platform, so that it can be sent anew: unless somebody there has begun with it, which is asked
    /// first where it can be. That a cancellation of ours may have arrived is known from the referral: then it is no longer there,
    /// or has ended, by our own doing.
    async fn end_there(&self, job: &Job<'_>) -> Result<End, AttemptError> {
        let Some(platform_referral) = &self.view.standing.referral.platform_referral else { return Ok(End::Absent) };
        let receipt = |reports| End::Delivered(Receipt { platform_referral: platform_referral.clone(), reports });
        if job.capabilities.poll {
            match self.exchange(job, Purpose::Read { platform_referral }, None, None).await? {
                End::Reports(reports) if amend::may_be_replaced(job.referral, &reports) => {}
                // What it says is the end of this errand, and of no cancellation.
                End::Reports(reports) => return Ok(receipt(reports)),
                End::Absent if job.referral.cancel_left => return Ok(receipt(Vec::new())),
                end => return Ok(end),
            }
        }
        let purpose = Purpose::Tell { platform_referral, sender_move: SenderMove::Cancel, reason: None };
        Ok(match self.exchange(job, purpose, None, None).await? {
            End::Absent if job.referral.cancel_left => receipt(Vec::new()),
            end => end,
        })
    }

    /// Makes ready what the errand sends, and weighs what it would lose.
    pub(super) fn prepare(&self, job: &Job<'_>) -> Prepared {
        if !matches!(self.row.errand, Errand::Submit | Errand::Update) {
            return Prepared::Ready(None);
        }
        let view = self.view;
        if is_restricted(&view.standing.service_request.document) || is_restricted(&view.standing.task.document) {
            return Prepared::Not(DeliveryError::new(FailureCode::UnsafeToSend, RESTRICTED));
        }
        let assessment = assess(&Asking {
            whole: view.whole(),
            withheld: &self.consent.withheld,
            adapter: self.platform.adapter.as_ref(),
            settings: &self.platform.settings,
            accepted_at: &instant::to_instant(view.standing.referral.accepted_at),
            keys: Keys { idempotency: &view.standing.referral.key, correlation: &view.standing.referral.correlation },
        });
        match assessment {
            Assessment::Unsayable { words, unsafe_to_send } => {
                let code = if unsafe_to_send { FailureCode::UnsafeToSend } else { FailureCode::Untranslatable };
                Prepared::Not(DeliveryError::new(code, words))
            }
            Assessment::Told { report, minimised, account } => {
                let carries = amend::content(&minimised.document);
                if self.row.errand == Errand::Update {
                    match amend::due(job, &carries) {
                        Due::Go => {}
                        Due::Begin(transaction) => return Prepared::Tell(transaction),
                        Due::Stop(transaction) => return Prepared::Stop(transaction),
                    }
                }
                match weigh(job, &report, &self.platform.loss, &mut || self.gateway.new_id()) {
                    Weighed::Go => {
                        let contents = Contents::of(&minimised, account.as_ref());
                        Prepared::Ready(Some(Box::new(Outgoing { referral: minimised.referral, contents, carries })))
                    }
                    Weighed::Tell(transaction) => Prepared::Tell(transaction),
                    // The referral itself is delivered, and waits for nobody.
                    Weighed::Stop(_) if self.row.errand == Errand::Update => {
                        Prepared::Stop(Box::new(amend::not_told(job, LOSES, None)))
                    }
                    Weighed::Stop(transaction) => Prepared::Stop(transaction),
                }
            }
        }
    }

    /// `leaving` is what a submission tells: on record with the first request of it, whether that is marked or not.
    async fn exchange(
        &self,
        job: &Job<'_>,
        purpose: Purpose<'_>,
        at: Option<Progress>,
        mut leaving: Option<Leaving<'_>>,
    ) -> Result<End, AttemptError> {
        let (adapter, settings): (_, &Settings) = self.platform.scribe(&self.row.errand);
        let accepted_at = instant::to_instant(self.view.standing.referral.accepted_at);
        let keys = Keys {
            idempotency: &self.view.standing.referral.key,
            correlation: &self.view.standing.referral.correlation,
        };
        let first = Exchange { purpose, at: at.as_ref(), keys, settings, accepted_at: &accepted_at };
        let mut step = adapter.begin(&first);
        let mut position = at.clone();
        let mut repeat = Repeat::Safe;
        let mut marked = self.row.in_flight.is_some();
        let submits = !matches!(purpose, Purpose::LookUp);
        // To end, and to read, need no consent.
        let rests_on_consent = matches!(
            purpose,
            Purpose::Submit { .. }
                | Purpose::Update { .. }
                | Purpose::Ask { .. }
                | Purpose::Tell { sender_move: SenderMove::Release, .. }
        );
        let mut answered = false;
        let attempt = if self.row.tried { Try::Again } else { Try::First };
        let mut begins = submits;
        let mut replaces = self.row.errand == Errand::Update
            && matches!(purpose, Purpose::Tell { sender_move: SenderMove::Cancel, .. });
        for _ in 0..=adapter.descriptor().limits.steps {
            let (request, progress) = match step {
                Err(error) => return Ok(failed(untranslatable(&error), position, repeat)),
                Ok(Step::Delivered(receipt)) => return Ok(End::Delivered(receipt)),
                Ok(Step::Absent) => return Ok(End::Absent),
                Ok(Step::Reports(page)) => return Ok(End::Reports(statuses(page.readings))),
                Ok(Step::Failed(error)) => {
                    self.platform.pace.read(&error);
                    return Ok(failed(error, position, repeat));
                }
                Ok(Step::Send(request, progress)) => (request, progress),
            };
            // First the turn, then the decision that lets it leave: nothing leaves on a decision that waited.
            if !is_ours(&request) && !self.is_beside(&request) {
                if let Err(error) = self.gateway.transport.prepare(self.platform).await {
                    return Ok(failed(error, if answered { Some(progress) } else { at }, Repeat::Safe));
                }
                let pace = &self.platform.pace;
                let budgeted = if begins { pace.may_try(attempt) } else { Ok(()) };
                // What has begun is brought to its end, also at the end of a day's quota.
                let urgent = answered || self.row.urgent.is_some_and(|urgent| urgent <= job.started);
                let may_leave = match budgeted {
                    Ok(()) => pace.leave(self.gateway.limits.platform_concurrency, urgent).await.inspect_err(|_| {
                        if begins {
                            pace.not_repeated(attempt);
                        }
                    }),
                    Err(error) => Err(error),
                };
                if let Err(error) = may_leave {
                    return Ok(failed(error, if answered { Some(progress) } else { at }, Repeat::Safe));
                }
            }
            repeat = repeat_of(&request);
            // Looking up must not move the row's own progress: it belongs to the submission.
            // A safe request behind an unsafe one is a new position too: the unsafe one has been answered.
            let marks = submits && (repeat != Repeat::Safe || marked);
            let manner = if is_ours(&request) { Manner::Published } else { Manner::Sent };
            let told = leaving.take().map(|leaving| Leaving { manner, ..leaving });
            let mut before = if marks {
                before_send(job, &progress, repeat, told.as_ref())
            } else {
                before_safe_send(job, told.as_ref())
            };
            if rests_on_consent {
                before.checks.extend(self.unchanged.cloned());
            }
            if replaces && repeat != Repeat::Safe {
                before.changes.extend(amend::leaves(job));
                replaces = false;
            }
            // Nor does it begin after the sender has cancelled or paused: that is on the Task, in the same transaction.
            if matches!(purpose, Purpose::Submit { .. } | Purpose::Update { .. } | Purpose::Ask { .. }) {
                before.checks.push(self.unchanged_since(("Task", &self.view.standing.referral.task), job.task.0));
            }
            // Nor on what it asked for before it changed that.
            if matches!(purpose, Purpose::Submit { .. } | Purpose::Update { .. }) && !answered {
                let request = ("ServiceRequest", self.view.standing.referral.service_request.as_str());
                before.checks.push(self.unchanged_since(request, job.service_request.0));
            }
            let link = match self.link(&request) {
                Ok(link) => link,
                Err(error) => return Ok(failed(error, position, Repeat::Safe)),
            };
            // On record before anybody can have its address.
            before.changes.extend(link.iter().map(|link| Change::PutLink(Box::new(link.kept.clone()))));
            if marks || rests_on_consent || link.is_some() {
                match self.gateway.commit(before).await {
                    Err(CommitError::Refused(
                        CheckFailure::Changed | CheckFailure::Version(_) | CheckFailure::Revision(_),
                    )) => {
                        return Ok(End::Overtaken { reached: answered.then_some(progress) });
                    }
                    done => done?,
                }
            }
            if marks {
                marked = repeat != Repeat::Safe;
                position = Some(progress.clone());
            }
            let sent = self.send(&request, link.as_ref()).await?;
            if begins && attempt == Try::Again && !is_ours(&request) && !self.is_beside(&request) {
                self.platform.pace.repeated(&sent);
            }
            begins = false;
            let answer = match sent {
                Ok(answer) => answer,
                // Nothing of this exchange has left: it stands where it began, and nobody need be asked about it.
                Err(error) if !answered && nothing_left(&error) => return Ok(failed(error, at, repeat)),
                Err(error) => return Ok(failed(error, position, repeat)),
            };
            answered = true;
            let next = Exchange { purpose, at: None, keys, settings, accepted_at: &accepted_at };
            step = adapter.resume(&next, &progress, &answer);
        }
        let words = "The exchange did not end within the steps that the adapter declares.";
        Ok(failed(DeliveryError::new(FailureCode::TooManySteps, words), position, repeat))
    }

    /// That a resource of the sender's is still the one on which the attempt was decided.
    fn unchanged_since(&self, (kind, id): (&str, &str), version: u64) -> Check {
        let compartment = self.view.standing.referral.compartment.clone();
        Check::VersionIs { key: ResourceKey { compartment, kind: kind.to_owned(), id: id.to_owned() }, version }
    }

    /// Whether it goes another way than the platform's own requests, whose turns and failures are nothing to it: a letter beside
    /// what the platform's adapter does.
    fn is_beside(&self, request: &PlatformRequest) -> bool {
        let way = self.platform.status_link.as_deref();
        matches!(request, PlatformRequest::Mail(_)) && way.is_some_and(|way| self.platform.is_companion(way))
    }

    /// The status link of a mail whose text has a place for one.
    fn link(&self, request: &PlatformRequest) -> Result<Option<NewLink>, DeliveryError> {
        let PlatformRequest::Mail(mail) = request else { return Ok(None) };
        if !mail.text.contains(STATUS_LINK) {
            return Ok(None);
        }
        let Some(way) = self.platform.status_link.as_deref() else {
            return Err(DeliveryError::new(FailureCode::Untranslatable, NO_WAY));
        };
        let secret = self.gateway.chance.link_secret();
        let about = (&self.view.standing.referral.id, &self.platform.id);
        let hash = crate::chance::sha256(secret.as_bytes());
        let (id, now) = (self.gateway.new_id(), self.gateway.clock.now());
        let kept = StatusLink::made(id, about, hash, now, way.opens_for);
        Ok(Some(NewLink { kept, address: Secret::new(format!("{}/{secret}", self.gateway.link_url)) }))
    }

    async fn mail(&self, mail: &MailRequest, link: Option<&NewLink>) -> Result<Answer, DeliveryError> {
        let correlation = self.view.standing.referral.correlation.clone();
        let names = Names { request_id: self.gateway.new_id(), correlation };
        self.platform.pace.is_ours()?;
        let none = Secret::new(String::new());
        let address = link.map_or(&none, |link| &link.address);
        self.gateway.transport.mail(self.platform, mail, address, &names).await
    }

    async fn send(
        &self,
        request: &PlatformRequest,
        link: Option<&NewLink>,
    ) -> Result<Result<Answer, DeliveryError>, AttemptError> {
        match request {
            PlatformRequest::Http(request) => {
                let correlation = self.view.standing.referral.correlation.clone();
                let names = Names { request_id: self.gateway.new_id(), correlation };
                // Its decision was committed meanwhile, and that may have taken its time.
                if let Err(error) = self.platform.pace.is_ours() {
                    return Ok(Err(error));
                }
                let answer = self.gateway.transport.send(self.platform, request, &names).await;
                Ok(self.platform.pace.heard(answer))
            }
            PlatformRequest::File(request) => {
                let correlation = self.view.standing.referral.correlation.clone();
                let names = Names { request_id: self.gateway.new_id(), correlation };
                if let Err(error) = self.platform.pace.is_ours() {
                    return Ok(Err(error));
                }
                let answer = self.gateway.transport.file(self.platform, request, &names).await;
                Ok(self.platform.pace.heard(answer))
            }
            PlatformRequest::Mail(mail) => {
                let answer = self.mail(mail, link).await;
                Ok(if self.is_beside(request) { answer } else { self.platform.pace.heard(answer) })
            }
            PlatformRequest::Publish(publication) => self.publish(publication).await,
            PlatformRequest::Amend(amendment) => self.amend(amendment).await,
        }
    }

    /// Whether the referral was published, from our own store.
    async fn look_up_published(&self) -> Result<End, AttemptError> {
        let token = format!("{}|{}", systems::REFERRAL_KEY, self.view.standing.referral.key.0);
        let query = SearchQuery {
            compartment: self.published_compartment(),
            kind: "Task".to_owned(),
            all_of: vec![vec![Token::new("identifier", token)]],
            updated: UpdatedRange::default(),
            after: 0,
            up_to: None,
            limit: 1,
            count: false,
        };
        let page = self.gateway.store.search(&query).await?;
        Ok(match page.rows.into_iter().next() {
            Some((_, task)) => {
                End::Delivered(Receipt { platform_referral: PlatformReferralId(task.key.id), reports: Vec::new() })
            }
            None => End::Absent,
        })
    }

    /// Stores resources in the platform's compartment. Their ids are made from our key and their full URL, so that a
    /// repeated publication finds the first.
    async fn publish(&self, publication: &Publication) -> Result<Result<Answer, DeliveryError>, AttemptError> {
        let compartment = self.published_compartment();
        let mut targets = Vec::new();
        let mut documents = Vec::new();
        for resource in &publication.resources {
            let read = door::admit(resource.resource.as_bytes(), &self.gateway.limits.door);
            let Some((kind, document)) = read.ok().and_then(|d| Some((d.text("resourceType")?.to_owned(), d))) else {
                let words = "The adapter published something that is no FHIR resource.";
                return Ok(Err(DeliveryError::new(FailureCode::Untranslatable, words)));
            };
            let id = derived_id(&[&self.view.standing.referral.key.0, &self.platform.id.0, &resource.full_url]);
            targets.push((resource.full_url.clone(), format!("{kind}/{id}")));
            documents.push((kind, id, document));
        }
        let mut transaction = Transaction::default();
        for (kind, id, mut document) in documents {
            references::rewrite(&mut document, &mut |value, _| {
                targets.iter().find(|(url, _)| url == value).map(|(_, target)| target.clone())
            });
            let key = ResourceKey { compartment: compartment.clone(), kind, id };
            let now = self.gateway.clock.now();
            let mut stored = version_of(key, 1, document, GATEWAY_AUTHOR, WriteMethod::Post, now, &|_| None);
            // Made for this referral alone, so it goes with it, whatever it is about.
            stored.subject = self.view.standing.referral.subject.as_ref().map(Subject::record);
            transaction.changes.push(Change::PutResource(stored));
        }
        match self.gateway.commit(transaction).await {
            // Version(n): an earlier attempt has published them all, for they go in one transaction.
            Ok(()) | Err(CommitError::Refused(CheckFailure::Version(_))) => {
                Ok(Ok(Answer::Published(targets.into_iter().map(|(_, target)| target).collect())))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn amend(&self, amendment: &TaskAmendment) -> Result<Result<Answer, DeliveryError>, AttemptError> {
        let compartment = self.published_compartment();
        let Some((version, document)) = crate::ingest::load(self.gateway, &compartment, &amendment.task).await? else {
            let words = "The published Task is not there.";
            return Ok(Err(DeliveryError::new(FailureCode::Refused, words)));
        };
        let stands = gateway_core::task::status(&document);
        if let Some(status) = stands.filter(|status| status.is_final()) {
            return Ok(Ok(Answer::Amended(status)));
        }
        let now = self.gateway.clock.now();
        let step = TaskMove { status: Some(amendment.status), reason: amendment.reason.clone(), ..TaskMove::default() };
        let next = moved(&document, &step, now);
        let id = amendment.task.split_once('/').map(|(_, id)| id.to_owned()).unwrap_or_default();
        let key = ResourceKey { compartment, kind: "Task".to_owned(), id };
        let stored = version_of(key, version + 1, next, GATEWAY_AUTHOR, WriteMethod::Put, now, &|_| None);
        let changes = vec![Change::PutResource(stored)];
        self.gateway.commit(Transaction { checks: Vec::new(), changes }).await?;
        Ok(Ok(Answer::Amended(amendment.status)))
    }

    fn published_compartment(&self) -> Compartment {
        let own = || self.view.standing.referral.compartment.tenant.clone();
        Compartment {
            tenant: self.platform.publish_to.clone().unwrap_or_else(own),
            owner: Owner::Platform(self.platform.id.clone()),
        }
    }
}

fn statuses(readings: Vec<Reading>) -> Vec<StatusReport> {
    readings
        .into_iter()
        .filter_map(|reading| match reading {
            Reading::Status(report) => Some(report),
            // A read that only says "changed" has nothing to add.
            Reading::Changed(_) => None,
        })
        .collect()
}

fn nothing_left(error: &DeliveryError) -> bool {
    matches!(error.code, FailureCode::NotConnected | FailureCode::TlsRefused)
}

/// Whether a request goes to our own store, and nothing leaves.
fn is_ours(request: &PlatformRequest) -> bool {
    matches!(request, PlatformRequest::Publish(_) | PlatformRequest::Amend(_))
}

fn repeat_of(request: &PlatformRequest) -> Repeat {
    match request {
        PlatformRequest::Http(request) => request.repeat,
        PlatformRequest::File(request) => request.repeat(),
        PlatformRequest::Mail(request) => request.repeat,
        PlatformRequest::Publish(_) | PlatformRequest::Amend(_) => Repeat::Keyed,
    }
}

fn untranslatable(error: &TranslateError) -> DeliveryError {
    let code = if error.unsafe_to_send { FailureCode::UnsafeToSend } else { FailureCode::Untranslatable };
    DeliveryError::new(code, error.to_string())
}

fn failed(error: DeliveryError, progress: Option<Progress>, repeat: Repeat) -> End {
    End::Failed { error, progress, repeat }
}
