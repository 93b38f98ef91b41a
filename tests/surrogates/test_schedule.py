"""Optimism on a schedule."""

from __future__ import annotations

import numpy as np
import pytest

from surrogates.acquisition.schedule import scheduled_beta


def test_grows_slowly_with_results_and_with_dimension() -> None:
    by_n = [scheduled_beta(n, 6) for n in range(1, 500)]
    assert (np.diff(by_n) > 0).all()
    assert by_n[39] == pytest.approx(np.sqrt(1.2 * np.log(80)))
    assert scheduled_beta(40, 4) == pytest.approx(2 * scheduled_beta(40, 1))
    assert scheduled_beta(200, 20) == scheduled_beta(200, 6) < 3


def test_before_the_first_result_it_is_as_after_it() -> None:
    assert scheduled_beta(0, 3) == scheduled_beta(1, 3) > 0
    for n, dimension in ((-1, 3), (5, 0)):
        with pytest.raises(ValueError, match="scheduled beta"):
            scheduled_beta(n, dimension)
