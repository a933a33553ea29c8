-- Who is signed in, in which browser. Of what the browser keeps there is the hash alone.
CREATE TABLE sessions (
    -- SHA-256, in hexadecimal.
    token_sha256 TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    -- Copies out of the body, for queries. A reader compares them with it.
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    opened_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    -- The session, as JSON.
    body TEXT NOT NULL
);

CREATE INDEX sessions_by_login ON sessions (issuer, subject);
CREATE INDEX sessions_by_opening ON sessions (opened_at);
CREATE INDEX sessions_by_use ON sessions (seen_at);

-- What a browser was sent away with and brings back, once.
CREATE TABLE ceremonies (
    secret_sha256 TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    -- Rounded down: nothing is taken back too late.
    expires_at BIGINT NOT NULL,
    body TEXT NOT NULL
);

CREATE INDEX ceremonies_by_expiry ON ceremonies (expires_at);

-- One row. Whoever begins a ceremony holds it until the commit: so they are counted one after the other.
CREATE TABLE ceremonies_turn (
    single BIGINT NOT NULL PRIMARY KEY CHECK (single = 1)
);

INSERT INTO ceremonies_turn (single) VALUES (1);

-- The groups that a provider last said a login is in.
CREATE TABLE login_groups (
    issuer TEXT COLLATE "binary" NOT NULL,
    subject TEXT COLLATE "binary" NOT NULL,
    -- When it said so, in nanoseconds: of two words the later one holds.
    said_ns BIGINT NOT NULL,
    -- Their names, as JSON.
    names TEXT NOT NULL,
    PRIMARY KEY (issuer, subject)
);

CREATE INDEX login_groups_by_age ON login_groups (said_ns);

CREATE TABLE passkeys (
    -- As the authenticator named it, in base64url.
    credential TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    -- Copies out of the body, for queries. A reader compares them with it.
    person TEXT NOT NULL,
    -- In nanoseconds: the oldest come first.
    enrolled_ns BIGINT NOT NULL,
    confirmed BIGINT NOT NULL CHECK (confirmed IN (0, 1)),
    -- The passkey, as JSON.
    body TEXT NOT NULL
);

CREATE INDEX passkeys_by_person ON passkeys (person, enrolled_ns, credential);
CREATE INDEX passkeys_unconfirmed ON passkeys (enrolled_ns, credential) WHERE confirmed = 0;
