"""What a lane's owner has learnt of a webhook: how much it takes, and not before when."""

from msgspec import Struct
from msgspec.structs import replace

from services.deliverer.answer import Answer
from services.deliverer.retry_after import retry_after_ms

START = 2
"""Requests in flight to a webhook that nothing is known of yet."""
COOL_DOWN_MS = 1_000
COOL_DOWN_MAX_MS = 600_000
ASKED_MAX_MS = 3_600_000
"""A receiver's Retry-After holds up all of its webhook for an hour at most."""

_OVERLOADED = frozenset({429, 503})
_NOT_ITS_FAULT = frozenset({"invalid_request", "proxy", "address_not_allowed"})


class Health(Struct, frozen=True, gc=False):
    """Immutable; `learn` makes the next. Limit 0 is the open circuit: one probe a cool-down."""

    limit: int = START
    cool_down_ms: int = 0
    opened_at_ms: int = 0
    not_before_ms: int = 0
    is_cut: bool = False
    """Whether the limit was halved since it last stood at its ceiling: it is a finding, then."""

    @property
    def suspect(self) -> bool:
        """Whether it takes less than a webhook that nothing is known of."""
        return self.limit < START

    @property
    def is_open(self) -> bool:
        """Whether the circuit is open: one probe a cool-down."""
        return self.limit == 0


def learn(
    health: Health, answer: Answer, ceiling: int, now_ms: int, is_used: bool = True
) -> Health:
    """Health after an answer. Doubles on success; halves on timeout, lost connection, 429, 503.

    Any other status shows that it is alive, and lifts the limit to its start, no further; so does
    a success while the limit was not used to the full (`is_used`): it says nothing of more.
    """
    if answer.error in _NOT_ITS_FAULT:
        return health
    if is_sign_of_life(answer):
        good = answer.status is not None and 200 <= answer.status < 300
        highest = max(START, ceiling)
        return _better(health, highest if good and is_used else START, highest)
    worse = _worse(health, answer, now_ms)
    if answer.retry_after is None:
        return worse
    asked = min(retry_after_ms(answer.retry_after, now_ms), ASKED_MAX_MS)
    return replace(worse, not_before_ms=max(worse.not_before_ms, now_ms + asked))


def is_sign_of_life(answer: Answer) -> bool:
    """Whether the receiver took the request, whatever it thinks of it."""
    return answer.error is None and answer.status not in _OVERLOADED


def rested(health: Health) -> Health:
    """Health after a while in which less than half of the limit was used: what a webhook took when
    it was busy says little of now. Answer by answer it grows again."""
    if health.limit < START or (health.limit == START and not health.is_cut):
        return health
    return replace(health, limit=max(START, health.limit // 2), is_cut=False)


def _better(health: Health, most: int, ceiling: int) -> Health:
    limit = max(health.limit, min(max(1, health.limit * 2), most))
    is_cut = health.is_cut and limit < ceiling
    if limit == health.limit:
        return health if is_cut == health.is_cut else replace(health, is_cut=is_cut)
    not_before_ms = health.not_before_ms if health.limit else 0
    return Health(limit=limit, not_before_ms=not_before_ms, is_cut=is_cut)


def _worse(health: Health, answer: Answer, now_ms: int) -> Health:
    if health.limit > 1:
        return replace(health, limit=health.limit // 2, is_cut=True)
    if health.limit == 0 and answer.started_at_ms < health.opened_at_ms:
        return health  # sent before the circuit opened: says nothing new
    cool_down = min(max(COOL_DOWN_MS, health.cool_down_ms * 2), COOL_DOWN_MAX_MS)
    until = max(health.not_before_ms, now_ms + cool_down)
    return Health(0, cool_down, now_ms, until, is_cut=True)
