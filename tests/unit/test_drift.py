"""`make soak` tells what grows from what only trembles."""

from msgspec.structs import replace

from bench.drift import Look, Minute, all_flat, as_text, judged, slope_of


def looks(process: str, *, grows_mb: float = 0.0, files: float = 0.0) -> list[Look]:
    return [
        Look(process, 5.0 * n, 100 + grows_mb * n / 100 + n % 3, int(50 + files * n / 100), 12)
        for n in range(101)
    ]


def minutes(grows_ms: float = 0.0) -> list[Minute]:
    return [Minute(60.0 * n, 1000, 2.0, 8 + grows_ms * n / 30, 5, 100) for n in range(1, 31)]


def not_flat(found: list[Look], by_minute: list[Minute]) -> list[tuple[str, str]]:
    return [(v.of, v.figure) for v in judged(found, by_minute) if not v.flat and v.judged]


def test_what_trembles_is_flat() -> None:
    assert not_flat(looks("router"), minutes()) == []


def test_what_grows_is_named() -> None:
    assert not_flat(looks("router", grows_mb=40), minutes()) == [("router", "rss_mb")]
    assert not_flat(looks("status", files=40), minutes()) == [("status", "files")]
    assert not_flat(looks("router"), minutes(grows_ms=100)) == [("system", "p99_ms")]


def test_what_fills_a_bounded_memory_is_not_named_until_it_is_full() -> None:
    def deliverer(*, filling_mb: float) -> list[Look]:
        grown = looks("deliverer", grows_mb=40)
        return [replace(x, filling={"rss_mb": filling_mb * n / 100}) for n, x in enumerate(grown)]

    assert not_flat(deliverer(filling_mb=40), minutes()) == []
    assert not_flat(deliverer(filling_mb=5), minutes()) == [("deliverer", "rss_mb")]
    [told] = [v for v in judged(deliverer(filling_mb=40), minutes()) if v.bounded]
    assert (told.figure, round(told.bounded)) == ("rss_mb", 32)


def test_connections_that_the_load_opens_are_not_files_that_grow() -> None:
    grown = looks("ingest", files=40)
    opened = [replace(x, filling={"files": 40 * n / 100}) for n, x in enumerate(grown)]
    assert not_flat(grown, minutes()) == [("ingest", "files")]
    assert not_flat(opened, minutes()) == []


def test_buffers_of_kafka_are_shown_and_not_judged() -> None:
    verdicts = judged(looks("kafka", grows_mb=400), minutes())
    assert all_flat(verdicts)
    assert "not judged" in as_text(verdicts, {"minutes": 30})


def test_the_line_of_least_squares() -> None:
    assert slope_of([(0, 1), (1, 3), (2, 5)]) == 2
    assert slope_of([(0, 1)]) == 0
