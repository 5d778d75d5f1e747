"""The bound on what bodies that come in pieces hold together."""

from services.ingest.problems import CLOSE, Problem, busy


class Bodies:
    """Bodies that come in more than one piece share `max_held` bytes."""

    def __init__(self, max_held: int) -> None:
        self.left = max_held

    def room(self, size: int) -> "Room":
        """Room for a body of so many bytes; 503 if there is none."""
        if size > self.left:
            raise busy("too many large requests at a time")
        return Room(self, size)


class Room:
    """So much of what may be held, until it is freed."""

    __slots__ = ("_bodies", "_size")

    def __init__(self, bodies: Bodies, size: int) -> None:
        self._bodies, self._size = bodies, size
        bodies.left -= size

    def free(self) -> None:
        """Once the body is whole, or given up."""
        self._bodies.left += self._size
        self._size = 0


def too_large(limit: int) -> Problem:
    """The body is longer than this."""
    detail = f"the body is more than the {limit} bytes allowed here"
    hint = "send fewer events at a time, or a reference to the data"
    return Problem(413, "too_large", detail, field="body", hint=hint, headers=CLOSE)
