#!/usr/bin/env bash
# Ends the jobs and the daemons of the SLURM that `start.sh FOLDER` started, the daemons by their process numbers,
# and removes FOLDER and the links to it.
set -uo pipefail
folder=${1:-/var/tmp/isthmus-slurm}

if [ "$(readlink /etc/slurm/slurm.conf)" = "$folder/slurm.conf" ] && scontrol ping > /dev/null 2>&1; then
    scancel --user="$(id -un)" --full
    for ((tries = 0; tries < 100; tries++)); do
        [ -n "$(squeue --noheader --states=R,CG)" ] || break
        sleep 0.1
    done
fi
for file in "$folder"/{slurmd.pid,slurmctld.pid,munge/pid}; do
    pid=$(cat "$file" 2> /dev/null) || continue
    kill "$pid" 2> /dev/null
    for ((tries = 0; tries < 100; tries++)); do
        kill -0 "$pid" 2> /dev/null || break
        sleep 0.1
    done
    kill -KILL "$pid" 2> /dev/null
done
for file in slurm.conf gres.conf cgroup.conf; do
    if [ "$(readlink "/etc/slurm/$file")" = "$folder/$file" ]; then rm "/etc/slurm/$file"; fi
done
rm -rf "$folder"
