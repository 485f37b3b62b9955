"""The page and its behaviour, the same in every step: a Flask blueprint.

It sends forms and shows tasks, knows who is asking, and answers errors as {error, hint}. It knows
nothing about Celery, Redis or streams.
"""

from pathlib import Path

from flask import Blueprint, current_app

import jobs
from page.errors import Refused, answer, show_errors
from page.forms import submitted
from page.users import DEVELOPMENT_KEY, identify, new_token, remember_user, user

__all__ = [
    "DEVELOPMENT_KEY",
    "Refused",
    "answer",
    "blueprint",
    "remember_user",
    "submitted",
    "user",
]


def keep_order(state):
    """In a response, a task's metrics have the order of its job, as in the events."""
    state.app.json.sort_keys = False


blueprint = Blueprint(
    "page", __name__, static_folder="static", static_url_path="/page", template_folder="templates"
)
blueprint.record_once(identify)
blueprint.record_once(keep_order)
show_errors(blueprint)


@blueprint.app_context_processor
def for_templates():
    """The step's name, the kinds of job, and whether the step brings updates to the page."""
    step = Path(current_app.root_path)
    live = (step / "static" / "follow.js").is_file()
    return {"step": step.name, "kinds": jobs.KINDS, "live": live}


@blueprint.post("/tokens")
def create_token():
    return new_token(), 201
