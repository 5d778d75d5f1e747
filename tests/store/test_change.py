"""What one write promises: row, audit line and outbox row, all or none; names are unique."""

import threading

import psycopg
import pytest

from hookstream.model import records
from hookstream.store import current, outbox, webhooks
from hookstream.store.change import NameTaken, Stale, change
from hookstream.store.migrate import migrate
from hookstream.store.pool import Pool
from hookstream.store.webhooks import WEBHOOKS, WebhookRow
from hookstream.store.workspaces import WORKSPACES, WorkspaceRow
from services.console.builtin import builtin
from services.console.compile import compile_webhook


def made_workspace(pool: Pool, name: str = "ws_a") -> WorkspaceRow:
    row = WorkspaceRow(id=name, name=name, default_policy="standard")
    with change(pool, "operator") as transaction:
        return WORKSPACES.insert(transaction, row, row.record())


def webhook_row(workspace: str, webhook: str, name: str) -> WebhookRow:
    return WebhookRow(
        id=webhook,
        workspace=workspace,
        name=name,
        url="https://example.com/",
        events=["*"],
        policy="standard",
        secrets=[b"sealed"],
        headers=b"\x90",
    )


def made_webhook(pool: Pool, workspace: str, webhook: str, name: str) -> WebhookRow:
    row = webhook_row(workspace, webhook, name)
    with change(pool, "key_1") as transaction:
        return WEBHOOKS.insert(transaction, row, compile_webhook(row, builtin()["standard"].rules))


def count(pool: Pool, table: str) -> int:
    with pool.connection() as connection:
        row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    assert row is not None
    return int(row[0])


def test_migrating_again_changes_nothing(database: str) -> None:
    migrate(database)


def test_many_may_migrate_an_empty_database_at_once(postgres: object, database: str) -> None:
    empty = database.rpartition("/")[0] + "/empty_for_migration"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE DATABASE empty_for_migration")
    threads = [threading.Thread(target=migrate, args=(empty,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with psycopg.connect(empty) as connection:
        assert connection.execute("SELECT count(*) FROM outbox").fetchone() == (0,)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP DATABASE empty_for_migration WITH (FORCE)")


def test_a_write_is_the_row_its_audit_line_and_its_outbox_row(pool: Pool) -> None:
    made_workspace(pool)
    row = made_webhook(pool, "ws_a", "wh_1", "orders")
    with pool.connection() as connection:
        told = outbox.oldest(connection, 10)
        audited = connection.execute(
            "SELECT actor, action, kind, subject, version FROM audit ORDER BY id"
        ).fetchall()
    assert [(t.topic, t.key, t.record_type) for t in told] == [
        ("config", "workspace/ws_a", "Workspace"),
        ("config", "webhook/wh_1", "Webhook"),
    ]
    assert told[1].decoded() == compile_webhook(row, builtin()["standard"].rules)
    assert audited == [
        ("operator", "create", "workspace", "ws_a", 1),
        ("key_1", "create", "webhook", "wh_1", 1),
    ]


def test_a_write_that_fails_leaves_nothing(pool: Pool) -> None:
    made_workspace(pool)
    made_webhook(pool, "ws_a", "wh_1", "orders")
    before = [count(pool, table) for table in ("webhooks", "audit", "outbox")]
    with pytest.raises(NameTaken):
        made_webhook(pool, "ws_a", "wh_2", "ORDERS")
    assert [count(pool, table) for table in ("webhooks", "audit", "outbox")] == before


def test_a_name_is_free_again_once_its_webhook_is_deleted_and_in_other_workspaces(
    pool: Pool,
) -> None:
    made_workspace(pool)
    made_workspace(pool, "ws_b")
    row = made_webhook(pool, "ws_a", "wh_1", "orders")
    made_webhook(pool, "ws_b", "wh_2", "orders")
    gone = webhook_row("ws_a", "wh_1", "orders")
    with change(pool, "key_1") as transaction:
        gone = gone.__class__(**{f: getattr(gone, f) for f in gone.__struct_fields__} | dead())
        compiled = compile_webhook(gone, builtin()["standard"].rules)
        WEBHOOKS.update(transaction, row, gone, compiled)
    made_webhook(pool, "ws_a", "wh_3", "orders")


def dead() -> dict[str, object]:
    return {"version": 2, "state": "deleted"}


def test_a_writer_with_an_old_version_is_told_so(pool: Pool) -> None:
    row = made_workspace(pool)
    old = WorkspaceRow(id=row.id, version=7, name="x", default_policy="standard")
    with pytest.raises(Stale), change(pool, "operator") as transaction:
        WORKSPACES.update(transaction, old, old, old.record())


def test_disabling_hits_only_the_version_that_failed(pool: Pool) -> None:
    made_workspace(pool)
    made_webhook(pool, "ws_a", "wh_1", "orders")
    with change(pool, "status") as transaction:
        assert webhooks.disable(transaction, "wh_1", 7, "410") is None
        assert transaction.outbox == []
        disabled = webhooks.disable(transaction, "wh_1", 1, "410")
        assert webhooks.disable(transaction, "wh_1", 1, "410") is None
    assert disabled is not None
    assert (disabled.state, disabled.version) == ("disabled", 2)
    found = WEBHOOKS.get(pool, "ws_a", "wh_1")
    assert found is not None
    assert (found.state, found.version, found.state_reason) == ("disabled", 2, "410")


def test_what_the_topic_should_hold_can_be_asked_and_published_again(pool: Pool) -> None:
    made_workspace(pool)
    made_webhook(pool, "ws_a", "wh_1", "orders")
    with pool.connection() as connection, connection.cursor() as cursor:
        assert dict(current.versions(cursor)) == {"workspace/ws_a": 1, "webhook/wh_1": 1}
        again = current.current(cursor, "webhook/wh_1")
        assert isinstance(again, records.Webhook)
        assert again.name == "orders"
        assert current.current(cursor, "webhook/none") is None
        assert current.current(cursor, "schema/abc") is None
