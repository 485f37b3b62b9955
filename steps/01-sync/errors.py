"""Every error is {error, hint}: as JSON for a program, on the page for a person."""

from flask import render_template, request
from werkzeug.exceptions import HTTPException

import jobs

HINTS = {
    404: "Check the address.",
    405: "Check the method: GET for the page, POST for a new task.",
    413: "Documents may have up to 5 MB. Split it, or leave out its pictures.",
    500: "Try again. If it happens again, the log of the server says why.",
}


def handle(app):
    app.register_error_handler(jobs.BadInput, lambda bad: answer(400, bad.error, bad.hint))
    app.register_error_handler(HTTPException, http_error)


def http_error(error):
    kept = ("Allow", "WWW-Authenticate")
    headers = [header for header in error.get_response().headers if header[0] in kept]
    return answer(error.code, f"{error.name}.", HINTS.get(error.code, error.description), headers)


def answer(status, error, hint, headers=()):
    problem = {"error": error, "hint": hint}
    if request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html":
        return render_template("index.html", **problem), status, headers
    return problem, status, headers
