"""When the next attempt is due: a policy's schedule as arithmetic."""

import hashlib
from collections.abc import Sequence

from hookstream.model.policy import Policy, Schedule
from hookstream.model.records import Attempt, Delivery


def due_after(schedule: Schedule, attempts_made: int, seed: str = "") -> int | None:
    """Milliseconds from the end of attempt `attempts_made` (from 1) to the next; None: no more.

    `seed` picks the jitter, which only ever adds; the same seed gives the same delay.
    """
    if attempts_made < 1:
        raise ValueError("attempts are counted from 1")
    if attempts_made >= schedule.max_requests:
        return None
    delay = _plain(schedule, attempts_made)
    return None if delay is None else delay + _jitter(schedule, delay, seed)


def schedule_length_ms(policy: Policy) -> int:
    """The longest a delivery can take if nothing defers it: all delays, jitter and deadlines."""
    total = policy.deadline_ms
    for made in range(1, policy.schedule.max_requests):
        delay = _plain(policy.schedule, made)
        if delay is None:
            break
        total += delay + int(delay * policy.schedule.jitter) + policy.deadline_ms
    window_ms = policy.schedule.window_ms
    return total if window_ms is None else min(total, window_ms + policy.deadline_ms)


def give_up_at_ms(policy: Policy, first_due_at_ms: int) -> int:
    """When a delivery first due then ends as failed, `expired`, whatever has put it off."""
    return first_due_at_ms + schedule_length_ms(policy) + policy.give_up_after_ms


def last_moment_ms(schedule: Schedule, delivery: Delivery) -> int:
    """After which no request is made for this delivery: it has failed then, `expired`."""
    end_ms = window_end_ms(schedule, delivery.attempts)
    return delivery.give_up_at_ms if end_ms is None else min(end_ms, delivery.give_up_at_ms)


def window_end_ms(schedule: Schedule, attempts: Sequence[Attempt]) -> int | None:
    """After which no further attempt may begin: the window, from the start of the first attempt.

    None: the schedule has no window, or nothing was sent yet (M6: three repeats in six minutes).
    """
    if schedule.window_ms is None or not attempts:
        return None
    return attempts[0].started_at_ms + schedule.window_ms


def _plain(schedule: Schedule, made: int) -> int | None:
    if not schedule.delays_ms or (schedule.kind == "list" and made > len(schedule.delays_ms)):
        return None
    first = schedule.delays_ms[0]
    if schedule.kind == "list":
        delay = schedule.delays_ms[made - 1]
    elif schedule.kind == "fixed":
        delay = first
    elif schedule.kind == "polynomial":
        delay = first + int(made**schedule.power * schedule.unit_ms)
    else:
        delay = _exponential(first, schedule.factor, made, schedule.max_delay_ms)
    return max(0, min(delay, schedule.max_delay_ms))


def _exponential(first: int, factor: float, made: int, ceiling: int) -> int:
    try:
        return int(min(first * factor ** (made - 1), ceiling))
    except OverflowError:
        return ceiling


def _jitter(schedule: Schedule, delay: int, seed: str) -> int:
    if not schedule.jitter:
        return 0
    share = int.from_bytes(hashlib.blake2b(seed.encode(), digest_size=4).digest()) / 2**32
    return int(delay * schedule.jitter * share)
