"""The two parts in Python, and three ways to have both done.

Arguments: the port of the server, the seconds of the computation, how often to measure.
Prints one row for each: `part` or `way`, a name, the best time in seconds.
"""

import asyncio
import socket
import sys
import threading
import time

HOST, PORT = "127.0.0.1", int(sys.argv[1])
SECONDS, RUNS = float(sys.argv[2]), int(sys.argv[3])
REQUEST = b"GET / HTTP/1.0\r\n\r\n"


def request():
    with socket.create_connection((HOST, PORT)) as stream:
        stream.sendall(REQUEST)
        answer = b""
        while chunk := stream.recv(4096):
            answer += chunk
        return answer


def compute(rounds):
    total = 1
    for n in range(rounds):
        total = (total ^ n) * 31 & 0xFFFFFFFF
    return total


def rounds_in(seconds):
    rounds = 1 << 14
    while True:
        start = time.perf_counter()
        compute(rounds)
        took = time.perf_counter() - start
        if took >= min(0.1, seconds):
            return int(rounds * seconds / took)
        rounds *= 2


ROUNDS = rounds_in(SECONDS)


def in_turn():
    request()
    compute(ROUNDS)


async def request_async():
    reader, writer = await asyncio.open_connection(HOST, PORT)
    writer.write(REQUEST)
    await writer.drain()
    answer = await reader.read()
    writer.close()
    return answer


async def compute_async():
    return compute(ROUNDS)


async def both_async():
    return await asyncio.gather(request_async(), compute_async())


def with_asyncio():
    asyncio.run(both_async())


class Task:
    """A thread for each call, joined by `wait`: how FastAsync for Python runs a function."""

    def __init__(self, func, *args):
        self.func, self.args = func, args
        self.result = self.exception = None
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            self.result = self.func(*self.args)
        except Exception as exception:
            self.exception = exception

    def wait(self):
        self.thread.join()
        if self.exception is not None:
            raise self.exception
        return self.result


def with_fast_async():
    tasks = [Task(request), Task(compute, ROUNDS)]
    for task in tasks:
        task.wait()


def best(run):
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


for kind, name, run in [
    ("part", "Python: the request alone", request),
    ("part", "Python: the computation alone", lambda: compute(ROUNDS)),
    ("way", "Python: one after the other", in_turn),
    ("way", "Python: asyncio", with_asyncio),
    ("way", "Python: a thread each, as FastAsync", with_fast_async),
]:
    print(kind, name, f"{best(run):.6f}", sep="\t", flush=True)
