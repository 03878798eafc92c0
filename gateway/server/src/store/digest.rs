//! The hash over a store's contents. Each engine walks its rows in the same order and hands them to the same code, so
//! two engines with the same contents have the same hash.

use super::StoreError;
use super::chain::Link;
use gateway_core::account::{Account, SignIn};
use gateway_core::change::{AuditRecord, RawReport, Received, ReportRecord, StoredAnswer};
use gateway_core::identity::PlatformId;
use gateway_core::notify::{Fed, Notice};
use gateway_core::outbox::{Attempt, OutboxRow};
use gateway_core::referral::Referral;
use gateway_core::resource::ResourceVersion;
use gateway_core::status_link::StatusLink;
use gateway_core::subject::{Erasure, Subject};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use time::OffsetDateTime;

/// A hash that grows with each row. Order: received, resources by place and version, referrals, outbox, attempts, raw
/// reports, reports, erased subjects, what pushes are about, status links, what is fed, notices, accounts, sign-ins, cursors, answers, audit; each by place or else by key.
#[derive(Default)]
pub(super) struct Digest(Sha256);

impl Digest {
    /// A request as it came.
    pub(super) fn received(&mut self, row: &Received) {
        self.text("received")
            .subject(row.subject.as_ref())
            .text(&row.tenant.0)
            .text(&row.client.0)
            .text(&row.request_id)
            .text(&row.correlation);
        self.time(row.at).text(&row.sha256).bytes(&row.bytes);
    }

    /// One version of the resource that was created at `place`.
    pub(super) fn resource(&mut self, place: u64, row: &ResourceVersion) {
        let compartment = &row.key.compartment;
        self.text("resource")
            .subject(row.subject.as_ref())
            .number(place)
            .text(&compartment.tenant.0)
            .text(&compartment.owner.key());
        self.text(&row.key.kind).text(&row.key.id).number(row.version).time(row.updated).text(&row.author);
        self.text(row.method.verb()).text(&row.body);
        for token in &row.tokens {
            self.text(&token.parameter).text(&token.value);
        }
    }

    /// A referral.
    pub(super) fn referral(&mut self, row: &Referral) -> Result<(), StoreError> {
        self.text("referral").json(row)
    }

    /// An outbox row, with the time when it is due or its lease ends.
    pub(super) fn outbox(&mut self, row: &OutboxRow, due: Option<OffsetDateTime>) -> Result<(), StoreError> {
        self.text("outbox").json(row)?;
        self.optional(due.map(micros).as_deref());
        Ok(())
    }

    /// An attempt.
    pub(super) fn attempt(&mut self, row: &Attempt) -> Result<(), StoreError> {
        self.text("attempt").json(row)
    }

    /// A push as it came, and whether it was read.
    pub(super) fn raw_report(&mut self, row: &RawReport, read: bool, fault: Option<&str>) -> Result<(), StoreError> {
        self.text("raw-report").text(&row.id).text(&row.platform.0).json(&row.source)?;
        self.optional(row.content_type.as_deref())
            .time(row.received)
            .bytes(&row.body)
            .number(row.begun.into())
            .number(read.into());
        self.optional(fault);
        Ok(())
    }

    /// A statement.
    pub(super) fn report(&mut self, row: &ReportRecord) -> Result<(), StoreError> {
        self.text("report").json(row)
    }

    /// That a subject was erased, by its id and domain.
    pub(super) fn erased(&mut self, subject: &Subject, erasure: &Erasure) {
        self.text("erased").subject(Some(subject)).time(erasure.at).text(erasure.cause.word());
    }

    /// That a push speaks of a referral, by both names.
    pub(super) fn about(&mut self, referral: &str, raw: &str) {
        self.text("about").text(referral).text(raw);
    }

    /// A status link.
    pub(super) fn link(&mut self, row: &StatusLink) -> Result<(), StoreError> {
        self.text("status-link").json(row)
    }

    /// What is fed.
    pub(super) fn fed(&mut self, row: &Fed) {
        let compartment = &row.key.compartment;
        self.text("fed").number(row.place).text(&compartment.tenant.0).text(&compartment.owner.key());
        self.text(&row.key.kind).text(&row.key.id).number(row.version).time(row.at);
    }

    /// A notice.
    pub(super) fn notice(&mut self, row: &Notice) -> Result<(), StoreError> {
        self.text("notice").json(row)
    }

    /// An account.
    pub(super) fn account(&mut self, row: &Account) -> Result<(), StoreError> {
        self.text("account").json(row)
    }

    /// What is kept of signing in.
    pub(super) fn sign_in(&mut self, row: &SignIn) -> Result<(), StoreError> {
        self.text("sign-in").json(row)
    }

    /// Where polling stands.
    pub(super) fn cursor(&mut self, platform: &PlatformId, cursor: &str) {
        self.text("cursor").text(&platform.0).text(cursor);
    }

    /// A kept answer.
    pub(super) fn answer(&mut self, row: &StoredAnswer) {
        self.text("answer")
            .subject(row.subject.as_ref())
            .text(&row.tenant.0)
            .text(&row.client.0)
            .text(&row.request_id)
            .text(&row.fingerprint);
        self.time(row.at).number(row.status.into()).optional(row.location.as_deref());
        self.optional(row.etag.as_deref()).optional(row.body.as_deref());
    }

    /// A line of audit, with its place in the chain.
    pub(super) fn audit(&mut self, link: &Link, row: &AuditRecord) -> Result<(), StoreError> {
        self.text("audit").number(link.number).bytes(&link.hash).json(row)
    }

    /// The hash, in lower-case hex.
    pub(super) fn finish(self) -> String {
        hex(&self.0.finalize())
    }

    fn json(&mut self, value: &impl Serialize) -> Result<(), StoreError> {
        let text = serde_json::to_string(value).map_err(|_| StoreError::Engine("a row has no JSON form".to_owned()))?;
        self.text(&text);
        Ok(())
    }

    fn subject(&mut self, subject: Option<&Subject>) -> &mut Self {
        self.optional(subject.map(|subject| subject.id.0.as_str()));
        self.optional(subject.map(|subject| subject.domain.word()))
    }

    fn time(&mut self, at: OffsetDateTime) -> &mut Self {
        self.text(&micros(at))
    }

    fn number(&mut self, number: u64) -> &mut Self {
        self.bytes(&number.to_be_bytes())
    }

    fn optional(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.number(1).text(text),
            None => self.number(0),
        }
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    /// Length first: otherwise `ab`, `c` and `a`, `bc` would be the same.
    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
        self
    }
}

/// Bytes in lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn micros(at: OffsetDateTime) -> String {
    (at.unix_timestamp_nanos() / 1_000).to_string()
}
