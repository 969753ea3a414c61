#!/bin/sh
# Whether a job of PBS is running, success or failed. Its server must keep finished jobs for some minutes: PBS by
# `job_history_enable`, Torque by `keep_completed`. One that it does not know, asked thrice, counts as failed.
for pause in 5 5 0; do
    said=$(qstat -x -f "$1" 2> /dev/null || qstat -f "$1" 2> /dev/null) && break
    sleep $pause
done
case $said in
    *"job_state = "[FCX]*)
        case $said in
            *"xit_status = 0"*) echo success ;;
            *) echo failed ;;
        esac ;;
    *"job_state = "*) echo running ;;
    *) echo failed ;;
esac
