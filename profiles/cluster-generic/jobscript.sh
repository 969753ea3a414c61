#!/bin/sh
# properties = {properties}
# What the scheduler runs. Snakemake fills in what stands in braces, so braces of the shell are doubled.

# After WARN_AFTER seconds the job gets SIGTERM, in time to save a training state before it is killed.
if [ "${{WARN_AFTER:-0}}" -gt 0 ]; then
    after=$WARN_AFTER
    unset WARN_AFTER
    exec timeout --signal=TERM "$after" sh "$0"
fi

# This shell outlives the signals that its job gets: schedulers kill what is left of a job whose script has ended.
trap : TERM INT USR1 USR2
{exec_job}
