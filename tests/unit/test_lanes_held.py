"""What is known of webhooks: bounded in number (`test_lanes`), and small each."""

from services.deliverer.admit import Go, Wait
from services.deliverer.endpoint import Turn
from services.deliverer.lanes import Lanes
from tests.unit.held import bytes_of
from tests.unit.values import a_delivery, a_webhook

NOW_MS = 1_700_000_000_000
COUNT = 2_000
KNOWN_BYTES = 1_000


def a_turn(number: int) -> Turn:
    hook = a_webhook(id=f"wh_{number}", lane=f"wh_{number}")
    return Turn(hook, a_delivery(webhook=hook.id, lane=hook.lane), 1000)


def test_a_webhook_nobody_waited_for_takes_less_than_a_kilobyte() -> None:
    lanes = Lanes(100, 1 << 20)
    for number in range(COUNT):
        turn = a_turn(number)
        assert isinstance(lanes.submit(turn, NOW_MS), Go)
        lanes.finished(turn, None, NOW_MS)
    lanes.tick(NOW_MS + 1_000)
    assert len(lanes) == COUNT
    assert bytes_of(lanes) / COUNT < KNOWN_BYTES


def test_who_waits_does_so_for_his_own_webhook() -> None:
    lanes = Lanes(100, 1 << 20)
    plans = [lanes.submit(a_turn(number), NOW_MS) for number in (1, 1, 1, 2)]
    assert plans == [Go(), Go(), Wait(), Go()]
    assert lanes.waiting == 1
