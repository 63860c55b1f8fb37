"""Sets up the allocator of the C library for training on several devices. Must not import TensorFlow."""

import contextlib
import ctypes

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # names of glibc's malloc.h: M_TRIM_THRESHOLD and M_MMAP_MAX


def keep_freed_memory():
    """Makes this process keep the memory that it frees. Without glibc, this does nothing.

    A compiled program allocates its arrays as one block at every call. glibc fetches a block above 32 MB from the
    system and returns it when it is freed, so that the system clears all of its pages again at the next call.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_MAX, 0)
        library.mallopt(_TRIM_THRESHOLD, 2**31 - 1)
