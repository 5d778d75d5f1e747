"""What came of one request: a status and what the receiver said, or how it failed."""

from msgspec import Struct

from hookstream.model.errors import FAULTS, ErrorKind
from hookstream.model.policy import ResultClass
from hookstream.model.records import Attempt, Response

KEPT_BODY = 16_384
"""Bytes of an answer's body that the log keeps."""


class Answer(Struct, frozen=True, kw_only=True, gc=False):
    """One request's end. Either `status` or `error` is set, never both."""

    started_at_ms: int
    duration_ms: int
    """To the status and headers, or to the failure; a slow body adds nothing."""
    status: int | None = None
    error: ErrorKind | None = None
    detail: str = ""
    """Words for a person; names no address, host or port of ours."""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    """As much as was read: at most 64 KiB, less where the deadline or the peer cut it."""
    truncated: bool = False
    """Whether the body went on after what was read."""
    retry_after: str | None = None
    """The header as it came: seconds, or an HTTP-date."""
    dns_ms: int | None = None
    """None, like the next two: the connection was there already, or it got no further."""
    connect_ms: int | None = None
    tls_ms: int | None = None
    body_ms: int = 0
    """From the status and headers to the end of what was read."""

    @property
    def result_class(self) -> ResultClass:
        """How it counts for a policy's `retry_on`."""
        return "status" if self.error is None else FAULTS[self.error].result_class

    @property
    def attempt(self) -> Attempt:
        """In short, as the delivery carries it on."""
        return Attempt(
            started_at_ms=self.started_at_ms,
            duration_ms=self.duration_ms,
            status=self.status,
            error=self.error,
        )

    @property
    def response(self) -> Response | None:
        """What the log keeps of the answer; None without one."""
        if self.status is None:
            return None
        cut = self.truncated or len(self.body) > KEPT_BODY
        return Response(
            status=self.status, headers=self.headers, body=self.body[:KEPT_BODY], truncated=cut
        )
