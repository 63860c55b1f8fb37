"""Sets up the allocator of the C library for training on several devices. Must not import TensorFlow."""

import contextlib
import ctypes

_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8  # names of glibc's malloc.h, as M_TRIM_THRESHOLD


def keep_freed_memory():
    """Makes this process keep the memory that it frees. To be called before it starts threads. Without glibc, this
    does nothing.

    A compiled program allocates its arrays as one block at every call. glibc fetches a block above 32 MB from the
    system and returns it when it is freed, so that the system clears all of its pages again at the next call. An arena,
    the part of the memory that a thread has for itself, is returned as well. All threads share one part here.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        library = ctypes.CDLL(None)
        library.mallopt(_ARENA_MAX, 1)
        library.mallopt(_MMAP_MAX, 0)
        library.mallopt(_TRIM_THRESHOLD, 2**31 - 1)
