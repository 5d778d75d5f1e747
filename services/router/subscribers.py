"""Which webhooks get an event, worked out once per workspace and type until config changes."""

from collections.abc import Sequence

from msgspec import Struct

from hookstream.model.config import Config
from hookstream.model.match import routes
from hookstream.model.records import Event, Webhook

_MOST_KEPT = 1_000_000
"""Answers remembered, counted in webhooks: 8 bytes each."""
_NONE: dict[str, Webhook] = {}


class Subscribers:
    """Remembers answers of `match.routes`. Told of each change of config by `changed`."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._by_type: dict[str, dict[str, list[Webhook]]] = {}
        self._by_name: dict[str, dict[str, list[Webhook]]] = {}
        self._kept = 0

    def changed(self, key: str, record: Struct | None) -> None:
        """Take in one change of config; None is a tombstone."""
        if isinstance(record, Webhook):
            self._by_type.pop(record.workspace, None)
            self._by_name.pop(record.workspace, None)
        elif key.startswith("webhook/"):
            self._forget()

    def of(self, event: Event) -> Sequence[Webhook]:
        """The webhooks that get a delivery of the event. The list never changes afterwards."""
        if event.webhook is not None:
            return list(routes(self._named(event.workspace, event.webhook), event))
        by_type = self._by_type.setdefault(event.workspace, {})
        found = by_type.get(event.type)
        if found is None:
            webhooks = self._config.by_workspace.get(event.workspace, _NONE).values()
            found = by_type[event.type] = list(routes(webhooks, event))
            self._keep(1 + len(found))
        return found

    def has(self, workspace: str, name: str) -> bool:
        """Whether the workspace has a webhook of that system name, in any case of letters."""
        return bool(self._named(workspace, name))

    def _named(self, workspace: str, name: str) -> Sequence[Webhook]:
        by_name = self._by_name.get(workspace)
        if by_name is None:
            by_name = self._by_name[workspace] = {}
            for webhook in self._config.by_workspace.get(workspace, _NONE).values():
                if webhook.state != "deleted":
                    by_name.setdefault(webhook.name.lower(), []).append(webhook)
            self._keep(1 + len(by_name))
        return by_name.get(name.lower(), ())

    def _keep(self, more: int) -> None:
        self._kept += more
        if self._kept > _MOST_KEPT:
            self._forget()

    def _forget(self) -> None:
        self._by_type.clear()
        self._by_name.clear()
        self._kept = 0
