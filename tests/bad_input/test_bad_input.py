"""The table of bad inputs: each gets one clear message that names what was found and what is allowed.

A mistake that somebody makes next is one more line in one of the tables beside this file.
"""

import pytest

from tests.bad_input import (
    adapters,
    architectures,
    connecting,
    damaged_files,
    detours,
    experiment_files,
    model_folders,
    running_text,
    settings,
    sources,
)

TABLES = (settings, experiment_files, sources, running_text, model_folders, connecting, architectures)
TABLES += (damaged_files, adapters, detours)
CASES = {
    f"{table.__name__.rpartition('.')[2]}: {case.name}": case for table in TABLES for case in table.CASES
}


@pytest.mark.parametrize("name", CASES)
def test_a_bad_input_gets_one_clear_message(name, tmp_path):
    case = CASES[name]
    message = case.door(case.given, tmp_path)
    assert "Traceback" not in message
    missing = [part for part in case.says if part not in message]
    assert not missing, f"the message does not say {missing}: {message}"


def test_names_are_unique():
    assert len(CASES) == sum(len(table.CASES) for table in TABLES)
