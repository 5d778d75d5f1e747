"""Fan: the deliveries of one event, made one by one on their way to the broker."""

from collections.abc import Sequence

from hookstream.model.errors import Refusal
from hookstream.model.ids import delivery_id, payload_hash
from hookstream.model.records import Delivery, Event, Webhook
from hookstream.model.schedule import schedule_length_ms
from hookstream.model.shards import lane_of
from hookstream.stream.record import Record

_LENGTHS_KEPT = 50_000


class Lengths:
    """How long deliveries of a webhook may take, worked out once per version of it."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], int] = {}

    def of(self, webhook: Webhook) -> int:
        """Milliseconds from when a delivery is first due to when it is given up."""
        key = webhook.id, webhook.version
        length = self._known.get(key)
        if length is None:
            if len(self._known) >= _LENGTHS_KEPT:
                self._known.clear()
            policy = webhook.policy
            length = self._known[key] = schedule_length_ms(policy) + policy.give_up_after_ms
        return length


class Fan:
    """One event for some webhooks. `sent` counts what was produced, `acked` what Kafka has."""

    __slots__ = ("acked", "event", "hash", "record", "refused", "sent", "traceparent", "webhooks")

    def __init__(
        self, record: Record, event: Event, webhooks: Sequence[Webhook], traceparent: bytes | None
    ) -> None:
        self.record = record
        self.event = event
        self.webhooks = webhooks
        self.traceparent = traceparent
        self.hash = payload_hash(event)
        self.sent = 0
        self.acked = 0
        self.refused: Refusal | None = None
        """Why the event is a dead letter once all others of its deliveries are on their way."""

    @property
    def is_sent(self) -> bool:
        return self.sent == len(self.webhooks)

    @property
    def is_acked(self) -> bool:
        return self.acked == len(self.webhooks)

    def missed(self, why: Refusal) -> None:
        """One more of its deliveries is over: there will never be such a record."""
        self.acked += 1
        self.refused = self.refused or why

    def next(self, lengths: Lengths) -> Delivery:
        """The delivery to produce next: the same one however often this event is routed."""
        webhook, at_ms = self.webhooks[self.sent], self.record.timestamp_ms
        return Delivery(
            id=delivery_id(webhook.id, self.event.id),
            turn=1,
            webhook=webhook.id,
            webhook_version=webhook.version,
            lane=lane_of(webhook, self.event),
            event=self.event,
            due_at_ms=at_ms,
            give_up_at_ms=at_ms + lengths.of(webhook),
            logged_at_ms=at_ms,
        )
