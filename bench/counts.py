"""What was received against what was sent. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from bench.sink import Record, Seen


class WrongCount(Exception):
    """What was received is not what was sent."""


def check(record: Record, sent: Iterable[str], fan_out: int) -> None:
    """Every event once at as many paths as it has webhooks, and no other; else `WrongCount`."""
    check_times(record, dict.fromkeys(sent, fan_out), 1)


def check_times(record: Record, sent: Mapping[str, int], times: int) -> None:
    """Every event at so many paths, `times` times at each."""
    pairs: dict[tuple[str, str], int] = {}
    for path, page in record.items():
        for seen in page:
            pairs[path, seen.id] = pairs.get((path, seen.id), 0) + 1
    paths: dict[str, int] = {}
    for _, event in pairs:
        paths[event] = paths.get(event, 0) + 1
    missing = [e for e, n in sent.items() if paths.get(e, 0) < n]
    foreign = [e for e, n in paths.items() if n > sent.get(e, 0)]
    repeated = [event for (_, event), n in pairs.items() if n != times]
    if missing or foreign or repeated:
        raise WrongCount(
            f"{len(sent)} events sent, {sum(pairs.values())} requests received: "
            f"{_some('missing', missing)}, {_some('not sent', foreign)}, "
            f"{_some(f'not {times} ×', repeated)}"
        )


def all_seen(record: Record) -> list[Seen]:
    """All requests, as they came."""
    return sorted((seen for page in record.values() for seen in page), key=lambda seen: seen.at_ns)


def seconds_of(seen: Sequence[Seen]) -> float:
    """From the first to the last."""
    return (seen[-1].at_ns - seen[0].at_ns) / 1e9 if seen else 0.0


def _some(what: str, found: Sequence[str]) -> str:
    return f"{len(found)} {what}" + (f" ({', '.join(found[:3])})" if found else "")
