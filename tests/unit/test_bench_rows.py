"""The bench, as far as it computes: counts, percentiles, medians, the table, comparing two."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from bench import compare, run, table
from bench.counts import WrongCount, check, check_times
from bench.retrying import DELAYS_MS, late_ms, together
from bench.row import Row, beside, merged, row_of, tail, with_tail
from bench.sink import Record, Seen
from bench.watch import Sample, stretch, watched
from services.cli.bench import command


def seen(*ids: str) -> list[Seen]:
    return [Seen(id_, at, 200) for at, id_ in enumerate(ids)]


# -- counts -------------------------------------------------------------------------------------


def test_what_was_sent_once_to_each_is_right() -> None:
    check({"/a": seen("e1", "e2"), "/b": seen("e1", "e2")}, ["e1", "e2"], fan_out=2)
    check_times({"/a": seen("e1", "e1")}, {"e1": 1}, times=2)


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ({"/a": seen("e1")}, "1 missing (e2), 0 not sent, 0 not 1 ×"),
        ({"/a": seen("e1", "e2", "e3")}, "0 missing, 1 not sent (e3), 0 not 1 ×"),
        ({"/a": seen("e1", "e2", "e2")}, "0 missing, 0 not sent, 1 not 1 × (e2)"),
        ({"/a": seen("e1", "e2"), "/b": seen("e2")}, "0 missing, 1 not sent (e2), 0 not 1 ×"),
        ({"/a": seen("e1", "e1")}, "1 missing (e2), 0 not sent, 1 not 1 × (e1)"),
    ],
    ids=["missing", "foreign", "twice", "twice-at-another", "as-many-but-others"],
)
def test_a_wrong_count_says_what_is_wrong(record: Record, why: str) -> None:
    with pytest.raises(WrongCount) as caught:
        check(record, ["e1", "e2"], fan_out=1)
    assert why in str(caught.value)


# -- percentiles --------------------------------------------------------------------------------


def test_percentiles_of_many() -> None:
    found = tail([float(ms) for ms in range(1_000, 0, -1)])
    assert (found.n, found.p50, found.p99, found.most, found.least) == (1_000, 500, 990, 1_000, 1)


def test_of_few_no_p99_is_claimed() -> None:
    assert tail([1.0] * 99).p99 is None
    assert tail([1.0] * 100).p99 == 1.0
    row = with_tail(Row(name="few"), [2.0, 4.0])
    assert (row.p50_ms, row.p99_ms, row.n) == (2.0, None, 2)
    assert (tail([]).n, tail([]).p50, tail([1.0]).p50) == (0, None, None)


# -- what is watched ----------------------------------------------------------------------------


def sample(at_s: float, done: int, cpu: float) -> Sample:
    return Sample(at_s, done, {"router": cpu}, {"router": 80.0})


def test_cost_is_between_two_looks_not_from_the_start_of_the_process() -> None:
    looks = [sample(10, 100, 5.0), sample(11, 600, 5.5), sample(12, 1_100, 6.5)]
    whole, half = stretch(looks), stretch(looks, 0.0, 0.5)
    assert (whole.records, whole.seconds, whole.per_s) == (1_000, 2, 500)
    assert whole.cpu_s_per_1000("router") == pytest.approx(1.5)
    assert half.cpu_s_per_1000() == pytest.approx(1.0)


def test_what_was_over_at_the_first_look_is_not_measured() -> None:
    with pytest.raises(WrongCount, match="950 of 1000 were done"):
        stretch([sample(0, 950, 1), sample(1, 1_000, 2)])


def test_watching_ends_in_time() -> None:
    with pytest.raises(WrongCount, match="3 of 5 done"):
        watched(lambda: sample(0, 3, 0), 5, within_s=0)


# -- retries ------------------------------------------------------------------------------------


def test_lateness_is_of_the_second_request_after_the_moment_that_was_fixed() -> None:
    record = {"/a": [Seen("e1", 1_000_000, 500), Seen("e1", 4_002_500_000, 200)]}
    record["/b"] = [Seen("e2", 1_000_000, 500), Seen("e2", 3_999_000_000, 200)]
    assert late_ms(record, {"e1": 4_000, "e2": 4_000}) == [2.5, -1.0]
    assert late_ms(record, {"e2": 4_000}) == [-1.0]


def test_retries_of_all_delays_come_together_from_the_longest_delay_on() -> None:
    second = 1_000_000_000
    begin, end = together([12 * second, 0, second])
    assert (begin, end) == (max(DELAYS_MS), 12_000 + min(DELAYS_MS))
    with pytest.raises(WrongCount, match="too few"):
        together([0, second])


# -- several runs -------------------------------------------------------------------------------


def test_several_runs_are_their_medians_and_what_they_lie_between() -> None:
    runs = [
        beside(row_of("x", n, 1.0, {"kafka": 1.0}), row_of("floor", 2 * n, 1.0, {}), compared=True)
        for n in (100, 400, 200)
    ]
    runs[0].figures, runs[1].figures = {"late": 3.0, "none": None}, {"late": 5.0}
    row = merged([*runs, Row(name="x", failed="WrongCount: …")])
    assert (row.runs, row.events_per_s, row.floor_ratio) == (3, 200, 0.5)
    assert row.each["events_per_s"] == [100, 400, 200, None]
    assert "events_per_s 100…400" in table.lines(row)[1]
    assert row.cpu == {"kafka": 5.0}
    assert row.figures == {"late": 4.0, "none": None}


def test_runs_that_all_failed_are_a_failed_row() -> None:
    assert merged([Row(name="x", failed="a"), Row(name="x", failed="b")]).failed == "a"


# -- the table ----------------------------------------------------------------------------------


def test_a_line_has_a_dash_for_what_a_row_has_not() -> None:
    row = Row(name="retry", events_per_s=1234.5, p50_ms=1.25, n=50, figures={"late_max_ms": 7.0})
    first, second = table.lines(row)
    assert first.split() == ["retry", "1,234", "–", "1.2", "–", "50", "–"]
    assert second == "    late_max_ms 7"
    assert table.lines(Row(name="x", failed="WrongCount: why")) == [
        f"{'x':20} failed: WrongCount: why"
    ]


def test_rows_come_back_from_their_file(tmp_path: Path) -> None:
    rows = [Row(name="a", p50_ms=1.5, figures={"x": None}, each={"p50_ms": [1.0, None]})]
    table.save(rows, tmp_path / "rows.json")
    assert table.load(tmp_path / "rows.json") == rows


# -- comparing ----------------------------------------------------------------------------------

OLD = [
    Row(name="floor", events_per_s=1_000.0, cpu_s_per_1000=0.1),
    Row(name="deliverer", events_per_s=500.0, cpu_s_per_1000=0.4, p99_ms=10.0),
    Row(name="gone", events_per_s=1.0),
]
NEW = [
    Row(name="floor", events_per_s=2_000.0, cpu_s_per_1000=0.05),
    Row(name="deliverer", events_per_s=900.0, cpu_s_per_1000=0.2, p99_ms=5.0),
    Row(name="new", failed="LoadError: no"),
]


def test_differences_in_percent_and_beside_the_machine_s_own() -> None:
    found = {(d.row, d.figure): d for d in compare.differences(OLD, NEW)}
    speed = found["deliverer", "events_per_s"]
    assert speed.change == pytest.approx(80)
    assert speed.normalised == pytest.approx(-10)
    assert found["deliverer", "cpu_s_per_1000"].normalised == pytest.approx(0)
    assert found["deliverer", "p99_ms"].normalised is None
    assert found["floor", "events_per_s"].normalised is None
    assert compare.alone([*OLD, Row(name="bad", failed="x")], [*NEW, Row(name="bad")]) == [
        "gone: not in the new table",
        "bad: failed in the old table: x",
        "new: not in the old table",
    ]


def test_the_floor_next_to_a_row_goes_before_that_of_the_table() -> None:
    old = [OLD[0], Row(name="x", events_per_s=100.0, floor_events_per_s=200.0)]
    new = [NEW[0], Row(name="x", events_per_s=100.0, floor_events_per_s=100.0)]
    (_, _, found) = compare.differences(old, new)
    assert found.normalised == pytest.approx(100)


def test_rounds_are_compared_each_with_its_own() -> None:
    old = Row(name="x", each={"cpu_s_per_1000": [1.0, 2.0, None, 4.0]})
    new = Row(name="x", each={"cpu_s_per_1000": [0.5, 1.0, 1.0, 5.0]})
    (pair,) = compare.pairs([old, OLD[0]], [new, NEW[0]])
    assert pair.changes == pytest.approx((-50, -50, 25))
    assert pair.line.split()[2:] == [
        "-50.0%",
        "-50.0…+25.0%",
        "less",
        "in",
        "2",
        "of",
        "3",
        "rounds",
    ]


def test_comparing_by_command_fails_on_bad_input_alone(tmp_path: Path) -> None:
    old, new, none = tmp_path / "old.json", tmp_path / "new.json", tmp_path / "none.json"
    table.save(OLD, old)
    table.save(NEW, new)
    none.write_text('{"rows": 1}')
    fine = CliRunner().invoke(command, ["--compare", str(old), str(new)])
    assert fine.exit_code == 0, fine.output
    assert "deliverer" in fine.output
    assert "-10.0%" in fine.output
    bad = CliRunner().invoke(command, ["--compare", str(old), str(none)])
    assert bad.exit_code == 1
    assert "not a list of rows" in bad.output
    gone = CliRunner().invoke(command, ["--compare", str(old), str(tmp_path / "gone.json")])
    assert (gone.exit_code, "No such file" in gone.output) == (1, True)


# -- names --------------------------------------------------------------------------------------


def test_groups_are_their_rows_each_once() -> None:
    assert run.named(["fanout-4", "fanout"])[:2] == ("fanout-4", "fanout-1")
    assert len(run.named(["fanout-4", "fanout"])) == len(run.GROUPS["fanout"])
    assert run.named([]) == run.USUAL
    assert {row for rows in run.GROUPS.values() for row in rows} == set(run.ROWS)


def test_an_unknown_row_is_told_what_there_is() -> None:
    with pytest.raises(run.UnknownRow, match=r"no row tsl: floor, .*groups: services"):
        run.named(["tsl"])


def test_a_folder_without_hookstream_is_refused(tmp_path: Path) -> None:
    refused = CliRunner().invoke(command, ["--against", str(tmp_path)])
    assert refused.exit_code != 0
    assert "no checkout of Hookstream" in refused.output
