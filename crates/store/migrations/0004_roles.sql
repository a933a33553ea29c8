-- A row stays when the lease is given back, so that its token only grows.
CREATE TABLE leases (
    name TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    token BIGINT NOT NULL CHECK (token >= 1),
    until BIGINT NOT NULL
);

-- What we know of a role's revocation policy, as JSON.
CREATE TABLE roles (
    role TEXT NOT NULL PRIMARY KEY,
    record TEXT NOT NULL
);
