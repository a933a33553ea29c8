-- One row. Counts the imports: what was read before one may be other than what is there
-- after it, at the same position.
CREATE TABLE log_imports (
    single BIGINT NOT NULL PRIMARY KEY CHECK (single = 1),
    count BIGINT NOT NULL CHECK (count >= 0)
);

INSERT INTO log_imports (single, count) VALUES (1, 0);
