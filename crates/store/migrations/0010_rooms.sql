-- Which crowd waits: each has room of its own, so that strangers take up none of that of others.
ALTER TABLE ceremonies ADD COLUMN room TEXT COLLATE "binary" NOT NULL DEFAULT 'known';

CREATE INDEX ceremonies_by_room ON ceremonies (room, expires_at, secret_sha256);
