"""Times commands against each other: interleaved runs, medians, ratios. Only ratios are comparable between machines."""
import dataclasses
import os
import shutil
import signal
import statistics
import sys
import tempfile
import threading
import time
from typing import Callable, Optional


LONGEST = 180  # seconds: what takes longer hangs


@dataclasses.dataclass
class Contestant:
    name: str
    argv: list
    before: Optional[Callable[[], None]] = None  # not timed
    goal: Optional[float] = None  # highest ratio of our time to this one's; in the first contestant (ours) it has no meaning


class Sample:
    def __init__(self):
        self.seconds, self.cpu, self.peak_kib = [], [], []

    def add(self, seconds, cpu, peak_kib):
        self.seconds.append(seconds)
        self.cpu.append(cpu)
        self.peak_kib.append(peak_kib)

    def median(self):
        return statistics.median(self.seconds)

    def median_cpu(self):
        return statistics.median(self.cpu)

    def peak_mib(self):
        return max(self.peak_kib) / 1024


def progress(text):
    print(text, file=sys.stderr, flush=True)


def have(program):
    return shutil.which(program) is not None


def run_once(argv):
    """One run: (wall seconds, cpu seconds of it and the children it waited for, peak KiB of the largest of them). A failing command raises, with its last words."""
    with tempfile.TemporaryFile() as errors:
        null = os.open(os.devnull, os.O_RDWR)
        actions = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, errors.fileno(), 2)]
        start = time.perf_counter()
        pid = os.posix_spawnp(argv[0], argv, os.environ, file_actions=actions, setsigdef=[signal.SIGPIPE])  # Python ignores it; pasta refuses to start so
        watch = threading.Timer(LONGEST, os.kill, (pid, signal.SIGKILL))
        watch.start()
        _, status, usage = os.wait4(pid, 0)
        watch.cancel()
        seconds = time.perf_counter() - start
        os.close(null)
        if status != 0:
            errors.seek(0)
            last = errors.read().decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
            raise RuntimeError(f"{' '.join(argv[:6])} ended with {os.waitstatus_to_exitcode(status)}: {last[0]}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def interleave(contestants, rounds, budget, warmup=1, fewest=3):
    """{name: Sample}, in the order given. Each round runs all of them, in alternating order. Stops after `rounds`, or when `budget` seconds are over and the
    `fewest` rounds are done. A contestant that fails is left out, with a word why."""
    samples = {contestant.name: Sample() for contestant in contestants}
    running = list(contestants)
    start = time.perf_counter()
    for turn in range(warmup + rounds):
        if turn >= warmup + fewest and time.perf_counter() - start > budget:
            break
        for contestant in list(running) if turn % 2 == 0 else list(reversed(running)):
            try:
                if contestant.before:
                    contestant.before()
                result = run_once(contestant.argv)
            except (RuntimeError, OSError) as error:
                progress(f"    {contestant.name}: left out: {error}")
                running.remove(contestant)
                del samples[contestant.name]
                continue
            if turn >= warmup:
                samples[contestant.name].add(*result)
    return samples
