"""Config: what the config topic says, indexed by what the services ask for. Pure memory."""

import msgspec
from msgspec import Struct

from hookstream.model.policy import Policy
from hookstream.model.records import (
    ApiKey,
    Cancellation,
    EventType,
    GroupNote,
    SchemaNote,
    SendingNote,
    TopicsNote,
    Webhook,
    Workspace,
)


def key_of(record: Struct) -> str:
    """The key of a record on the config topic: `kind/id`."""
    match record:
        case Webhook(id=id_):
            return f"webhook/{id_}"
        case EventType(workspace=workspace, name=name):
            return f"event_type/{workspace}/{name}"
        case ApiKey(id=id_):
            return f"api_key/{id_}"
        case Workspace(id=id_):
            return f"workspace/{id_}"
        case Cancellation(delivery=delivery):
            return f"cancel/{delivery}"
        case SchemaNote(fingerprint=fingerprint):
            return f"schema/{fingerprint}"
        case GroupNote(group=group):
            return f"group/{group}"
        case TopicsNote():
            return "topics/partitions"
        case SendingNote():
            return "sending/all"
    raise TypeError(f"{type(record).__name__} does not belong on the config topic")


class Config:
    """The latest record of every key, and the indexes the hot paths look things up in."""

    def __init__(self) -> None:
        self.records: dict[str, Struct] = {}
        self.unknown: set[str] = set()
        """Keys of kinds this version does not know: kept on the topic, ignored here."""
        self.webhooks: dict[str, Webhook] = {}
        self.by_workspace: dict[str, dict[str, Webhook]] = {}
        self.event_types: dict[str, dict[str, EventType]] = {}
        self.keys: dict[bytes, ApiKey] = {}
        self.workspaces: dict[str, Workspace] = {}
        self.cancelled: dict[str, Cancellation] = {}
        """By delivery."""
        self.schemas: dict[str, SchemaNote] = {}
        self.schemas_by_id: dict[int, SchemaNote] = {}
        """By their ids in the schema registry."""
        self.groups: dict[str, GroupNote] = {}
        self.topics: TopicsNote | None = None
        self.sending: SendingNote | None = None
        self._policies: dict[bytes, Policy] = {}

    def ignored(self, key: str) -> None:
        """A record nobody here can read stands at `key`."""
        self.unknown.add(key)

    def apply(self, key: str, record: Struct | None) -> None:
        """Take in one record of the topic; None is a tombstone."""
        before = self.records.pop(key, None)
        self.unknown.discard(key)
        if before is not None:
            self._drop(before)
        if record is not None:
            self.records[key] = self._put(record)

    def _put(self, record: Struct) -> Struct:
        match record:
            case Webhook():
                record = msgspec.structs.replace(record, policy=self._shared(record.policy))
                self.webhooks[record.id] = record
                self.by_workspace.setdefault(record.workspace, {})[record.id] = record
            case EventType(workspace=workspace, name=name):
                self.event_types.setdefault(workspace, {})[name] = record
            case ApiKey(sha256=sha256):
                self.keys[sha256] = record
            case Workspace(id=id_):
                self.workspaces[id_] = record
            case Cancellation(delivery=delivery):
                self.cancelled[delivery] = record
            case SchemaNote(fingerprint=fingerprint):
                self.schemas[fingerprint] = record
                self.schemas_by_id |= dict.fromkeys(record.registry_ids, record)
            case GroupNote(group=group):
                self.groups[group] = record
            case TopicsNote():
                self.topics = record
            case SendingNote():
                self.sending = record
        return record

    def _drop(self, record: Struct) -> None:
        match record:
            case Webhook(id=id_, workspace=workspace):
                self.webhooks.pop(id_, None)
                self.by_workspace.get(workspace, {}).pop(id_, None)
            case EventType(workspace=workspace, name=name):
                self.event_types.get(workspace, {}).pop(name, None)
            case ApiKey(sha256=sha256):
                self.keys.pop(sha256, None)
            case Workspace(id=id_):
                self.workspaces.pop(id_, None)
            case Cancellation(delivery=delivery):
                self.cancelled.pop(delivery, None)
            case SchemaNote(fingerprint=fingerprint, registry_ids=numbers):
                self.schemas.pop(fingerprint, None)
                for number in numbers:
                    self.schemas_by_id.pop(number, None)
            case GroupNote(group=group):
                self.groups.pop(group, None)
            case TopicsNote():
                self.topics = None
            case SendingNote():
                self.sending = None

    def _shared(self, policy: Policy) -> Policy:
        """Equal policies are one object: a hundred thousand webhooks share a handful."""
        return self._policies.setdefault(msgspec.msgpack.encode(policy), policy)
