"""GET /v1/egress: where requests come from, for receivers that let only known addresses in (W7)."""

from fastapi import APIRouter
from pydantic import BaseModel

from services.console.callers import Viewer
from services.console.context import ConsoleDep
from services.console.problems import RESPONSES

router = APIRouter(prefix="/v1/egress", tags=["egress"], responses=RESPONSES)


class EgressOut(BaseModel):
    """Networks that all requests leave from, tests and retries included; empty: not published."""

    networks: list[str]


@router.get("")
def get(caller: Viewer, console: ConsoleDep) -> EgressOut:
    """The networks that requests to receivers leave from."""
    del caller
    return EgressOut(networks=list(console.egress.published))
