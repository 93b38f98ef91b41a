"""Everything here needs PyLabRobot."""

from __future__ import annotations

import pytest

pytest.importorskip("pylabrobot", reason="liquid handlers need the extra 'instruments'")
