-- Parts of pictures that have vectors of their own; since version 4 of the catalogue.

CREATE TABLE tiles (
    id INTEGER PRIMARY KEY AUTOINCREMENT,      -- a FAISS file refers to it
    space TEXT NOT NULL,                       -- as in vectors
    collection INTEGER NOT NULL,
    chunk INTEGER NOT NULL REFERENCES chunks(id) ON DELETE CASCADE,
    made TEXT NOT NULL,                        -- how the picture was cut: the setting parse.tiles
    x0 REAL NOT NULL, y0 REAL NOT NULL, x1 REAL NOT NULL, y1 REAL NOT NULL,  -- on the page
    vector BLOB NOT NULL                       -- float16, little-endian
);
CREATE INDEX tiles_space ON tiles(space, collection);
CREATE INDEX tiles_chunk ON tiles(chunk);
