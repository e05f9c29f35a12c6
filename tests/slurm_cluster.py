"""A Slurm cluster on this machine for tests: munge, one controller, two node daemons, no accounting.

    python tests/slurm/cluster.py up FOLDER      start it; FOLDER takes its logs and state
    python tests/slurm/cluster.py kill n1        end a node and all that runs on it, as if its power had gone
    python tests/slurm/cluster.py down           end it and remove its configuration

Needs root, Debian's slurm-wlm and munge, and that this machine belongs to no other cluster: jobs read their
configuration from /etc/slurm/slurm.conf, as the executor does not hand $SLURM_CONF on to them.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

CONFIGURATION = Path("/etc/slurm/slurm.conf")
OURS = "# A cluster for tests, made by tests/slurm/cluster.py"
NODES = {"n1": 17401, "n2": 17402}
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "sinfo", "scontrol", "runuser")
TEXT = """\
{ours}
ClusterName=zsas
SlurmctldHost=localhost
SlurmctldPort=17400
SlurmUser=root
AuthType=auth/munge
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SlurmdParameters=config_overrides
SlurmdTimeout=10
KillWait=5
MpiDefault=none
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdSpoolDir={folder}/spool.%n
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmdLogFile={folder}/slurmd.%n.log
{nodes}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def unusable() -> str:
    """Why no cluster can be made here, "" if one can."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    missing = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    if missing:
        return f"no Slurm here ({', '.join(missing)} not found; Debian: slurm-wlm and munge)"
    if os.geteuid() != 0:
        return "the daemons need root"
    if CONFIGURATION.exists() and OURS not in CONFIGURATION.read_text():
        return f"this machine belongs to another cluster: {CONFIGURATION}"
    return ""


def up(folder: Path) -> None:
    """Start the daemons and wait until both nodes are idle. Raises TimeoutError where they are not within a minute."""
    down()
    folder = folder.resolve()
    (folder / "state").mkdir(parents=True, exist_ok=True)
    CONFIGURATION.parent.mkdir(parents=True, exist_ok=True)
    nodes = "\n".join(
        f"NodeName={name} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} CPUs=2 RealMemory=64000"
        for name, port in NODES.items()
    )
    CONFIGURATION.write_text(TEXT.format(ours=OURS, folder=folder, nodes=nodes))
    run = Path("/run/munge")
    run.mkdir(exist_ok=True)
    shutil.chown(run, "munge", "munge")
    if not Path("/run/munge/munge.socket.2").exists() or _silent("munge", "-n").returncode != 0:
        _silent("runuser", "-u", "munge", "--", "/usr/sbin/munged", "--force", check=True)
    _silent("/usr/sbin/slurmctld", check=True)
    for name in NODES:
        start_node(name)
    deadline = time.monotonic() + 60
    while _silent("sinfo", "--noheader", "--Node", "--format=%t").stdout.split() != ["idle"] * len(NODES):
        if time.monotonic() > deadline:
            raise TimeoutError(f"The nodes are not idle after a minute; see the logs in {folder}.")
        time.sleep(0.5)


def start_node(name: str) -> None:
    """Start a node's daemon."""
    _silent("/usr/sbin/slurmd", "-N", name, check=True)


def kill_node(name: str) -> None:
    """End a node's daemon and everything that runs under it, without a chance to say so."""
    own = [process for process in _processes() if _runs_on(process, name)]
    for process in [*own, *_children(own)]:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            pass


def down() -> None:
    """End the daemons that a configuration of ours started, and remove it."""
    if not (CONFIGURATION.exists() and OURS in CONFIGURATION.read_text()):
        return
    for name in NODES:
        kill_node(name)
    folder = next(
        Path(line.partition("=")[2]).parent
        for line in CONFIGURATION.read_text().splitlines()
        if line.startswith("StateSaveLocation=")
    )
    try:
        os.kill(int((folder / "slurmctld.pid").read_text()), signal.SIGKILL)
    except (OSError, ValueError):
        pass
    CONFIGURATION.unlink()


def _silent(*command: str, check: bool = False) -> subprocess.CompletedProcess:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=check)


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _runs_on(process: int, node: str) -> bool:
    """Whether this is the node's daemon or the manager of a job's step on it."""
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace").split("\0")
        name = Path(f"/proc/{process}/comm").read_text().strip()
        environment = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
    if name == "slurmd":
        return words[1:3] == ["-N", node]
    return f"SLURMD_NODENAME={node}".encode() in environment or (
        name == "slurmstepd" and any(f"-N{node}" in word or word == node for word in words)
    )


def _children(parents: list[int]) -> list[int]:
    by_parent: dict[int, list[int]] = {}
    for process in _processes():
        try:
            parent = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
        by_parent.setdefault(parent, []).append(process)
    found, waiting = [], list(parents)
    while waiting:
        below = by_parent.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["up", folder] if not unusable():
            up(Path(folder))
        case ["kill", node] if node in NODES:
            kill_node(node)
        case ["down"]:
            down()
        case _:
            sys.exit(unusable() or __doc__)
