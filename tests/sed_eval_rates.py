"""How rates agree with sed_eval's, of segments and of events."""

import math

import numpy as np


def assert_rates(got, f_measure, error_rate):
    """The stated differences: F1 is 0 where sed_eval has NaN, but for two empty lists; error
    rates without reference are not numbers."""
    for key in ("precision", "recall"):
        np.testing.assert_allclose(getattr(got, key), f_measure[key], atol=1e-9)
    f1 = f_measure["f_measure"]
    if got.num_estimated + got.num_reference:
        f1 = np.nan_to_num(f1)
    np.testing.assert_allclose(got.f1, f1, atol=1e-9)
    for key, rate in error_rate.items():
        if got.num_reference:
            np.testing.assert_allclose(getattr(got, key), rate, atol=1e-9)
        else:
            assert not math.isfinite(getattr(got, key))
