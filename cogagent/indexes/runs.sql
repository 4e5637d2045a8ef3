-- What the home remembers of questions; since version 3 of the catalogue.

CREATE TABLE traces (
    id TEXT PRIMARY KEY,
    at TEXT NOT NULL,                          -- UTC, ISO 8601
    question TEXT NOT NULL,
    outcome TEXT NOT NULL,
    body BLOB NOT NULL                         -- the Trace as JSON, zlib
) WITHOUT ROWID;
CREATE INDEX traces_at ON traces(at);

CREATE TABLE trace_documents (
    trace TEXT NOT NULL REFERENCES traces(id) ON DELETE CASCADE,
    document TEXT NOT NULL,
    PRIMARY KEY (document, trace)
) WITHOUT ROWID;
CREATE INDEX trace_documents_trace ON trace_documents(trace);

CREATE TABLE turns (
    conversation TEXT NOT NULL,
    number INTEGER NOT NULL,                   -- from 1
    at TEXT NOT NULL,
    body TEXT NOT NULL,                        -- the Turn as JSON
    PRIMARY KEY (conversation, number)
) WITHOUT ROWID;
