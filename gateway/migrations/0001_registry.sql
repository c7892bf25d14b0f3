-- Devices, their certificates, and enrolment codes. Instants are milliseconds since 1970, UTC.

CREATE TABLE devices (
    id             TEXT PRIMARY KEY NOT NULL,
    profile        TEXT NOT NULL CHECK (profile IN ('device', 'relay', 'staff')),
    person         TEXT,
    ownership      TEXT NOT NULL CHECK (ownership IN ('issued', 'shared-desk', 'byod')),
    level          INTEGER NOT NULL CHECK (level BETWEEN 0 AND 4),
    platform       TEXT NOT NULL DEFAULT '',
    created_at     INTEGER NOT NULL,
    revoked_at     INTEGER,
    revoked_reason TEXT,
    CHECK ((revoked_at IS NULL) = (revoked_reason IS NULL))
) STRICT;

-- A certificate is kept whole: it is public, and an auditor asks for it years later.
CREATE TABLE certificates (
    serial         TEXT PRIMARY KEY NOT NULL,
    profile        TEXT NOT NULL CHECK (profile IN ('device', 'relay', 'gateway', 'staff')),
    holder         TEXT NOT NULL,
    der            BLOB NOT NULL,
    issued_at      INTEGER NOT NULL,
    not_after      INTEGER NOT NULL,
    revoked_at     INTEGER,
    revoked_reason TEXT,
    CHECK ((revoked_at IS NULL) = (revoked_reason IS NULL))
) STRICT;
CREATE INDEX certificates_by_holder ON certificates (holder);

-- The secret of a code is never stored, only its SHA-256: whoever reads the database can enrol nothing.
CREATE TABLE enrol_codes (
    id             TEXT PRIMARY KEY NOT NULL,
    secret_hash    BLOB NOT NULL UNIQUE CHECK (length(secret_hash) = 32),
    person         TEXT,
    ownership      TEXT NOT NULL CHECK (ownership IN ('issued', 'shared-desk', 'byod')),
    created_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    redeemed_at    INTEGER,
    redeemed_key   BLOB CHECK (redeemed_key IS NULL OR length(redeemed_key) = 32),
    device         TEXT REFERENCES devices (id),
    CHECK ((redeemed_at IS NULL) = (redeemed_key IS NULL)),
    CHECK ((redeemed_at IS NULL) = (device IS NULL))
) STRICT;

CREATE TABLE counters (
    name           TEXT PRIMARY KEY NOT NULL,
    value          INTEGER NOT NULL
) STRICT;
INSERT INTO counters (name, value) VALUES ('crl', 0);
