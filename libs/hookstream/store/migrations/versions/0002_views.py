"""The views: what people look up about events, deliveries and attempts.

Three tables are cut into partitions of one UTC day, `day`, which is the day of `logged_at_ms`;
`store/partitions.py` makes them ahead and drops them. A primary key starts with what is looked up
and has `day` only because the cut demands it. Times are milliseconds since the epoch, ids compare
by bytes, payloads are the bytes that came.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

EVENTS = """
CREATE TABLE events (
    workspace      text COLLATE "C" NOT NULL,
    id             text COLLATE "C" NOT NULL,
    day            date NOT NULL,
    logged_at_ms   bigint NOT NULL,            -- Kafka's append time of the first record
    created_at_ms  bigint NOT NULL,            -- the producer's own
    type           text COLLATE "C" NOT NULL,
    source         text COLLATE "C",
    subject        text COLLATE "C",
    webhook        text COLLATE "C",           -- system name it is addressed to
    data           bytea NOT NULL,
    trace_id       text COLLATE "C",
    log_partition  integer NOT NULL,           -- where the first record stands
    log_offset     bigint NOT NULL,
    repeats        integer NOT NULL DEFAULT 0, -- how often the same id came again
    conflict       boolean NOT NULL DEFAULT false, -- one of them had another payload
    PRIMARY KEY (workspace, id, day)
) PARTITION BY RANGE (day);
CREATE INDEX events_by_time ON events (workspace, logged_at_ms);
CREATE INDEX events_by_subject ON events (workspace, subject, logged_at_ms)
    WHERE subject IS NOT NULL;
"""

DELIVERIES = """
CREATE TABLE deliveries (
    id               text COLLATE "C" NOT NULL,
    day              date NOT NULL,
    logged_at_ms     bigint NOT NULL,
    workspace        text COLLATE "C" NOT NULL,
    webhook          text COLLATE "C" NOT NULL,
    event            text COLLATE "C" NOT NULL,
    event_type       text COLLATE "C" NOT NULL,
    subject          text COLLATE "C",
    kind             text COLLATE "C" NOT NULL,
    attempts         integer NOT NULL,           -- requests made so far
    -- of the outcome that decides (`store/fold.py`)
    state            text COLLATE "C" NOT NULL,  -- its result
    reason           text COLLATE "C",
    turn             integer,                    -- null: closed by a callback, release or discard
    webhook_version  integer NOT NULL,
    status           integer,                    -- HTTP status, where a request was made
    error            text COLLATE "C",
    ended_at_ms      bigint NOT NULL,
    next_due_at_ms   bigint,
    closing          boolean NOT NULL,           -- nothing later changes what is above
    log_at_ms        bigint NOT NULL,            -- where that outcome stands
    log_partition    integer NOT NULL,
    log_offset       bigint NOT NULL,
    PRIMARY KEY (id, day)
) PARTITION BY RANGE (day);
CREATE INDEX deliveries_by_time ON deliveries (workspace, logged_at_ms);
CREATE INDEX deliveries_by_webhook ON deliveries (webhook, logged_at_ms);
CREATE INDEX deliveries_by_event ON deliveries (workspace, event);
CREATE INDEX deliveries_by_subject ON deliveries (workspace, subject, logged_at_ms)
    WHERE subject IS NOT NULL;
CREATE INDEX deliveries_undelivered ON deliveries (workspace, logged_at_ms)
    WHERE state <> 'succeeded';
CREATE INDEX deliveries_by_state ON deliveries (workspace, state, logged_at_ms)
    WHERE state <> 'succeeded';
CREATE INDEX deliveries_by_webhook_state ON deliveries (webhook, state, logged_at_ms)
    WHERE state <> 'succeeded';
"""

ATTEMPTS = """
CREATE TABLE attempts (
    delivery          text COLLATE "C" NOT NULL,
    turn              integer NOT NULL,
    log_partition     integer NOT NULL,          -- two requests of one turn are two rows
    log_offset        bigint NOT NULL,
    day               date NOT NULL,             -- the delivery's
    number            integer NOT NULL,          -- from 1
    result            text COLLATE "C" NOT NULL,
    webhook_version   integer NOT NULL,
    started_at_ms     bigint NOT NULL,
    duration_ms       bigint NOT NULL,
    status            integer,
    error             text COLLATE "C",          -- kind, when no status arrived in time
    error_detail      text,
    response_headers  bytea,                     -- JSON: [[name, value], ...]
    response_body     bytea,
    truncated         boolean NOT NULL,
    trace_id          text COLLATE "C",
    PRIMARY KEY (delivery, turn, log_partition, log_offset, day)
) PARTITION BY RANGE (day);
"""

PARKED = """
CREATE TABLE parked (
    webhook       text COLLATE "C" NOT NULL,
    logged_at_ms  bigint NOT NULL,               -- the delivery's: oldest first
    delivery      text COLLATE "C" NOT NULL,
    workspace     text COLLATE "C" NOT NULL,
    event         text COLLATE "C" NOT NULL,
    event_type    text COLLATE "C" NOT NULL,
    subject       text COLLATE "C",
    kind          text COLLATE "C" NOT NULL,
    reason        text COLLATE "C",
    parked_at_ms  bigint NOT NULL,
    PRIMARY KEY (webhook, logged_at_ms, delivery)
);
CREATE INDEX parked_by_age ON parked (logged_at_ms);
"""

FAILING = """
CREATE TABLE failing (                           -- webhooks that only fail, and since when
    webhook   text COLLATE "C" PRIMARY KEY,
    version   integer NOT NULL,
    since_ms  bigint NOT NULL
);
"""

DEAD = """
CREATE TABLE dead (
    topic       text COLLATE "C" NOT NULL,       -- where the record came from
    partition   integer NOT NULL,
    "offset"    bigint NOT NULL,
    reason      text COLLATE "C" NOT NULL,
    detail      text NOT NULL,
    at_ms       bigint NOT NULL,
    workspace   text COLLATE "C",
    event       text COLLATE "C",
    event_type  text COLLATE "C",
    key         bytea,
    raw         bytea NOT NULL,
    truncated   boolean NOT NULL,
    PRIMARY KEY (topic, partition, "offset", reason)
);
CREATE INDEX dead_by_time ON dead (at_ms);
CREATE INDEX dead_by_workspace ON dead (workspace, at_ms) WHERE workspace IS NOT NULL;
"""

OFFSETS = """
CREATE TABLE consumer_offsets (
    topic        text COLLATE "C" NOT NULL,
    partition    integer NOT NULL,
    next_offset  bigint NOT NULL,                -- all below is in the tables
    fill_until   bigint NOT NULL DEFAULT 0,      -- below: fill the tables, act on nothing
    PRIMARY KEY (topic, partition)
);
"""

# Postgres' own compression costs many times the processor time of lz4. A server built without lz4
# stores what is larger than 2 KB as it is.
COMPRESSION = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_settings
               WHERE name = 'default_toast_compression' AND 'lz4' = ANY(enumvals)) THEN
        ALTER TABLE events ALTER COLUMN data SET COMPRESSION lz4;
        ALTER TABLE attempts ALTER COLUMN response_body SET COMPRESSION lz4;
        ALTER TABLE attempts ALTER COLUMN response_headers SET COMPRESSION lz4;
        ALTER TABLE dead ALTER COLUMN raw SET COMPRESSION lz4;
    ELSE
        ALTER TABLE events ALTER COLUMN data SET STORAGE EXTERNAL;
        ALTER TABLE attempts ALTER COLUMN response_body SET STORAGE EXTERNAL;
        ALTER TABLE attempts ALTER COLUMN response_headers SET STORAGE EXTERNAL;
        ALTER TABLE dead ALTER COLUMN raw SET STORAGE EXTERNAL;
    END IF;
END $$;
"""


def upgrade() -> None:
    """Make the tables; their partitions come with the first day that needs them."""
    for statement in (EVENTS, DELIVERIES, ATTEMPTS, PARKED, FAILING, DEAD, OFFSETS, COMPRESSION):
        op.execute(statement)


def downgrade() -> None:
    """Drop the views; their source is Kafka."""
    op.execute(
        "DROP TABLE consumer_offsets, dead, failing, parked, attempts, deliveries, events CASCADE"
    )
