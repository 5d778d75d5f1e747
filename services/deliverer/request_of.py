"""From a delivery to its request, with the webhook's secrets unsealed at most once a version."""

from collections import OrderedDict
from collections.abc import Callable

from hookstream.model.opened import Opened, UnsendableError, open_webhook
from hookstream.model.records import Delivery, Webhook
from hookstream.model.request import OutgoingRequest, request
from hookstream.model.seal import Keys, SealedError
from hookstream.model.template_syntax import TemplateError

KEPT = 20_000
KEPT_PARTS = 500_000
"""Of parsed templates; about 200 bytes each."""

LinkOf = Callable[[Webhook, Delivery], str]
"""Makes the link by which a receiver closes a delivery later (P8)."""


class Unsendable(Exception):
    """No request can be made for this webhook as it is; the text says why, without secrets."""


class RequestOf:
    """Makes requests; remembers secrets in clear and parsed templates of the webhooks used last.

    `link_of` makes the links of policies whose envelope is `linked`.
    """

    def __init__(
        self,
        keys: Keys,
        link_of: LinkOf | None = None,
        kept: int = KEPT,
        kept_parts: int = KEPT_PARTS,
    ) -> None:
        self._keys = keys
        self._link_of = link_of
        self._kept = kept
        self._kept_parts = kept_parts
        self._opened: OrderedDict[str, tuple[int, Opened]] = OrderedDict()
        self.parts = 0
        """Of all templates that are held."""

    def __call__(
        self, webhook: Webhook, delivery: Delivery, now_ms: int, traceparent: bytes | None
    ) -> OutgoingRequest:
        """The request of one attempt, signed now. Raises `Unsendable`.

        Rendering templates takes a tenth of a second at the very worst (`MAX_STEPS`).
        """
        known = self._opened.get(webhook.id)
        opened = known[1] if known and known[0] == webhook.version else self._open(webhook)
        link = None
        if self._link_of is not None and webhook.policy.envelope == "linked":
            link = self._link_of(webhook, delivery)
        try:
            return request(webhook, delivery, opened, now_ms, traceparent, link)
        except TemplateError as error:
            raise Unsendable(str(error)) from error

    def _open(self, webhook: Webhook) -> Opened:
        try:
            opened = open_webhook(webhook, self._keys)
        except (SealedError, UnsendableError) as error:
            raise Unsendable(str(error)) from error
        self._forget(self._opened.pop(webhook.id, None))
        self._opened[webhook.id] = webhook.version, opened
        self.parts += _parts(opened)
        while self._is_too_much and len(self._opened) > 1:
            self._forget(self._opened.popitem(last=False)[1])
        return opened

    @property
    def _is_too_much(self) -> bool:
        return len(self._opened) > self._kept or self.parts > self._kept_parts

    def _forget(self, gone: tuple[int, Opened] | None) -> None:
        if gone is not None:
            self.parts -= _parts(gone[1])


def _parts(opened: Opened) -> int:
    return opened.rendering.parts if opened.rendering is not None else 0
