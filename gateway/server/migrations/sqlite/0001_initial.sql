-- The first schema. Migrations are append-only: once released, a file never changes (its SHA-256 is checked).
-- Times are INTEGER microseconds since 1970-01-01T00:00:00Z. `place` is always the order in which rows came to be.

-- What bodies are encrypted with: a key for each subject and domain, so that to destroy the key is to erase. What is about
-- no person goes under the key of its tenant, what a platform pushed and nobody has assigned under the platform's. The key
-- named store/tokens hides the values of tokens.
CREATE TABLE subject_key (
    id        INTEGER PRIMARY KEY, -- what rows name
    subject   TEXT    NOT NULL,    -- random id of a subject, or tenant/<id>, platform/<id>, store/tokens
    domain    TEXT    NOT NULL,    -- record, consent; shared for tenants and platforms
    key       BLOB,                -- 32 bytes for AES-256-GCM; absent once destroyed
    made      INTEGER NOT NULL,    -- when it was first used
    destroyed INTEGER,             -- when it was destroyed
    cause     TEXT                 -- why it was: request, withdrawal, retention
) STRICT;
CREATE UNIQUE INDEX subject_key_by_name ON subject_key (subject, domain);

-- The bytes of each request that was taken in, as they came.
CREATE TABLE received (
    place       INTEGER PRIMARY KEY AUTOINCREMENT, -- order of arrival
    tenant      TEXT    NOT NULL,                  -- customer
    client      TEXT    NOT NULL,                  -- who sent it
    request_id  TEXT    NOT NULL,                  -- X-Request-Id
    correlation TEXT    NOT NULL,                  -- X-Correlation-Id
    at          INTEGER NOT NULL,                  -- when
    sha256      TEXT    NOT NULL,                  -- of the bytes, lower-case hex
    sealed_by   INTEGER NOT NULL REFERENCES subject_key (id), -- with which key
    bytes       BLOB    NOT NULL                   -- the body, compressed and sealed
) STRICT;
CREATE INDEX received_by_key ON received (sealed_by);
CREATE INDEX received_by_time ON received (at);

-- One row for each resource: which version is current.
CREATE TABLE resource_current (
    place   INTEGER PRIMARY KEY AUTOINCREMENT, -- order of creation: an update never moves a resource between pages
    tenant  TEXT    NOT NULL,                  -- customer
    owner   TEXT    NOT NULL,                  -- party: organisation/<ODS code> or platform/<id>
    kind    TEXT    NOT NULL,                  -- resource type
    id      TEXT    NOT NULL,                  -- logical id
    version INTEGER NOT NULL,                  -- current version
    updated INTEGER NOT NULL,                  -- meta.lastUpdated of the current version
    sealed_by INTEGER NOT NULL REFERENCES subject_key (id), -- with which key all its versions are sealed
    erased  INTEGER NOT NULL DEFAULT 0         -- 1 once that key is destroyed
) STRICT;
CREATE INDEX resource_by_key_used ON resource_current (sealed_by, updated);
-- Ids begin with the time at which they were given, so what is written together stands together.
CREATE UNIQUE INDEX resource_by_key ON resource_current (id, kind, owner, tenant);
-- Walks one type of one compartment in creation order (the rowid follows the last column).
CREATE INDEX resource_by_kind ON resource_current (tenant, owner, kind);

-- Every version that was ever served.
CREATE TABLE resource_version (
    place   INTEGER NOT NULL REFERENCES resource_current (place), -- which resource
    version INTEGER NOT NULL,                                     -- from 1
    updated INTEGER NOT NULL,                                     -- meta.lastUpdated
    author  TEXT    NOT NULL,                                     -- client/<id>, platform/<id> or gateway
    method  TEXT    NOT NULL,                                     -- POST, PUT or PATCH
    body    BLOB    NOT NULL,                                     -- tokens and JSON as served, compressed and sealed
    PRIMARY KEY (place, version)
) STRICT;
CREATE TRIGGER resource_version_keeps BEFORE UPDATE ON resource_version
BEGIN SELECT RAISE(ABORT, 'versions of resources are never changed'); END;
CREATE TRIGGER resource_version_stays BEFORE DELETE ON resource_version
BEGIN SELECT RAISE(ABORT, 'versions of resources are never removed'); END;

-- What finds a resource: the tokens of its current version only. A row is short, because its place among the others is
-- random: of what a referral writes, most pages are touched for these.
CREATE TABLE token (
    tenant TEXT NOT NULL, -- as in resource_current
    value  BLOB NOT NULL, -- HMAC-SHA256 of owner, kind, parameter and the whole value, cut to 16 bytes
    place  INTEGER NOT NULL REFERENCES resource_current (place), -- which resource
    PRIMARY KEY (tenant, value, place)
) STRICT, WITHOUT ROWID;

-- The referral. Columns repeat what is asked for; the body is the authority.
CREATE TABLE referral (
    place             INTEGER PRIMARY KEY AUTOINCREMENT, -- order of acceptance
    id                TEXT    NOT NULL UNIQUE,           -- its name
    revision          INTEGER NOT NULL,                  -- grows by one with each change
    tenant            TEXT    NOT NULL,                  -- customer
    owner             TEXT    NOT NULL,                  -- the sender's party
    task              TEXT    NOT NULL,                  -- id of the sender's Task
    platform          TEXT,                              -- where it goes, once a route is decided
    key               TEXT    NOT NULL,                  -- our key at the platform
    platform_referral TEXT,                              -- the platform's name for it, once known
    delivery          TEXT    NOT NULL,                  -- queued, held, delivered, dead-letter, withdrawn
    task_status       TEXT    NOT NULL,                  -- Task.status code
    subject           TEXT,                              -- whom it is about
    attention         INTEGER NOT NULL,                  -- 1 while a person has something to settle at its platform
    answer_due        INTEGER,                           -- when it is looked at next while its platform says nothing
    needs             INTEGER,                           -- work list: 2 a service calls for help, 1 else; absent = nobody is needed
    pressing          INTEGER,                           -- work list: from when on it is urgent; absent = never
    since             INTEGER,                           -- work list: since when it waits
    body              TEXT    NOT NULL                   -- the whole referral as JSON
) STRICT;
CREATE INDEX referral_by_subject ON referral (subject) WHERE subject IS NOT NULL;
CREATE INDEX referral_attention ON referral (attention) WHERE attention = 1;
CREATE INDEX referral_unanswered ON referral (answer_due) WHERE answer_due IS NOT NULL;
CREATE INDEX referral_needs ON referral (tenant, owner, needs, since, place, pressing) WHERE needs IS NOT NULL;
CREATE INDEX referral_by_task ON referral (tenant, owner, task);
CREATE INDEX referral_by_name ON referral (platform, platform_referral) WHERE platform_referral IS NOT NULL;
CREATE INDEX referral_by_platform_key ON referral (platform, key);
CREATE INDEX referral_by_tenant ON referral (tenant);
CREATE INDEX referral_by_delivery ON referral (delivery);
CREATE INDEX referral_counts ON referral (delivery, task_status);

-- What referrals were known by at their platforms before they were sent or named anew: the platform's names and our keys, as the
-- body of the referral has them.
CREATE TABLE referral_former (
    word  TEXT NOT NULL, -- name or key
    place INTEGER NOT NULL REFERENCES referral (place), -- which referral
    PRIMARY KEY (word, place)
) STRICT, WITHOUT ROWID;

-- What has to be sent. Columns repeat what is asked for; the body is the authority.
CREATE TABLE outbox (
    place    INTEGER PRIMARY KEY AUTOINCREMENT, -- order of creation
    id       TEXT    NOT NULL UNIQUE,           -- its name
    tenant   TEXT    NOT NULL,                  -- customer
    referral TEXT    NOT NULL,                  -- whose errand
    platform TEXT    NOT NULL,                  -- where it goes
    sequence INTEGER NOT NULL,                  -- place among the errands of this referral
    state    TEXT    NOT NULL,                  -- ready, leased, held, done, dead, dropped
    due      INTEGER,                           -- ready: not before; leased: the lease's end; else absent
    urgent   INTEGER,                           -- from when on it is due as urgent; absent = never
    waits    INTEGER NOT NULL,                  -- 1 while an earlier errand of its referral is not done
    fence    INTEGER NOT NULL,                  -- grows with each claim
    body     TEXT    NOT NULL                   -- the whole row as JSON
) STRICT;
-- Tenants take turns at a platform: what each of them has there, the longest waiting first.
CREATE INDEX outbox_turn ON outbox (platform, tenant, due) WHERE due IS NOT NULL AND waits = 0;
CREATE INDEX outbox_urgent ON outbox (platform, tenant, urgent) WHERE urgent IS NOT NULL AND waits = 0;
CREATE INDEX outbox_dead ON outbox (state) WHERE state = 'dead';
-- What the holder of a platform's lane is at.
CREATE INDEX outbox_leased ON outbox (platform, due) WHERE state = 'leased';
CREATE INDEX outbox_by_referral ON outbox (referral, sequence);

-- Each try at an outbox row.
CREATE TABLE attempt (
    outbox TEXT    NOT NULL, -- which row
    number INTEGER NOT NULL, -- from 1
    body   TEXT    NOT NULL, -- the whole attempt as JSON
    PRIMARY KEY (outbox, number)
) STRICT, WITHOUT ROWID;

-- What platforms pushed, as it came.
CREATE TABLE raw_report (
    place        INTEGER PRIMARY KEY AUTOINCREMENT, -- order of arrival
    id           TEXT    NOT NULL UNIQUE,           -- its name
    platform     TEXT    NOT NULL,                  -- from whom
    source       TEXT    NOT NULL,                  -- how it came
    content_type TEXT,                              -- media type, if given
    received     INTEGER NOT NULL,                  -- when
    sealed_by    INTEGER NOT NULL REFERENCES subject_key (id), -- with which key: the platform's
    body         BLOB    NOT NULL,                  -- the bytes, compressed and sealed
    begun        INTEGER NOT NULL DEFAULT 0,        -- readings begun by processes that found it unread at their start
    read         INTEGER NOT NULL DEFAULT 0,        -- 1 once somebody read it
    fault        TEXT                               -- why it could not be read
) STRICT;
CREATE INDEX raw_report_by_time ON raw_report (received);
CREATE INDEX raw_report_unread ON raw_report (read) WHERE read = 0;

-- Which referrals a push speaks of: it goes when one of them is erased.
CREATE TABLE raw_report_about (
    referral TEXT NOT NULL, -- which referral
    raw      TEXT NOT NULL, -- which push
    PRIMARY KEY (referral, raw)
) STRICT, WITHOUT ROWID;

-- Platforms' statements as they were read.
CREATE TABLE report (
    place             INTEGER PRIMARY KEY AUTOINCREMENT, -- order of arrival
    id                TEXT    NOT NULL UNIQUE,           -- its name
    platform          TEXT    NOT NULL,                  -- from whom
    platform_referral TEXT    NOT NULL,                  -- the platform's name for the referral
    event             TEXT    NOT NULL,                  -- the platform's name for the statement
    key               TEXT,                              -- our key, where the platform repeats it
    referral          TEXT,                              -- whose; absent while parked
    source            TEXT    NOT NULL,                  -- how it came
    received          INTEGER NOT NULL,                  -- when
    disposition       TEXT    NOT NULL,                  -- what became of it
    calls             INTEGER NOT NULL,                  -- 1 where it calls for help
    sealed_by         INTEGER NOT NULL REFERENCES subject_key (id), -- with which key
    body              BLOB    NOT NULL                   -- what it says, as JSON, compressed and sealed
) STRICT;
CREATE INDEX report_parked_by_time ON report (received) WHERE disposition = 'parked';
-- The same statement is kept once, however often it comes.
CREATE UNIQUE INDEX report_once ON report (platform, platform_referral, event);
CREATE INDEX report_by_referral ON report (referral);
CREATE INDEX report_parked_by_name ON report (platform, platform_referral) WHERE disposition = 'parked';
CREATE INDEX report_parked_by_key ON report (platform, key) WHERE disposition = 'parked';
CREATE INDEX report_unmapped ON report (disposition, place) WHERE disposition = 'unmapped';
CREATE INDEX report_recorded ON report (place) WHERE disposition IN ('recorded', 'told');
CREATE INDEX report_recorded_by_referral ON report (referral) WHERE disposition IN ('recorded', 'told');

-- Links behind which organisations say what becomes of a referral. Of what opens one, only hashes are kept.
CREATE TABLE status_link (
    place    INTEGER PRIMARY KEY AUTOINCREMENT, -- order of making
    id       TEXT    NOT NULL UNIQUE,           -- its name
    revision INTEGER NOT NULL,                  -- grows by one with each change
    referral TEXT    NOT NULL,                  -- which referral it is about
    secret   TEXT    NOT NULL,                  -- SHA-256 of the secret in its address, lower-case hex
    session  TEXT,                              -- the same of what the browser that opened it was given
    expires  INTEGER NOT NULL,                  -- until when it can be opened
    body     TEXT    NOT NULL                   -- the whole link as JSON
) STRICT;
CREATE UNIQUE INDEX status_link_by_secret ON status_link (secret);
CREATE UNIQUE INDEX status_link_by_session ON status_link (session) WHERE session IS NOT NULL;
CREATE INDEX status_link_by_referral ON status_link (referral);
CREATE INDEX status_link_by_time ON status_link (expires);

-- Versions that somebody on the GP's side may have to be told of, until somebody has looked.
CREATE TABLE feed (
    place   INTEGER PRIMARY KEY AUTOINCREMENT, -- order of commits
    tenant  TEXT    NOT NULL,                  -- customer
    owner   TEXT    NOT NULL,                  -- party, as in resource_current
    kind    TEXT    NOT NULL,                  -- resource type
    id      TEXT    NOT NULL,                  -- logical id
    version INTEGER NOT NULL,                  -- which version
    at      INTEGER NOT NULL                   -- meta.lastUpdated
) STRICT;

-- What is to be told on the GP's side. Columns repeat what is asked for; the body is the authority.
CREATE TABLE notice (
    place    INTEGER PRIMARY KEY AUTOINCREMENT, -- order of making
    id       TEXT    NOT NULL UNIQUE,           -- its name
    revision INTEGER NOT NULL,                  -- grows by one with each change
    tenant   TEXT    NOT NULL,                  -- customer
    queue    TEXT    NOT NULL,                  -- what keeps order
    party    TEXT    NOT NULL,                  -- who is asked
    sequence INTEGER NOT NULL,                  -- number within the queue
    referral TEXT,                              -- which referral it is about
    state    TEXT    NOT NULL,                  -- waiting, sending, sent, dead, dropped
    due      INTEGER,                           -- open: not before, or the lease's end; else absent
    ended    INTEGER,                           -- when it ended; absent while it is open
    waits    INTEGER NOT NULL,                  -- 1 while an earlier one of its queue is open
    outlives INTEGER NOT NULL,                  -- 1 where its queue goes on when its referral is erased
    body     TEXT    NOT NULL                   -- the whole notice as JSON
) STRICT;
CREATE UNIQUE INDEX notice_by_number ON notice (queue, sequence);
CREATE INDEX notice_due ON notice (due) WHERE due IS NOT NULL AND waits = 0;
CREATE INDEX notice_party ON notice (party, due) WHERE due IS NOT NULL AND waits = 0;
CREATE INDEX notice_open ON notice (queue, sequence) WHERE due IS NOT NULL;
CREATE INDEX notice_first ON notice (queue) WHERE due IS NOT NULL AND waits = 0;
CREATE INDEX notice_by_referral ON notice (referral) WHERE referral IS NOT NULL;
CREATE INDEX notice_by_end ON notice (ended) WHERE ended IS NOT NULL;
CREATE INDEX notice_dead ON notice (state) WHERE state = 'dead';
-- People who sign in to the pages. Of what opens an account, only a hash is kept.
CREATE TABLE account (
    place    INTEGER PRIMARY KEY AUTOINCREMENT, -- order of making
    id       TEXT    NOT NULL UNIQUE,           -- the name to sign in with
    revision INTEGER NOT NULL,                  -- grows by one with each change
    body     TEXT    NOT NULL                   -- the whole account as JSON
) STRICT;

-- Browsers that are signed in, and attempts that failed. Neither holds a name or a secret in its key.
CREATE TABLE sign_in (
    key      TEXT    NOT NULL PRIMARY KEY, -- SHA-256 of the secret that the browser was given; derived from the name that was tried
    revision INTEGER NOT NULL,             -- grows by one with each change
    expires  INTEGER NOT NULL,             -- from when on it means nothing
    body     TEXT    NOT NULL              -- the whole of it as JSON
) STRICT, WITHOUT ROWID;
CREATE INDEX sign_in_by_time ON sign_in (expires);

-- Where polling a platform stands.
CREATE TABLE cursor (
    platform TEXT NOT NULL PRIMARY KEY, -- which platform
    cursor   TEXT NOT NULL              -- opaque
) STRICT, WITHOUT ROWID;

-- Who asks a platform: of several instances one at a time. A lease is of a process and a pause is of its moment: neither is
-- content, and no hash counts it.
CREATE TABLE lane (
    platform TEXT    NOT NULL PRIMARY KEY, -- which platform
    holder   TEXT,                         -- which run of which instance; absent = free
    fence    INTEGER NOT NULL,             -- grows with each new holder
    until    INTEGER,                      -- when it becomes free by itself; absent = not by itself
    state    TEXT    NOT NULL              -- what the next holder has to know, as JSON
) STRICT, WITHOUT ROWID;

-- What was answered, for a repetition of the request.
CREATE TABLE answer (
    tenant      TEXT    NOT NULL, -- customer
    client      TEXT    NOT NULL, -- to whom
    request_id  TEXT    NOT NULL, -- X-Request-Id
    fingerprint TEXT    NOT NULL, -- SHA-256 over verb, path and body
    at          INTEGER NOT NULL, -- when
    status      INTEGER NOT NULL, -- HTTP status
    location    TEXT,             -- Location, if there was one
    etag        TEXT,             -- ETag, if there was one
    sealed_by   INTEGER NOT NULL REFERENCES subject_key (id), -- with which key
    body        BLOB    NOT NULL, -- body, compressed and sealed
    PRIMARY KEY (tenant, client, request_id)
) STRICT;
CREATE INDEX answer_by_time ON answer (at);

-- Who did what. Ids and codes only.
CREATE TABLE audit (
    place    INTEGER PRIMARY KEY AUTOINCREMENT, -- order
    tenant   TEXT    NOT NULL,                  -- customer
    number   INTEGER NOT NULL,                  -- place within the customer's lines, from 1
    at       INTEGER NOT NULL,                  -- when
    actor    TEXT    NOT NULL,                  -- client/<id>, platform/<id>, gateway
    action   TEXT    NOT NULL,                  -- what
    referral TEXT,                              -- on which referral
    detail   TEXT    NOT NULL,                  -- JSON without patient data
    hash     BLOB    NOT NULL                   -- SHA-256 over the hash of the customer's line before and this content
) STRICT;
CREATE UNIQUE INDEX audit_by_number ON audit (tenant, number);
CREATE INDEX audit_by_referral ON audit (referral);
-- The latest time ever seen: consent is never decided at an earlier one, also after a start with a clock that was put back.
CREATE INDEX audit_by_time ON audit (at);
CREATE TRIGGER audit_keeps BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'audit lines are never changed'); END;
CREATE TRIGGER audit_stays BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'audit lines are never removed'); END;
