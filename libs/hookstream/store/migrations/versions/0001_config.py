"""What people configure: workspaces, keys, policies, webhooks, event types; audit and outbox.

`record` holds the record as last given to the outbox (msgpack of the class in model/records.py),
so that it can be published again as it was, by those who cannot compile it.
"""

from alembic import op

revision = "0001"
down_revision = None

WORKSPACES = """
CREATE TABLE workspaces (
    id text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL,
    name text NOT NULL,
    state text NOT NULL,
    unknown_types text NOT NULL,
    default_policy text COLLATE "C" NOT NULL,
    record bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now()
)"""

API_KEYS = """
CREATE TABLE api_keys (
    id text COLLATE "C" PRIMARY KEY,
    workspace text COLLATE "C" NOT NULL REFERENCES workspaces,
    version bigint NOT NULL,
    name text NOT NULL,
    role text NOT NULL,
    sha256 bytea NOT NULL CONSTRAINT api_keys_sha256 UNIQUE,
    hint text NOT NULL,
    state text NOT NULL,
    record bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX api_keys_by_workspace ON api_keys (workspace, id)"""

LOGINS = """
CREATE TABLE logins (
    sha256 bytea PRIMARY KEY,
    kind text NOT NULL,
    workspace text COLLATE "C" NOT NULL REFERENCES workspaces,
    role text NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX logins_by_expiry ON logins (expires_at)"""

POLICIES = """
CREATE TABLE policies (
    id text COLLATE "C" PRIMARY KEY,
    workspace text COLLATE "C" NOT NULL REFERENCES workspaces,
    version bigint NOT NULL,
    name text NOT NULL,
    state text NOT NULL,
    rules bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX policies_name ON policies (workspace, lower(name)) WHERE state <> 'deleted';
CREATE INDEX policies_by_workspace ON policies (workspace, id)"""

WEBHOOKS = """
CREATE TABLE webhooks (
    id text COLLATE "C" PRIMARY KEY,
    workspace text COLLATE "C" NOT NULL REFERENCES workspaces,
    version bigint NOT NULL,
    name text NOT NULL,
    display_name text,
    description text,
    state text NOT NULL,
    state_reason text,
    url text NOT NULL,
    method text NOT NULL,
    events text[] NOT NULL,
    policy text COLLATE "C" NOT NULL,
    secrets bytea[] NOT NULL,
    headers bytea NOT NULL,
    content_type text,
    rate_per_s double precision,
    max_in_flight integer NOT NULL,
    send_traceparent boolean NOT NULL,
    record bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX webhooks_name ON webhooks (workspace, lower(name)) WHERE state <> 'deleted';
CREATE INDEX webhooks_by_workspace ON webhooks (workspace, id) WHERE state <> 'deleted';
CREATE INDEX webhooks_by_policy ON webhooks (policy, workspace, id) WHERE state <> 'deleted'"""

EVENT_TYPES = """
CREATE TABLE event_types (
    workspace text COLLATE "C" NOT NULL REFERENCES workspaces,
    name text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    group_name text,
    description text,
    json_schema bytea,
    sample bytea,
    state text NOT NULL,
    record bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace, name)
)"""

AUDIT = """
CREATE TABLE audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    workspace text COLLATE "C" NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    kind text NOT NULL,
    subject text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    changed text[] NOT NULL
);
CREATE INDEX audit_by_workspace ON audit (workspace, id);
CREATE INDEX audit_by_subject ON audit (workspace, kind, subject, id)"""

OUTBOX = """
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL CHECK (topic IN ('config', 'deliveries', 'outcomes', 'events')),
    key text NOT NULL,
    record_type text NOT NULL,
    record bytea NOT NULL,
    traceparent text,
    created_at timestamptz NOT NULL DEFAULT now()
)"""

NOTIFY_OUTBOX = """
CREATE FUNCTION notify_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('outbox', '');
    RETURN NULL;
END $$;
CREATE TRIGGER outbox_filled AFTER INSERT ON outbox
    FOR EACH STATEMENT EXECUTE FUNCTION notify_outbox()"""

NOTIFY_PUBLISHED = """
CREATE FUNCTION notify_published() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('published', string_agg(id::text, ','))
    FROM (SELECT id, row_number() OVER () / 300 AS page FROM gone) AS paged GROUP BY page;
    RETURN NULL;
END $$;
CREATE TRIGGER outbox_emptied AFTER DELETE ON outbox REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION notify_published()"""


def upgrade() -> None:
    for tables in (WORKSPACES, API_KEYS, LOGINS, POLICIES, WEBHOOKS, EVENT_TYPES, AUDIT, OUTBOX):
        op.execute(tables)
    op.execute(NOTIFY_OUTBOX)
    op.execute(NOTIFY_PUBLISHED)


def downgrade() -> None:
    op.execute(
        "DROP TABLE outbox, audit, event_types, webhooks, policies, logins, api_keys, workspaces"
    )
    op.execute("DROP FUNCTION notify_outbox, notify_published")
