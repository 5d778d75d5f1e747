"""What the router counts: events by what became of them, and webhooks they were for."""

from hookstream.process.metrics import Declared, observe, single
from services.router.events_to_deliveries import Router

EVENTS = Declared(
    "hookstream.router.events",
    "counter",
    "{event}",
    "Events: matched (some webhook asked for it), unmatched, refused (a dead letter)",
    ("hookstream.result",),
)
MATCHES = Declared(
    "hookstream.router.matches", "counter", "{delivery}", "Webhooks that events were for"
)
METRICS = (EVENTS, MATCHES)


def watch(router: Router) -> None:
    """Show them. Once a process."""
    observe(EVENTS, lambda: [(n, (result,)) for result, n in router.routed.items()])
    observe(MATCHES, single(lambda: router.matches))
