"""A workspace's configuration over its API: read as files would say it, changed step by step."""

import difflib
from typing import Any
from urllib.parse import quote

from click import ClickException

from services.cli.api import Api
from services.cli.differences import Step
from services.cli.wanted import Things

PATHS = {
    "event_types": "/v1/event-types",
    "policies": "/v1/policies",
    "integrations": "/v1/integrations",
    "webhooks": "/v1/webhooks",
}
BODIES = {
    "event_types": "EventTypeIn",
    "policies": "PolicyIn",
    "integrations": "IntegrationIn",
    "webhooks": "WebhookIn",
}
_ALSO = {"webhooks": {"url", "request_url", "sources", "source"}}
_REFERS = {"policy": "policies", "integration": "integrations"}
_MOVES = {
    ("paused", "active"): "resume",
    ("disabled", "active"): "enable",
    ("active", "paused"): "pause",
}


class Configured:
    """What is there, by name. A webhook's policy and integration are given by name too."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._ids: dict[str, dict[str, str]] = {kind: {} for kind in PATHS}
        self._names: dict[str, str] = {}
        self._builtin: set[str] = set()

    def read(self) -> Things:
        """All of it, without built-in policies."""
        return {kind: self._read(kind) for kind in PATHS}

    def check_fields(self, wanted: Things) -> None:
        """Refuse a field that the console does not know, before anything is changed."""
        schemas = self._api.get("/v1/openapi.json")["components"]["schemas"]
        for kind, things in wanted.items():
            known = set(schemas[BODIES[kind]]["properties"]) | _ALSO.get(kind, set())
            for name, thing in things.items():
                for field in thing.keys() - known:
                    near = difflib.get_close_matches(field, known, n=1)
                    hint = f"; did you mean {near[0]}?" if near else ""
                    raise ClickException(f"{kind}/{name}: {field} is no field of it{hint}")

    def do(self, step: Step) -> None:
        """Carry one step out. Somebody else's change since it was read is never overwritten."""
        if step.action == "create":
            made = self._api.post(PATHS[step.kind], self._body(step))
            self._remember(step.kind, made)
        elif step.action == "delete":
            self._api.delete(self._path(step.kind, step.name))
        else:
            self._change(step)

    def _read(self, kind: str) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        cursor = ""
        while True:
            page = self._api.get(f"{PATHS[kind]}?limit=100&cursor={quote(cursor)}")
            for thing in page["items"]:
                self._remember(kind, thing)
                if not thing.get("builtin"):
                    found[thing["name"]] = self._as_written(kind, thing)
            cursor = page.get("next") or ""
            if not cursor:
                return found

    def _remember(self, kind: str, thing: dict[str, Any]) -> None:
        id_ = thing.get("id", thing["name"])
        self._ids[kind][thing["name"]] = id_
        self._names[id_] = thing["name"]
        if thing.get("builtin"):
            self._builtin.add(id_)

    def _as_written(self, kind: str, thing: dict[str, Any]) -> dict[str, Any]:
        written: dict[str, Any] = thing | thing.get("rules", {})
        if "headers" in written:
            written["headers"] = [h for h in written["headers"] if not h.get("inherited")]
        if kind == "webhooks":
            for field in _REFERS:
                written[field] = self._names.get(written[field], written[field])
            written |= {"request_url": written["url"], "source": written["sources"]}
            if written["state"] == "unverified":  # active, as soon as its URL has answered
                written["state"] = "active"
        return written

    def _body(self, step: Step) -> dict[str, Any]:
        """What the API takes: names of things become their ids."""
        body = {field: value for field, (_, value) in step.fields.items()}
        for field, kind in _REFERS.items():
            name = body.get(field)
            if name is not None and step.kind == "webhooks":
                body[field] = self._id(kind, name, f"{step.kind}/{step.name}: {field}")
        return body

    def _id(self, kind: str, name: str, where: str) -> str:
        if name in self._builtin:
            return name
        if name not in self._ids[kind]:
            raise ClickException(f"{where}: there is no {name!r} among {kind}")
        return self._ids[kind][name]

    def _path(self, kind: str, name: str) -> str:
        return f"{PATHS[kind]}/{quote(self._ids[kind][name])}"

    def _change(self, step: Step) -> None:
        body, path = self._body(step), self._path(step.kind, step.name)
        state = body.pop("state", None)
        if body:
            version = self._api.get(path)["version"]
            self._api.patch(path, body | {"version": version})
        if state is not None:
            old = step.fields["state"][0]
            move = _MOVES.get((old, state))
            if move is None:
                raise ClickException(f"webhooks/{step.name} is {old} and cannot become {state}")
            self._api.post(f"{path}/{move}", {})
