"""Ways into the pages: links that work once, and the sessions they open. Only hashes are kept."""

from typing import Literal

from psycopg.rows import class_row

from hookstream.model.records import Role
from hookstream.store.change import Change
from hookstream.store.keys import Holder
from hookstream.store.pool import Pool

Kind = Literal["link", "session"]


def put(
    change: Change, kind: Kind, sha256: bytes, workspace: str, role: Role, lasts_s: int
) -> None:
    """Let who knows the secret of `sha256` in, for `lasts_s` seconds. Forgets what has expired."""
    change.cursor.execute("DELETE FROM logins WHERE expires_at < now()")
    change.cursor.execute(
        "INSERT INTO logins (sha256, kind, workspace, role, expires_at)"
        " VALUES (%s, %s, %s, %s, now() + make_interval(secs => %s))",
        (sha256, kind, workspace, role, lasts_s),
    )


def redeem(change: Change, sha256: bytes) -> Holder | None:
    """Use up a link: a second call finds nothing."""
    with change.cursor.connection.cursor(row_factory=class_row(Holder)) as cursor:
        return cursor.execute(
            "DELETE FROM logins WHERE sha256 = %s AND kind = 'link' AND expires_at > now()"
            " RETURNING 'session' AS id, workspace, role",
            (sha256,),
        ).fetchone()


def session(pool: Pool, sha256: bytes) -> Holder | None:
    """Whose session this is, while it lasts."""
    with pool.connection() as c, c.cursor(row_factory=class_row(Holder)) as cursor:
        return cursor.execute(
            "SELECT 'session' AS id, l.workspace, l.role FROM logins l JOIN workspaces w"
            " ON w.id = l.workspace AND w.state = 'active'"
            " WHERE l.sha256 = %s AND l.kind = 'session' AND l.expires_at > now()",
            (sha256,),
        ).fetchone()
