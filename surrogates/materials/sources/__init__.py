"""Where structures come from: files, a folder of CIFs, the Materials Project, OPTIMADE. What cannot be used is refused
by name, and the rest is read."""

from surrogates.materials.sources.read import read
from surrogates.materials.sources.rows import PoolRow, Read, Refused

__all__ = ["PoolRow", "Read", "Refused", "read"]
