"""Waiting for kernels: no longer than they take, and not for one that ended or never answers."""

import asyncio
import json
import socket
import sys
import time
from pathlib import Path
from queue import Empty

import pytest
import zmq
from jupyter_client.provisioning.local_provisioner import LocalPortCache

from zsas_book.pages.kernels import STEP_S, PromptClient, PromptManager


class Channel:
    """Gives these messages one after the other, and is empty then."""

    def __init__(self, *messages):
        self.messages = list(messages)

    async def get_msg(self, timeout):
        if not self.messages:
            raise Empty
        return self.messages.pop(0)


@pytest.fixture
def client(monkeypatch):
    """A client whose kernel says what a test puts into its channels."""
    client = PromptClient()
    client.asked, client.lives = 0, True

    def ask():
        client.asked += 1

    async def lives():
        return client.lives

    answer = {"msg_type": "kernel_info_reply", "content": {"protocol_version": "5.3"}}
    channels = {"shell_channel": Channel(answer, answer), "iopub_channel": Channel({"msg_type": "status"})}
    for name, value in {"kernel_info": ask, "is_alive": lives}.items():
        monkeypatch.setattr(client, name, value)
    for name, value in channels.items():
        monkeypatch.setattr(PromptClient, name, value)
    return client


def test_a_kernel_that_answers_and_is_heard_is_ready(client):
    asyncio.run(client.wait_for_ready(timeout=10))
    assert client.asked == 1 and client.iopub_channel.messages == []


def test_a_kernel_is_asked_again_until_it_is_heard(client):
    heard = client.iopub_channel.messages
    client.iopub_channel.messages = []
    ask = client.kernel_info

    def ask_and_be_heard_the_second_time():
        ask()
        client.iopub_channel.messages = heard if client.asked == 2 else []

    client.kernel_info = ask_and_be_heard_the_second_time
    asyncio.run(client.wait_for_ready(timeout=10))
    assert client.asked == 2


def test_a_kernel_that_ended_or_never_answers_is_not_waited_for(client):
    client.shell_channel.messages = []
    with pytest.raises(RuntimeError, match="didn't respond in 0 seconds"):
        asyncio.run(client.wait_for_ready(timeout=0.0))
    client.lives = False
    with pytest.raises(RuntimeError, match="died before replying"):
        asyncio.run(client.wait_for_ready(timeout=10))


def test_a_managers_sockets_connect_again_soon_and_its_clients_are_prompt():
    manager = PromptManager()
    try:
        assert manager.client_factory is PromptClient
        with manager.context.socket(zmq.DEALER) as socket:
            assert socket.getsockopt(zmq.RECONNECT_IVL) == round(1000 * STEP_S)
    finally:
        manager.context.term()


def test_the_end_of_a_kernel_is_seen_in_small_steps(monkeypatch):
    manager, seen = PromptManager(), []

    async def alive():
        seen.append(time.monotonic())
        return len(seen) < 4

    monkeypatch.setattr(manager, "_async_is_alive", alive)
    started = time.monotonic()
    asyncio.run(manager._async_finish_shutdown())
    assert len(seen) >= 4 and time.monotonic() - started < 0.25


def test_each_manager_has_an_address_of_its_own():
    addresses = [PromptManager().get_connection_info() for _ in range(3)]
    if sys.platform == "linux":
        assert {address["transport"] for address in addresses} == {"ipc"}
        assert len({address["ip"] for address in addresses}) == 3
        assert all(address["ip"].startswith("@") for address in addresses)
    else:
        assert {address["transport"] for address in addresses} == {"tcp"}


@pytest.mark.kernel
@pytest.mark.skipif(sys.platform != "linux", reason="kernels talk by ports elsewhere")
def test_a_kernel_starts_where_another_program_takes_the_ports_that_were_free(monkeypatch, tmp_path):
    """Ports are free when Jupyter looks for them and taken when the kernel asks for them: here always, else seldom."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(LocalPortCache, "find_available_port", lambda *_: taken.getsockname()[1])
        manager = PromptManager(connection_file=str(tmp_path / "connection.json"))

        async def answer() -> str:
            await manager.start_kernel()
            client = manager.client()
            client.start_channels()
            try:
                await client.wait_for_ready(timeout=60)
                client.execute("6 * 7")
                while (said := await client.get_iopub_msg(timeout=60))["msg_type"] != "execute_result":
                    pass
                address = json.loads(Path(manager.connection_file).read_text())["ip"]
                assert f"{address}-{manager.shell_port}" in Path("/proc/net/unix").read_text()
                return said["content"]["data"]["text/plain"]
            finally:
                client.stop_channels()
                await manager.shutdown_kernel(now=True)

        assert asyncio.run(answer()) == "42"
    assert manager.ip not in Path("/proc/net/unix").read_text() and not list(tmp_path.iterdir())
