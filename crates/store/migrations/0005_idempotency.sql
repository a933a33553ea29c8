CREATE TABLE idempotency (
    person TEXT NOT NULL,
    route TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    body_sha256 TEXT NOT NULL,
    begun_at BIGINT NOT NULL,
    -- The grant as it was then, as JSON. Null: in flight, or died on the way.
    answer TEXT,
    PRIMARY KEY (person, route, idempotency_key)
);

CREATE INDEX idempotency_by_age ON idempotency (begun_at);
