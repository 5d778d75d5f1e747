"""Delivery rules that a workspace made itself; the built-in ones are files of the console."""

from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct

from hookstream.model.policy import Policy
from hookstream.store.rows import Rows


class PolicyRow(Struct, frozen=True, kw_only=True):
    """A policy as it rests."""

    id: str
    workspace: str
    version: int = 1
    name: str
    state: Literal["active", "deleted"] = "active"
    rules: bytes
    """The `Policy`, as msgpack."""
    created_at: datetime | None = None
    changed_at: datetime | None = None

    def policy(self) -> Policy:
        """The rules."""
        return msgspec.msgpack.decode(self.rules, type=Policy)


POLICIES = Rows("policies", "policy", PolicyRow)


def row_of(workspace: str, policy: Policy) -> PolicyRow:
    """The row that keeps `policy`."""
    return PolicyRow(
        id=policy.id,
        workspace=workspace,
        version=policy.version,
        name=policy.name,
        rules=msgspec.msgpack.encode(policy),
    )
