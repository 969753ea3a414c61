#!/usr/bin/env bash
# A SLURM of one node on this machine, for tests: a controller, a node with two GPUs and the partitions `cpu` and
# `gpu`. The GPUs are placeholders, which SLURM counts and hands out and nothing can compute on. There is no
# accounting database. Needs root, and slurm-wlm and munge (Debian's names).
#
#   tests/slurm/start.sh [FOLDER]    ready in a few seconds; `stop.sh FOLDER` ends what this one started
#
# All it writes stands in FOLDER, but for three links in /etc/slurm: the executor strips SLURM_* from the
# environment of jobs, SLURM_CONF too, so the configuration must be where clients look by themselves.
set -euo pipefail
folder=${1:-/var/tmp/isthmus-slurm}
files=(slurm.conf gres.conf cgroup.conf)

for file in "${files[@]}"; do
    if [ -e "/etc/slurm/$file" ] || [ -L "/etc/slurm/$file" ]; then
        echo "/etc/slurm/$file is there: this machine has a SLURM of its own, which is left alone" >&2
        exit 1
    fi
done
mkdir -p "$folder"/{munge,state,spool} /etc/slurm
chmod 700 "$folder/munge"

# The node counts more cores and memory than there may be, so that GPUs are what jobs wait for.
host=$(hostname -s)
cat > "$folder/slurm.conf" << CONF
ClusterName=isthmus
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=16917
SlurmdPort=16918
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket,cred_expire=5
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,bf_interval=1
GresTypes=gpu
MpiDefault=none
KillWait=5
MinJobAge=1200
ReturnToService=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=8 RealMemory=128000 Gres=gpu:2 State=UNKNOWN
PartitionName=cpu Nodes=$host Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes=$host MaxTime=INFINITE State=UP
CONF
printf "NodeName=$host Name=gpu File=%s\n" /dev/null /dev/zero > "$folder/gres.conf"
: > "$folder/cgroup.conf"
for file in "${files[@]}"; do ln -s "$folder/$file" "/etc/slurm/$file"; done

# A key, a socket and a process of its own: a munge service of the system is left alone.
head -c 1024 /dev/urandom > "$folder/munge/key"
chmod 600 "$folder/munge/key"
munged --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" --pid-file="$folder/munge/pid" \
    --log-file="$folder/munge/log" --seed-file="$folder/munge/seed"
slurmctld
slurmd

for ((tries = 0; tries < 100; tries++)); do
    if sinfo --noheader --partition=gpu --format=%t 2> /dev/null | grep -qx idle; then
        exit 0
    fi
    sleep 0.1
done
echo "SLURM does not answer; the ends of its logs:" >&2
tail -n 5 "$folder/slurmctld.log" "$folder/slurmd.log" >&2
exit 1
