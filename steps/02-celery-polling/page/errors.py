"""Every error is {error, hint}: as JSON for a program, on the page for a person."""

from flask import render_template, request
from werkzeug.exceptions import HTTPException

import jobs

HINTS = {
    401: "Open the page first, or send a token: POST /tokens gives you one.",
    404: "It never existed, has expired, or belongs to someone else.",
    405: "Check the method: GET for the page, POST for a new task.",
    413: "Documents may have up to 5 MB. Split it, or leave out its pictures.",
    500: "Try again. If it happens again, the server's log says why.",
}
KEPT = ("Allow", "WWW-Authenticate")  # headers that some errors come with


class Refused(Exception):
    """The server can't do this now; `retry_after` is in seconds."""

    def __init__(self, status: int, error: str, hint: str, retry_after: int):
        super().__init__(error)
        self.status, self.error, self.hint, self.retry_after = status, error, hint, retry_after


def show_errors(blueprint):
    blueprint.app_errorhandler(jobs.BadInput)(lambda bad: answer(400, bad.error, bad.hint))
    blueprint.app_errorhandler(Refused)(refused)
    blueprint.app_errorhandler(HTTPException)(http_error)


def refused(error):
    return answer(error.status, error.error, error.hint, {"Retry-After": error.retry_after})


def http_error(error):
    headers = [header for header in error.get_response().headers if header[0] in KEPT]
    return answer(error.code, f"{error.name}.", HINTS.get(error.code, error.description), headers)


def answer(status: int, error: str, hint: str, headers=()):
    """The response for an error, in the format that the client prefers."""
    problem = {"error": error, "hint": hint}
    if request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html":
        return render_template("index.html", **problem), status, headers
    return problem, status, headers
