"""How the C library keeps memory, for a process that handles big blocks beside many small ones."""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_BIG_BYTES = 128 * 1024
_FREE_BYTES = 4 * 1024 * 1024


def return_big_blocks() -> None:
    """What is big (a fetch, a batch) goes back to the system when it is free.

    glibc begins so, and after the first such block learns to cut later ones from the heap, where
    small ones that live longer keep the holes between them open: a third of all that was resident.
    Where the C library has no such setting, nothing happens.
    """
    set_to = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_to is not None:
        set_to(_MMAP_THRESHOLD, _BIG_BYTES)
        set_to(_TRIM_THRESHOLD, _FREE_BYTES)
