-- The first schema, column for column that of SQLite (migrations/sqlite/0001_initial.sql). Migrations are append-only: once
-- released, a file never changes (its SHA-256 is checked). Times are BIGINT microseconds since 1970-01-01T00:00:00Z. Text
-- sorts by its bytes in every database: COLLATE "C".

-- `place` is always the order in which rows came to be, without gaps: a sequence would leave one for each transaction that
-- was refused, and would not follow the order of commits. One row for each table that counts.
CREATE TABLE last_place (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY, -- the table
    last BIGINT           NOT NULL              -- the place that was given last
) WITH (fillfactor = 10);
INSERT INTO last_place (name, last) VALUES ('subject_key', 0), ('received', 0), ('resource_current', 0), ('referral', 0),
    ('outbox', 0), ('raw_report', 0), ('report', 0), ('status_link', 0), ('feed', 0), ('notice', 0), ('account', 0), ('audit', 0);

-- What is kept as evidence is never changed.
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN RAISE EXCEPTION '%', TG_ARGV[0]; END$$;

-- What bodies are encrypted with: a key for each subject and domain, so that to destroy the key is to erase. What is about
-- no person goes under the key of its tenant, what a platform pushed and nobody has assigned under the platform's. The key
-- named store/tokens hides the values of tokens.
CREATE TABLE subject_key (
    id        BIGINT PRIMARY KEY, -- what rows name
    subject   TEXT COLLATE "C"    NOT NULL,    -- random id of a subject, or tenant/<id>, platform/<id>, store/tokens
    domain    TEXT COLLATE "C"    NOT NULL,    -- record, consent; shared for tenants and platforms
    key       BYTEA,                -- 32 bytes for AES-256-GCM; absent once destroyed
    made      BIGINT NOT NULL,    -- when it was first used
    destroyed BIGINT,             -- when it was destroyed
    cause     TEXT COLLATE "C"                 -- why it was: request, withdrawal, retention
);
CREATE UNIQUE INDEX subject_key_by_name ON subject_key (subject, domain);

-- The bytes of each request that was taken in, as they came.
CREATE TABLE received (
    place       BIGINT PRIMARY KEY, -- order of arrival
    tenant      TEXT COLLATE "C"    NOT NULL,                  -- customer
    client      TEXT COLLATE "C"    NOT NULL,                  -- who sent it
    request_id  TEXT COLLATE "C"    NOT NULL,                  -- X-Request-Id
    correlation TEXT COLLATE "C"    NOT NULL,                  -- X-Correlation-Id
    at          BIGINT NOT NULL,                  -- when
    sha256      TEXT COLLATE "C"    NOT NULL,                  -- of the bytes, lower-case hex
    sealed_by   BIGINT NOT NULL REFERENCES subject_key (id), -- with which key
    bytes       BYTEA    NOT NULL                   -- the body, compressed and sealed
);
CREATE INDEX received_by_key ON received (sealed_by);
CREATE INDEX received_by_time ON received (at);

-- One row for each resource: which version is current.
CREATE TABLE resource_current (
    place   BIGINT PRIMARY KEY, -- order of creation: an update never moves a resource between pages
    tenant  TEXT COLLATE "C"    NOT NULL,                  -- customer
    owner   TEXT COLLATE "C"    NOT NULL,                  -- party: organisation/<ODS code> or platform/<id>
    kind    TEXT COLLATE "C"    NOT NULL,                  -- resource type
    id      TEXT COLLATE "C"    NOT NULL,                  -- logical id
    version BIGINT NOT NULL,                  -- current version
    updated BIGINT NOT NULL,                  -- meta.lastUpdated of the current version
    sealed_by BIGINT NOT NULL REFERENCES subject_key (id), -- with which key all its versions are sealed
    erased  BIGINT NOT NULL DEFAULT 0         -- 1 once that key is destroyed
);
CREATE INDEX resource_by_key_used ON resource_current (sealed_by, updated);
-- Ids begin with the time at which they were given, so what is written together stands together.
CREATE UNIQUE INDEX resource_by_key ON resource_current (id, kind, owner, tenant);
-- Walks one type of one compartment in creation order.
CREATE INDEX resource_by_kind ON resource_current (tenant, owner, kind, place);

-- Every version that was ever served.
CREATE TABLE resource_version (
    place   BIGINT NOT NULL REFERENCES resource_current (place), -- which resource
    version BIGINT NOT NULL,                                     -- from 1
    updated BIGINT NOT NULL,                                     -- meta.lastUpdated
    author  TEXT COLLATE "C"    NOT NULL,                                     -- client/<id>, platform/<id> or gateway
    method  TEXT COLLATE "C"    NOT NULL,                                     -- POST, PUT or PATCH
    body    BYTEA    NOT NULL,                                     -- tokens and JSON as served, compressed and sealed
    PRIMARY KEY (place, version)
);
CREATE TRIGGER resource_version_keeps BEFORE UPDATE ON resource_version
    FOR EACH ROW EXECUTE FUNCTION refuse('versions of resources are never changed');
CREATE TRIGGER resource_version_stays BEFORE DELETE ON resource_version
    FOR EACH ROW EXECUTE FUNCTION refuse('versions of resources are never removed');
CREATE TRIGGER resource_version_is_not_emptied BEFORE TRUNCATE ON resource_version
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('versions of resources are never removed');

-- What finds a resource: the tokens of its current version only. A row is short, because its place among the others is
-- random: of what a referral writes, most pages are touched for these.
CREATE TABLE token (
    tenant TEXT COLLATE "C" NOT NULL, -- as in resource_current
    value  BYTEA NOT NULL, -- HMAC-SHA256 of owner, kind, parameter and the whole value, cut to 16 bytes
    place  BIGINT NOT NULL REFERENCES resource_current (place), -- which resource
    PRIMARY KEY (tenant, value, place)
);

-- The referral. Columns repeat what is asked for; the body is the authority.
CREATE TABLE referral (
    place             BIGINT PRIMARY KEY, -- order of acceptance
    id                TEXT COLLATE "C"    NOT NULL UNIQUE,           -- its name
    revision          BIGINT NOT NULL,                  -- grows by one with each change
    tenant            TEXT COLLATE "C"    NOT NULL,                  -- customer
    owner             TEXT COLLATE "C"    NOT NULL,                  -- the sender's party
    task              TEXT COLLATE "C"    NOT NULL,                  -- id of the sender's Task
    platform          TEXT COLLATE "C",                              -- where it goes, once a route is decided
    key               TEXT COLLATE "C"    NOT NULL,                  -- our key at the platform
    platform_referral TEXT COLLATE "C",                              -- the platform's name for it, once known
    delivery          TEXT COLLATE "C"    NOT NULL,                  -- queued, held, delivered, dead-letter, withdrawn
    task_status       TEXT COLLATE "C"    NOT NULL,                  -- Task.status code
    subject           TEXT COLLATE "C",                              -- whom it is about
    attention         BIGINT NOT NULL,                  -- 1 while a person has something to settle at its platform
    answer_due        BIGINT,                           -- when it is looked at next while its platform says nothing
    needs             BIGINT,                           -- work list: 2 a service calls for help, 1 else; absent = nobody is needed
    pressing          BIGINT,                           -- work list: from when on it is urgent; absent = never
    since             BIGINT,                           -- work list: since when it waits
    body              TEXT COLLATE "C"    NOT NULL                   -- the whole referral as JSON
);
CREATE INDEX referral_by_subject ON referral (subject) WHERE subject IS NOT NULL;
CREATE INDEX referral_attention ON referral (place) WHERE attention = 1;
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
    word  TEXT COLLATE "C" NOT NULL, -- name or key
    place BIGINT NOT NULL REFERENCES referral (place), -- which referral
    PRIMARY KEY (word, place)
);

-- What has to be sent. Columns repeat what is asked for; the body is the authority.
CREATE TABLE outbox (
    place    BIGINT PRIMARY KEY, -- order of creation
    id       TEXT COLLATE "C"    NOT NULL UNIQUE,           -- its name
    tenant   TEXT COLLATE "C"    NOT NULL,                  -- customer
    referral TEXT COLLATE "C"    NOT NULL,                  -- whose errand
    platform TEXT COLLATE "C"    NOT NULL,                  -- where it goes
    sequence BIGINT NOT NULL,                  -- place among the errands of this referral
    state    TEXT COLLATE "C"    NOT NULL,                  -- ready, leased, held, done, dead, dropped
    due      BIGINT,                           -- ready: not before; leased: the lease's end; else absent
    urgent   BIGINT,                           -- from when on it is due as urgent; absent = never
    waits    BIGINT NOT NULL,                  -- 1 while an earlier errand of its referral is not done
    fence    BIGINT NOT NULL,                  -- grows with each claim
    body     TEXT COLLATE "C"    NOT NULL                   -- the whole row as JSON
);
-- Tenants take turns at a platform: what each of them has there, the longest waiting first.
CREATE INDEX outbox_turn ON outbox (platform, tenant, due, place) WHERE due IS NOT NULL AND waits = 0;
CREATE INDEX outbox_urgent ON outbox (platform, tenant, urgent, place) WHERE urgent IS NOT NULL AND waits = 0;
CREATE INDEX outbox_dead ON outbox (place) WHERE state = 'dead';
-- What the holder of a platform's lane is at.
CREATE INDEX outbox_leased ON outbox (platform, due, place) WHERE state = 'leased';
CREATE INDEX outbox_by_referral ON outbox (referral, sequence);

-- Each try at an outbox row.
CREATE TABLE attempt (
    outbox TEXT COLLATE "C"    NOT NULL, -- which row
    number BIGINT NOT NULL, -- from 1
    body   TEXT COLLATE "C"    NOT NULL, -- the whole attempt as JSON
    PRIMARY KEY (outbox, number)
);

-- What platforms pushed, as it came.
CREATE TABLE raw_report (
    place        BIGINT PRIMARY KEY, -- order of arrival
    id           TEXT COLLATE "C"    NOT NULL UNIQUE,           -- its name
    platform     TEXT COLLATE "C"    NOT NULL,                  -- from whom
    source       TEXT COLLATE "C"    NOT NULL,                  -- how it came
    content_type TEXT COLLATE "C",                              -- media type, if given
    received     BIGINT NOT NULL,                  -- when
    sealed_by    BIGINT NOT NULL REFERENCES subject_key (id), -- with which key: the platform's
    body         BYTEA    NOT NULL,                  -- the bytes, compressed and sealed
    begun        BIGINT NOT NULL DEFAULT 0,        -- readings begun by processes that found it unread at their start
    read         BIGINT NOT NULL DEFAULT 0,        -- 1 once somebody read it
    fault        TEXT COLLATE "C"                               -- why it could not be read
);
CREATE INDEX raw_report_by_time ON raw_report (received);
CREATE INDEX raw_report_unread ON raw_report (place) WHERE read = 0;

-- Which referrals a push speaks of: it goes when one of them is erased.
CREATE TABLE raw_report_about (
    referral TEXT COLLATE "C" NOT NULL, -- which referral
    raw      TEXT COLLATE "C" NOT NULL, -- which push
    PRIMARY KEY (referral, raw)
);

-- Platforms' statements as they were read.
CREATE TABLE report (
    place             BIGINT PRIMARY KEY, -- order of arrival
    id                TEXT COLLATE "C"    NOT NULL UNIQUE,           -- its name
    platform          TEXT COLLATE "C"    NOT NULL,                  -- from whom
    platform_referral TEXT COLLATE "C"    NOT NULL,                  -- the platform's name for the referral
    event             TEXT COLLATE "C"    NOT NULL,                  -- the platform's name for the statement
    key               TEXT COLLATE "C",                              -- our key, where the platform repeats it
    referral          TEXT COLLATE "C",                              -- whose; absent while parked
    source            TEXT COLLATE "C"    NOT NULL,                  -- how it came
    received          BIGINT NOT NULL,                  -- when
    disposition       TEXT COLLATE "C"    NOT NULL,                  -- what became of it
    calls             BIGINT NOT NULL,                  -- 1 where it calls for help
    sealed_by         BIGINT NOT NULL REFERENCES subject_key (id), -- with which key
    body              BYTEA    NOT NULL                   -- what it says, as JSON, compressed and sealed
);
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
    place    BIGINT           NOT NULL PRIMARY KEY, -- order of making
    id       TEXT COLLATE "C" NOT NULL UNIQUE,      -- its name
    revision BIGINT           NOT NULL,             -- grows by one with each change
    referral TEXT COLLATE "C" NOT NULL,             -- which referral it is about
    secret   TEXT COLLATE "C" NOT NULL,             -- SHA-256 of the secret in its address, lower-case hex
    session  TEXT COLLATE "C",                      -- the same of what the browser that opened it was given
    expires  BIGINT           NOT NULL,             -- until when it can be opened
    body     TEXT COLLATE "C" NOT NULL              -- the whole link as JSON
);
CREATE UNIQUE INDEX status_link_by_secret ON status_link (secret);
CREATE UNIQUE INDEX status_link_by_session ON status_link (session) WHERE session IS NOT NULL;
CREATE INDEX status_link_by_referral ON status_link (referral);
CREATE INDEX status_link_by_time ON status_link (expires);

-- Versions that somebody on the GP's side may have to be told of, until somebody has looked.
CREATE TABLE feed (
    place   BIGINT NOT NULL PRIMARY KEY, -- order of commits
    tenant  TEXT COLLATE "C" NOT NULL,                  -- customer
    owner   TEXT COLLATE "C" NOT NULL,                  -- party, as in resource_current
    kind    TEXT COLLATE "C" NOT NULL,                  -- resource type
    id      TEXT COLLATE "C" NOT NULL,                  -- logical id
    version BIGINT NOT NULL,                  -- which version
    at      BIGINT NOT NULL                   -- meta.lastUpdated
);

-- What is to be told on the GP's side. Columns repeat what is asked for; the body is the authority.
CREATE TABLE notice (
    place    BIGINT NOT NULL PRIMARY KEY, -- order of making
    id       TEXT COLLATE "C" NOT NULL UNIQUE,           -- its name
    revision BIGINT NOT NULL,                  -- grows by one with each change
    tenant   TEXT COLLATE "C" NOT NULL,                  -- customer
    queue    TEXT COLLATE "C" NOT NULL,                  -- what keeps order
    party    TEXT COLLATE "C" NOT NULL,                  -- who is asked
    sequence BIGINT NOT NULL,                  -- number within the queue
    referral TEXT COLLATE "C",                              -- which referral it is about
    state    TEXT COLLATE "C" NOT NULL,                  -- waiting, sending, sent, dead, dropped
    due      BIGINT,                           -- open: not before, or the lease's end; else absent
    ended    BIGINT,                           -- when it ended; absent while it is open
    waits    BIGINT NOT NULL,                  -- 1 while an earlier one of its queue is open
    outlives BIGINT NOT NULL,                  -- 1 where its queue goes on when its referral is erased
    body     TEXT COLLATE "C" NOT NULL                   -- the whole notice as JSON
);
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
    place    BIGINT           NOT NULL PRIMARY KEY, -- order of making
    id       TEXT COLLATE "C" NOT NULL UNIQUE,      -- the name to sign in with
    revision BIGINT           NOT NULL,             -- grows by one with each change
    body     TEXT COLLATE "C" NOT NULL              -- the whole account as JSON
);

-- Browsers that are signed in, and attempts that failed. Neither holds a name or a secret in its key.
CREATE TABLE sign_in (
    key      TEXT COLLATE "C" NOT NULL PRIMARY KEY, -- SHA-256 of the secret that the browser was given; derived from the name that was tried
    revision BIGINT           NOT NULL,             -- grows by one with each change
    expires  BIGINT           NOT NULL,             -- from when on it means nothing
    body     TEXT COLLATE "C" NOT NULL              -- the whole of it as JSON
);
CREATE INDEX sign_in_by_time ON sign_in (expires);

-- Where polling a platform stands.
CREATE TABLE cursor (
    platform TEXT COLLATE "C" NOT NULL PRIMARY KEY, -- which platform
    cursor   TEXT COLLATE "C" NOT NULL              -- opaque
);

-- Who asks a platform: of several instances one at a time. A lease is of a process and a pause is of its moment: neither is
-- content, and no hash counts it.
CREATE TABLE lane (
    platform TEXT COLLATE "C" NOT NULL PRIMARY KEY, -- which platform
    holder   TEXT COLLATE "C",                      -- which run of which instance; absent = free
    fence    BIGINT           NOT NULL,             -- grows with each new holder
    until    BIGINT,                                -- when it becomes free by itself, by this server's clock; absent = not by itself
    state    TEXT COLLATE "C" NOT NULL              -- what the next holder has to know, as JSON
) WITH (fillfactor = 10);

-- What was answered, for a repetition of the request.
CREATE TABLE answer (
    tenant      TEXT COLLATE "C"    NOT NULL, -- customer
    client      TEXT COLLATE "C"    NOT NULL, -- to whom
    request_id  TEXT COLLATE "C"    NOT NULL, -- X-Request-Id
    fingerprint TEXT COLLATE "C"    NOT NULL, -- SHA-256 over verb, path and body
    at          BIGINT NOT NULL, -- when
    status      BIGINT NOT NULL, -- HTTP status
    location    TEXT COLLATE "C",             -- Location, if there was one
    etag        TEXT COLLATE "C",             -- ETag, if there was one
    sealed_by   BIGINT NOT NULL REFERENCES subject_key (id), -- with which key
    body        BYTEA    NOT NULL, -- body, compressed and sealed
    PRIMARY KEY (tenant, client, request_id)
);
CREATE INDEX answer_by_time ON answer (at);

-- Who did what. Ids and codes only.
CREATE TABLE audit (
    place    BIGINT PRIMARY KEY, -- order
    tenant   TEXT COLLATE "C"    NOT NULL,                  -- customer
    number   BIGINT NOT NULL,                  -- place within the customer's lines, from 1
    at       BIGINT NOT NULL,                  -- when
    actor    TEXT COLLATE "C"    NOT NULL,                  -- client/<id>, platform/<id>, gateway
    action   TEXT COLLATE "C"    NOT NULL,                  -- what
    referral TEXT COLLATE "C",                              -- on which referral
    detail   TEXT COLLATE "C"    NOT NULL,                  -- JSON without patient data
    hash     BYTEA    NOT NULL                   -- SHA-256 over the hash of the customer's line before and this content
);
CREATE UNIQUE INDEX audit_by_number ON audit (tenant, number);
CREATE INDEX audit_by_referral ON audit (referral);
-- The latest time ever seen: consent is never decided at an earlier one, also after a start with a clock that was put back.
CREATE INDEX audit_by_time ON audit (at);
CREATE TRIGGER audit_keeps BEFORE UPDATE ON audit
    FOR EACH ROW EXECUTE FUNCTION refuse('audit lines are never changed');
CREATE TRIGGER audit_stays BEFORE DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION refuse('audit lines are never removed');
CREATE TRIGGER audit_is_not_emptied BEFORE TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('audit lines are never removed');

-- Row security. A session is for all tenants (gateway.scope = 'all': the writer, the workers, commands) or for the one that
-- gateway.tenant names; without either it sees no row. FORCE: the gateway's own role owns the tables. It guards against a
-- statement that forgets its tenant, not against one who may run statements of his own. Keys have no tenant: alone they tell
-- nothing.
DO $$
DECLARE bound TEXT;
BEGIN
    FOREACH bound IN ARRAY ARRAY['received', 'resource_current', 'token', 'referral', 'outbox', 'feed', 'notice', 'answer', 'audit'] LOOP
        EXECUTE format('CREATE POLICY by_tenant ON %I USING ((SELECT current_setting(''gateway.scope'', true)) = ''all''
            OR tenant = (SELECT current_setting(''gateway.tenant'', true)))', bound);
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', bound);
    END LOOP;
    FOREACH bound IN ARRAY ARRAY['attempt', 'referral_former', 'raw_report', 'raw_report_about', 'report', 'status_link', 'account', 'sign_in', 'cursor', 'lane', 'last_place'] LOOP
        EXECUTE format('CREATE POLICY for_workers ON %I
            USING ((SELECT current_setting(''gateway.scope'', true)) = ''all'')', bound);
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', bound);
    END LOOP;
END$$;
CREATE POLICY by_resource ON resource_version USING ((SELECT current_setting('gateway.scope', true)) = 'all'
    OR EXISTS (SELECT 1 FROM resource_current c WHERE c.place = resource_version.place));
ALTER TABLE resource_version ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
