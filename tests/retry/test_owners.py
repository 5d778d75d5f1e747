"""The owner of the tiers dies with all it may hold; owners come and go. All comes, in time."""

import signal
from collections.abc import Callable
from contextlib import ExitStack

from hookstream.embedded.ports import free_port
from hookstream.stream.settings import KafkaSettings
from tests.fixtures.kafka import wait_until
from tests.retry.waiting import (
    assigned,
    delivered,
    held,
    ids,
    late_ms,
    moved_between,
    now_ms,
    put_waiting,
    uncommitted,
    unmoved,
)
from tests.started import KILLED, started

WITHIN_S = 60
HELD = 1_000
"""Records that a process may hold: the least that can be set."""
COMMITTED_MS = 1_000
"""Ten times as often the loop commits: what was moved before is not moved again."""


def twice(kafka: KafkaSettings) -> set[str]:
    """The deliveries that came out more than once."""
    return {delivery for delivery, n in ids(kafka).items() if n > 1}


def test_the_owner_of_tiers_killed_with_a_full_heap(kafka: KafkaSettings) -> None:
    """Nothing lost, nothing early; doubled is only what had not been committed at the kill."""
    port = free_port()
    settings = {"RETRY_HELD_RECORDS": str(HELD), "PROCESS_HEALTH_PORT": str(port)}
    with started(kafka, "retry", **settings, **KILLED) as a:
        start_ms = now_ms()
        far = {f"far{n}": start_ms + 7_000 + 5 * n for n in range(400)}
        put_waiting(kafka, far.items())
        wait_until(lambda: unmoved(kafka) == 0, WITHIN_S)
        soon: dict[str, int] = {}
        wait_until(filled(kafka, port, soon), WITHIN_S)
        a.send_signal(signal.SIGKILL)
        a.wait(10)
    may_be_twice = uncommitted(kafka)
    assert soon.keys() - ids(kafka).keys(), "it was killed too late to show anything"
    with started(kafka, "retry", RETRY_HELD_RECORDS=str(HELD)):
        wait_until(lambda: ids(kafka).keys() == (far | soon).keys(), WITHIN_S)
        wait_until(lambda: unmoved(kafka) == 0, WITHIN_S)
    assert min(late_ms(seen) for seen in delivered(kafka)) >= 0
    assert twice(kafka) <= may_be_twice


def filled(kafka: KafkaSettings, port: int, soon: dict[str, int]) -> Callable[[], bool]:
    """Whether the process holds all it may of `soon`; what is due before that is seen, on a machine
    that stood still for long, is followed by as many more."""

    def is_filled() -> bool:
        if soon and held(port)[0] >= HELD:
            return True
        if now_ms() > max(soon.values(), default=0):
            since, due_ms = len(soon), now_ms() + 2_500
            more = {f"soon{since + n}": due_ms + n // 2 for n in range(2 * HELD)}
            soon.update(more)
            put_waiting(kafka, more.items())
        return False

    return is_filled


def test_owners_come_and_go_while_records_wait(kafka: KafkaSettings) -> None:
    """With records in memory and in tiers: one is joined and stopped, the next joined and killed.

    Moved again is only what was moved while partitions went from one to another.
    """
    ports = [free_port() for _ in range(3)]
    with ExitStack() as stack:
        owners = [stack.enter_context(started(kafka, "retry", PROCESS_HEALTH_PORT=str(ports[0])))]
        start_ms = now_ms()
        dues = {f"d{n}": start_ms + 1_500 + 20 * n for n in range(600)}
        put_waiting(kafka, dues.items())
        ends = []
        next_two = zip(ports[1:], (KILLED, {}), (signal.SIGTERM, signal.SIGKILL), strict=True)
        for port, settings, end in next_two:
            begun_ms = now_ms()
            settings = settings | {"PROCESS_HEALTH_PORT": str(port)}
            owners.append(stack.enter_context(started(kafka, "retry", **settings)))
            wait_until(lambda port=port: assigned(port) > 0, WITHIN_S)  # type: ignore[misc]
            owners[-2].send_signal(end)
            owners[-2].wait(60)
            ends.append((begun_ms, now_ms()))
        wait_until(lambda: ids(kafka).keys() == dues.keys(), WITHIN_S)
        wait_until(lambda: unmoved(kafka) == 0, WITHIN_S)
    assert min(late_ms(seen) for seen in delivered(kafka)) >= 0
    may_be = [moved_between(kafka, begun - COMMITTED_MS, ended) for begun, ended in ends]
    assert twice(kafka) <= set().union(*may_be)
