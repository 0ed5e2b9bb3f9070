"""Sealing the simulation off from this machine: chance and time come from the seed, and there are no threads."""

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from app.simulation.loop import SimulatedLoop


@contextmanager
def sealed_off(seed: str, loop: SimulatedLoop) -> Iterator[None]:
    """What libraries take from the machine is replaced while this lasts. Who asks for a thread is refused."""

    def refuse(thread: threading.Thread) -> None:
        loop.errors.append({"message": "a thread was started", "thread": thread.name})
        raise RuntimeError("no threads in the simulation")

    kept = os.urandom, random._urandom, time.time, threading.Thread.start
    os.urandom = random._urandom = random.Random(f"{seed} entropy").randbytes
    time.time, threading.Thread.start = loop.time, refuse
    try:
        yield
    finally:
        os.urandom, random._urandom, time.time, threading.Thread.start = kept
