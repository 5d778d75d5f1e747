"""What may grow, and where a lane's history stands after it has."""

import pytest

from hookstream.model.records import Growth, TopicsNote
from hookstream.stream.resize import CannotResize, check
from hookstream.stream.tail import ancestors
from hookstream.stream.topics import partition_of

FOUR = {"deliveries": 4, "outcomes": 4, "events": 4}
EIGHT = {"deliveries": 8, "outcomes": 8}


def growth(partitions: int) -> Growth:
    return Growth(partitions=partitions, ends=(0,) * partitions)


@pytest.mark.parametrize(
    ("noted", "wanted", "told"),
    [
        (TopicsNote(partitions=FOUR), {"deliveries": 2, "outcomes": 2}, "never shrinks"),
        (TopicsNote(partitions=FOUR), {"deliveries": 6, "outcomes": 6}, "8, 12 or 16"),
        (TopicsNote(partitions=FOUR), EIGHT | {"events": 3}, "never shrinks"),
        (TopicsNote(partitions=FOUR, growing=EIGHT), {"deliveries": 16}, "--partitions 8"),
    ],
    ids=["fewer", "no multiple", "fewer events", "another is under way"],
)
def test_what_cannot_be_done_is_refused_with_what_can(
    noted: TopicsNote, wanted: dict[str, int], told: str
) -> None:
    with pytest.raises(CannotResize, match=told):
        check(noted, wanted, FOUR)


def test_more_of_them_and_what_was_begun_are_fine() -> None:
    check(TopicsNote(partitions=FOUR), EIGHT | {"events": 7}, FOUR)
    check(TopicsNote(partitions=FOUR, growing=EIGHT), EIGHT, FOUR | {"outcomes": 8})
    check(TopicsNote(partitions=FOUR), FOUR, FOUR)


def test_every_lane_of_a_partition_stood_in_one_of_its_ancestors() -> None:
    """4 partitions became 8, then 24: whichever is taken over, its lanes' past is found."""
    growths = (growth(4), growth(8))
    for lane in (f"lane {n}".encode() for n in range(200)):
        now, then = partition_of(lane, 24), {4: partition_of(lane, 4), 8: partition_of(lane, 8)}
        found = {each.partitions: old for each, old in ancestors([now], growths)}
        for before in (8, 4):
            after = 24 if before == 8 else 8
            was = then[before]
            if was != partition_of(lane, after):
                assert found[before] == {was}


def test_what_has_not_moved_has_no_ancestors() -> None:
    assert ancestors([0, 3], [growth(4), growth(8)]) == []
    assert [old for _, old in ancestors([5], [growth(4), growth(8)])] == [{1}]
    assert [old for _, old in ancestors([9, 13], [growth(4), growth(8)])] == [{1}, {1, 5}]
