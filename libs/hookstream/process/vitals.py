"""How the process itself is: time, memory, files, and whether its loops move."""

import resource
import threading
from collections.abc import Iterable
from time import monotonic

import psutil

from hookstream.process.health import Health
from hookstream.process.metrics import Declared, Look, Value, durations, observe, single

CPU = Declared("process.cpu.time", "counter", "s", "Processor time used", ("cpu.mode",))
MEMORY = Declared("process.memory.usage", "gauge", "By", "Memory in use (resident)")
FILES = Declared("process.unix.file_descriptor.count", "gauge", "{file}", "Open files and sockets")
FILES_MOST = Declared("hookstream.process.files.limit", "gauge", "{file}", "How many may be open")
THREADS = Declared("process.thread.count", "gauge", "{thread}", "Threads of Python")
UPTIME = Declared("process.uptime", "gauge", "s", "How long the process has run")
AGE = Declared(
    "hookstream.loop.last_turn.age", "gauge", "s", "Since a loop moved last", ("hookstream.loop",)
)
WAITING = Declared(
    "hookstream.not_ready", "gauge", "{reason}", "1: readiness waits for this part, 0: it did",
    ("hookstream.part",),
)  # fmt: skip
DELAY = Declared(
    "hookstream.event_loop.delay",
    "histogram",
    "s",
    "How much later than asked for the event loop woke, looked at every second",
    bounds=(0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5),
)
METRICS = (CPU, MEMORY, FILES, FILES_MOST, THREADS, UPTIME, AGE, WAITING, DELAY)


def watch(health: Health) -> None:
    """Show them. Once a process."""
    process, began = psutil.Process(), monotonic()

    def cpu() -> Iterable[tuple[float, tuple[Value, ...]]]:
        used = process.cpu_times()
        return [(used.user, ("user",)), (used.system, ("system",))]

    observe(CPU, cpu)
    observe(MEMORY, single(lambda: process.memory_info().rss))
    observe(FILES, single(process.num_fds))
    observe(FILES_MOST, single(lambda: resource.getrlimit(resource.RLIMIT_NOFILE)[0]))
    observe(THREADS, single(threading.active_count))
    observe(UPTIME, single(lambda: monotonic() - began))
    observe(AGE, ages(health))
    observe(WAITING, lambda: [(int(now), (name,)) for name, now in health.parts().items()])


def ages(health: Health) -> Look:
    """How long ago each loop moved."""
    return lambda: [(age, (name,)) for name, age in health.ages().items()]


def woke_late(by_s: float) -> None:
    """The event loop came back from a sleep by so much later than asked for."""
    durations(DELAY).of().add(max(0.0, by_s))
