"""What products ask for beyond the first version: integrations, templates, values of answers."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INTEGRATIONS = """
CREATE TABLE integrations (
    id text COLLATE "C" PRIMARY KEY,
    workspace text COLLATE "C" NOT NULL REFERENCES workspaces,
    version bigint NOT NULL,
    name text NOT NULL,
    state text NOT NULL,
    root_url text NOT NULL,
    headers bytea NOT NULL,
    rate_per_s double precision,
    shards integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX integrations_name ON integrations (workspace, lower(name))
    WHERE state <> 'deleted';
CREATE INDEX integrations_by_workspace ON integrations (workspace, id)"""

WEBHOOKS = """
ALTER TABLE webhooks
    ADD COLUMN integration text COLLATE "C" REFERENCES integrations,
    ADD COLUMN headers_off text[] NOT NULL DEFAULT '{}',     -- inherited ones that it leaves out
    ADD COLUMN secrets_until_ms bigint[] NOT NULL DEFAULT '{}',
    ADD COLUMN sources text[] NOT NULL DEFAULT '{}',
    ADD COLUMN template text,
    ADD COLUMN properties bytea,                             -- JSON object
    ADD COLUMN extract bytea NOT NULL DEFAULT '{}',          -- JSON: name -> JMESPath
    ADD COLUMN shards integer NOT NULL DEFAULT 1,
    ADD COLUMN retry_delay_ms bigint,                        -- where the policy leaves it open
    ADD COLUMN retry_requests integer;
CREATE INDEX webhooks_by_integration ON webhooks (integration, id) WHERE state <> 'deleted'"""

DELIVERIES = """
ALTER TABLE deliveries
    ADD COLUMN closing_reason text COLLATE "C",         -- of the callback that closed it
    ADD COLUMN waits_until_ms bigint,                   -- a callback may close it until then
    ADD COLUMN closed_as smallint NOT NULL DEFAULT 0,   -- all ends told (`store/fold.py`, ENDS)
    ADD COLUMN stated_reason text COLLATE "C",          -- of the last answer, for end users
    ADD COLUMN extracted bytea,                         -- JSON object, out of that answer
    ADD COLUMN extracted_note text COLLATE "C";
CREATE INDEX deliveries_overdue ON deliveries (waits_until_ms)
    WHERE state = 'waiting' AND waits_until_ms IS NOT NULL"""

# The URL that has answered a verification; '': none, but events were kept for it before.
# The index serves whoever asks whether a configured thing has reached its topic.
VERIFICATION = """
ALTER TABLE webhooks ADD COLUMN verified_url text;
CREATE INDEX outbox_config ON outbox (key) WHERE topic = 'config'"""

SECRETS = """
ALTER TABLE webhooks
    ADD COLUMN public_keys text[] NOT NULL DEFAULT '{}'  -- of asymmetric secrets, beside them"""

WAITING = """
ALTER TABLE webhooks
    ADD COLUMN discard_till_ms bigint;    -- what was parked till then is given up
DROP INDEX parked_by_age;
CREATE INDEX parked_by_time ON parked (parked_at_ms);
CREATE INDEX parked_by_webhook_time ON parked (webhook, parked_at_ms);
CREATE TABLE cancellations (
    delivery   text COLLATE "C" PRIMARY KEY,
    workspace  text COLLATE "C" NOT NULL,
    version    bigint NOT NULL,
    until_ms   bigint NOT NULL,           -- by then no turn of it can come any more
    record     bytea NOT NULL
);
CREATE INDEX cancellations_by_end ON cancellations (until_ms);
CREATE TABLE replays (
    id            text COLLATE "C" PRIMARY KEY,
    webhook       text COLLATE "C" NOT NULL REFERENCES webhooks,
    workspace     text COLLATE "C" NOT NULL,
    from_ms       bigint NOT NULL,
    till_ms       bigint NOT NULL,
    only_failed   boolean NOT NULL,
    state         text NOT NULL,          -- running, done, cancelled
    sent          bigint NOT NULL DEFAULT 0,
    at_ms         bigint NOT NULL,        -- where it stands: (logged_at_ms, delivery)
    at_delivery   text COLLATE "C" NOT NULL DEFAULT '',
    created_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX replays_by_webhook ON replays (webhook, id);
CREATE INDEX replays_running ON replays (webhook, id) WHERE state = 'running'"""
"""What waits for a webhook that gets nothing now, what a person took back or sends once more."""

# What is told of webhooks and deliveries, and to whom: `store/operational.py` says it alike.
OPERATIONAL = """
ALTER TABLE failing ADD COLUMN told boolean NOT NULL DEFAULT false;
CREATE INDEX webhooks_told_of_deliveries ON webhooks (workspace) WHERE state <> 'deleted'
    AND events && ARRAY['delivery.failed', 'delivery.*']::text[]"""

CATALOGUE = """
ALTER TABLE event_types
    ADD COLUMN registered boolean NOT NULL DEFAULT false;    -- by itself, when an event came
CREATE INDEX event_types_by_group ON event_types (workspace, group_name, name)
    WHERE state <> 'deleted';
CREATE INDEX event_types_registered ON event_types (workspace)
    WHERE registered AND state = 'active'"""


def upgrade() -> None:
    for statement in (INTEGRATIONS, WEBHOOKS, DELIVERIES, VERIFICATION, SECRETS, WAITING):
        op.execute(statement)
    for statement in (OPERATIONAL, CATALOGUE):
        op.execute(statement)


def downgrade() -> None:
    op.execute(
        "DROP INDEX outbox_config, webhooks_told_of_deliveries;"
        " DROP INDEX event_types_by_group, event_types_registered;"
        " ALTER TABLE failing DROP COLUMN told; ALTER TABLE event_types DROP COLUMN registered"
    )
    op.execute(
        "DROP TABLE replays, cancellations; DROP INDEX parked_by_time, parked_by_webhook_time;"
        " CREATE INDEX parked_by_age ON parked (logged_at_ms);"
        " ALTER TABLE webhooks DROP COLUMN discard_till_ms"
    )
    op.execute(
        "ALTER TABLE deliveries DROP COLUMN stated_reason, DROP COLUMN extracted,"
        " DROP COLUMN extracted_note, DROP COLUMN waits_until_ms, DROP COLUMN closing_reason,"
        " DROP COLUMN closed_as"
    )
    op.execute(
        "ALTER TABLE webhooks DROP COLUMN integration, DROP COLUMN headers_off,"
        " DROP COLUMN secrets_until_ms, DROP COLUMN sources, DROP COLUMN template,"
        " DROP COLUMN properties, DROP COLUMN extract, DROP COLUMN shards,"
        " DROP COLUMN retry_delay_ms, DROP COLUMN retry_requests, DROP COLUMN public_keys,"
        " DROP COLUMN verified_url"
    )
    op.execute("DROP TABLE integrations")
