"""The files of a Slurm cluster of one node, on loopback, whose four H200s are there by name only."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path

CLUSTER = "lflab"
GPUS = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random")
"""Slurm counts a device only where there is one: any character device will do."""
ON_DEMAND_DOLLARS, SPOT_DOLLARS = 3.99, 1.99


def slurm_conf(root: Path, controller_port: int, node_port: int) -> str:
    """Two partitions share the node: a job of `ondemand` takes the place of one of `spot`, five seconds after saying
    so. Root runs everything: jobs need the trainer's environment, which may lie in root's own folders."""
    node = socket.gethostname().split(".")[0]
    settings: Mapping[str, object] = {
        "ClusterName": CLUSTER,
        "SlurmctldHost": f"{node}(127.0.0.1)",
        "SlurmctldPort": controller_port,
        "SlurmdPort": node_port,
        "SlurmUser": "root",
        "SlurmdUser": "root",
        "AuthType": "auth/munge",
        "CredType": "cred/munge",
        "AuthInfo": f"socket={root}/munge/socket",
        "StateSaveLocation": f"{root}/slurm/state",
        "SlurmdSpoolDir": f"{root}/slurm/spool",
        "SlurmctldPidFile": f"{root}/slurm/slurmctld.pid",
        "SlurmdPidFile": f"{root}/slurm/slurmd.pid",
        "SlurmctldLogFile": f"{root}/slurm/slurmctld.log",
        "SlurmdLogFile": f"{root}/slurm/slurmd.log",
        "JobCompType": "jobcomp/filetxt",
        "JobCompLoc": f"{root}/slurm/jobs.log",
        "PrologSlurmctld": f"{root}/slurm/prolog.sh",
        "AccountingStorageType": "accounting_storage/none",
        "JobAcctGatherType": "jobacct_gather/none",
        "ProctrackType": "proctrack/linuxproc",
        "TaskPlugin": "task/none",
        "MpiDefault": "none",
        # The node has fewer cores and less memory than it says, and nobody shall mind.
        "SlurmdParameters": "config_overrides",
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_CPU_Memory",
        "SchedulerParameters": "batch_sched_delay=0,bf_interval=5,sched_interval=5,sched_min_interval=0",
        "PreemptType": "preempt/partition_prio",
        "PreemptMode": "CANCEL",
        "ReturnToService": 2,
        "CompleteWait": 0,
        "KillWait": 5,
        "GresTypes": "gpu",
    }
    lines = [f"{name}={value}" for name, value in settings.items()]
    lines.append(
        f"NodeName={node} NodeAddr=127.0.0.1 CPUs=64 RealMemory=512000 Gres=gpu:H200:{len(GPUS)} State=UNKNOWN"
    )
    partition = f"Nodes={node} State=UP MaxTime=1-00:00:00 DefaultTime=02:00:00"
    lines.append(f"PartitionName=ondemand {partition} Default=YES PriorityTier=10 PreemptMode=OFF")
    lines.append(f"PartitionName=spot {partition} Default=NO PriorityTier=1 PreemptMode=CANCEL GraceTime=5")
    return "\n".join(lines) + "\n"


def gres_conf() -> str:
    node = socket.gethostname().split(".")[0]
    return f"NodeName={node} Name=gpu Type=H200 File={','.join(GPUS)}\n"


def prolog(root: Path, baked: Path) -> str:
    """Before a job starts, its machine gets the runtime that SkyPilot would otherwise install for minutes."""
    return f"""#!/bin/bash
case "$SLURM_JOB_NAME" in lf-*) ;; *) exit 0 ;; esac
home={root}/home-of-jobs/.sky_clusters/$SLURM_JOB_NAME
runtime={root}/tmp/$SLURM_JOB_NAME
mkdir -p "$home/.local/bin" "$home/.sky/wheels" "$runtime/.sky"
ln -sfn {baked.parent}/bin/uv "$home/.local/bin/uv"
cp -a --link {baked}/runtime "$runtime/skypilot-runtime" || cp -a {baked}/runtime "$runtime/skypilot-runtime"
echo "$runtime/skypilot-runtime/bin/python" > "$runtime/.sky/python_path"
cp {baked}/wheel_hash "$home/.sky/wheels/current_sky_wheel_hash"
exit 0
"""


def sshd_config(root: Path, port: int) -> str:
    """One key opens it, on loopback, and what comes in works in a home of the cluster's own."""
    return f"""ListenAddress 127.0.0.1
Port {port}
HostKey {root}/ssh/host
PidFile {root}/ssh/sshd.pid
AuthorizedKeysFile {root}/ssh/client.pub
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PrintMotd no
MaxSessions 100
MaxStartups 100:30:200
SetEnv HOME={root}/home-of-jobs SLURM_CONF={root}/slurm/slurm.conf UV_OFFLINE=1
"""


def ssh_client(root: Path, port: int) -> str:
    return f"""Host {CLUSTER}
    HostName 127.0.0.1
    Port {port}
    User root
    IdentityFile {root}/ssh/client
    IdentitiesOnly yes
"""


def sky_config(root: Path) -> str:
    return f"""allowed_clouds: [slurm]
slurm:
  allowed_clusters: [{CLUSTER}]
  provision_timeout: 60
  pricing: {{cpu: 0, memory: 0, accelerators: {{H200: {ON_DEMAND_DOLLARS}}}}}
  cluster_configs:
    {CLUSTER}:
      tmpdir: {root}/tmp
      partition_configs:
        spot:
          pricing: {{accelerators: {{H200: {SPOT_DOLLARS}}}}}
"""


ACCELERATORS_CSV = """AcceleratorName,Clouds
H100,"['AWS']"
H200,"['AWS']"
"""
"""SkyPilot reads which accelerators there are before anything else, and would fetch the list where it is missing."""
