#!/bin/bash
# A real Slurm on one machine: slurmctld in the first of some network namespaces, a slurmd in each of the others. Needs root.
# usage: slurm.sh up DIR NETWORK NODES
#   NETWORK: a name that netns.sh was given, with at least NODES + 1 hosts. Node I is called nI and lives in NETWORK-(I+1).
#   Everything it writes lies in DIR; clients need SLURM_CONF=DIR/slurm.conf. All its processes run in the namespaces, so
#   netns.sh down ends them.
# needs: munge slurmctld slurmd slurm-client (Debian's names)
set -euo pipefail
[ "${1:?}" = up ] || { sed -n 2,8p "$0" >&2; exit 2; }
dir=${2:?}; network=${3:?}; count=${4:?}
machine=$(hostname -s)
inside() { local host=$1; shift; ip netns exec "$network-$host" "$@"; }

mkdir -p "$dir"/{munge,state}
head -c 1024 /dev/urandom > "$dir/munge/key"
chmod 400 "$dir/munge/key"
# --force: tests' folders lie where anybody may write.
inside 1 munged --force --key-file="$dir/munge/key" --socket="$dir/munge/socket" --pid-file="$dir/munge/pid" \
  --log-file="$dir/munge/log" --seed-file="$dir/munge/seed"

export SLURM_CONF=$dir/slurm.conf
cat > "$SLURM_CONF" << CONF
ClusterName=swarm
SlurmctldHost=$machine(10.77.0.1)
SlurmctldPort=17100
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge/socket
CredType=cred/munge
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/%n
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/%n.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
PartitionName=all Nodes=n[1-$count] Default=YES MaxTime=INFINITE State=UP
CONF
printf 'CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n' > "$dir/cgroup.conf"
for node in $(seq "$count"); do
  mkdir -p "$dir/n$node"
  echo "NodeName=n$node NodeHostname=$machine NodeAddr=10.77.0.$((node + 1)) Port=17001 CPUs=1 RealMemory=100" >> "$SLURM_CONF"
done

inside 1 slurmctld
for node in $(seq "$count"); do inside $((node + 1)) slurmd -N "n$node"; done
for _ in $(seq 150); do
  [ "$(inside 1 sinfo -h -t idle -o %D 2> /dev/null)" = "$count" ] && exit 0
  sleep 0.2
done
inside 1 sinfo >&2 || true
tail -n 5 "$dir"/*.log >&2
exit 1
