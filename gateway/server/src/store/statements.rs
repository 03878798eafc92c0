//! The statements that every engine runs, each once. They are written in SQLite's words (`?1`, `CROSS JOIN` for a fixed
//! order, `INDEXED BY`, `ifnull`, `+column` to keep a term from
//! an index); another engine translates those few.

use super::rows::VERSION;
use super::values::micros;
use super::{Needing, ReferralFilter, StoreError};
use gateway_core::referral::Referral;
use gateway_core::work_list::{Group, Needs};
use std::sync::LazyLock;

/// Statements on a subject's referrals, pushes that speak of them, and the rows that say so.
pub(super) const OF_REFERRALS: [&str; 4] = [
    "DELETE FROM status_link WHERE referral IN (SELECT id FROM referral WHERE subject = ?1)",
    "DELETE FROM report WHERE referral IN (SELECT id FROM referral WHERE subject = ?1)",
    "DELETE FROM raw_report WHERE id IN (
        SELECT a.raw FROM referral f CROSS JOIN raw_report_about a ON a.referral = f.id WHERE f.subject = ?1)",
    "DELETE FROM raw_report_about WHERE referral IN (SELECT id FROM referral WHERE subject = ?1)",
];
/// When and why a resource was erased.
pub(super) const ERASURE: &str = "SELECT k.destroyed, k.cause
    FROM resource_current c CROSS JOIN subject_key k ON k.id = c.sealed_by
    WHERE c.tenant = ?1 AND c.owner = ?2 AND c.kind = ?3 AND c.id = ?4 AND c.erased = 1";
pub(super) static RESOURCE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {VERSION} FROM resource_current c
         CROSS JOIN resource_version v ON v.place = c.place AND v.version = ifnull(?5, c.version)
         CROSS JOIN subject_key k ON k.id = c.sealed_by
         WHERE c.tenant = ?1 AND c.owner = ?2 AND c.kind = ?3 AND c.id = ?4 AND c.erased = 0"
    )
});
pub(super) static HISTORY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {VERSION} FROM resource_current c
         CROSS JOIN resource_version v ON v.place = c.place
         CROSS JOIN subject_key k ON k.id = c.sealed_by
         WHERE c.tenant = ?1 AND c.owner = ?2 AND c.kind = ?3 AND c.id = ?4 AND c.erased = 0
         ORDER BY v.version DESC"
    )
});
pub(super) const BY_TASK: &str =
    "SELECT body FROM referral WHERE tenant = ?1 AND owner = ?2 AND task = ?3 ORDER BY place LIMIT 1";
pub(super) const BY_NAME: &str =
    "SELECT body FROM referral WHERE platform = ?1 AND platform_referral = ?2 ORDER BY place LIMIT 1";
pub(super) const BY_KEY: &str = "SELECT body FROM referral WHERE platform = ?1 AND key = ?2 ORDER BY place LIMIT 1";
/// By what it was known by at its platform before.
pub(super) const BY_FORMER: &str = "SELECT r.body FROM referral_former f CROSS JOIN referral r ON r.place = f.place
    WHERE f.word = ?2 AND r.platform = ?1 ORDER BY f.place LIMIT 1";
pub(super) const PUT_FORMER: &str = "INSERT INTO referral_former (word, place)
    SELECT ?2, place FROM referral WHERE id = ?1 ON CONFLICT DO NOTHING";
pub(super) const UNANSWERED: &str = "SELECT body FROM referral WHERE answer_due IS NOT NULL AND answer_due <= ?1
    ORDER BY answer_due, place LIMIT ?2";
/// Dead letters, of a tenant or of all. Few rows are dead, so that the tenant needs no index of its own.
pub(super) const DEAD: [&str; 2] = [
    "SELECT body, place FROM outbox WHERE state = 'dead' AND place > ?1 ORDER BY place LIMIT ?2",
    "SELECT body, place FROM outbox WHERE state = 'dead' AND place > ?1 AND tenant = ?3 ORDER BY place LIMIT ?2",
];
pub(super) const COUNTS: &str = "SELECT delivery, task_status, count(*) FROM referral
    GROUP BY delivery, task_status ORDER BY delivery, task_status";
/// A row that waits for its time, by its name.
pub(super) const WAITING_ROW: &str = "SELECT body FROM outbox WHERE id = ?1 AND state = 'ready'";
pub(super) const OUTBOX: &str = "SELECT body FROM outbox WHERE referral = ?1 ORDER BY sequence, place";
pub(super) const UNREAD: &str = "SELECT r.id, r.platform, r.source, r.content_type, r.received, r.body, k.key, r.begun
    FROM raw_report r CROSS JOIN subject_key k ON k.id = r.sealed_by WHERE r.read = 0 ORDER BY r.place LIMIT ?1";
pub(super) const REPORTS: &str =
    "SELECT r.id, r.platform, r.referral, r.source, r.received, r.body, r.disposition, k.key
    FROM report r CROSS JOIN subject_key k ON k.id = r.sealed_by WHERE r.referral = ?1 ORDER BY r.place";
/// Status links.
pub(super) const LINK_BY_SECRET: &str = "SELECT body FROM status_link WHERE secret = ?1";
pub(super) const LINK_BY_SESSION: &str = "SELECT body FROM status_link WHERE session = ?1";
pub(super) const LINKS: &str = "SELECT body FROM status_link WHERE referral = ?1 ORDER BY place";
pub(super) const EXPIRED_LINKS: &str =
    "SELECT body FROM status_link WHERE expires < ?1 ORDER BY expires, place LIMIT ?2";
/// What was fed, and notices.
pub(super) const FEED: &str = "SELECT place, tenant, owner, kind, id, version, at FROM feed ORDER BY place LIMIT ?1";
pub(super) const NOTICE: &str = "SELECT body FROM notice WHERE id = ?1";
/// The next party, by name, of which any waits for none of its queue.
pub(super) const NOTICE_PARTY: &str =
    "SELECT min(party) FROM notice WHERE due IS NOT NULL AND waits = 0 AND party > ?1";
/// A queue's first open one alone.
pub(super) const DUE_NOTICES: &str = "SELECT body, due, place FROM notice
    WHERE party = ?3 AND due IS NOT NULL AND waits = 0 AND due <= ?1 ORDER BY due, place LIMIT ?2";
pub(super) const NEXT_NOTICE: &str = "SELECT min(due) FROM notice WHERE due IS NOT NULL AND waits = 0";
pub(super) const LAST_NOTICE: &str = "SELECT max(sequence) FROM notice WHERE queue = ?1";
pub(super) const NOTICES: &str =
    "SELECT body FROM notice WHERE queue = ?1 AND sequence > ?2 ORDER BY sequence LIMIT ?3";
pub(super) const NOTICES_OF: &str = "SELECT body FROM notice WHERE referral = ?1 ORDER BY place";
/// The last of each queue stays, so that its numbers go on, for as long as it may get another: where it ends with its referral, until
/// the person was erased.
pub(super) const ENDED_NOTICES: &str = "SELECT body FROM notice n WHERE n.ended < ?1 AND (
        EXISTS (SELECT 1 FROM notice l WHERE l.queue = n.queue AND l.sequence > n.sequence)
        OR (n.outlives = 0 AND EXISTS (SELECT 1 FROM referral f CROSS JOIN subject_key k ON k.subject = f.subject
            WHERE f.id = n.referral AND k.domain = 'record' AND k.destroyed IS NOT NULL)))
    ORDER BY n.ended, n.place LIMIT ?2";
/// Dead ones, of a tenant or of all. Few are dead, so that the tenant needs no index of its own.
pub(super) const DEAD_NOTICES: [&str; 2] = [
    "SELECT body, place FROM notice WHERE state = 'dead' AND place > ?1 ORDER BY place LIMIT ?2",
    "SELECT body, place FROM notice WHERE state = 'dead' AND place > ?1 AND tenant = ?3 ORDER BY place LIMIT ?2",
];
/// Of a queue the first open one waits for none, and the others wait.
pub(super) const NOTICES_WAIT: [&str; 2] = [
    "UPDATE notice SET waits = 1 WHERE queue = ?1 AND due IS NOT NULL AND waits = 0
        AND sequence > (SELECT min(sequence) FROM notice WHERE queue = ?1 AND due IS NOT NULL)",
    "UPDATE notice SET waits = 0 WHERE queue = ?1 AND waits = 1
        AND sequence = (SELECT min(sequence) FROM notice WHERE queue = ?1 AND due IS NOT NULL)",
];
/// Accounts, and what is kept of signing in.
pub(super) const ACCOUNT: &str = "SELECT body FROM account WHERE id = ?1";
pub(super) const ACCOUNTS: &str = "SELECT body FROM account ORDER BY place";
pub(super) const SIGN_IN: &str = "SELECT body FROM sign_in WHERE key = ?1";
pub(super) const EXPIRED_SIGN_INS: &str = "SELECT body FROM sign_in WHERE expires <= ?1 ORDER BY expires, key LIMIT ?2";
/// What of a party may need a person, those of one group, the longest waiting first, behind a time and place.
const NEEDING: [&str; 3] = [
    "SELECT body FROM referral WHERE tenant = ?1 AND owner = ?2 AND needs = 2 AND ?3 IS NOT NULL
        AND (since, place) > (?4, ?5) ORDER BY since, place LIMIT ?6",
    "SELECT body FROM referral WHERE tenant = ?1 AND owner = ?2 AND needs = 1 AND pressing <= ?3
        AND (since, place) > (?4, ?5) ORDER BY since, place LIMIT ?6",
    "SELECT body FROM referral WHERE tenant = ?1 AND owner = ?2 AND needs = 1 AND (pressing IS NULL OR pressing > ?3)
        AND (since, place) > (?4, ?5) ORDER BY since, place LIMIT ?6",
];

/// The statement of a group.
pub(super) const fn needing(group: Group) -> &'static str {
    let [alarm, urgent, usual] = NEEDING;
    match group {
        Group::Alarm => alarm,
        Group::Urgent => urgent,
        Group::Usual => usual,
    }
}

/// Behind which time and place a list goes on, as the statements of [`needing`] compare them.
pub(super) fn behind(wanted: &Needing, after: Option<i64>) -> Result<(i64, i64), StoreError> {
    match (wanted.since, after) {
        (Some(since), Some(place)) => Ok((micros(since)?, place)),
        _ => Ok((i64::MIN, 0)),
    }
}

/// What the columns say of a referral that may need a person: which group it may be of, and times.
pub(super) fn needs(referral: &Referral) -> Result<[Option<i64>; 3], StoreError> {
    let Some(needs) = Needs::of(referral) else { return Ok([None; 3]) };
    let group = if needs.alarm { 2 } else { 1 };
    Ok([Some(group), needs.urgent.map(micros).transpose()?, Some(micros(needs.since)?)])
}

/// What had a word that no adapter knew, the newest first.
pub(super) const UNMAPPED: &str =
    "SELECT r.id, r.platform, r.referral, r.source, r.received, r.body, r.disposition, k.key
    FROM report r CROSS JOIN subject_key k ON k.id = r.sealed_by
    WHERE r.disposition = 'unmapped' ORDER BY r.place DESC LIMIT ?1";
pub(super) const PARKED_BY: [&str; 2] = [
    "SELECT r.id, r.platform, r.referral, r.source, r.received, r.body, r.disposition, k.key, r.place
     FROM report r CROSS JOIN subject_key k ON k.id = r.sealed_by
     WHERE r.disposition = 'parked' AND r.platform = ?1 AND r.platform_referral = ?2",
    "SELECT r.id, r.platform, r.referral, r.source, r.received, r.body, r.disposition, k.key, r.place
     FROM report r CROSS JOIN subject_key k ON k.id = r.sealed_by
     WHERE r.disposition = 'parked' AND r.platform = ?1 AND r.key = ?2",
];
/// A referral comes at the place of its oldest waiting statement, and only there. While its delivery is under way it comes where one
/// of them calls for help and nobody was told yet.
pub(super) const TO_ALIGN: &str = "SELECT r.referral FROM report r
    WHERE r.disposition IN ('recorded', 'told') AND r.place > 0 AND r.referral IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM report e
        WHERE e.disposition IN ('recorded', 'told') AND e.referral = r.referral AND e.place < r.place)
      AND (NOT EXISTS (SELECT 1 FROM referral f WHERE f.id = r.referral AND f.delivery = 'queued')
        OR EXISTS (
            SELECT 1 FROM report c
            WHERE c.disposition IN ('recorded', 'told') AND c.referral = r.referral AND c.calls = 1
              AND c.disposition = 'recorded'))
    ORDER BY r.place LIMIT ?1";
pub(super) const ANSWER: &str =
    "SELECT a.tenant, a.client, a.request_id, a.fingerprint, a.at, a.status, a.location, a.etag, a.body, k.key, k.subject,
        k.domain
    FROM answer a CROSS JOIN subject_key k ON k.id = a.sealed_by
    WHERE a.tenant = ?1 AND a.client = ?2 AND a.request_id = ?3";
pub(super) const AUDIT: &str =
    "SELECT tenant, at, actor, action, referral, detail, number FROM audit WHERE referral = ?1 ORDER BY place";
pub(super) const AUDIT_LINE: &str =
    "SELECT tenant, at, actor, action, referral, detail, number FROM audit WHERE tenant = ?1 AND number = ?2";
pub(super) const LATEST: &str = "SELECT max(at) FROM audit";
pub(super) const RECEIVED: &str =
    "SELECT r.tenant, r.client, r.request_id, r.correlation, r.at, r.sha256, r.bytes, k.key, k.subject, k.domain, r.place
    FROM received r CROSS JOIN subject_key k ON k.id = r.sealed_by WHERE r.at < ?1 ORDER BY r.at, r.place LIMIT ?2";
pub(super) const ANSWERS: &str =
    "SELECT a.tenant, a.client, a.request_id, a.fingerprint, a.at, a.status, a.location, a.etag, a.body, k.key, k.subject,
        k.domain
    FROM answer a CROSS JOIN subject_key k ON k.id = a.sealed_by WHERE a.at < ?1 ORDER BY a.at LIMIT ?2";
pub(super) const RAW_REPORTS: &str =
    "SELECT r.id, r.platform, r.source, r.content_type, r.received, r.body, k.key, r.begun
    FROM raw_report r CROSS JOIN subject_key k ON k.id = r.sealed_by
    WHERE r.received < ?1 ORDER BY r.received, r.place LIMIT ?2";
pub(super) const PARKED: &str =
    "SELECT r.id, r.platform, r.referral, r.source, r.received, r.body, r.disposition, k.key
    FROM report r CROSS JOIN subject_key k ON k.id = r.sealed_by
    WHERE r.disposition = 'parked' AND r.received < ?1 ORDER BY r.received, r.place LIMIT ?2";
/// Walks the subjects in the order of their ids; each is looked at by what its key seals.
pub(super) const IDLE: &str =
    "SELECT k.subject, c.tenant, c.owner, c.kind, c.id FROM subject_key k CROSS JOIN resource_current c
        ON c.place = (SELECT min(f.place) FROM resource_current f WHERE f.sealed_by = k.id
            AND f.kind IN ('Patient', 'ServiceRequest', 'Consent'))
    WHERE k.subject > ?3 AND k.domain = ?1 AND k.key IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM resource_current n WHERE n.sealed_by = k.id AND n.updated >= ?2)
    ORDER BY k.subject LIMIT ?4";
pub(super) const BELONGING: &str =
    "SELECT c.tenant, c.owner, c.kind, c.id FROM subject_key k CROSS JOIN resource_current c ON c.sealed_by = k.id
    WHERE k.subject = ?1 AND k.domain = ?2 AND k.key IS NOT NULL AND c.kind IN ('Patient', 'ServiceRequest', 'Consent')";
/// The next platform, by name, for which anything waits for its time.
pub(super) const PLATFORM: &str = "SELECT o.platform FROM outbox o
    WHERE o.platform > ?1 AND o.due IS NOT NULL AND o.waits = 0 ORDER BY o.platform LIMIT 1";
/// The next tenant, by name, of whom anything waits for its time at a platform.
pub(super) const TENANT: &str = "SELECT o.tenant FROM outbox o
    WHERE o.platform = ?1 AND o.tenant > ?2 AND o.due IS NOT NULL AND o.waits = 0 ORDER BY o.tenant LIMIT 1";
/// What a tenant has at a platform that is due by a time, the longest waiting first.
pub(super) const DUE: &str = "SELECT o.place FROM outbox o
    WHERE o.platform = ?1 AND o.tenant = ?2 AND o.due IS NOT NULL AND o.waits = 0 AND o.due <= ?3
    ORDER BY o.due, o.place LIMIT ?4";
/// The same of what is due as urgent.
pub(super) const URGENT: &str = "SELECT o.place FROM outbox o
    WHERE o.platform = ?1 AND o.tenant = ?2 AND o.urgent IS NOT NULL AND o.waits = 0 AND o.urgent <= ?3
    ORDER BY o.urgent, o.place LIMIT ?4";
/// What of a platform is leased and its lease is over.
pub(super) const LEFT: &str = "SELECT o.place FROM outbox o
    WHERE o.platform = ?1 AND o.state = 'leased' AND o.waits = 0 AND o.due <= ?2
    ORDER BY o.due, o.place LIMIT ?3";
/// When the first row of a tenant at a platform is due.
pub(super) const NEXT: &str = "SELECT o.due FROM outbox o
    WHERE o.platform = ?1 AND o.tenant = ?2 AND o.due IS NOT NULL AND o.waits = 0 ORDER BY o.due LIMIT 1";
/// Where an outbox row stands among those of its tenant: platform, tenant, when it is due, when as urgent, its place.
pub(super) const STANDS: &str =
    "SELECT platform, tenant, due, urgent, place FROM outbox WHERE id = ?1 AND due IS NOT NULL AND waits = 0";
/// How many of a tenant are due and stand before a place in the order of their time, counted up to a number.
pub(super) const BEFORE: &str = "SELECT count(*) FROM (SELECT 1 FROM outbox o
    WHERE o.platform = ?1 AND o.tenant = ?2 AND o.due IS NOT NULL AND o.waits = 0 AND o.due <= ?3
      AND (o.due, o.place) < (?4, ?5) LIMIT ?6) ahead";
/// The same of what is due as urgent.
pub(super) const URGENT_BEFORE: &str = "SELECT count(*) FROM (SELECT 1 FROM outbox o
    WHERE o.platform = ?1 AND o.tenant = ?2 AND o.urgent IS NOT NULL AND o.waits = 0 AND o.urgent <= ?3
      AND (o.urgent, o.place) < (?4, ?5) LIMIT ?6) ahead";
/// Which of the later errands of a referral wait for an earlier one.
pub(super) const WAITS: &str = "UPDATE outbox SET waits = 1 - waits
    WHERE referral = ?1 AND sequence >= ?2 AND waits <> CASE WHEN EXISTS (
        SELECT 1 FROM outbox e
        WHERE e.referral = outbox.referral AND e.sequence > 0 AND e.sequence < outbox.sequence
          AND e.state IN ('ready', 'leased', 'held', 'dead')) THEN 1 ELSE 0 END";
/// How many rows of a tenant wait for their time at a platform or are leased, counted up to a number.
pub(super) const BACKLOG: &str = "SELECT count(*) FROM (
    SELECT 1 FROM outbox o
    WHERE o.platform = ?1 AND o.tenant = ?2 AND o.due IS NOT NULL AND o.waits = 0 LIMIT ?3) waiting";
pub(super) const LAST: &str = "SELECT number, hash FROM audit WHERE tenant = ?1 ORDER BY number DESC LIMIT 1";
pub(super) const WALK: &str =
    "SELECT number, hash, at, actor, action, referral, detail FROM audit WHERE tenant = ?1 ORDER BY number, place";
/// Takes a token away.
pub(super) const REMOVE_TOKEN: &str = "DELETE FROM token
    WHERE tenant = ?1 AND value = ?2 AND place = ?3";

/// The statement that lists referrals with this filter: only the terms that are there, so that an index fits.
pub(super) fn listing(filter: &ReferralFilter) -> String {
    let mut sql = "SELECT body FROM referral WHERE place > ifnull(?1, 0)".to_owned();
    // A delivery word is the rarer one where it matters: what is held or dead waits for a person.
    let plus = if filter.subject.is_some() { "+" } else { "" };
    sql.push_str(&if filter.delivery.is_some() {
        format!(" AND {plus}delivery = ?2")
    } else {
        " AND ?2 IS NULL".to_owned()
    });
    sql.push_str(match (&filter.tenant, filter.delivery.is_some() || filter.subject.is_some()) {
        (Some(_), true) => " AND +tenant = ?3",
        (Some(_), false) => " AND tenant = ?3",
        (None, _) => " AND ?3 IS NULL",
    });
    sql.push_str(if filter.subject.is_some() { " AND subject = ?5" } else { " AND ?5 IS NULL" });
    if filter.attention {
        sql.push_str(" AND attention = 1");
    }
    sql.push_str(" ORDER BY place LIMIT ?4");
    sql
}
