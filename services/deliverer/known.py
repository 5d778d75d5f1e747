"""The webhooks and lanes that one process knows of: made when a delivery comes, bounded in number,
forgotten when they are idle. Part of `Lanes`."""

from collections import OrderedDict, deque

from services.deliverer.endpoint import Endpoint, Lane, Turn
from services.deliverer.health import Health

IDLE_MS = 900_000
"""A webhook without deliveries for this long is forgotten."""
_AT_ONCE = 1000


class Known:
    """Endpoints by webhook, by lane too where one is cut into several; and their lanes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._endpoints: OrderedDict[str, Endpoint] = OrderedDict()
        self._lanes: dict[str, Lane] = {}
        self._left: deque[Lane] = deque()
        self.circuits_open = 0

    def __len__(self) -> int:
        return len(self._endpoints)

    @property
    def lanes(self) -> int:
        """How many lanes."""
        return len(self._lanes)

    def lane(self, id_: str) -> Lane | None:
        """A lane, if it is known."""
        return self._lanes.get(id_)

    def health(self, webhook: str) -> Health:
        """What is known of a webhook."""
        endpoint = self._endpoints.get(webhook)
        return endpoint.health if endpoint else Health()

    def endpoint(self, turn: Turn, now_ms: int) -> Endpoint:
        """That of a turn's webhook in its lane. An edit may have moved it: then it is a new one."""
        webhook, lane_id = turn.webhook, turn.delivery.lane
        id_ = webhook.id if webhook.shards <= 1 else f"{lane_id} {webhook.id}"
        endpoint = self._endpoints.get(id_)
        if endpoint is None or endpoint.lane.id != lane_id:
            if endpoint is not None:
                self._leave(endpoint)
            lane = self._lanes.get(lane_id)
            if lane is None:
                lane = self._lanes[lane_id] = Lane(lane_id)
            endpoint = self._endpoints[id_] = Endpoint(id_, lane)
            lane.endpoints += 1
        self._endpoints.move_to_end(id_)
        endpoint.use(now_ms)
        return endpoint

    def learned(self, endpoint: Endpoint, was_open: bool) -> None:
        """An answer came: its circuit may be another than it was."""
        if endpoint.health.is_open != was_open and self._endpoints.get(endpoint.id) is endpoint:
            self.circuits_open += endpoint.health.is_open - was_open

    def forget(self, now_ms: int) -> None:
        """What is idle or too much, and has nothing open; a part of it each time."""
        self._forget_idle(now_ms)
        self._forget_left(now_ms)

    def _leave(self, endpoint: Endpoint) -> None:
        self.circuits_open -= endpoint.health.is_open
        endpoint.lane.endpoints -= 1
        if not endpoint.lane.endpoints:
            self._left.append(endpoint.lane)

    def _forget_left(self, now_ms: int) -> None:
        """A lane that nobody is in is forgotten, once a new one would not break its rate."""
        for _ in range(min(len(self._left), _AT_ONCE)):
            lane = self._left.popleft()
            if lane.endpoints or self._lanes.get(lane.id) is not lane:
                continue
            if lane.count or lane.next_free_ms > now_ms:
                self._left.append(lane)
            else:
                del self._lanes[lane.id]

    def _forget_idle(self, now_ms: int) -> None:
        for _ in range(min(len(self._endpoints), _AT_ONCE)):
            id_, endpoint = next(iter(self._endpoints.items()))
            crowded = len(self._endpoints) > self._most
            if endpoint.used_ms + IDLE_MS > now_ms and not crowded:
                return
            if endpoint.in_flight or endpoint.waiting:
                self._endpoints.move_to_end(id_)
                continue
            del self._endpoints[id_]
            self._leave(endpoint)
