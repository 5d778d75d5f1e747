"""Which webhooks get an event, worked out once per type and source until config changes."""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from hookstream.model.config import Config
from hookstream.model.match import routes
from hookstream.model.operational import is_about, is_operational
from hookstream.model.records import Event, Webhook

_MOST_KEPT = 1_000_000
"""Answers remembered, counted in webhooks: 8 bytes each."""
_NONE: dict[str, Webhook] = {}
_Key = str | tuple[str, str | None, bool]
"""The type; with a source that some webhook names, or of an operational event, all three."""


class Answers:
    """What is known of one workspace. `sources` are those that its webhooks name: others are
    answered like none, so that an event's own invention never makes another entry."""

    __slots__ = ("by_key", "sources")

    def __init__(self, webhooks: Iterable[Webhook]) -> None:
        self.by_key: dict[_Key, list[Webhook]] = {}
        self.sources = frozenset(source for webhook in webhooks for source in webhook.sources)


class Subscribers:
    """Remembers answers of `match.routes`. Told of each change of config by `changed`."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._answers: dict[str, Answers] = {}
        self._by_name: dict[str, dict[str, list[Webhook]]] = {}
        self._kept = 0

    def changed(self, key: str, record: Struct | None) -> None:
        """Take in one change of config; None is a tombstone."""
        if isinstance(record, Webhook):
            self._answers.pop(record.workspace, None)
            self._by_name.pop(record.workspace, None)
        elif key.startswith("webhook/"):
            self._forget()

    def of(self, event: Event) -> Sequence[Webhook]:
        """The webhooks that get a delivery of the event. The list never changes afterwards."""
        if event.webhook is not None:
            return list(routes(self._named(event.workspace, event.webhook), event))
        ours = is_operational(event.id, event.type)
        found = self._of(event, ours)
        return [webhook for webhook in found if not is_about(webhook, event)] if ours else found

    def _of(self, event: Event, ours: bool) -> list[Webhook]:
        """Those that ask for such events, also the one that an operational event is about."""
        answers = self._answers.get(event.workspace)
        if answers is None:
            answers = self._answers[event.workspace] = Answers(self._all(event.workspace))
        named = event.source if event.source in answers.sources else None
        key = event.type if named is None and not ours else (event.type, named, ours)
        found = answers.by_key.get(key)
        if found is None:
            asked = msgspec.structs.replace(event, subject=None)
            found = answers.by_key[key] = list(routes(self._all(event.workspace), asked))
            self._keep(1 + len(found))
        return found

    def _all(self, workspace: str) -> Iterable[Webhook]:
        return self._config.by_workspace.get(workspace, _NONE).values()

    def has(self, workspace: str, name: str) -> bool:
        """Whether the workspace has a webhook of that system name, in any case of letters."""
        return bool(self._named(workspace, name))

    def _named(self, workspace: str, name: str) -> Sequence[Webhook]:
        by_name = self._by_name.get(workspace)
        if by_name is None:
            by_name = self._by_name[workspace] = {}
            for webhook in self._all(workspace):
                if webhook.state != "deleted":
                    by_name.setdefault(webhook.name.lower(), []).append(webhook)
            self._keep(1 + len(by_name))
        return by_name.get(name.lower(), ())

    def _keep(self, more: int) -> None:
        self._kept += more
        if self._kept > _MOST_KEPT:
            self._forget()

    def _forget(self) -> None:
        self._answers.clear()
        self._by_name.clear()
        self._kept = 0
