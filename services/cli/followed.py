"""The log's new events, as `hookstream listen` follows them."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import msgspec
from click import ClickException

from hookstream.model.match import matches
from hookstream.model.policy import Policy
from hookstream.model.records import Event, Header, Webhook
from hookstream.model.template import has_expressions
from services.cli.api import Api

_AGAIN = timedelta(seconds=15)
"""Events of several partitions reach the log in no order: so much is looked at once more."""
_REMEMBERED = 20_000
_PAGE = 100


class _Seen(msgspec.Struct):
    id: str
    logged_at: datetime


class _Page(msgspec.Struct):
    items: list[_Seen]
    next: str | None = None


class _Detail(msgspec.Struct):
    id: str
    workspace: str
    type: str
    created_at: datetime
    data: msgspec.Raw
    source: str | None = None
    subject: str | None = None
    webhook: str | None = None


class Followed:
    """Events that come from now on and that the webhook would get, each once."""

    def __init__(self, api: Api, webhook: Webhook) -> None:
        self._api = api
        self._webhook = webhook
        self._seen: dict[str, None] = {}
        newest = self._page("limit=1").items
        self._begun = newest[0].logged_at if newest else None
        self._since = self._begun

    def new(self) -> Iterator[Event]:
        """Those that came since the last time, oldest first."""
        for id_ in reversed(list(self._unseen())):
            event = self._event(id_)
            if matches(msgspec.structs.replace(self._webhook, workspace=event.workspace), event):
                yield event

    def _unseen(self) -> Iterator[str]:
        """Newest first. Times are the log's own: this machine's clock does not matter."""
        since = "" if self._since is None else f"&from={quote((self._since - _AGAIN).isoformat())}"
        cursor: str | None = ""
        while cursor is not None:
            page = self._page(f"limit={_PAGE}&cursor={cursor}{since}")
            cursor = page.next
            for seen in page.items:
                self._since = max(self._since or seen.logged_at, seen.logged_at)
                old = self._begun is not None and seen.logged_at <= self._begun
                if not old and seen.id not in self._seen:
                    self._seen[seen.id] = None
                    yield seen.id
        while len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]

    def _page(self, query: str) -> _Page:
        return msgspec.json.decode(self._api.get_raw(f"/v1/log/events?{query}"), type=_Page)

    def _event(self, id_: str) -> Event:
        detail = msgspec.json.decode(self._api.get_raw(f"/v1/log/events/{id_}"), type=_Detail)
        return Event(
            workspace=detail.workspace,
            id=detail.id,
            type=detail.type,
            created_at_ms=round(detail.created_at.timestamp() * 1000),
            data=bytes(detail.data),
            source=detail.source,
            subject=detail.subject,
            webhook=detail.webhook,
        )


def webhook_of(api: Api, name: str | None) -> Webhook:
    """The webhook of this name or id as far as the API shows it: its secrets and private headers
    are not there. None: one that gets everything, by the policy `standard`."""
    if name is None:
        return Webhook(
            id="listen",
            workspace="",
            version=1,
            name="listen",
            state="active",
            url="http://127.0.0.1/",
            lane="listen",
            policy=_policy(api, "standard"),
        )
    shown = _found(api, name)
    headers = tuple(
        Header(name=h["key"], value=h["value"].encode("latin-1"))
        for h in shown["headers"]
        if h["value"] is not None
    )
    properties = shown["properties"]
    return Webhook(
        id=shown["id"],
        workspace="",
        version=shown["version"],
        name=shown["name"],
        state="active",
        url=shown["full_url"],
        method=shown["method"],
        events=tuple(shown["events"]),
        lane=shown["id"],
        policy=_policy(api, shown["policy"]),
        headers=headers,
        content_type=shown["content_type"],
        sources=tuple(shown["sources"]),
        template=shown["template"],
        dynamic=has_expressions(shown["full_url"]) or any(map(_is_dynamic, headers)),
        properties=None if properties is None else msgspec.json.encode(properties),
    )


def _is_dynamic(header: Header) -> bool:
    return has_expressions(header.value.decode("latin-1"))


def _found(api: Api, name: str) -> dict[str, Any]:
    cursor = ""
    while True:
        page = api.get(f"/v1/webhooks?limit=100&cursor={cursor}")
        for shown in page["items"]:
            if name == shown["id"] or name.lower() == shown["name"].lower():
                return dict(shown)
        if not page["next"]:
            raise ClickException(f"no webhook {name!r}: list them by GET /v1/webhooks")
        cursor = page["next"]


def _policy(api: Api, id_: str) -> Policy:
    shown = api.get(f"/v1/policies/{id_}")
    known = {"id": shown["id"], "version": shown["version"], "name": shown["name"]}
    return msgspec.convert(shown["rules"] | known, Policy)
