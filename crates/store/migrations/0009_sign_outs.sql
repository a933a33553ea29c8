-- When somebody was last signed out everywhere: nothing of theirs from then or before counts.
CREATE TABLE sign_outs (
    person TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    -- In nanoseconds. It never goes back.
    before_ns BIGINT NOT NULL
);
