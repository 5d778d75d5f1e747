"""The console's HTTP application: the management API and the pages."""

from fastapi import FastAPI

from services.console import problems
from services.console.api import (
    cancel,
    catalogue,
    dead,
    egress,
    event_types,
    integrations,
    keys,
    links,
    log_deliveries,
    log_events,
    log_export,
    log_why,
    parked,
    policies,
    preview,
    replays,
    resend,
    webhook_copies,
    webhook_secrets,
    webhook_states,
    webhook_trials,
    webhooks,
    workspaces,
)
from services.console.body_limit import BodyLimit
from services.console.context import Console
from services.console.limiting import Limiting
from services.console.pages import routes

_ROUTERS = (
    workspaces.router,
    keys.router,
    links.router,
    webhooks.router,
    webhook_secrets.router,
    webhook_copies.router,
    webhook_trials.router,
    preview.router,
    parked.router,
    replays.router,
    webhook_states.router,
    catalogue.router,
    event_types.router,
    policies.router,
    integrations.router,
    log_events.router,
    log_export.router,
    log_deliveries.router,
    log_why.router,
    resend.router,
    cancel.router,
    egress.router,
    dead.router,
    routes.router,
)


def build(console: Console) -> FastAPI:
    """The application that works with `console`."""
    app = FastAPI(
        title="Hookstream",
        summary="Outbound webhooks as event streaming: the management API.",
        version="1",
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.console = console
    app.add_middleware(BodyLimit)
    rate, burst = console.settings.requests_per_s, console.settings.requests_burst
    app.add_middleware(Limiting, per_s=rate, burst=burst)
    problems.install(app)
    for router in _ROUTERS:
        app.include_router(router)
    return app
