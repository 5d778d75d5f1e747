"""What is refused at a door, and how a request can fail, in words a person can act on."""

from typing import Literal

from msgspec import Struct

from hookstream.model.policy import ResultClass


class Refusal(Struct, frozen=True, kw_only=True):
    """Why an input was refused. `code` is stable and for machines; the rest is for people."""

    code: str
    field: str
    """Where the fault is, as the user wrote it: `type`, `data.items[0]`, `headers.X-Key`."""
    detail: str
    hint: str = ""
    """What would do instead; empty where nothing useful can be said."""


ErrorKind = Literal[
    "name_not_found",
    "address_not_allowed",
    "connection_refused",
    "unreachable",
    "connection_lost",
    "tls",
    "tls_expired",
    "tls_name_mismatch",
    "tls_untrusted",
    "timeout_connect",
    "timeout_answer",
    "invalid_answer",
    "invalid_request",
    "proxy",
]
"""How an attempt failed that brought no status. Stable: it is in outcomes and in filters."""


class Fault(Struct, frozen=True):
    """What an `ErrorKind` counts as for a policy, and what it means to the receiver's developer."""

    result_class: ResultClass
    words: str


FAULTS: dict[ErrorKind, Fault] = {
    "name_not_found": Fault("connection", "name not found: check the host and its DNS records"),
    "address_not_allowed": Fault("connection", "address not allowed: the host must be public"),
    "connection_refused": Fault("connection", "connection refused: nothing listens on that port"),
    "unreachable": Fault("connection", "host unreachable: check address, route and firewall"),
    "connection_lost": Fault("connection", "connection closed before an answer came"),
    "tls": Fault("connection", "TLS handshake failed: TLS 1.2 or later is needed"),
    "tls_expired": Fault("connection", "certificate expired"),
    "tls_name_mismatch": Fault("connection", "certificate is for another host name"),
    "tls_untrusted": Fault("connection", "certificate not trusted: send the whole chain"),
    "timeout_connect": Fault("timeout", "no connection in time: check name, route and firewall"),
    "timeout_answer": Fault("timeout", "no answer in time: answer first, work later"),
    "invalid_answer": Fault("connection", "answer is not valid HTTP"),
    "invalid_request": Fault("connection", "request could not be built: check URL and headers"),
    "proxy": Fault("connection", "egress proxy failed; the receiver was not asked"),
}
"""One entry for each kind; no words name an address, port or host of ours."""

CUT_IN_TIME = "the answer's body was still coming at the deadline: it was cut, its status counts"
CUT_BY_PEER = "the connection broke within the answer's body: its status counts"
"""What is told beside a status whose body could not be read to its end (F3)."""
