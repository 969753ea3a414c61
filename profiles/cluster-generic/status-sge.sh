#!/bin/sh
# Whether a job of SGE (Grid Engine) is running, success or failed. Accounting, which says how a job ended, is written
# some time after that; until then the job counts as running. So `qacct` must be there, and read the accounting file:
# without it no job would ever end.
if qstat -j "$1" > /dev/null 2>&1; then
    echo running
    exit
fi
if ! command -v qacct > /dev/null; then
    echo "$0: found no qacct; allowed: a host where it reads the accounting of SGE" >&2
    echo failed
    exit
fi
qacct -j "$1" 2> /dev/null | awk '
    $1 == "failed" || $1 == "exit_status" { known = 1; if ($2 != 0) bad = 1 }
    END { print !known ? "running" : bad ? "failed" : "success" }'
