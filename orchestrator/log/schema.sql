-- The log and its projections. The constraints below are promises: what they refuse cannot be written by any bug.

CREATE TABLE log_head (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    seq     INTEGER NOT NULL,                       -- the last event; moved in the append's own transaction
    epoch   INTEGER NOT NULL,                       -- the engine that may write
    reality TEXT    NOT NULL CHECK (reality IN ('simulated', 'real'))
) STRICT;

CREATE TRIGGER head_moves_forward BEFORE UPDATE ON log_head
WHEN NEW.seq < OLD.seq OR NEW.epoch < OLD.epoch OR NEW.reality <> OLD.reality
BEGIN SELECT RAISE(ABORT, 'the head of the log moves forward, and its reality stays'); END;
CREATE TRIGGER head_is_not_deleted BEFORE DELETE ON log_head
BEGIN SELECT RAISE(ABORT, 'a log has one head'); END;

CREATE TABLE events (
    seq      INTEGER PRIMARY KEY,
    event_id TEXT    NOT NULL UNIQUE,
    stream   TEXT    NOT NULL,
    version  INTEGER NOT NULL,
    kind     TEXT    NOT NULL,
    schema   INTEGER NOT NULL,
    epoch    INTEGER NOT NULL,
    at       TEXT    NOT NULL,
    actor    TEXT    NOT NULL,
    cause    TEXT,
    body     TEXT    NOT NULL CHECK (json_valid(body)),
    UNIQUE (stream, version)
) STRICT;

CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TRIGGER events_are_not_deleted BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
-- INSERT OR REPLACE would delete the older row without asking the trigger above.
CREATE TRIGGER events_are_not_replaced BEFORE INSERT ON events
WHEN EXISTS (SELECT 1 FROM events WHERE event_id = NEW.event_id)
    OR EXISTS (SELECT 1 FROM events WHERE stream = NEW.stream AND version = NEW.version)
BEGIN SELECT RAISE(ABORT, 'the log is append-only: this event is there already'); END;
CREATE TRIGGER events_have_no_gap BEFORE INSERT ON events
WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM events)
BEGIN SELECT RAISE(ABORT, 'the log has no gaps'); END;

-- The inbox: the key is the caller's idempotency key, so that a second firing or a second click is refused here.
CREATE TABLE commands (
    key  TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    by   TEXT NOT NULL,
    at   TEXT NOT NULL,
    seq  INTEGER NOT NULL,
    body TEXT NOT NULL CHECK (json_valid(body))
) STRICT;

-- Projections: may be dropped and rebuilt from the events to the same rows.
CREATE TABLE experiments (
    id     TEXT PRIMARY KEY,
    number INTEGER NOT NULL UNIQUE,
    state  TEXT NOT NULL
) STRICT;

CREATE TABLE actions (
    id         TEXT PRIMARY KEY,
    experiment TEXT NOT NULL REFERENCES experiments (id),
    device     TEXT NOT NULL,
    sample     TEXT NOT NULL,
    verb       TEXT NOT NULL,
    state      TEXT NOT NULL,
    epoch      INTEGER NOT NULL,
    moves      TEXT CHECK (moves IS NULL OR json_valid(moves))  -- from, to, via: where it carries its sample
) STRICT;
-- What an open action, one in doubt included, has to itself: its device, those that it keeps still, its samples.
CREATE TABLE leases (
    kind   TEXT NOT NULL CHECK (kind IN ('device', 'sample')),
    name   TEXT NOT NULL,
    action TEXT NOT NULL REFERENCES actions (id),
    PRIMARY KEY (kind, name)
) STRICT;

-- Where samples are, or may be: a place for one has one, and a sample is in one place at most for sure. `home` is kept.
CREATE TABLE samples (
    name TEXT PRIMARY KEY,
    home TEXT NOT NULL
) STRICT;
CREATE TABLE claims (
    place  TEXT    NOT NULL,
    sample TEXT    NOT NULL REFERENCES samples (name),
    sure   INTEGER NOT NULL CHECK (sure IN (0, 1)),
    single INTEGER NOT NULL CHECK (single IN (0, 1)),  -- the place is for one sample
    PRIMARY KEY (place, sample)
) STRICT;
CREATE UNIQUE INDEX a_place_holds_one_sample ON claims (place) WHERE single = 1;
CREATE UNIQUE INDEX a_sample_has_one_sure_place ON claims (sample) WHERE sure = 1;

CREATE TABLE measurements (
    seq        INTEGER PRIMARY KEY,
    experiment TEXT NOT NULL REFERENCES experiments (id),
    action     TEXT NOT NULL REFERENCES actions (id),
    name       TEXT NOT NULL,
    value      REAL NOT NULL CHECK (value BETWEEN -1.7e308 AND 1.7e308),
    unit       TEXT NOT NULL,
    sigma      REAL CHECK (sigma IS NULL OR sigma BETWEEN 0 AND 1.7e308),
    reality    TEXT NOT NULL
) STRICT;
CREATE TRIGGER realities_never_meet BEFORE INSERT ON measurements
WHEN NEW.reality IS NOT (SELECT reality FROM log_head)
BEGIN SELECT RAISE(ABORT, 'a measurement of another reality than the log''s'); END;

CREATE TABLE doubts (
    action TEXT PRIMARY KEY REFERENCES actions (id),
    since  INTEGER NOT NULL,
    reason TEXT NOT NULL
) STRICT;
