"""A function in a process of its own, whose memory is given back when it ends."""

import multiprocessing
from collections.abc import Callable
from typing import Any

import torch


def in_own_process(function: Callable[..., Any], *arguments: object) -> Any:
    """What the function returns, called with as many threads as this process has. Raises RuntimeError where the process
    ended without an answer: what it said stands above."""
    receiver, sender = multiprocessing.Pipe()
    words = sender, torch.get_num_threads(), function, arguments
    process = multiprocessing.get_context("spawn").Process(target=_answer, args=words)
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        process.join()
        raise RuntimeError(
            f"The process of {function.__name__}{arguments!r} ended with status {process.exitcode}; what it said "
            "stands above."
        ) from None
    finally:
        process.join()


def _answer(sender: Any, threads: int, function: Callable[..., Any], arguments: tuple) -> None:
    torch.set_num_threads(threads)
    sender.send(function(*arguments))
