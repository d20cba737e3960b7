"""Times commands against each other: interleaved runs, medians, ratios; peak memory by wait4. Only ratios are comparable between machines."""
import os
import statistics
import subprocess
import time


class Sample:
    def __init__(self):
        self.seconds, self.cpu, self.peak_kib = [], [], []

    def median(self):
        return statistics.median(self.seconds)

    def median_cpu(self):
        return statistics.median(self.cpu)


def run_once(argv, env=None, before=None):
    """One run: (wall seconds, cpu seconds, peak KiB of the largest process). A failing command raises."""
    if before:
        before()
    null = os.open(os.devnull, os.O_RDWR)
    start = time.perf_counter()
    pid = os.posix_spawnp(argv[0], argv, env or os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, null, 1)])
    _, status, usage = os.wait4(pid, 0)
    seconds = time.perf_counter() - start
    os.close(null)
    code = os.waitstatus_to_exitcode(status)
    if code != 0:
        raise RuntimeError(f"{' '.join(argv)} ended with {code}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def interleave(contestants, rounds, warmup=1):
    """contestants: {name: argv or (argv, before)}. Returns {name: Sample}; a contestant that fails is left out with a word why."""
    samples = {name: Sample() for name in contestants}
    for turn in range(warmup + rounds):
        for name in list(samples):
            entry = contestants[name]
            argv, before = entry if isinstance(entry, tuple) else (entry, None)
            try:
                seconds, cpu, peak = run_once(argv, before=before)
            except (RuntimeError, OSError) as error:
                print(f"    {name}: left out: {error}")
                del samples[name]
                continue
            if turn >= warmup:
                samples[name].seconds.append(seconds)
                samples[name].cpu.append(cpu)
                samples[name].peak_kib.append(peak)
    return samples


def report(title, samples, ours="proa", goals=None):
    """One line for each contestant, and the ratio of ours to it; goals: {name: highest ratio wanted}."""
    print(f"\n{title}")
    if ours not in samples:
        print("    no result of ours")
        return
    for name, sample in samples.items():
        line = f"    {name:<28} median {sample.median() * 1000:9.1f} ms   cpu {sample.median_cpu() * 1000:8.1f} ms   peak {max(sample.peak_kib) / 1024:7.1f} MiB"
        if name != ours:
            ratio = samples[ours].median() / sample.median()
            line += f"   ours/this {ratio:6.3f}"
            if goals and name in goals:
                line += f"  (goal {goals[name]:.3f}: {'reached' if ratio <= goals[name] else 'missed'})"
        print(line)


def have(program):
    return subprocess.run(["sh", "-c", f"command -v {program}"], capture_output=True, check=False).returncode == 0
