-- What version 2 of the catalogue added to version 1.

ALTER TABLE elements ADD COLUMN words BLOB;
ALTER TABLE elements ADD COLUMN unseen INTEGER NOT NULL DEFAULT 0;
CREATE INDEX elements_unseen ON elements(document) WHERE unseen;
ALTER TABLE chunks ADD COLUMN element INTEGER;
ALTER TABLE failures ADD COLUMN content TEXT;
ALTER TABLE failures ADD COLUMN recipe TEXT;
CREATE INDEX failures_content ON failures(content);
