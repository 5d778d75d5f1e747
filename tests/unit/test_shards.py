"""Which lane a delivery takes (once.md 14)."""

from collections import Counter

from hookstream.model.shards import ceiling_of, lane_for, lane_of, rate_of
from tests.unit.values import a_webhook, an_event


def test_one_lane_unless_it_is_cut() -> None:
    assert lane_of(a_webhook(lane="int_1"), an_event(subject="contact/7")) == "int_1"


def test_a_subject_has_one_lane_and_an_event_without_one_goes_by_its_id() -> None:
    hook = a_webhook(lane="int_1", shards=8)
    lanes = {lane_of(hook, an_event(id=f"evt_{n}", subject="contact/7")) for n in range(50)}
    assert len(lanes) == 1
    assert lane_of(hook, an_event(id="evt_9")) == lane_for(hook, None, "evt_9")
    assert lane_of(hook, an_event(subject="")) == lane_for(hook, "", "any")


def test_lanes_are_spread_and_the_same_for_ever() -> None:
    hook = a_webhook(lane="int_1", shards=8)
    spread = Counter(lane_of(hook, an_event(id=f"evt_{n}")) for n in range(4000))
    assert set(spread) == {f"int_1/{n}" for n in range(8)}
    assert min(spread.values()) > 350
    assert lane_for(hook, "contact/7", "evt_1") == "int_1/1"


def test_a_lane_has_its_share_of_rate_and_requests() -> None:
    hook = a_webhook(shards=4, rate_per_s=10.0, max_in_flight=10)
    assert (rate_of(hook), ceiling_of(hook)) == (2.5, 2)
    assert ceiling_of(a_webhook(shards=64, max_in_flight=10)) == 1
    assert (rate_of(a_webhook()), ceiling_of(a_webhook(max_in_flight=7))) == (None, 7)
