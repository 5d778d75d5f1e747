"""Who asks for operational events: those that are many are raised only where somebody does."""

from collections.abc import Iterable

from hookstream.store.pool import Cursor

_ASKED = "events && ARRAY['delivery.failed', 'delivery.*']::text[]"
"""The predicate of an index (migration 0003): it has to be said in the same words."""
_WEBHOOKS = f"""
SELECT asked.workspace, w.id
FROM unnest(%s::text[]) AS asked (workspace), LATERAL (
    SELECT id FROM webhooks
    WHERE workspace = asked.workspace AND state <> 'deleted' AND {_ASKED} LIMIT 2
) AS w
"""  # noqa: S608 - the predicate is ours


def asking_for_failed_deliveries(
    cursor: Cursor, workspaces: Iterable[str]
) -> dict[str, frozenset[str]]:
    """By workspace, webhooks that ask for `delivery.failed`; two of them, if there are more."""
    found: dict[str, frozenset[str]] = {}
    for workspace, webhook in cursor.execute(_WEBHOOKS, (sorted(set(workspaces)),)):
        found[workspace] = found.get(workspace, frozenset()) | {webhook}
    return found
