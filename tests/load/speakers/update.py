"""What the speakers publish: the state of a task, as an event of the job `optimize` carries it."""

from datetime import UTC, datetime
from itertools import count

MESSAGE = "Iteration 100 of 600: 43.1 % shorter"
METRICS = {"iteration": 100, "best": 1184.3, "improvement": 43.1}
TASK = {"task_id": 32 * "0", "kind": "optimize", "files": [], "cancel_url": f"/tasks/{32 * '0'}"}
NUMBERS = count(1)


def changes() -> dict:
    """What an update changes in a state. No two are equal: a step would take the second of them
    for the first, sent again."""
    changed = {"state": "PROGRESS", "progress": 16, "stage": "optimizing", "message": MESSAGE}
    return changed | {"current": next(NUMBERS), "total": 600, "metrics": METRICS}


def state() -> dict:
    """A whole state, for servers that keep none."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return TASK | changes() | {"updated_at": now}
