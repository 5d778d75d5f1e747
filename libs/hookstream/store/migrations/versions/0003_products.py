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
    ADD COLUMN stated_reason text,        -- the receiver's, for end users
    ADD COLUMN extracted bytea,           -- JSON object, out of its answer
    ADD COLUMN extracted_note text,
    ADD COLUMN waits_until_ms bigint      -- a callback may close it until then"""


def upgrade() -> None:
    for statement in (INTEGRATIONS, WEBHOOKS, DELIVERIES):
        op.execute(statement)


def downgrade() -> None:
    op.execute(
        "ALTER TABLE deliveries DROP COLUMN stated_reason, DROP COLUMN extracted,"
        " DROP COLUMN extracted_note, DROP COLUMN waits_until_ms"
    )
    op.execute(
        "ALTER TABLE webhooks DROP COLUMN integration, DROP COLUMN headers_off,"
        " DROP COLUMN secrets_until_ms, DROP COLUMN sources, DROP COLUMN template,"
        " DROP COLUMN properties, DROP COLUMN extract, DROP COLUMN shards,"
        " DROP COLUMN retry_delay_ms, DROP COLUMN retry_requests"
    )
    op.execute("DROP TABLE integrations")
