//! Walks every table in the order that [`Digest`] prescribes. An engine runs one statement after the other in one
//! snapshot and hands over the rows.

use super::StoreError;
use super::chain::Link;
use super::digest::Digest;
use super::rows::{self, Columns, VERSION, VERSION_COLUMNS};
use super::values::{time, unreadable};
use gateway_core::identity::PlatformId;
use std::borrow::Cow;

/// A table, in the digest's order.
#[derive(Debug, Clone, Copy)]
enum Table {
    Received,
    Resources,
    Referrals,
    Outbox,
    Attempts,
    RawReports,
    Reports,
    Erased,
    About,
    Links,
    Feed,
    Notices,
    Accounts,
    SignIns,
    Cursors,
    Answers,
    Audit,
}

const ORDER: [Table; 17] = [
    Table::Received,
    Table::Resources,
    Table::Referrals,
    Table::Outbox,
    Table::Attempts,
    Table::RawReports,
    Table::Reports,
    Table::Erased,
    Table::About,
    Table::Links,
    Table::Feed,
    Table::Notices,
    Table::Accounts,
    Table::SignIns,
    Table::Cursors,
    Table::Answers,
    Table::Audit,
];

impl Table {
    fn statement(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Received => {
                "SELECT r.tenant, r.client, r.request_id, r.correlation, r.at, r.sha256, r.bytes, k.key, k.subject, k.domain
                 FROM received r JOIN subject_key k ON k.id = r.sealed_by ORDER BY r.place"
            }
            Self::Resources => {
                return Cow::Owned(format!(
                    "SELECT {VERSION}, c.place, c.tenant, c.owner, c.kind, c.id FROM resource_current c
                     JOIN resource_version v ON v.place = c.place JOIN subject_key k ON k.id = c.sealed_by
                     ORDER BY c.place, v.version"
                ));
            }
            Self::Referrals => "SELECT body FROM referral ORDER BY place",
            Self::Outbox => "SELECT body, due FROM outbox ORDER BY place",
            Self::Attempts => "SELECT body FROM attempt ORDER BY outbox, number",
            Self::RawReports => {
                "SELECT r.id, r.platform, r.source, r.content_type, r.received, r.body, k.key, r.begun, r.read, r.fault
                 FROM raw_report r JOIN subject_key k ON k.id = r.sealed_by ORDER BY r.place"
            }
            Self::Reports => {
                "SELECT r.id, r.platform, r.referral, r.source, r.received, r.body, r.disposition, k.key
                 FROM report r JOIN subject_key k ON k.id = r.sealed_by ORDER BY r.place"
            }
            Self::Erased => {
                "SELECT subject, domain, destroyed, cause FROM subject_key WHERE destroyed IS NOT NULL
                 ORDER BY subject, domain DESC"
            }
            Self::About => "SELECT referral, raw FROM raw_report_about ORDER BY referral, raw",
            Self::Links => "SELECT body FROM status_link ORDER BY place",
            Self::Feed => "SELECT place, tenant, owner, kind, id, version, at FROM feed ORDER BY place",
            Self::Notices => "SELECT body FROM notice ORDER BY place",
            Self::Accounts => "SELECT body FROM account ORDER BY place",
            Self::SignIns => "SELECT body FROM sign_in ORDER BY key",
            Self::Cursors => "SELECT platform, cursor FROM cursor ORDER BY platform",
            Self::Answers => {
                "SELECT a.tenant, a.client, a.request_id, a.fingerprint, a.at, a.status, a.location, a.etag, a.body, k.key,
                    k.subject, k.domain
                 FROM answer a JOIN subject_key k ON k.id = a.sealed_by ORDER BY a.tenant, a.client, a.request_id"
            }
            Self::Audit => {
                "SELECT tenant, at, actor, action, referral, detail, number, hash FROM audit ORDER BY place"
            }
        })
    }

    fn row(self, digest: &mut Digest, row: &impl Columns) -> Result<(), StoreError> {
        match self {
            Self::Received => digest.received(&rows::received(row)?),
            Self::Resources => {
                let key = rows::resource_key(row, VERSION_COLUMNS + 1)?;
                digest.resource(row.natural(VERSION_COLUMNS)?, &rows::version(row, key)?);
            }
            Self::Referrals => digest.referral(&row.json(0, "referral")?)?,
            Self::Outbox => {
                let due = row.integer_or_null(1)?.map(time).transpose()?;
                digest.outbox(&row.json(0, "outbox row")?, due)?;
            }
            Self::Attempts => digest.attempt(&row.json(0, "attempt")?)?,
            Self::RawReports => {
                let fault = row.text_or_null(9)?;
                digest.raw_report(&rows::raw_report(row)?, row.integer(8)? != 0, fault.as_deref())?;
            }
            Self::Reports => digest.report(&rows::report(row)?)?,
            Self::Erased => {
                let subject = rows::subject(row, 0)?.ok_or_else(|| unreadable("subject"))?;
                digest.erased(&subject, &rows::an_erasure(row, 2)?);
            }
            Self::About => digest.about(&row.text(0)?, &row.text(1)?),
            Self::Links => digest.link(&row.json(0, "status link")?)?,
            Self::Feed => digest.fed(&rows::fed(row)?),
            Self::Notices => digest.notice(&row.json(0, "notice")?)?,
            Self::Accounts => digest.account(&row.json(0, "account")?)?,
            Self::SignIns => digest.sign_in(&row.json(0, "sign-in")?)?,
            Self::Cursors => digest.cursor(&PlatformId(row.string(0)?), &row.text(1)?),
            Self::Answers => digest.answer(&rows::answer(row)?),
            Self::Audit => {
                let link = Link { number: row.natural(6)?, hash: rows::hash(row, 7)? };
                digest.audit(&link, &rows::a_line(row)?)?;
            }
        }
        Ok(())
    }
}

/// Where the walk stands.
#[derive(Default)]
pub(super) struct Tables {
    at: usize,
    digest: Digest,
}

impl Tables {
    /// What to ask for now; `None` after the last table.
    pub(super) fn statement(&self) -> Option<Cow<'static, str>> {
        ORDER.get(self.at).map(|table| table.statement())
    }

    /// The next row of it.
    pub(super) fn row(&mut self, row: &impl Columns) -> Result<(), StoreError> {
        ORDER.get(self.at).map_or(Ok(()), |table| table.row(&mut self.digest, row))
    }

    /// Goes on to the next table.
    pub(super) fn next(&mut self) {
        self.at += 1;
    }

    /// The hash, in lower-case hex.
    pub(super) fn finish(self) -> String {
        self.digest.finish()
    }
}
