"""The link that a request carries for its receiver to close the delivery later (P8)."""

import time
from collections.abc import Callable

from hookstream.model.callback import PATH, callback_of, keys_of_links, sealed
from hookstream.model.records import Delivery, Webhook
from hookstream.model.seal import Keys


class Links:
    """Makes links under a public URL. `nonces` gives 12 random bytes, never the same twice.

    Two requests of a delivery have different links; each closes that delivery.
    """

    def __init__(
        self,
        keys: Keys,
        public_url: str,
        nonces: Callable[[], bytes],
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._keys = keys_of_links(keys)
        self._base = public_url.rstrip("/") + PATH
        self._nonces = nonces
        self._clock_ms = clock_ms

    def of(self, webhook: Webhook, delivery: Delivery) -> str:
        """The link of a request that goes out now."""
        callback = callback_of(webhook, delivery, self._clock_ms())
        return self._base + sealed(callback, self._keys, self._nonces())
