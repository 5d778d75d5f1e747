"""How much memory hangs on a thing, counted object by object: the same on every machine."""

import gc
import sys
from types import FunctionType, ModuleType

_EVERYWHERE = (type, ModuleType, FunctionType)


def bytes_of(held: object) -> int:
    """All that hangs on it and on nothing that every process has anyway."""
    seen: dict[int, object] = {}
    ahead = [held]
    while ahead:
        each = ahead.pop()
        if id(each) not in seen and not isinstance(each, _EVERYWHERE):
            seen[id(each)] = each
            ahead += gc.get_referents(each)
    return sum(map(sys.getsizeof, seen.values()))
