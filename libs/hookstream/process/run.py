"""The one way every service starts and stops.

`run` reads the settings, sets up logs, telemetry and health, and runs one coroutine on uvloop until
it returns. SIGTERM or SIGINT sets `stop`; the coroutine then has `stop_budget_s` to finish. Exit
codes: 0 finished, 1 unexpected error, 2 wrong settings, 3 the budget was over, 128+n second signal.

Signals are taken by a thread of their own (they are blocked in all others), so a loop that hangs
can neither miss one nor outlive its budget.
"""

import asyncio
import faulthandler
import gc
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread, Timer
from time import monotonic
from typing import ClassVar, NoReturn, TypeVar

import uvloop
from pydantic import BaseModel, ConfigDict, Field

from hookstream.process import logs as logging_set_up
from hookstream.process import telemetry as telemetry_set_up
from hookstream.process import vitals
from hookstream.process.health import Health, HealthServer
from hookstream.process.logs import Logs
from hookstream.process.settings import Environment, SettingsError
from hookstream.process.telemetry import Telemetry, TelemetrySettings

FINISHED, FAILED, WRONG_SETTINGS, BUDGET_OVER = 0, 1, 2, 3
SIGNALS = (signal.SIGTERM, signal.SIGINT)
BEAT_S = 1.0
GC_THRESHOLDS = (250_000, 20, 100)
"""The collector runs over everything in flight: at its defaults that is a third of a busy process's
time. What we make has no cycles; these are for what others leave behind."""
LOOP_MAX_AGE_S = 15.0
EVENT_LOOP = "event loop"

Answer = TypeVar("Answer")
logger = logging.getLogger(__name__)


class ProcessSettings(BaseModel):
    """What is alike in every service."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    section: ClassVar[str] = "process"

    log_level: str = Field(
        "info",
        pattern="^(debug|info|warning|error)$",
        description="debug, info (a line a turn too), warning or error",
    )
    stop_budget_s: float = Field(25, gt=0, description="seconds from SIGTERM to the end")
    health_host: str = Field("127.0.0.1", description="where health and metrics are served")
    health_port: int = Field(0, ge=0, le=65535, description="its port; 0: not served")


@dataclass(frozen=True)
class Context:
    """What a service is given."""

    environment: Environment
    logs: Logs
    health: Health
    telemetry: Telemetry


Main = Callable[[asyncio.Event, Context], Awaitable[None]]


def run(
    service: str,
    main: Main,
    *,
    known: Sequence[type[BaseModel]],
    version: str = "0",
    environ: Mapping[str, str] | None = None,
) -> NoReturn:
    """Run `main(stop, context)` to its end, and end the process. From the main thread only.

    known: the groups of all services, `ProcessSettings` and `TelemetrySettings` not needed.
    """
    faulthandler.enable()
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        environment = Environment(
            os.environ if environ is None else environ,
            [*known, ProcessSettings, TelemetrySettings],
        )
        settings = environment.read(ProcessSettings)
        code = _run(service, main, environment, settings, version)
    except SettingsError as error:
        sys.stderr.write(f"{service}: wrong settings\n{error}\n")
        code = WRONG_SETTINGS
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # all is closed; threads that are left must not meet a dying interpreter


def _run(
    service: str, main: Main, environment: Environment, settings: ProcessSettings, version: str
) -> int:
    telemetry_settings = environment.read(TelemetrySettings)
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # before any thread: all inherit it
    logs = logging_set_up.set_up(service, settings.log_level)
    telemetry = telemetry_set_up.set_up(service, version, telemetry_settings)
    context = Context(environment, logs, Health(), telemetry)
    vitals.watch(context.health)
    server = _serve(context, settings)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_until_done(main, context, settings.stop_budget_s))
        return FINISHED
    except SettingsError:
        raise
    except BaseException:
        logger.exception("the service ends because of an unexpected error")
        return FAILED
    finally:
        _end_within(settings.stop_budget_s)
        if server:
            server.close()
        telemetry.shutdown()
        logs.close()


async def _until_done(main: Main, context: Context, budget_s: float) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    Thread(target=_take_signals, args=(loop, stop, budget_s), name="signals", daemon=True).start()
    context.health.expect(EVENT_LOOP, LOOP_MAX_AGE_S)
    beating = asyncio.create_task(_beat(context.health))
    try:
        await main(stop, context)
    finally:
        beating.cancel()


async def _beat(health: Health) -> None:
    while True:
        health.beat(EVENT_LOOP)
        slept = monotonic()
        await asyncio.sleep(BEAT_S)
        vitals.woke_late(monotonic() - slept - BEAT_S)


def _take_signals(loop: asyncio.AbstractEventLoop, stop: asyncio.Event, budget_s: float) -> None:
    """First signal: stop within the budget. Second: at once."""
    first = signal.Signals(signal.sigwait(SIGNALS))
    logger.info("stopping", extra={"fields": {"signal": first.name, "budget_s": budget_s}})
    _end_within(budget_s)
    loop.call_soon_threadsafe(stop.set)
    os._exit(128 + signal.sigwait(SIGNALS))


def _end_within(budget_s: float) -> None:
    """Whatever hangs then, the process ends, and says where it hung."""
    timer = Timer(budget_s, _give_up)
    timer.daemon = True
    timer.start()


def _give_up() -> None:
    faulthandler.dump_traceback()
    os._exit(BUDGET_OVER)


def _serve(context: Context, settings: ProcessSettings) -> HealthServer | None:
    if not settings.health_port:
        return None
    try:
        return HealthServer(
            context.health,
            context.telemetry.prometheus,
            host=settings.health_host,
            port=settings.health_port,
        )
    except OSError as error:
        place = f"{settings.health_host}:{settings.health_port}"
        problem = f"HOOKSTREAM_PROCESS_HEALTH_PORT: {place} cannot be used ({error.strerror})"
        raise SettingsError([problem]) from error


async def in_thread(name: str, work: Callable[[], Answer]) -> Answer:
    """Run a loop that is not a coroutine in a thread of its own; what it returns or raises.

    The thread is a daemon: it is asked to stop by what `work` looks at, and never keeps the
    process from ending.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Answer] = loop.create_future()

    def settled(settle: Callable[[], None]) -> None:
        if not done.done():
            settle()

    def report(settle: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the process ends for another reason: nobody waits any more
            loop.call_soon_threadsafe(settled, settle)

    def body() -> None:
        try:
            answer = work()
        except BaseException as error:
            caught = error
            report(lambda: done.set_exception(caught))
        else:
            report(lambda: done.set_result(answer))

    Thread(target=body, name=name, daemon=True).start()
    return await done
