"""From a delivery to its request, with the webhook's secrets unsealed at most once a version."""

from collections import OrderedDict

from hookstream.model.opened import Opened, UnsendableError, open_webhook
from hookstream.model.records import Delivery, Webhook
from hookstream.model.request import OutgoingRequest, request
from hookstream.model.seal import Keys, SealedError

KEPT = 20_000


class Unsendable(Exception):
    """No request can be made for this webhook as it is; the text says why, without secrets."""


class RequestOf:
    """Makes requests; remembers the unsealed secrets of the webhooks used last."""

    def __init__(self, keys: Keys, kept: int = KEPT) -> None:
        self._keys = keys
        self._kept = kept
        self._opened: OrderedDict[str, tuple[int, Opened]] = OrderedDict()

    def __call__(
        self, webhook: Webhook, delivery: Delivery, now_ms: int, traceparent: bytes | None
    ) -> OutgoingRequest:
        """The request of one attempt, signed now. Raises `Unsendable`."""
        known = self._opened.get(webhook.id)
        opened = known[1] if known and known[0] == webhook.version else self._open(webhook)
        return request(webhook, delivery, opened, now_ms, traceparent)

    def _open(self, webhook: Webhook) -> Opened:
        try:
            opened = open_webhook(webhook, self._keys)
        except (SealedError, UnsendableError) as error:
            raise Unsendable(str(error)) from error
        self._opened[webhook.id] = webhook.version, opened
        if len(self._opened) > self._kept:
            self._opened.popitem(last=False)
        return opened
