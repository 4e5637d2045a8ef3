-- The catalogue: the only truth of a home. FAISS files are derived from it.
-- Ids are AUTOINCREMENT where another file refers to them: a plain rowid is
-- reused after a delete, and a stale index would then point at the wrong row.

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE collections (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    generation INTEGER NOT NULL DEFAULT 0      -- grows with every change of its chunks
);

CREATE TABLE documents (
    id TEXT PRIMARY KEY,
    collection INTEGER NOT NULL REFERENCES collections(id) ON DELETE CASCADE,
    uri TEXT NOT NULL,
    content TEXT NOT NULL,                     -- sha256 of the bytes
    recipe TEXT NOT NULL,                      -- how it was parsed and cut
    title TEXT NOT NULL,
    media_type TEXT NOT NULL,
    pages INTEGER NOT NULL,
    metadata TEXT NOT NULL,                    -- JSON object
    version INTEGER NOT NULL DEFAULT 1,
    enabled INTEGER NOT NULL DEFAULT 1,
    UNIQUE (collection, uri)
);
CREATE INDEX documents_content ON documents(content);

CREATE TABLE elements (
    id INTEGER PRIMARY KEY,
    document TEXT NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
    ord INTEGER NOT NULL,
    kind TEXT NOT NULL,
    page INTEGER NOT NULL,
    body TEXT NOT NULL,                        -- the Element as JSON
    words BLOB,                                -- of a picture: types.Words.to_bytes
    unseen INTEGER NOT NULL DEFAULT 0          -- its pixels have not been looked at yet
);
CREATE INDEX elements_document ON elements(document, ord);
CREATE INDEX elements_unseen ON elements(document) WHERE unseen;

CREATE TABLE chunks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document TEXT NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
    ord INTEGER NOT NULL,
    kind TEXT NOT NULL,
    page INTEGER NOT NULL,
    x0 REAL NOT NULL, y0 REAL NOT NULL, x1 REAL NOT NULL, y1 REAL NOT NULL,
    text TEXT NOT NULL,
    context TEXT NOT NULL,
    caption TEXT NOT NULL,
    words BLOB NOT NULL,                       -- types.Words.to_bytes
    parent INTEGER,                            -- first chunk of its passage, a row of the lexical index
    element INTEGER                            -- ord of the element that a table or picture was made from
);
CREATE INDEX chunks_document ON chunks(document, ord);
CREATE INDEX chunks_parent ON chunks(parent);

CREATE TABLE vectors (
    space TEXT NOT NULL,                       -- 'text:' or 'image:' and the embedder's name
    collection INTEGER NOT NULL,
    chunk INTEGER NOT NULL REFERENCES chunks(id) ON DELETE CASCADE,
    vector BLOB NOT NULL,                      -- float16, little-endian
    PRIMARY KEY (space, collection, chunk)
) WITHOUT ROWID;
CREATE INDEX vectors_chunk ON vectors(chunk);

CREATE TABLE failures (
    collection INTEGER NOT NULL REFERENCES collections(id) ON DELETE CASCADE,
    uri TEXT NOT NULL,
    failure TEXT NOT NULL,                     -- the Failure as JSON
    at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    content TEXT,                              -- sha256 of the bytes, where they would fail again
    recipe TEXT,                               -- and how they were read
    PRIMARY KEY (collection, uri)
) WITHOUT ROWID;
CREATE INDEX failures_content ON failures(content);
