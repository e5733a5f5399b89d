"""What the gate to the provider costs: a passage, a decision with many waiting, a hand-over.

Run as ``python benchmarks/gate.py``. A model's turn takes seconds, so all of this should be
small against a millisecond. The last line shows that waiting threads do not poll: the processor
time of the whole process while 32 of them wait for two seconds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from time import perf_counter, process_time

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from orchestrator.models.admission import Admission, Pace
from orchestrator.models.gate import ProviderGate

PASSAGES = 5_000
WAITING = (8, 32, 128, 512)
THREADS = 32


def best(action: Callable[[], object], rounds: int = 5) -> float:
    """Return the shortest time of several rounds, in seconds."""
    times = []
    for _ in range(rounds):
        start = perf_counter()
        action()
        times.append(perf_counter() - start)
    return min(times)


def passages(pace: Pace) -> float:
    """Return the microseconds of one passage of one thread."""
    gate = ProviderGate(pace)

    def pass_through() -> None:
        for number in range(PASSAGES):
            entry = gate.enter("task", rank=number, tokens=10)
            if entry is not None:
                entry.leave(5)

    return best(pass_through) / PASSAGES * 1e6


def decision(waiting: int) -> float:
    """Return the microseconds of one end and one admission while so many wait."""
    admission = Admission(Pace(concurrent=1))
    for number in range(waiting + 1):
        admission.arrive(0.0, "task", number * 7 % 101, 0)
    under_way = list(admission.admit(0.0))

    def one() -> None:
        for _ in range(100):
            admission.leave(under_way.pop())
            admission.arrive(0.0, "task", 50.0, 0)
            under_way.extend(admission.admit(0.0))

    return best(one) / 100 * 1e6


def hand_over() -> float:
    """Return the microseconds from one thread's end to the next one's begin, all waiting."""
    gate, rounds = ProviderGate(Pace(concurrent=1)), 50

    def work(number: int) -> None:
        for _ in range(rounds):
            entry = gate.enter("task", rank=number)
            if entry is not None:
                entry.leave()

    with ThreadPoolExecutor(THREADS) as pool:
        took = best(lambda: list(pool.map(work, range(THREADS))), rounds=3)
    return took / (rounds * THREADS) * 1e6


def idle() -> float:
    """Return the milliseconds of processor time while threads wait for two seconds."""
    gate = ProviderGate(Pace(concurrent=1))
    first = gate.enter("first")

    def wait() -> None:
        entry = gate.enter("task")
        if entry is not None:
            entry.leave()

    with ThreadPoolExecutor(THREADS) as pool:
        waiting = [pool.submit(wait) for _ in range(THREADS)]
        while len(gate.status().waiting) < THREADS:
            Event().wait(0.01)
        before = process_time()
        Event().wait(2.0)
        used = process_time() - before
        if first is not None:
            first.leave()
        for future in waiting:
            future.result()
    return used * 1e3


def main() -> None:
    """Print all figures."""
    print(f"passage, no limits         {passages(Pace()):8.1f} us")
    print(f"passage, three limits      {passages(Pace(8, 10**6, 10**9)):8.1f} us")
    for waiting in WAITING:
        print(f"decision, {waiting:4} waiting     {decision(waiting):8.1f} us")
    print(f"hand-over, {THREADS} threads     {hand_over():8.1f} us")
    print(f"idle, {THREADS} threads, 2 s     {idle():8.2f} ms of processor time")


if __name__ == "__main__":
    main()
