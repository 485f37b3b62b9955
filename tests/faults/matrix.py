"""Does every fault to every step, and writes the outcomes to notes/results/faults.csv and .md.

python tests/faults/matrix.py
"""

import contextlib
import csv
import sys
import traceback
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from workshop.steps import ROOT, all_steps

sys.path.insert(1, str(ROOT / "tests"))  # for nginx.py

from catalogue import FAULTS
from lab import Lab
from watches import Outcome

CSV = ROOT / "notes" / "results" / "faults.csv"
MARKDOWN = CSV.with_suffix(".md")
LEGEND = """\
Written by `python tests/faults/matrix.py`, which does each fault to each step while a job runs.

- *survived*: no request failed, no stream ended too early, and each update arrived exactly once
- *recovered after n s*: the page lost its connection, received a reset, or saw the job begin
  again; n is the time from the fault to the next update
- *lost*: what the person does not get
- -: cannot happen in this step

"""
COLUMNS = ("fault", "step", "result", "what", "seconds")


STEPS_AT_A_TIME = 2  # they mostly wait


def main():
    with ProcessPoolExecutor(STEPS_AT_A_TIME) as pool:
        done = dict(zip(all_steps(), pool.map(outcomes_in, all_steps()), strict=True))
    with CSV.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for step, outcomes in done.items():
            for name, outcome in outcomes.items():
                writer.writerow({"fault": name, "step": step.name} | outcome._asdict())
    MARKDOWN.write_text(table(read()))


def outcomes_in(step: Path, names: Iterable[str] = FAULTS) -> dict[str, Outcome]:
    """What these faults did to the step, one after another. Leaves out what can't happen there."""
    outcomes = {}
    with contextlib.ExitStack() as stack:
        lab = Lab(step, stack)
        lab.warm_up()
        for name in names:
            _, steps, do = FAULTS[name]
            if lab.number in steps:
                outcomes[name] = tried(do, lab)
                print(f"{step.name:20} {name:28} {cell(outcomes[name])}", flush=True)
    return outcomes


def tried(do, lab):
    """Never raises, so that the other faults are done even if the lab itself fails in this one."""
    try:
        lab.repair()
        return do(lab)
    except Exception:
        return Outcome("failed", traceback.format_exc(), "")


def read():
    with CSV.open(newline="") as file:
        return list(csv.DictReader(file))


def table(rows):
    cells = {
        (row["fault"], row["step"]): cell(Outcome(row["result"], row["what"], row["seconds"]))
        for row in rows
    }
    steps = [step.name for step in all_steps()]
    lines = ["| fault | " + " | ".join(steps) + " |", "| --- " * (len(steps) + 1) + "|"]
    for name, (title, _, _) in FAULTS.items():
        outcomes = [cells.get((name, step), "-") for step in steps]
        lines.append(f"| {title} | " + " | ".join(outcomes) + " |")
    return LEGEND + "\n".join(lines) + "\n"


def cell(outcome):
    if outcome.result in ("lost", "failed"):
        return f"{outcome.result} ({outcome.what})"
    return "survived" if outcome.result == "survived" else f"recovered after {outcome.seconds} s"


if __name__ == "__main__":
    main()
