"""The checker of diagrams knows good ones from bad ones, and names the line."""

import pytest

from mermaid import first_error

SEQUENCE = """sequenceDiagram
    autonumber
    participant B as Browser
    actor P as A person
    participant W as Worker 1
    P->>B: presses the button
    B->>+W: POST /tasks {"kind": "optimize"}
    W-->>-B: 202, and task_id
    Note over B,W: nothing is said, for 5 s
    loop every 2 s
        B->>W: GET /tasks/id
        alt there is news
            W-->>B: 200
        else there is none
            W--xB: 304
        end
    end
    par one
        W-)B: id: 1
    and another
        activate W
        deactivate W
    end
    %% a remark
    opt the end
        Note right of W: done
    end
"""
FLOWCHART = """flowchart LR
    A[Browser] --> B("gunicorn (4 workers)")
    B -->|subscribes| C[(Redis)]
    C -.-> D{full?} -- yes --> E((end))
    A & B --> F([one<br/>more])
    subgraph machine [One machine]
        direction TB
        G --- H
    end
"""


@pytest.mark.parametrize("diagram", [SEQUENCE, FLOWCHART], ids=["sequence", "flowchart"])
def test_what_the_notes_use_is_understood(diagram):
    assert first_error(diagram) is None


@pytest.mark.parametrize(
    ("diagram", "line", "reason"),
    [
        ("", 1, "nothing"),
        ("sequencediagram\n A->>B: x", 1, "unknown kind"),
        ("pie\n a: 1", 1, "unknown kind"),
        ("flowchart\n A --> B", 1, "unknown kind"),
        ("sequenceDiagram\n", 1, "nothing"),
        ("sequenceDiagram\n A->>B", 2, "not understood"),
        ("sequenceDiagram\n A=>>B: x", 2, "not understood"),
        ("sequenceDiagram\n\n %% fine\n A->>B: one; two", 4, "not understood"),
        ("sequenceDiagram\n A->>B: the #1", 2, "not understood"),
        ("sequenceDiagram\n participant A\n A->>C: x", 3, "no participant"),
        ("sequenceDiagram\n Note over A nothing", 2, "not understood"),
        ("sequenceDiagram\n A->>B: x\n end", 3, "without a beginning"),
        ("sequenceDiagram\n loop often\n A->>B: x", 2, "no end"),
        ("sequenceDiagram\n loop often\n else\n A->>B: x\n end", 3, "in no block"),
        ("sequenceDiagram\n alt\n A->>B: x\n end", 2, "not understood"),
        ("flowchart LR\n A[one (two)] --> B", 2, "not understood"),
        ("flowchart LR\n A --> end", 2, "not understood"),
        ("flowchart LR\n A -> B", 2, "not understood"),
        ("flowchart LR\n A[open --> B", 2, "not understood"),
        ("flowchart LR\n subgraph x\n A --> B", 2, "no end"),
    ],
)
def test_the_first_bad_line_is_named(diagram, line, reason):
    found, said = first_error(diagram)
    assert (found, reason in said) == (line, True), said
