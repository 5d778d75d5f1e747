"""What the console works with, given once at start."""

import asyncio
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from hookstream.model.seal import Keys
from hookstream.store.pool import Pool
from hookstream.store.published import Published
from services.console.problems import Problem
from services.console.settings import ConsoleSettings, PublishedSettings


@dataclass(frozen=True)
class Console:
    """Explicit dependencies of every route."""

    settings: ConsoleSettings
    pool: Pool
    keys: Keys
    published: Published
    egress: PublishedSettings = field(default_factory=PublishedSettings)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the database has the tables of this version."""


def console(request: Request) -> Console:
    """The console that serves this request. 503 until its database is ready."""
    found: Console = request.app.state.console
    if not found.ready.is_set():
        raise Problem(503, "starting", "the database is not ready yet", hint="try again")
    return found


ConsoleDep = Annotated[Console, Depends(console)]
