-- What is to be made so outside. A row stays when it is done, so that its count
-- of asks never begins again: whoever completes an old ask must not hit a new one.
CREATE TABLE work (
    effect TEXT NOT NULL,
    target_kind TEXT NOT NULL,
    target_id TEXT NOT NULL,
    ask BIGINT NOT NULL CHECK (ask >= 1),
    attempts BIGINT NOT NULL CHECK (attempts >= 0),
    -- Null: done.
    due_at BIGINT,
    PRIMARY KEY (effect, target_kind, target_id)
);

CREATE INDEX work_by_due ON work (due_at) WHERE due_at IS NOT NULL;
