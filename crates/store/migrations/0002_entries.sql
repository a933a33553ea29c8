CREATE TABLE entries (
    -- From 1, without gaps, in the order of commits.
    position BIGINT NOT NULL PRIMARY KEY CHECK (position >= 1),
    id TEXT NOT NULL UNIQUE,
    grant_id TEXT,
    -- The entry, as JSON.
    entry TEXT NOT NULL,
    -- What it commits to by hash, as JSON. Erased by setting it to null.
    personal TEXT
);

CREATE INDEX entries_by_grant ON entries (grant_id, position) WHERE grant_id IS NOT NULL;

-- One row. Whoever appends holds it until the commit: that makes the order.
CREATE TABLE entries_head (
    single BIGINT NOT NULL PRIMARY KEY CHECK (single = 1),
    -- Of the last entry; 0 before the first.
    position BIGINT NOT NULL CHECK (position >= 0),
    -- Of the last entry, in nanoseconds: entries keep what their clock told.
    time_ns BIGINT NOT NULL
);

INSERT INTO entries_head (single, position, time_ns) VALUES (1, 0, 0);

-- One row. Apart from the head, so that publishing makes no commit wait.
CREATE TABLE entries_published (
    single BIGINT NOT NULL PRIMARY KEY CHECK (single = 1),
    -- Everything up to here is durable at the sinks.
    position BIGINT NOT NULL CHECK (position >= 0)
);

INSERT INTO entries_published (single, position) VALUES (1, 0);
