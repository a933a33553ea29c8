-- One dialect for SQLite and PostgreSQL. Times are milliseconds since 1970;
-- "binary" compares bytes in both (SQLite's own, and a copy of PostgreSQL's "C").
--
-- What was released is not edited: a change is another file. It expands first,
-- so that the version before still runs on it, and a later release contracts.

CREATE TABLE grants (
    -- 22 characters of base 62, of a UUID of version 7: newer ids are greater.
    id TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL CHECK (version >= 1),
    -- Copies out of the body, for queries. A reader compares them with it.
    phase TEXT NOT NULL,
    target_kind TEXT NOT NULL,
    role TEXT NOT NULL,
    incident_provider TEXT NOT NULL,
    incident_id TEXT NOT NULL,
    requester TEXT NOT NULL,
    due_at BIGINT,
    -- Until when the role's revocation policy must know of it: without end while
    -- it is active or not contained, null once it needs no deny.
    enforce_until BIGINT,
    -- The grant, as JSON.
    body TEXT NOT NULL
);

CREATE INDEX grants_by_due ON grants (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX grants_by_enforcement ON grants (role, enforce_until) WHERE enforce_until IS NOT NULL;
CREATE INDEX grants_by_phase ON grants (phase, id);
CREATE INDEX grants_by_incident ON grants (incident_provider, incident_id, id);
CREATE INDEX grants_by_requester ON grants (requester, id);
