"""Shared by all tests: where the development data are, and quiet frameworks."""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

# No test asserts a time, and a loaded machine must not make one fail.
settings.register_profile("sedzoo", deadline=None)
settings.load_profile("sedzoo")

# Real audio and metadata, beside the checkout or where the variable says; tests skip without them.
SHARED_DATA = Path(os.environ.get("SEDZOO_SHARED_DATA",
                                  Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def shared_data():
    if not SHARED_DATA.is_dir():
        pytest.skip(f"development data are not at {SHARED_DATA} (set SEDZOO_SHARED_DATA)")
    return SHARED_DATA
