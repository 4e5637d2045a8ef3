-- What the service remembers: who may see what, jobs, API keys; since version 5.

INSERT INTO meta VALUES ('home', lower(hex(randomblob(16))));  -- goes into the ids of documents

ALTER TABLE documents ADD COLUMN added TEXT;   -- when this version came in: UTC, ISO 8601

CREATE TABLE document_principals (
    document TEXT NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
    principal TEXT NOT NULL,                   -- a document without any is seen by all
    PRIMARY KEY (document, principal)
) WITHOUT ROWID;

ALTER TABLE traces ADD COLUMN owner TEXT NOT NULL DEFAULT '';  -- an API key's id; '': the home's user
CREATE INDEX traces_owner ON traces(owner, at);
ALTER TABLE traces ADD COLUMN asked TEXT;      -- the owner's name for the request
CREATE INDEX traces_asked ON traces(asked) WHERE asked IS NOT NULL;

CREATE TABLE owned_turns (
    owner TEXT NOT NULL,
    conversation TEXT NOT NULL,
    number INTEGER NOT NULL,                   -- from 1
    at TEXT NOT NULL,
    body TEXT NOT NULL,                        -- the Turn as JSON
    PRIMARY KEY (owner, conversation, number)
) WITHOUT ROWID;
INSERT INTO owned_turns SELECT '', conversation, number, at, body FROM turns;
DROP TABLE turns;
ALTER TABLE owned_turns RENAME TO turns;

CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,  -- in the order of submission
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,                        -- ingest, batch
    owner TEXT NOT NULL,
    caller TEXT NOT NULL,                      -- who submitted it, as JSON: what it may see
    collection TEXT NOT NULL,
    state TEXT NOT NULL,                       -- queued, running, done, partial, failed, cancelled
    body TEXT NOT NULL,                        -- what is to be done, as JSON
    bytes INTEGER NOT NULL DEFAULT 0,          -- uploaded, that wait for it or are kept
    created TEXT NOT NULL,                     -- UTC, ISO 8601
    started TEXT,                              -- taken for the last time
    finished TEXT,
    due REAL NOT NULL,                         -- seconds since the epoch: not before then
    attempts INTEGER NOT NULL DEFAULT 0,       -- since it last got on
    worker TEXT,                               -- who works on it
    lease REAL,                                -- until when, seconds since the epoch
    cancelling INTEGER NOT NULL DEFAULT 0,
    progress TEXT,                             -- the JobProgress as JSON
    error TEXT,                                -- the Problem as JSON
    idempotency TEXT,                          -- the caller's key for the request
    request TEXT                               -- hash of the request that came with it
);
CREATE UNIQUE INDEX jobs_idempotency ON jobs(owner, idempotency) WHERE idempotency IS NOT NULL;
CREATE INDEX jobs_state ON jobs(state, due);
CREATE INDEX jobs_owner ON jobs(owner, number);

CREATE TABLE job_items (
    job TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE,
    number INTEGER NOT NULL,                   -- from 1
    state TEXT NOT NULL,                       -- queued, done, failed, cancelled
    uri TEXT NOT NULL,                         -- of a question: its id
    document TEXT,                             -- the id that it has or will have
    upload TEXT,                               -- name of the uploaded file
    bytes INTEGER NOT NULL DEFAULT 0,          -- of that file
    body TEXT NOT NULL,                        -- the rest of it, as JSON
    error TEXT,                                -- the Problem as JSON
    attempts INTEGER NOT NULL DEFAULT 0,       -- begun alone, and not ended
    retried INTEGER NOT NULL DEFAULT 0,        -- failed before, and is to be tried once more
    withdrawn INTEGER NOT NULL DEFAULT 0,      -- its answer quotes what is deleted; 2: scrubbed
    PRIMARY KEY (job, number)
) WITHOUT ROWID;
CREATE INDEX job_items_state ON job_items(job, state);
CREATE INDEX job_items_document ON job_items(document) WHERE document IS NOT NULL;
CREATE INDEX job_items_upload ON job_items(upload) WHERE upload IS NOT NULL;

CREATE TABLE item_documents (                  -- what the answer to a question of a batch quotes
    job TEXT NOT NULL,
    item INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (job, item, document),
    FOREIGN KEY (job, item) REFERENCES job_items(job, number) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX item_documents_document ON item_documents(document);

CREATE TABLE job_events (
    job TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE,
    number INTEGER NOT NULL,                   -- from 1
    at TEXT NOT NULL,
    body TEXT NOT NULL,                        -- the JobEvent as JSON
    PRIMARY KEY (job, number)
) WITHOUT ROWID;

CREATE TABLE keys (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    hash TEXT NOT NULL,                        -- argon2 of the secret
    scopes TEXT NOT NULL,                      -- JSON list
    collections TEXT,                          -- JSON list; NULL for all
    principals TEXT,                           -- JSON list; NULL for all documents
    created TEXT NOT NULL,
    expires TEXT,
    revoked TEXT,
    used TEXT
);

CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    owner TEXT NOT NULL,
    action TEXT NOT NULL,                      -- the operation's id
    target TEXT NOT NULL,                      -- the resource's id or name
    status INTEGER NOT NULL,
    address TEXT NOT NULL,
    request TEXT NOT NULL                      -- its id
);

CREATE TABLE idempotent (
    owner TEXT NOT NULL,
    key TEXT NOT NULL,
    request TEXT NOT NULL,                     -- hash of the request
    documents TEXT NOT NULL,                   -- JSON list of those that it quotes: gone with them
    trace TEXT REFERENCES traces(id) ON DELETE CASCADE,  -- of the same run
    at TEXT NOT NULL,
    body BLOB NOT NULL,                        -- the response, zlib
    PRIMARY KEY (owner, key)
) WITHOUT ROWID;
CREATE INDEX idempotent_at ON idempotent(at);
CREATE INDEX idempotent_trace ON idempotent(trace) WHERE trace IS NOT NULL;
