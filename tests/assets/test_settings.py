"""What the environment says."""

import pytest

from assets.settings import SettingsError, settings


@pytest.mark.parametrize(
    ("text", "size"), [("4GB", 4 * 10**9), ("1.5 gb", 1_500_000_000), ("300MB", 300 * 10**6), ("2GiB", 2**31)]
)
def test_memory_is_written_with_its_unit(text, size):
    assert settings({"CSBA_MEMORY": text}).memory == size


@pytest.mark.parametrize("text", ["4", "lots", "-1GB", "4 G", "100MB", "0GB", "4GB; set x"])
def test_memory_that_cannot_be_used_is_refused_by_name(text):
    with pytest.raises(SettingsError, match="CSBA_MEMORY"):
        settings({"CSBA_MEMORY": text})


def test_half_of_the_machine_is_used_where_nothing_is_said():
    assert 128 * 10**6 < settings({}).memory < 10**15
