"""The published table shows the outcomes of the last run of all faults."""

from catalogue import FAULTS
from expected import LOST
from matrix import MARKDOWN, read, table
from workshop.steps import all_steps, number_of


def test_the_table_is_drawn_from_the_results():
    assert MARKDOWN.read_text() == table(read())


def test_every_fault_was_done_wherever_it_can_happen():
    done = {(row["fault"], row["step"]) for row in read()}
    assert done == {
        (name, step.name)
        for name, (_, steps, _) in FAULTS.items()
        for step in all_steps()
        if number_of(step) in steps
    }


def test_what_was_lost_is_what_the_tests_expect():
    lost = {step.name: {} for step in all_steps()}
    for row in read():
        if row["result"] == "lost":
            lost[row["step"]][row["fault"]] = row["what"]
    assert lost == LOST
