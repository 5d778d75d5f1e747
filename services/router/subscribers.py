"""Which webhooks get an event: an index, kept up to date by each change of config.

An edit of one webhook costs that webhook: the others of its workspace are not looked at again,
however many there are.
"""

from collections import Counter
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from hookstream.model.config import Config
from hookstream.model.match import routes, wants
from hookstream.model.operational import is_about, is_operational
from hookstream.model.records import Event, Webhook

_MOST_KEPT = 1_000_000
"""Answers remembered, counted in webhooks: 8 bytes each."""
_Key = tuple[str, str | None, bool]
"""Type, source where some webhook names it, and whether the event is an operational one."""
_ById = dict[str, Webhook]


class Space:
    """The webhooks of one workspace, by what they ask for."""

    __slots__ = ("answers", "by_name", "by_type", "sources", "wide")

    def __init__(self) -> None:
        self.by_type: dict[str, _ById] = {}
        self.wide: _ById = {}
        """Those with a pattern: asked one by one, once for each type."""
        self.by_name: dict[str, tuple[Webhook, ...]] = {}
        """One each, but while a name passes from one to another: a dictionary would be 180 bytes
        more for each webhook."""
        self.sources: Counter[str] = Counter()
        """That its webhooks name: others are answered like none, so that what events invent
        never makes another entry."""
        self.answers: dict[_Key, list[Webhook]] = {}

    def add(self, webhook: Webhook) -> None:
        """One more webhook, not deleted."""
        for type_ in webhook.events:
            place = self.wide if type_.endswith("*") else self.by_type.setdefault(type_, {})
            place[webhook.id] = webhook
        name = webhook.name.lower()
        self.by_name[name] = (*self.by_name.get(name, ()), webhook)
        self.sources.update(webhook.sources)

    def remove(self, webhook: Webhook) -> None:
        """Forget what `add` took in."""
        self.wide.pop(webhook.id, None)
        for type_ in webhook.events:
            self.by_type.get(type_, {}).pop(webhook.id, None)
            if not self.by_type.get(type_, True):
                del self.by_type[type_]
        name = webhook.name.lower()
        others = tuple(w for w in self.by_name.pop(name, ()) if w.id != webhook.id)
        if others:
            self.by_name[name] = others
        self.sources.subtract(webhook.sources)
        self.sources += Counter()

    def forget(self, webhook: Webhook) -> int:
        """Drop the answers that this webhook has a part in; how many webhooks they held."""
        gone = [key for key in self.answers if wants(webhook.events, key[0])]
        return sum(1 + len(self.answers.pop(key)) for key in gone)


class Subscribers:
    """Answers as `match.routes` does. Told of each change of config by `changed`."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._known: _ById = {}
        self._spaces: dict[str, Space] = {}
        self._kept = 0
        for webhook in config.webhooks.values():
            self._add(webhook)

    def changed(self, key: str, record: Struct | None) -> None:
        """Take in one change that `config` has taken in; None is a tombstone."""
        kind, _, id_ = key.partition("/")
        if kind != "webhook":
            return
        before = self._known.pop(id_, None)
        if before is not None:
            space = self._spaces[before.workspace]
            space.remove(before)
            self._kept -= space.forget(before)
        if record is not None:
            self._add(self._config.webhooks[id_])

    def of(self, event: Event) -> Sequence[Webhook]:
        """The webhooks that get a delivery of the event. The list never changes afterwards."""
        if event.webhook is not None:
            return list(routes(self._named(event.workspace, event.webhook), event))
        ours = is_operational(event.id, event.type)
        found = self._of(event, ours)
        return [webhook for webhook in found if not is_about(webhook, event)] if ours else found

    def has(self, workspace: str, name: str) -> bool:
        """Whether the workspace has a webhook of that system name, in any case of letters."""
        return bool(self._named(workspace, name))

    def _add(self, webhook: Webhook) -> None:
        if webhook.state == "deleted":
            return
        self._known[webhook.id] = webhook
        space = self._spaces.setdefault(webhook.workspace, Space())
        space.add(webhook)
        self._kept -= space.forget(webhook)

    def _of(self, event: Event, ours: bool) -> list[Webhook]:
        """Those that ask for such events, also the one that an operational event is about."""
        space = self._spaces.get(event.workspace)
        if space is None:
            return []
        key = event.type, event.source if event.source in space.sources else None, ours
        found = space.answers.get(key)
        if found is None:
            asked = msgspec.structs.replace(event, subject=None)
            candidates = space.wide | space.by_type.get(event.type, {})
            found = space.answers[key] = list(routes(candidates.values(), asked))
            self._keep(1 + len(found))
        return found

    def _named(self, workspace: str, name: str) -> Sequence[Webhook]:
        space = self._spaces.get(workspace)
        return space.by_name.get(name.lower(), ()) if space is not None else ()

    def _keep(self, more: int) -> None:
        self._kept += more
        if self._kept > _MOST_KEPT:
            for space in self._spaces.values():
                space.answers.clear()
            self._kept = 0
