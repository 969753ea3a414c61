#!/bin/sh
# Whether a job of SGE (Grid Engine) is running, success or failed. Accounting, which says how a job ended, is written
# some time after that; until then the job counts as running.
if qstat -j "$1" > /dev/null 2>&1; then
    echo running
    exit
fi
qacct -j "$1" 2> /dev/null | awk '
    $1 == "failed" || $1 == "exit_status" { known = 1; if ($2 != 0) bad = 1 }
    END { print !known ? "running" : bad ? "failed" : "success" }'
