"""Kernels that are waited for no longer than they take.

Jupyter's own manager and client wait in steps of a tenth and a fifth of a second: for a kernel's sockets, for what it
may still say once it is ready, and for its end. That is half a second for each page in which nothing is computed.

Jupyter's own manager also picks five free ports and lets them go before the kernel takes them; of pages computed side
by side, one may find a port taken by then, and its kernel ends before it began. On Linux they talk through sockets that
have names instead (abstract ones, which leave no file), new for every kernel.
"""

import sys
import uuid
from queue import Empty
from time import monotonic

import zmq
import zmq.asyncio
from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager
from traitlets import Type, default

from ..machine.warm import ABSTRACT

STEP_S = 0.01
ANSWER_S = 1.0
HEARD_S = 0.2


class PromptClient(AsyncKernelClient):
    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Until the kernel answers and is heard on its channel of outputs. What it said of being asked belongs to no
        cell, so that nothing need be waited out.

        Raises RuntimeError where it ends first, or does not answer within ``timeout`` seconds.
        """
        end = None if timeout is None else monotonic() + timeout
        while True:
            self.kernel_info()
            try:
                answer = await self.shell_channel.get_msg(timeout=ANSWER_S)
                if answer["msg_type"] == "kernel_info_reply":
                    await self.iopub_channel.get_msg(timeout=HEARD_S)
                    self._handle_kernel_info_reply(answer)
                    return
            except Empty:
                pass
            if not await self.is_alive():
                raise RuntimeError("Kernel died before replying to kernel_info")
            if end is not None and monotonic() > end:
                raise RuntimeError(f"Kernel didn't respond in {timeout:.0f} seconds")


class PromptManager(AsyncKernelManager):
    client_factory = Type(PromptClient, klass=AsyncKernelClient)

    @default("transport")
    def _transport_default(self) -> str:
        return "ipc" if sys.platform == "linux" else "tcp"

    def _ip_default(self) -> str:
        return f"{ABSTRACT}zsas-{uuid.uuid4().hex}" if self.transport == "ipc" else super()._ip_default()

    @default("context")
    def _context_default(self) -> zmq.asyncio.Context:
        context = super()._context_default()
        context.setsockopt(zmq.RECONNECT_IVL, round(1000 * STEP_S))
        return context

    async def _async_finish_shutdown(
        self, waittime: float | None = None, pollinterval: float = STEP_S, restart: bool = False
    ) -> None:
        await super()._async_finish_shutdown(waittime, pollinterval, restart)
