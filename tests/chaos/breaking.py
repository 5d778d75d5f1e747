"""Carries a plan out: each step in a thread of its own, at its time."""

import signal
import threading
import time
from collections.abc import Callable

from confluent_kafka.admin import AdminClient

from hookstream.embedded.child import EmbeddedError
from hookstream.stream.topics import CONFIG
from tests.chaos.evidence import Fault
from tests.chaos.plan import Step
from tests.chaos.replica import Replica
from tests.chaos.scene import Scene

LATE_S = 180.0
"""A step that is not over so long after it should be has failed."""
POLL_S = 0.05
AGAIN_S = 2.0
DIES_WITHIN_S = 60.0
READY_S = 120.0


class Breaker:
    """Breaks a scene by a plan; `faults` is what was really done."""

    def __init__(self, scene: Scene, plan: list[Step], tell: Callable[[str], None]) -> None:
        self.faults: list[Fault] = []
        self.failures: list[str] = []
        self._scene, self._plan, self._tell = scene, plan, tell
        self._does: dict[str, Callable[[Step], None]] = {
            "kill": self._kill,
            "kill twice": self._kill_twice,
            "kill both": self._kill_both,
            "dies": self._die,
            "stop": self._stop,
            "add": self._add,
            "restart": self._restart,
            "away": self._away,
        }

    def run(self) -> None:
        """Return when every step is over."""
        begun = time.monotonic()
        threads = [
            threading.Thread(target=self._do, args=(step, begun), name=step.kind, daemon=True)
            for step in self._plan
        ]
        for thread in threads:
            thread.start()
        for thread, step in zip(threads, self._plan, strict=True):
            ends = begun + step.at_s + step.lasts_s + LATE_S
            thread.join(max(0.0, ends - time.monotonic()))
            if thread.is_alive():
                self.failures.append(f"{step} was not over in time")

    def _do(self, step: Step, begun: float) -> None:
        time.sleep(max(0.0, begun + step.at_s - time.monotonic()))
        self._tell(f"{step.at_s:7.1f} s  {step.kind} {step.target} {step.point}")
        try:
            self._does[step.kind](step)
        except (EmbeddedError, OSError, AssertionError) as error:
            self.failures.append(f"{step}: {error}")

    # -- what can be done -----------------------------------------------------------------------

    def _kill(self, step: Step) -> None:
        if step.service == "kafka":
            self._kill_broker(step)
            return
        replica = self._scene.crew.find(step.target)
        self._kill_one(replica, step.kind)

    def _kill_twice(self, step: Step) -> None:
        """Killed again as soon as it is back: behind a record that was open both times."""
        replica = self._scene.crew.find(step.target)
        self._kill_one(replica, "kill")
        self._until(replica.is_ready, READY_S)
        time.sleep(AGAIN_S)
        self._kill_one(replica, "kill again")

    def _kill_both(self, step: Step) -> None:
        """At once: nobody is left to take over."""
        crew, at, open_ = self._scene.crew, time.time_ns(), self._scene.receiver.open()
        both = [crew.find(f"{step.service}-{number}") for number in (1, 2)]
        were = [replica.by for replica in both]
        for replica in both:
            replica.signal(signal.SIGKILL)
        for replica, by in zip(both, were, strict=True):
            self._until_back(replica, by)
            self._note("kill both", by, at, open_)

    def _kill_one(self, replica: Replica, kind: str) -> None:
        by, at, open_ = replica.by, time.time_ns(), self._scene.receiver.open()
        replica.signal(signal.SIGKILL)
        self._until_back(replica, by)
        self._note(kind, by, at, open_)

    def _die(self, step: Step) -> None:
        """It kills itself between two steps of a turn; the fault begins where it really died."""
        replica = self._scene.crew.find(step.target)
        by, open_ = replica.by, self._scene.receiver.open()
        replica.die_at(step.point)
        died = self._until(lambda: self._died(by), DIES_WITHIN_S)
        self._until_back(replica, by)
        self._note(f"dies after {step.point}:", by, died, open_)

    def _died(self, by: str) -> int:
        return next((death.at_ns for death in self._scene.crew.deaths if death.by == by), 0)

    def _stop(self, step: Step) -> None:
        at, open_ = time.time_ns(), self._scene.receiver.open()
        if step.service == "kafka":
            number = self._broker(step.target)
            target = f"kafka-{number}"
            self._scene.cluster.signal(number, signal.SIGSTOP)
            time.sleep(step.lasts_s)
            self._scene.cluster.signal(number, signal.SIGCONT)
        else:
            replica = self._scene.crew.find(step.target)
            target = replica.by
            replica.signal(signal.SIGSTOP)
            time.sleep(step.lasts_s)
            replica.signal(signal.SIGCONT)
        self._note("stop", target, at, open_)

    def _add(self, step: Step) -> None:
        """One more joins, and leaves after a while: partitions move twice."""
        replica = self._scene.crew.find(step.target)
        at, open_ = time.time_ns(), self._scene.receiver.open()
        self._scene.crew.spawn(replica)
        self._until(replica.is_ready, READY_S)
        self._note("add", replica.by, at, open_)
        time.sleep(step.lasts_s)
        at, open_ = time.time_ns(), self._scene.receiver.open()
        replica.end(READY_S)
        self._note("leave", replica.by, at, open_)

    def _restart(self, step: Step) -> None:
        """SIGTERM: it finishes what it has begun, and is started again."""
        replica = self._scene.crew.find(step.target)
        by, at, open_ = replica.by, time.time_ns(), self._scene.receiver.open()
        replica.signal(signal.SIGTERM)
        self._until_back(replica, by)
        self._note("restart", by, at, open_)

    def _kill_broker(self, step: Step) -> None:
        number = self._broker(step.target)
        at, open_ = time.time_ns(), self._scene.receiver.open()
        self._scene.cluster.kill(number)
        time.sleep(step.lasts_s)
        self._scene.cluster.bring_back(number)
        self._note("kill", f"kafka-{number}", at, open_)

    def _away(self, step: Step) -> None:
        at, open_ = time.time_ns(), self._scene.receiver.open()
        self._scene.postgres.stop()
        time.sleep(step.lasts_s)
        self._scene.postgres.start()
        self._note("away", step.target, at, open_)

    # -- helpers of all -------------------------------------------------------------------------

    def _broker(self, target: str) -> int:
        """`kafka-config`: the one that leads the partition of config."""
        name = target.partition("-")[2]
        return int(name) if name.isdigit() else self._leader(CONFIG)

    def _leader(self, topic: str) -> int:
        name = self._scene.kafka.topic(topic)
        admin = AdminClient(self._scene.kafka.client("chaos"))
        return int(admin.list_topics(name, timeout=10).topics[name].partitions[0].leader)

    def _until_back(self, replica: Replica, by: str) -> None:
        self._until(lambda: replica.by != by and replica.is_ready(), READY_S)

    def _until(self, condition: Callable[[], int], within_s: float) -> int:
        deadline = time.monotonic() + within_s
        while not (found := condition()):
            assert time.monotonic() < deadline, f"not within {within_s:.0f} s"
            time.sleep(POLL_S)
        return found

    def _note(self, kind: str, target: str, from_ns: int, open_: int) -> None:
        to_ns = time.time_ns()
        fault = Fault(kind=kind, target=target, from_ns=from_ns, to_ns=to_ns, open=open_)
        self.faults.append(fault)
