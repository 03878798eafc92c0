//! The same random history on an engine and on the model: the same answers, the same reads, the same hash.

use crate::store::memory::MemoryStore;
use crate::store::suite::samples::{self, at, must};
use crate::store::{CommitError, Needing, ReferralFilter, SearchQuery, Store, StoreError, UpdatedRange};
use adapter_contract::{Cursor, IdempotencyKey, PlatformReferralId, TaskStatus};
use gateway_core::account::{AccountId, Session, SignIn};
use gateway_core::change::{Change, Check, Disposition, Received, Removed, ReportRecord, StoredAnswer, Transaction};
use gateway_core::fair::Class;
use gateway_core::follow_up::{self, FollowUp};
use gateway_core::identity::{ClientId, Compartment, PlatformId, TenantId};
use gateway_core::lane::{InstanceId, LaneState, LeaveLane, TakeLane, Taken, Term};
use gateway_core::notify::Told;
use gateway_core::outbox::{Attempt, ClaimRequest, OutboxRow, OutboxState};
use gateway_core::referral::{Delivery, Former, Referral, ReferralId};
use gateway_core::resource::{ResourceKey, ResourceVersion, Token};
use gateway_core::retry::Schedule;
use gateway_core::status_link::StatusLink;
use gateway_core::subject::{Domain, Subject, SubjectId};
use gateway_core::work_list::Group;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use std::time::Duration;

const STATES: [OutboxState; 8] = [
    OutboxState::Ready,
    OutboxState::Ready,
    OutboxState::Leased,
    OutboxState::Leased,
    OutboxState::Held,
    OutboxState::Done,
    OutboxState::Dead,
    OutboxState::Dropped,
];
const DISPOSITIONS: [Disposition; 4] =
    [Disposition::Recorded, Disposition::Parked, Disposition::Applied, Disposition::Conflict];

/// Few names, so that they meet often.
struct Dice(StdRng);

impl Dice {
    fn number(&mut self, end: u32) -> u32 {
        self.0.random_range(0..end)
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        of.choose(&mut self.0).expect("not empty")
    }

    fn word(&mut self, prefix: &str, end: u32) -> String {
        format!("{prefix}{}", self.number(end))
    }

    fn maybe<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.number(2) == 0 { None } else { Some(value(self)) }
    }

    fn seconds(&mut self) -> i64 {
        self.number(200).into()
    }

    fn compartment(&mut self) -> Compartment {
        let [first, second, _] = samples::strangers();
        self.one(&[samples::home(), samples::home(), samples::home(), first, second]).clone()
    }

    fn key(&mut self) -> ResourceKey {
        let kind = (*self.one(&["Task", "Task", "Consent"])).to_owned();
        ResourceKey { compartment: self.compartment(), kind, id: self.word("r", 6) }
    }

    fn token(&mut self) -> Token {
        let parameter = *self.one(&["status", "identifier", "patient"]);
        Token::new(parameter, self.word("v", 4))
    }

    fn tokens(&mut self, end: u32) -> Vec<Token> {
        (0..self.number(end)).map(|_| self.token()).collect()
    }

    fn about(&mut self) -> Vec<ReferralId> {
        (0..self.number(3)).map(|_| samples::referral_id(&self.word("f", 5))).collect()
    }

    fn subject(&mut self) -> Option<Subject> {
        let domain = *self.one(&Domain::ALL);
        self.maybe(|dice| Subject { id: SubjectId(dice.word("p", 12)), domain })
    }

    fn name(&mut self) -> PlatformReferralId {
        PlatformReferralId(self.word("fb-", 3))
    }

    fn platform(&mut self) -> PlatformId {
        let id: &&str = self.one(&["food-bank", "walks"]);
        samples::platform(id)
    }
}

/// What the next change builds on is read from the model, so that most changes fit and some do not.
async fn change(dice: &mut Dice, model: &MemoryStore) -> Change {
    match dice.number(14) {
        0..=2 => {
            let key = dice.key();
            let current = must(model.resource(&key, None).await).map_or(0, |row| row.version);
            let version = current + u64::from(dice.number(8) != 0);
            let updated = at(dice.seconds());
            let (tokens, subject) = (dice.tokens(6), dice.subject());
            Change::PutResource(ResourceVersion {
                key,
                updated,
                tokens,
                subject,
                ..samples::resource("x", version, &[])
            })
        }
        3 | 4 => {
            let id = dice.word("f", 5);
            let standing = must(model.referral(&samples::referral_id(&id)).await);
            let current = standing.as_ref().map_or(0, |row| row.revision);
            let revision = current + u64::from(dice.number(8) != 0);
            // What it was known by is never forgotten.
            let mut former = standing.map_or_else(Vec::new, |row| row.former);
            former.extend(dice.maybe(|dice| Former {
                key: IdempotencyKey(format!("key-{}", dice.word("f", 5))),
                platform_referral: dice.name(),
                ended: at(dice.seconds()),
            }));
            let mut row = Referral {
                compartment: dice.compartment(),
                platform: dice.maybe(Dice::platform),
                platform_referral: dice.maybe(Dice::name),
                former,
                task_status: *dice.one(&TaskStatus::ALL),
                attention: dice.maybe(|_| "look".to_owned()),
                answer_due: dice.maybe(|dice| at(dice.seconds())),
                urgent: dice.maybe(|dice| at(dice.seconds())),
                follow_ups: dice.maybe(alarm).into_iter().collect(),
                accepted_at: at(dice.seconds()),
                reminders: (0..dice.number(3)).map(|_| at(dice.seconds())).collect(),
                // A referral stays about whom it is about.
                subject: Some(SubjectId(id.replace('f', "p"))),
                ..samples::referral(&id, revision)
            };
            match dice.number(4) {
                0 => {}
                1 => {
                    row.delivery = Delivery::Delivered { at: at(dice.seconds()) };
                    row.task_status = TaskStatus::Requested;
                }
                _ => row.delivery = Delivery::DeadLetter { reason: "lost".to_owned() },
            }
            samples::put_referral(row)
        }
        5 | 6 => samples::put_errand(row(dice, model).await),
        7 => Change::PutAttempt(Attempt {
            outbox: format!("{}-1", dice.word("f", 5)),
            number: dice.number(4),
            started: at(dice.seconds()),
            finished: dice.maybe(|dice| at(dice.seconds())),
            outcome: None,
            failure: None,
            adapter: dice.maybe(|_| samples::adapter()),
        }),
        8 | 9 => statement(dice),
        10 => match dice.number(6) {
            5 => Change::ReadingBegun { id: dice.word("w", 500), begun: dice.number(7) },
            4 => Change::DropOutbox(format!("{}-1", dice.word("f", 5))),
            0 => Change::ReceiveReport(samples::raw_report(&dice.word("w", 500))),
            1 => Change::ReportRead {
                id: dice.word("w", 500),
                fault: dice.maybe(|_| "no".to_owned()),
                about: dice.about(),
            },
            2 => Change::Remove(vec![match dice.number(8) {
                7 => Removed::SignIn(dice.word("k", 4)),
                4 => Removed::Link(dice.word("l", 6)),
                5 => Removed::Fed(dice.number(30).into()),
                6 => Removed::Notice(samples::notice(&dice.word("f", 5), dice.number(6).into(), 0).id),
                0 => Removed::Received(dice.number(20).into()),
                1 => Removed::RawReport(dice.word("w", 500)),
                2 => Removed::Report(dice.word("s", 12)),
                _ => {
                    let (tenant, client) = (TenantId("north".to_owned()), ClientId("gp".to_owned()));
                    Removed::Answer { tenant, client, request_id: dice.word("q", 9) }
                }
            }]),
            _ => Change::DisposeReport { id: dice.word("s", 12), disposition: *dice.one(&DISPOSITIONS) },
        },
        13 => match dice.number(2) {
            0 => link(dice, model).await,
            _ => notice(dice, model).await,
        },
        11 => Change::PutCursor { platform: dice.platform(), cursor: Cursor(dice.word("c", 9)) },
        _ => match dice.number(6) {
            4 => account(dice, model).await,
            5 => sign_in(dice, model).await,
            0 => {
                Change::RememberAnswer(StoredAnswer { subject: dice.subject(), ..samples::answer(&dice.word("q", 9)) })
            }
            1 => Change::Received(Received { subject: dice.subject(), ..samples::received(&dice.word("q", 9)) }),
            2 => match dice.subject() {
                Some(subject) => Change::Erase { subject, erasure: samples::erasure(dice.seconds()) },
                None => Change::Audit(samples::audit("f1", "none")),
            },
            _ => Change::Audit(samples::audit(&dice.word("f", 5), "step")),
        },
    }
}

/// Something is fed, or a notice is made, begun, ended or reopened.
async fn notice(dice: &mut Dice, model: &MemoryStore) -> Change {
    if dice.number(4) == 0 {
        return samples::fed(&dice.word("f", 5), dice.number(9).into());
    }
    let new = samples::notice(&dice.word("f", 5), dice.number(6).into(), dice.seconds());
    let Some(standing) = must(model.notice(&new.id).await) else { return samples::put_notice(new) };
    let (schedule, now) = (Schedule::default(), at(dice.seconds()));
    let told = dice.one(&[Told::Sent, Told::NotWanted("gone".to_owned()), Told::Never("422".to_owned())]).clone();
    let later = Told::Later { failure: "503".to_owned(), retry_after: Some(7) };
    let next = match dice.number(5) {
        0 => standing.begun(at(dice.seconds())),
        1 => standing.after(&told, now, &schedule, 0.5),
        2 => standing.after(&later, now, &schedule, 0.5),
        3 => standing.reopened(now, &schedule).unwrap_or(standing),
        _ => standing,
    };
    samples::put_notice(next)
}

/// Few secrets and sessions, so that some are used twice.
async fn link(dice: &mut Dice, model: &MemoryStore) -> Change {
    let id = dice.word("l", 6);
    let all = must(model.expired_links(at(i64::from(u16::MAX)), 50).await);
    let next = match all.into_iter().find(|link| link.id == id) {
        None => StatusLink {
            secret_sha256: dice.word("secret", 12),
            ..samples::link(&id, &dice.word("f", 5), dice.seconds())
        },
        Some(link) => match dice.number(4) {
            0 => link.opened(dice.word("session", 3), at(dice.seconds())),
            1 => link.refused(at(dice.seconds())),
            2 => link.closed(),
            _ => link,
        },
    };
    samples::put_link(next)
}

async fn account(dice: &mut Dice, model: &MemoryStore) -> Change {
    let id = dice.word("n", 4);
    let standing = must(model.account(&AccountId(id.clone())).await);
    samples::put_account(match standing {
        Some(account) if dice.number(6) != 0 => account.disabled(dice.number(2) == 0),
        _ => samples::account(&id, 1),
    })
}

async fn sign_in(dice: &mut Dice, model: &MemoryStore) -> Change {
    let key = dice.word("k", 4);
    let next =
        must(model.sign_in(&key).await).map_or(0, |standing| standing.revision()) + u64::from(dice.number(6) != 0);
    let seconds = dice.seconds();
    Change::PutSignIn(match samples::session(&key, "n1", seconds) {
        SignIn::Session(session) if dice.number(2) == 0 => SignIn::Session(Session { revision: next, ..session }),
        _ => samples::attempts(&key, next, seconds),
    })
}

async fn row(dice: &mut Dice, model: &MemoryStore) -> OutboxRow {
    let (referral, sequence) = (dice.word("f", 5), dice.number(3) + 1);
    let standing = must(model.outbox(&samples::referral_id(&referral)).await);
    let known = standing.into_iter().find(|row| row.sequence == sequence);
    let platform = dice.platform();
    // Several tenants at one platform.
    let tenant = TenantId(if referral.ends_with('1') { "south" } else { "north" }.to_owned());
    let base = known.unwrap_or_else(|| OutboxRow { platform, tenant, ..samples::errand(&referral, sequence, 0) });
    let urgent = dice.maybe(|dice| at(dice.seconds()));
    OutboxRow { state: *dice.one(&STATES), not_before: at(dice.seconds()), urgent, ..base }
}

fn statement(dice: &mut Dice) -> Change {
    let id = dice.word("s", 12);
    let (name, event) = (dice.word("fb-", 3), dice.word("e", 4));
    samples::record(ReportRecord {
        platform: dice.platform(),
        referral: dice.maybe(|dice| samples::referral_id(&dice.word("f", 5))),
        disposition: *dice.one(&DISPOSITIONS),
        ..samples::report(&id, &name, &event)
    })
}

fn check(dice: &mut Dice) -> Check {
    let (tenant, client) = (TenantId("north".to_owned()), ClientId("gp".to_owned()));
    let outbox = format!("{}-{}", dice.word("f", 5), dice.number(3) + 1);
    let fence = dice.number(4).into();
    match dice.number(5) {
        0 => Check::Unseen { tenant, client, request_id: dice.word("q", 9) },
        1 => Check::NoMatch { compartment: dice.compartment(), kind: "Task".to_owned(), tokens: dice.tokens(3) },
        2 => Check::LeaseHeld { outbox, fence },
        3 => Check::NotLeased { outbox, fence },
        _ => Check::VersionIs { key: dice.key(), version: dice.number(4).into() },
    }
}

/// What was answered, in words: engines may differ in those of their own failures.
fn answered(result: Result<(), CommitError>) -> String {
    match result {
        Err(CommitError::Store(_)) => "failed".to_owned(),
        other => format!("{other:?}"),
    }
}

/// A lane is taken, kept or given back. Terms end at once or not at all: each engine goes by a clock of its own.
async fn lane(dice: &mut Dice, model: &MemoryStore, engine: &dyn Store) {
    let (platform, holder, fence) = (dice.platform(), InstanceId(dice.word("i", 3)), u64::from(dice.number(6)));
    let state = LaneState { pause: dice.maybe(|dice| at(dice.seconds())), ..LaneState::default() };
    if dice.number(4) == 0 {
        let request = LeaveLane { platform, holder, fence, state };
        must(engine.leave_lane(&request).await);
        must(model.leave_lane(&request).await);
        return;
    }
    let term = *dice.one(&[Term::For(Duration::ZERO), Term::For(Duration::from_secs(36_000)), Term::Alone]);
    let keep = dice.maybe(|_| (fence, state));
    let request = TakeLane { platform, holder, term, now: at(0), keep };
    let told = |taken| match taken {
        Taken::Held { remaining } => Taken::Held { remaining: remaining.map(|_| Duration::ZERO) },
        ours => ours,
    };
    assert_eq!(told(must(engine.take_lane(&request).await)), told(must(model.take_lane(&request).await)));
}

async fn step(dice: &mut Dice, model: &MemoryStore, engine: &dyn Store) {
    if dice.number(5) == 0 {
        let platform = dice.platform();
        let mut request = ClaimRequest { platform, ..samples::claim("walks", dice.seconds(), dice.number(4)) };
        request.interrupted = dice.number(3) == 0;
        request.urgent = dice.number(3) == 0;
        request.turn.went(
            &TenantId((*dice.one(&["east", "north", "south"])).to_owned()),
            *dice.one(&[Class::Urgent, Class::Any]),
        );
        request.lane = dice.maybe(|dice| dice.number(6).into());
        // Engines refuse in the same words: that the lane is another's.
        let answered = |claimed: Result<_, StoreError>| claimed.map_err(|error| error.to_string());
        assert_eq!(answered(engine.claim(request.clone()).await), answered(model.claim(request).await));
        return;
    }
    if dice.number(8) == 0 {
        lane(dice, model, engine).await;
        return;
    }
    let mut transaction = Transaction::default();
    if dice.number(3) == 0 {
        transaction.checks.push(check(dice));
    }
    for _ in 0..=dice.number(4) {
        transaction.changes.push(change(dice, model).await);
    }
    let expected = answered(model.commit(transaction.clone()).await);
    assert_eq!(answered(engine.commit(transaction.clone()).await), expected, "{transaction:?}");
}

/// Answers of the same time come in any order.
fn by_id(mut answers: Vec<StoredAnswer>) -> Vec<StoredAnswer> {
    answers.sort_by(|one, other| one.request_id.cmp(&other.request_id));
    answers
}

fn random_query(dice: &mut Dice) -> SearchQuery {
    SearchQuery {
        compartment: dice.compartment(),
        kind: "Task".to_owned(),
        all_of: (0..dice.number(4)).map(|_| dice.tokens(4)).collect(),
        updated: UpdatedRange {
            from: dice.maybe(|dice| at(dice.seconds())),
            to: dice.maybe(|dice| at(dice.seconds())),
        },
        after: dice.number(6).into(),
        up_to: dice.maybe(|dice| dice.number(12).into()),
        limit: dice.number(5),
        count: dice.number(2) == 0,
    }
}

/// A call for help, which somebody may have ended.
fn alarm(dice: &mut Dice) -> FollowUp {
    let (opened_at, ended_at) = (at(dice.seconds()), dice.maybe(|dice| at(dice.seconds())));
    let cause = follow_up::Cause::NeedsMoreSupport;
    FollowUp { cause, task: dice.word("u", 3), opened_at, due: None, ended_at, again: None }
}

fn needing(dice: &mut Dice, of: Compartment) -> Needing {
    let (group, now) = (*dice.one(&Group::ALL), at(dice.seconds()));
    Needing { tenant: of.tenant, owner: of.owner, group, now, since: dice.maybe(|dice| at(dice.seconds())) }
}

async fn compare(dice: &mut Dice, model: &MemoryStore, engine: &dyn Store) {
    let query = random_query(dice);
    assert_eq!(must(engine.search(&query).await), must(model.search(&query).await), "{query:?}");
    let key = dice.key();
    assert_eq!(must(engine.history(&key).await), must(model.history(&key).await));
    assert_eq!(must(engine.erasure(&key).await), must(model.erasure(&key).await));
    let home = dice.compartment();
    let filter = ReferralFilter {
        tenant: dice.maybe(|_| TenantId("north".to_owned())),
        delivery: dice.maybe(|_| "dead-letter".to_owned()),
        subject: if dice.number(4) == 0 { dice.subject().map(|subject| subject.id) } else { None },
        after: dice.maybe(|dice| samples::referral_id(&dice.word("f", 6))),
        attention: dice.number(3) == 0,
        needing: if dice.number(3) == 0 { Some(needing(dice, home)) } else { None },
        limit: dice.number(5),
    };
    assert_eq!(must(engine.referrals(&filter).await), must(model.referrals(&filter).await), "{filter:?}");
    let (by, limit) = (at(dice.seconds()), dice.number(4));
    assert_eq!(must(engine.unanswered(by, limit).await), must(model.unanswered(by, limit).await));
    let (tenant, after) = (dice.maybe(|_| TenantId("north".to_owned())), u64::from(dice.number(4)));
    let dead = model.dead_letters(tenant.as_ref(), after, limit).await;
    assert_eq!(must(engine.dead_letters(tenant.as_ref(), after, limit).await), must(dead));
    assert_eq!(must(engine.counts().await), must(model.counts().await));
    let (platform, name, id) = (dice.platform(), dice.name(), samples::referral_id(&dice.word("f", 5)));
    let ours = IdempotencyKey(format!("key-{}", id.0));
    assert_eq!(
        must(engine.referral_at_platform(&platform, &name, Some(&ours)).await),
        must(model.referral_at_platform(&platform, &name, Some(&ours)).await)
    );
    let theirs = IdempotencyKey(dice.word("key-of-fb-", 3));
    assert_eq!(
        must(engine.parked_reports(&platform, &name, &theirs).await),
        must(model.parked_reports(&platform, &name, &theirs).await)
    );
    assert_eq!(must(engine.outbox(&id).await), must(model.outbox(&id).await));
    assert_eq!(must(engine.reports(&id).await), must(model.reports(&id).await));
    let platforms = [platform];
    assert_eq!(must(engine.backlog(5).await), must(model.backlog(5).await));
    assert_eq!(must(engine.next_due(&platforms).await), must(model.next_due(&platforms).await));
    let limit = dice.number(6);
    let (before, domain, after) =
        (at(dice.seconds()), *dice.one(&Domain::ALL), dice.subject().map(|subject| subject.id));
    assert_eq!(
        must(engine.idle(domain, before, after.as_ref(), limit).await),
        must(model.idle(domain, before, after.as_ref(), limit).await)
    );
    let subject = dice.subject().unwrap_or(Subject { id: SubjectId("none".to_owned()), domain });
    assert_eq!(must(engine.belonging(&subject).await), must(model.belonging(&subject).await));
    assert_eq!(must(engine.received(before, limit).await), must(model.received(before, limit).await));
    assert_eq!(must(engine.answers(before, 50).await.map(by_id)), must(model.answers(before, 50).await.map(by_id)));
    assert_eq!(must(engine.raw_reports(before, limit).await), must(model.raw_reports(before, limit).await));
    assert_eq!(must(engine.unmapped(limit).await), must(model.unmapped(limit).await));
    assert_eq!(must(engine.parked(before, limit).await), must(model.parked(before, limit).await));
    assert_eq!(must(engine.referrals_to_align(limit).await), must(model.referrals_to_align(limit).await));
    let (secret, session) = (dice.word("secret", 12), dice.word("session", 3));
    assert_eq!(must(engine.link_by_secret(&secret).await), must(model.link_by_secret(&secret).await));
    assert_eq!(must(engine.link_by_session(&session).await), must(model.link_by_session(&session).await));
    assert_eq!(must(engine.links(&id).await), must(model.links(&id).await));
    assert_eq!(must(engine.expired_links(before, limit).await), must(model.expired_links(before, limit).await));
    assert_eq!(must(engine.feed(limit).await), must(model.feed(limit).await));
    assert_eq!(must(engine.due_notices(before, limit).await), must(model.due_notices(before, limit).await));
    assert_eq!(must(engine.next_notice().await), must(model.next_notice().await));
    assert_eq!(must(engine.ended_notices(before, limit).await), must(model.ended_notices(before, limit).await));
    assert_eq!(must(engine.notices_of(&id).await), must(model.notices_of(&id).await));
    let dead = model.dead_notices(tenant.as_ref(), 0, limit).await;
    assert_eq!(must(engine.dead_notices(tenant.as_ref(), 0, limit).await), must(dead));
    let queue = samples::notice(&id.0, 1, 0).queue();
    assert_eq!(must(engine.last_notice(&queue).await), must(model.last_notice(&queue).await));
    let number = dice.number(3).into();
    assert_eq!(must(engine.notices(&queue, number, limit).await), must(model.notices(&queue, number, limit).await));
    let (name, key) = (AccountId(dice.word("n", 4)), dice.word("k", 4));
    assert_eq!(must(engine.account(&name).await), must(model.account(&name).await));
    assert_eq!(must(engine.accounts().await), must(model.accounts().await));
    assert_eq!(must(engine.sign_in(&key).await), must(model.sign_in(&key).await));
    let ended = before + gateway_core::account::IDLE;
    assert_eq!(must(engine.expired_sign_ins(ended, limit).await), must(model.expired_sign_ins(ended, limit).await));
    assert_eq!(must(engine.unread_reports(limit).await), must(model.unread_reports(limit).await));
    assert_eq!(must(engine.content_hash().await), must(model.content_hash().await));
}

/// A random history.
pub(in crate::store) async fn history(seed: u64, steps: u32, engine: &dyn Store) {
    let model = MemoryStore::new();
    let mut dice = Dice(StdRng::seed_from_u64(seed));
    for _ in 0..steps {
        step(&mut dice, &model, engine).await;
        compare(&mut dice, &model, engine).await;
    }
}
