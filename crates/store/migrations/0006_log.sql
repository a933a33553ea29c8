-- One row. The tree that the archives were last known to hold. It begins empty,
-- also in a store that had published before: entries_published tells what went into
-- the journal of the version before, which is another place. Everything is published
-- again, into the log. That table stays as it is for as long as that version may run.
CREATE TABLE log_head (
    single BIGINT NOT NULL PRIMARY KEY CHECK (single = 1),
    -- How many entries the tree has: the position of the last.
    size BIGINT NOT NULL CHECK (size >= 0),
    -- Its root, in base64, as a checkpoint spells it.
    root TEXT NOT NULL
);

-- The root of the empty tree: SHA-256 of nothing.
INSERT INTO log_head (single, size, root) VALUES (1, 0, '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=');

-- Up to which position each sink has kept everything.
CREATE TABLE log_cursors (
    sink TEXT NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL CHECK (position >= 0)
);

-- What was last known of things outside that are compared with how they are now.
CREATE TABLE facts (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- One row. Entries up to here have no personal part any more.
CREATE TABLE personal_erased (
    single BIGINT NOT NULL PRIMARY KEY CHECK (single = 1),
    position BIGINT NOT NULL CHECK (position >= 0)
);

INSERT INTO personal_erased (single, position) VALUES (1, 0);
