"""A labeler whose code does what the first element of a crystal says: the faults that real codes have, at will."""

from __future__ import annotations

from typing import Any

from drivers.labelers.job import Method
from drivers.labelers.labeler import Labeler


class FaultyLabeler(Labeler):
    """Helium gives NaN, neon an absurd energy, argon crashes, krypton hangs, xenon raises, sodium wants the second
    rung of the ladder, potassium has none; anything else is ASE's effective-medium potential."""

    class Settings(Labeler.Settings):
        tally: str
        release: str = "1"

    settings: Settings

    @classmethod
    def method(cls, settings: Any) -> Method:
        return Method(
            code="faulty",
            version=settings.release,
            method="by the element",
            fidelity="potential",
            settings={},
            worker="tests.drivers.labelers.faulty_code:FaultyCode",
            places={"tally": settings.tally},
        )
