"""Every error is {error, hint} in JSON. The page shows both to the person."""

from werkzeug.exceptions import HTTPException

import jobs

HINTS = {
    401: "Open the page first, or send a token: POST /tokens gives you one.",
    404: "It never was, was lost with a restart or to make room, or belongs to someone else.",
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
    return {"error": error, "hint": hint}, status, headers
