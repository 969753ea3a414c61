"""`keep: last`, run: weights that nothing needs any more go."""

import pytest

pytestmark = pytest.mark.long

LAST = {"keep": "last"}


def test_weights_go_when_their_last_job_is_done_but_for_the_last_ones(nano_copy):
    done = nano_copy.call(LAST, "--forcerun", "evaluate", "--cores", "2")
    assert done.returncode == 0, done.stdout
    for seed in (1, 2):
        checkpoints = nano_copy.results / "checkpoints" / "tiny" / "toy" / f"seed{seed}"
        kept = {path.parent.name for path in checkpoints.glob("step*/model.safetensors")}
        assert kept == {"step0", "step120"}
        assert (checkpoints / "step60" / "checkpoint.json").exists()
    assert nano_copy.dry_run(LAST) == {}
