"""What a person needs to begin: a workspace, a key for it, a link into the console."""

from typing import Any, NamedTuple

from services.cli.api import Api
from services.cli.system import System

KEY_NAME = "hookstream up"


class Entrance(NamedTuple):
    """Into one workspace."""

    workspace: str
    key: str
    """An API key with the role admin."""
    link: str
    """Opens the console once."""


def open_entrance(system: System, workspace: str) -> Entrance:
    """The workspace, made if it is not there, and a fresh key; keys of earlier starts end."""
    with Api(system.ports.console_url, system.operator_key) as operator:
        operator.post("/v1/workspaces", {"id": workspace, "name": workspace}, fine=(201, 202, 409))
        wanted = {"name": KEY_NAME, "role": "admin"}
        made = operator.post(f"/v1/workspaces/{workspace}/keys", wanted)
        link = operator.post(f"/v1/workspaces/{workspace}/console-links", {"role": "admin"})
    with Api(system.ports.console_url, made["key"]) as api:
        for old in _keys(api):
            if old["name"] == KEY_NAME and old["id"] != made["id"]:
                api.delete(f"/v1/keys/{old['id']}")
    return Entrance(workspace, made["key"], link["url"])


def _keys(api: Api) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = api.get(f"/v1/keys?limit=100&cursor={cursor}")
        found += page["items"]
        if not page["next"]:
            return found
        cursor = page["next"]
