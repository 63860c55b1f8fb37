"""Sets up the allocator of the C library for training on several devices. Must not import TensorFlow."""

import contextlib
import ctypes

_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8  # M_TRIM_THRESHOLD and so on in glibc's malloc.h


def keep_freed_memory():
    """Makes this process keep the memory that it frees. To be called before it starts threads. Without glibc, this
    does nothing.

    A compiled program allocates its arrays as one block at every call. glibc fetches a block above 32 MB from the
    system, and returns the block when the program frees it. At the next call, the system must clear all pages of the
    block again. Each thread has its own part of the memory, an arena. glibc also returns arenas to the system. This
    function therefore makes all threads share one arena.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        library = ctypes.CDLL(None)
        library.mallopt(_ARENA_MAX, 1)
        library.mallopt(_MMAP_MAX, 0)
        library.mallopt(_TRIM_THRESHOLD, 2**31 - 1)
