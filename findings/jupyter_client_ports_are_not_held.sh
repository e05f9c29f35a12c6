#!/usr/bin/env bash
# jupyter_client 8.10.0 with ipykernel 7.4.0: the ports of a kernel are free when they are picked, and nobody holds them until
# the kernel binds them; if another program has one by then, the kernel does not ask for another, it ends.
#
# Expected: as of a server that binds port 0 itself and says which one it got, so that notebooks executed side by side never
# disturb each other.
# Seen: after the manager wrote the connection file, whoever asks may bind its shell port; the kernel started then ends with
# status 1 and "Address already in use" before it answers. Who executes many notebooks side by side (papermill, nbclient)
# meets this now and then, as "Kernel died before replying to kernel_info". By ipc it answers: there are no ports.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet jupyter_client==8.10.0 ipykernel==7.4.0
export JUPYTER_RUNTIME_DIR=$place/runtime IPYTHONDIR=$place/ipython
venv/bin/python - <<'PY' 2>said | tee seen
import json
import socket
from pathlib import Path
from unittest.mock import patch

from jupyter_client import KernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

other, launch = socket.socket(), LocalProvisioner.launch_kernel


async def taken_between(provisioner, cmd, **kwargs):
    """Another program binds the shell port after the connection file is written and before the kernel starts."""
    if provisioner.parent.transport == "tcp":
        other.bind(("127.0.0.1", json.loads(Path(provisioner.parent.connection_file).read_text())["shell_port"]))
        print("another program has bound the port")
    return await launch(provisioner, cmd, **kwargs)


def start(**given):
    manager = KernelManager(kernel_name="python3", **given)
    with patch.object(LocalProvisioner, "launch_kernel", taken_between):
        manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        return "it answers"
    except RuntimeError as error:
        return f"{error}, status {manager.provisioner.process.returncode}"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


print("by tcp:", start())
print("by ipc:", start(transport="ipc", ip=str(Path.cwd() / "name")))
PY
grep -o "Address already in use" said | head -1 | tee -a seen
diff seen - <<'SEEN'
another program has bound the port
by tcp: Kernel died before replying to kernel_info, status 1
by ipc: it answers
Address already in use
SEEN
