"""Which failed jobs are tried again, and which Snakemake of this folder makes the results now."""

from snakemake.jobs import GroupJob, Job

from isthmus.machine import failures, running


def unless_final(kind):
    """A job's number of retries, which is 0 once it left word that another attempt would be in vain."""
    plain = kind.restart_times.fget
    return property(lambda job: 0 if any(map(failures.is_final, job.log)) else plain(job))


# Snakemake tries a failed job again whatever it failed of, and offers no place to say otherwise; it asks for this
# number after each failure, and only there (tests/long/test_retries.py notices when that changes).
for kind in (Job, GroupJob):
    kind.restart_times = unless_final(kind)


onstart:
    # Snakemake holds its lock by now, which does not say who holds it.
    running.record(Path(".snakemake/locks"), EXPERIMENT.experiment)
