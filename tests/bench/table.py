"""The table of results, in Markdown. One row for each comparison."""

HEADER = ("benchmark", "proa", "against", "its result", "ratio", "goal", "")


def milliseconds(seconds):
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def verdict(value, goal):
    return "" if goal is None else "reached" if value <= goal else "**missed**"


def goal_text(goal):
    return "" if goal is None else f"≤ {goal:g}" if goal >= 0.5 else f"≤ 1/{1 / goal:g}"


class Table:
    def __init__(self):
        self.rows = []

    def compare(self, title, contestants, samples):
        """Ours is the first contestant; a row for each other one that ran. Processor time in brackets."""
        ours = contestants[0].name
        if ours not in samples:
            self.rows.append((title, "failed", "", "", "", "", "**missed**"))
            return
        shown = self.time_of(samples[ours])
        if len(samples) == 1:
            self.rows.append((title, shown, "", "", "", "", ""))
        for other in contestants[1:]:
            if other.name in samples:
                ratio = samples[ours].median() / samples[other.name].median()
                self.rows.append((title, shown, other.name, self.time_of(samples[other.name]), f"{ratio:.3f}", goal_text(other.goal), verdict(ratio, other.goal)))

    def value(self, title, value, unit, goal=None, against="", other=None):
        """An absolute figure: memory, requests, a difference."""
        theirs = "" if other is None else f"{other:g} {unit}"
        ratio = "" if not other else f"{value / other:.3f}"
        self.rows.append((title, f"{value:g} {unit}", against, theirs, ratio, "" if goal is None else f"≤ {goal:g} {unit}", verdict(value, goal)))

    @staticmethod
    def time_of(sample):
        return f"{milliseconds(sample.median())} ({milliseconds(sample.median_cpu())})"

    def markdown(self):
        rows = [HEADER, tuple("---" for _ in HEADER), *self.rows]
        return "\n".join("| " + " | ".join(row) + " |" for row in rows)
