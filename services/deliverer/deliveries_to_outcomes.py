"""The loop of the deliverer: admits, sends, judges, and settles each turn exactly as once.md says.

The loop's thread reads Kafka; all else happens on one asyncio thread. A turn ends outcome →
successor → offset, each after the broker's ack of the one before.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from hookstream.model.ids import payload_hash
from hookstream.model.records import BY_HAND, OWN_FAULT, Attempt, Delivery, Webhook
from hookstream.model.schedule import last_moment_ms
from hookstream.stream.fault_rate import FaultRate
from hookstream.stream.loop import Handler
from hookstream.stream.record import Assignment, Record
from hookstream.stream.settled import Settled, Step
from hookstream.stream.tail import Tail
from services.deliverer.admit import Cancel, Go, Plan, Rekey, Wait
from services.deliverer.answer import Answer
from services.deliverer.ending import (
    Ending,
    after_answer,
    after_fault,
    timing,
    without_request,
)
from services.deliverer.faults import OutOfSockets
from services.deliverer.halt import Halt
from services.deliverer.judge import judge
from services.deliverer.lanes import TICK_MS, Decided, Lanes
from services.deliverer.partition import Partition, learn
from services.deliverer.passage import Passage
from services.deliverer.request_of import RequestOf, Unsendable
from services.deliverer.seam import Withheld
from services.deliverer.send import Sender
from services.deliverer.settle import Settler
from services.deliverer.webhooks import Webhooks

MOST_SETTLING = 500
"""Turns over and not settled, beside all that may be open or wait."""
MOST_AHEAD = 64
"""Records read and not yet looked at, and taken at a time. Where this thread is the narrow place,
answers wait behind what was taken before them: with a thousand they waited for half a second, and
receivers that answer in 10 ms were taken for slow."""
_TICK_S = TICK_MS / 1000
_CLOSE_S = 2.0
_OUT_OF_SOCKETS_S = 0.5
logger = logging.getLogger(__name__)


class Deliverer(Handler):
    """Turns deliveries into requests and outcomes. Made and driven on the asyncio thread.

    `read_tail` reads the partitions of outcomes (blocking); `is_misplaced`: whether a lane belongs
    to another partition now; `steady` is the loop's.
    """

    def __init__(
        self,
        *,
        lanes: Lanes,
        sender: Sender,
        webhooks: Webhooks,
        request_of: RequestOf,
        settler: Settler,
        halt: Halt,
        read_tail: Callable[[Mapping[int, int | None]], Tail],
        clock_ms: Callable[[], int],
        is_misplaced: Callable[[bytes, int], bool] = lambda *_: False,
    ) -> None:
        self._lanes = lanes
        self._most_open = lanes.most + MOST_SETTLING
        self._sender = sender
        self._webhooks = webhooks
        self._request_of = request_of
        self._settler = settler
        self._halt = halt
        halt.resume = lambda passage: self._alone(passage, self._admit)
        self._read_tail = read_tail
        self._clock_ms = clock_ms
        self._is_misplaced = is_misplaced
        self._aio = asyncio.get_running_loop()
        self._handed = 0
        self._taken = 0
        self._open = 0
        self._held: list[Callable[[], None]] = []
        self._fault: Exception | None = None
        self._fault_rate = FaultRate()
        webhooks.failed = self._failed
        self._settled_by: dict[int, Settled] = {}
        self.steady: Callable[[], bool] = lambda: True

    @property
    def remembered(self) -> int:
        """Turns that are open or were settled, and are known by their deliveries' ids."""
        return sum(map(len, list(self._settled_by.values())))

    # -- on the loop's thread -------------------------------------------------------------------

    def assigned(self, taken: Sequence[Assignment]) -> Mapping[tuple[str, int], int]:
        since_ms = self._clock_ms()
        tail = self._read_tail({a.partition: a.committed.log_from for a in taken})
        by_partition = {a.partition: a for a in taken}
        for assignment in taken:
            settled = self._settled_by[assignment.partition] = Settled()
            assignment.state = Partition(settled, since_ms, self.steady)
            assignment.window.read_log_to(tail.ends[assignment.partition])
        for entry in tail.before:
            settled = cast(Partition, by_partition[entry.partition].state).settled
            settled.learn(entry.delivery, entry.settlement, source_done=True)
        for entry in tail.entries:
            learn(by_partition[entry.partition], entry)
        return {}

    def handle(self, records: Sequence[Record]) -> None:
        self._handed += len(records)
        self._aio.call_soon_threadsafe(self._do, self._take, records)

    def full(self) -> bool:
        ahead = self._handed - self._taken
        crowded = self._lanes.is_full or ahead >= MOST_AHEAD or self._open >= self._most_open
        return crowded or self._halt.stopped

    def revoked(self, going: Sequence[Assignment], within_s: float) -> None:
        """What is not closed in time (a process that was stopped meanwhile) is superseded later:
        by then these partitions are not alive."""
        self._forget(going)
        closing = asyncio.run_coroutine_threadsafe(self._close(going, within_s), self._aio)
        with contextlib.suppress(TimeoutError):
            closing.result(within_s + 2 * _CLOSE_S)

    def lost(self, gone: Sequence[Assignment]) -> None:
        self._forget(gone)
        self._settler.purge()
        self._aio.call_soon_threadsafe(self._do, self._abandon, gone)

    def _forget(self, gone: Sequence[Assignment]) -> None:
        for assignment in gone:
            self._settled_by.pop(assignment.partition, None)

    def steadied(self) -> None:
        self._aio.call_soon_threadsafe(self._do, self._release_held)

    # -- a turn, on the asyncio thread ----------------------------------------------------------

    def _do(self, work: Callable[..., None], *given: object) -> None:
        try:
            work(*given)
        except Exception as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        """A fault of ours in what all turns share: `tick` raises it, which ends the process."""
        self._fault = self._fault or error

    def _alone(self, passage: Passage, work: Callable[..., None], *given: object) -> None:
        """What is done for one turn: a fault of ours in it is that turn's, and no other's."""
        try:
            work(passage, *given)
        except Exception as error:
            self._mishap(passage, error)

    def _mishap(self, passage: Passage, error: Exception, answer: Answer | None = None) -> None:
        """A fault of ours in one turn. The process ends where most turns meet one, and where this
        turn's outcome may be under way already."""
        if self._fault_rate.failed() or passage.settling:
            self._failed(error)
            return
        fields = {"delivery": passage.delivery.id, "webhook": passage.delivery.webhook}
        logger.error("a fault of ours in one turn", exc_info=error, extra={"fields": fields})
        passage.task = None
        if answer is None:
            passage.end_request(None, OWN_FAULT)
        now_ms = self._clock_ms()
        if passage.webhook is not None and passage.turn.is_open:
            self._do(self._finished, passage, None, now_ms)
        elif passage.webhook is not None:
            self._lanes.close([passage.turn])
        self._do(self._end, passage, after_fault(passage.delivery, answer, now_ms))

    def _take(self, records: Sequence[Record]) -> None:
        self._taken += len(records)
        for record in records:
            partition = cast(Partition, record.assignment.state)
            if record.assignment.alive and not partition.closing:
                self._begin(record, partition)

    def _begin(self, record: Record, partition: Partition) -> None:
        delivery = cast(Delivery, record.value)
        hash_ = record.headers.get("hash", b"").decode() or payload_hash(delivery.event)
        step = partition.settled.take(delivery.id, delivery.turn, hash_)
        if step is Step.DROP:
            record.done()
            return
        record.let_go()
        passage = Passage(record, delivery, hash_)
        self._opened(passage, partition)
        if step is Step.EXECUTE:
            lane = record.headers.get("lane", b"")
            if self._is_misplaced(lane, record.assignment.partition):
                self._end(passage, without_request(Rekey(delivery.lane), self._clock_ms()))
            else:
                self._alone(passage, self._admit)
        elif step is Step.CONFLICT:
            self._end(passage, Ending(result="conflict", reason="same_id_other_payload"))
        else:
            known = partition.settled.rewritten(delivery.id)
            self._settler.succeed(passage, known, self._settled)

    def _admit(self, passage: Passage) -> None:
        delivery = passage.delivery
        if self._webhooks.is_behind(delivery):
            self._webhooks.catch_up(lambda: self._alone(passage, self._admit_known))
        else:
            self._admit_known(passage)

    def _admit_known(self, passage: Passage) -> None:
        if not passage.may_go:
            return
        if self._halt.stopped:
            self._halt.hold(passage)
            return
        now_ms = self._clock_ms()
        webhook = self._webhooks.get(passage.delivery.webhook)
        if webhook is None:
            self._end(passage, without_request(Cancel(), now_ms))
            return
        passage.enter(webhook, now_ms)
        if self._webhooks.is_cancelled(passage.delivery.id):
            self._end(passage, without_request(Cancel(BY_HAND), now_ms))
        elif now_ms > last_moment_ms(webhook.policy.schedule, passage.delivery):
            self._end(passage, Ending(result="failed", reason="expired"))
        else:
            self._follow(passage, self._lanes.submit(passage.turn, now_ms))

    def _follow(self, passage: Passage, plan: Plan) -> None:
        if isinstance(plan, Go) and self._halt.stopped:
            self._lanes.close([passage.turn])
            self._halt.hold(passage)
        elif isinstance(plan, Go):
            self._go(passage)
        elif not isinstance(plan, Wait):
            self._end(passage, without_request(plan, self._clock_ms()))

    def _go(self, passage: Passage) -> None:
        """Send; after a stall only once the group has confirmed us: another may have sent it."""
        if not passage.record.assignment.alive:
            return  # it is dropped with its partition, in a moment
        if self.steady():
            passage.started_at_ms = self._clock_ms()
            passage.task = self._aio.create_task(self._send(passage))
        else:
            self._held.append(lambda: self._go(passage) if passage.may_go else None)

    def _follow_all(self, decided: Decided) -> None:
        for turn, plan in decided:
            self._alone(cast(Passage, turn.context), self._follow, plan)

    async def _send(self, passage: Passage) -> None:
        webhook, delivery = passage.turn.webhook, passage.delivery
        answer: Answer | None = None
        try:
            answer, used = await self._answer(passage, webhook, delivery)
            now_ms = self._clock_ms()
            passage.end_request(answer.status, answer.error)
            passage.task = None
            self._do(self._finished, passage, answer, now_ms)
            verdict = judge(webhook.policy, delivery, answer, now_ms, used)
            points = timing(delivery, passage.record.timestamp_ms, passage.taken_at_ms, answer)
            self._end(passage, after_answer(webhook, answer, verdict, points))
            self._fault_rate.went_well()
        except Withheld:  # stopped between `_go` and the first byte
            passage.task = passage.started_at_ms = None
            self._alone(passage, self._go)
        except Unsendable as error:
            self._alone(passage, self._unsendable, str(error))
        except Exception as error:
            self._mishap(passage, error, answer)

    def _finished(self, passage: Passage, answer: Answer | None, now_ms: int) -> None:
        """The request is over: who waited for that may go."""
        self._follow_all(self._lanes.finished(passage.turn, answer, now_ms))

    def _unsendable(self, passage: Passage, why: str) -> None:
        """The delivery has failed alone. It counts as an attempt, so that the log tells why."""
        now_ms = self._clock_ms()
        passage.end_request(None, "invalid_request")
        passage.task = None
        self._do(self._finished, passage, None, now_ms)
        attempt = Attempt(started_at_ms=now_ms, duration_ms=0, error="invalid_request")
        ending = Ending(result="failed", reason="unsendable", attempt=attempt, error_detail=why)
        self._end(passage, ending)

    async def _answer(
        self, passage: Passage, webhook: Webhook, delivery: Delivery
    ) -> tuple[Answer, bool]:
        """And whether the request had the delivery's id in it (M6). Having no socket left is this
        machine's fault and no attempt: wait, and send then."""
        traceparent = passage.begin_request().traceparent
        while True:
            outgoing = self._request_of(webhook, delivery, self._clock_ms(), traceparent)
            used = outgoing.uses_transaction_id
            sending = self._sender.send(
                outgoing, webhook.policy.deadline_ms, passage.may_be_written
            )
            del outgoing  # once written, no frame keeps its body till the answer is there
            try:
                return await sending, used
            except OutOfSockets:
                logger.warning("out of sockets: raise the limit on open files, or lower the slots")
                await asyncio.sleep(_OUT_OF_SOCKETS_S)

    def _end(self, passage: Passage, ending: Ending) -> None:
        """Settle the turn; after a stall, only once the group has confirmed us (once.md 5)."""
        passage.settling = True
        if self.steady():
            self._settler.settle(passage, ending, self._settled)
        else:
            self._held.append(lambda: self._settler.settle(passage, ending, self._settled))

    def _release_held(self) -> None:
        held, self._held = self._held, []
        for complete in held:
            complete()

    def _opened(self, passage: Passage, partition: Partition) -> None:
        partition.open.add(passage)
        self._open += 1

    def _settled(self, passage: Passage) -> None:
        """All of this turn is acknowledged, or another's by now."""
        partition = cast(Partition, passage.record.assignment.state)
        if passage in partition.open:
            partition.open.discard(passage)
            passage.leave()
            self._open -= 1

    # -- partitions that go, on the asyncio thread ----------------------------------------------

    async def _close(self, going: Sequence[Assignment], within_s: float) -> None:
        """No new requests; what is open may end in time, the rest is closed as superseded."""
        for assignment in going:
            assignment.state.closing = True
        passages = [p for a in going for p in a.state.open]
        waiting = [p for p in passages if p.is_waiting]
        self._drop(waiting)
        await self._until_settled(going, within_s)
        self._supersede([p for a in going for p in a.state.open if p.task is not None])
        await self._until_settled(going, _CLOSE_S)

    async def _until_settled(self, going: Sequence[Assignment], within_s: float) -> None:
        deadline = self._aio.time() + within_s
        while any(a.state.open for a in going) and self._aio.time() < deadline:
            await asyncio.sleep(0.01)

    def _abandon(self, gone: Sequence[Assignment]) -> None:
        """Another member has these partitions already."""
        passages = [p for a in gone for p in a.state.open]
        self._drop([p for p in passages if p.is_waiting])
        self._supersede([p for p in passages if p.task is not None])

    def _drop(self, waiting: list[Passage]) -> None:
        self._halt.forget(waiting)
        self._lanes.close([p.turn for p in waiting if p.webhook is not None])
        for passage in waiting:
            self._settled(passage)

    def _supersede(self, sent: list[Passage]) -> None:
        for passage in sent:
            if passage.task is not None:
                passage.task.cancel()
                passage.task = None
            self._lanes.close([passage.turn])
            ending = Ending(result="superseded", reason="partition_moved")
            self._settler.settle(passage, ending, self._settled)

    async def tick(self) -> None:
        """What time alone decides, for as long as the deliverer runs. Raises a fault of ours."""
        while self._fault is None:
            now_ms = self._clock_ms()
            self._follow_all(self._lanes.tick(now_ms))
            wake = self._lanes.next_wake_ms
            pause = _TICK_S if wake is None else (wake - now_ms) / 1000
            await asyncio.sleep(min(max(pause, 0.001), _TICK_S))
        raise self._fault
