"""`POST /v1/callbacks/{token}`: a receiver closes its delivery; the closing outcome onto its topic.

The token is the authority and holds all that is needed: nothing is looked up, no key is asked for.
Which of several closings counts is decided by the log's order, where outcomes are folded (P8).
"""

import asyncio
import time
from typing import Any

import msgspec
from msgspec import Struct

from hookstream.model.callback import PATH, Callback, answer, closing, keys_of_links, opened
from hookstream.model.extract import stated
from hookstream.model.records import Outcome
from hookstream.model.seal import Keys, SealedError
from hookstream.process import tracing
from hookstream.stream.codec import Codec
from hookstream.stream.deliveries import partition_of_lane
from hookstream.stream.partitioning import Partitioning
from hookstream.stream.tail import closing_headers
from hookstream.stream.topics import OUTCOMES
from hookstream.stream.writer import Ack, Full, Writer
from services.ingest.endpoint import Answer, Endpoint, Later, Shared
from services.ingest.head import Head
from services.ingest.posted import not_json
from services.ingest.problems import Problem, busy
from services.ingest.request import Request, path_of

MAX_BODY = 16_384
_NAME = "POST /v1/callbacks/{token}"
_ATTRIBUTES = {"http.request.method": "POST", "http.route": "/v1/callbacks/{token}"}
_HINT = 'POST {"status": "done"} closes the delivery'
_SAME = "POST it again: the same again gets the same answer"


class Closing(Struct):
    """What a callback says, not yet looked at."""

    status: Any = None
    reason: Any = None
    message: Any = None
    """Another name of `reason`."""


_decoder = msgspec.json.Decoder(Closing)


class CallbacksToOutcomes:
    """Handler of the path, on the event loop's thread, where acks arrive as well.

    `keys`: the sealing keys. More than `max_waiting` unacknowledged records are answered 503.
    """

    def __init__(
        self,
        keys: Keys,
        codec: Codec,
        partitioning: Partitioning,
        writer: Writer,
        max_waiting: int,
    ) -> None:
        self._keys = keys_of_links(keys)
        self._codec = codec
        self._partitioning = partitioning
        self._writer = writer
        self._max_waiting = max_waiting
        self.closed = 0

    def endpoint(self, shared: Shared) -> Endpoint:
        """Of the path."""
        return Endpoint(shared, PATH + "{token}", self.close, MAX_BODY, _entry, _HINT)

    def close(self, _: Endpoint, request: Request, __: bool) -> Later:
        """Close one delivery: 200 once Kafka has its outcome, the same however often it is asked.

        404 for a token that we did not make, 410 for one whose time is over.
        """
        return self._close(request)

    async def _close(self, request: Request) -> Answer:
        now_ms = time.time_ns() // 1_000_000
        callback = self._opened(path_of(request.url).removeprefix(PATH), now_ms)
        done, reason = read_closing(request.body)
        outcome = closing(callback, done, reason, now_ms)
        await self._write(outcome, request.span.traceparent)
        self.closed += 1
        return 200, answer(callback)

    def _opened(self, token: str, now_ms: int) -> Callback:
        try:
            callback = opened(token, self._keys)
        except SealedError:
            detail = "this link was not made here, or it was changed"
            hint = "take the link as it stands in the request, every character of it"
            raise Problem(404, "unknown_link", detail, hint=hint) from None
        if now_ms > callback.until_ms:
            raise Problem(410, "link_expired", "this link was valid for a time that is over")
        return callback

    async def _write(self, outcome: Outcome, traceparent: bytes | None) -> None:
        """Return once the broker has it. 503 if it does not say so in time."""
        acked: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()

        def answered(ack: Ack) -> None:
            if not acked.done():
                acked.set_result(ack)

        if len(self._writer) >= self._max_waiting:
            raise busy("too much waits for Kafka")
        lane = outcome.lane.encode()
        headers = closing_headers(outcome)
        if traceparent is not None:
            headers.append(("traceparent", traceparent))
        try:
            self._writer.produce(
                OUTCOMES,
                self._codec.encode(outcome),
                answered,
                key=lane,
                partition=partition_of_lane(lane, self._partitioning.count),
                headers=headers,
            )
        except Full:
            raise busy("too much waits for Kafka") from None
        if (await acked).refused is not None:
            detail = "Kafka has not confirmed this in time; whether it counts is unknown"
            again = ((b"retry-after", b"2"),)
            raise Problem(503, "unknown", detail, hint=_SAME, headers=again)


def _entry(head: Head) -> tracing.Span:
    return tracing.span(_NAME, tracing.SERVER, head.traceparent, attributes=_ATTRIBUTES)


def read_closing(body: bytes) -> tuple[bool, str | None]:
    """Whether it is done, and the reason given. Raises `Problem` that names the field."""
    try:
        posted = _decoder.decode(body)
    except msgspec.ValidationError:
        hint = '{"status": "done"}, or {"status": "failed", "reason": …}'
        detail = "a callback is a JSON object"
        raise Problem(422, "invalid_body", detail, field="body", hint=hint) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise not_json(error) from None
    if posted.status not in ("done", "failed"):
        code = "missing_status" if posted.status is None else "unknown_status"
        detail = "status says how it went"
        raise Problem(422, code, detail, field="status", hint="`done` or `failed`")
    return posted.status == "done", _reason(posted)


def _reason(posted: Closing) -> str | None:
    given = posted.message if posted.reason is None else posted.reason
    reason = stated(given)
    if given is not None and not isinstance(given, str):
        raise Problem(422, "invalid_reason", "reason is not a text", field="reason")
    if posted.status == "failed" and reason is None:
        hint = "what the people who wait should know, such as `no stock left`"
        detail = "a failed one needs a reason"
        raise Problem(422, "missing_reason", detail, field="reason", hint=hint)
    return reason
