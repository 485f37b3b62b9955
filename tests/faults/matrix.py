"""Does every fault to every step, and writes what came of it: notes/results/faults.csv and .md.

python tests/faults/matrix.py
"""

import contextlib
import csv
from concurrent.futures import ProcessPoolExecutor

from catalogue import FAULTS
from lab import Lab
from watches import Outcome
from workshop.steps import ROOT, all_steps

CSV = ROOT / "notes" / "results" / "faults.csv"
MARKDOWN = CSV.with_suffix(".md")
LEGEND = """\
Written by `python tests/faults/matrix.py`, which does each fault to each step in mid-job.

- *survived*: no request failed, no stream ended too early, nothing was missed or told twice
- *recovered after n s*: the page was cut off, was told of a reset, or saw the job begin again;
  n is the time from the fault to the next news
- *lost*: what the person does not get
- -: cannot happen in this step (in 03, a client that stops reading can, and was not tried)

"""
COLUMNS = ("fault", "step", "result", "what", "seconds")


def main():
    with ProcessPoolExecutor(2) as pool:  # two steps at a time: they mostly wait
        rows = [row for rows in pool.map(rows_of, all_steps()) for row in rows]
    with CSV.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    MARKDOWN.write_text(table(read()))


def rows_of(step):
    rows = []
    with contextlib.ExitStack() as stack:
        lab = Lab(step, stack)
        lab.warm_up()
        for name, (_, steps, do) in FAULTS.items():
            if lab.number in steps:
                lab.mend()
                outcome = do(lab)
                print(f"{step.name:20} {name:28} {cell(outcome)}", flush=True)
                rows.append({"fault": name, "step": step.name} | outcome._asdict())
    return rows


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
        told = [cells.get((name, step), "-") for step in steps]
        lines.append(f"| {title} | " + " | ".join(told) + " |")
    return LEGEND + "\n".join(lines) + "\n"


def cell(outcome):
    if outcome.result == "lost":
        return f"lost ({outcome.what})"
    return "survived" if outcome.result == "survived" else f"recovered after {outcome.seconds} s"


if __name__ == "__main__":
    main()
