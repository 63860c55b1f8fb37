"""The memory and its addressing, equations (2) to (9), re-exported from ntm.memory and ntm.addressing."""

from ntm.addressing import address, content_weighting, interpolate, sharpen, shift
from ntm.memory import read, write

__all__ = ["address", "content_weighting", "interpolate", "read", "sharpen", "shift", "write"]
