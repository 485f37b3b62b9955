"""Who is asking: a browser is known by its session cookie, a program by its token."""

import logging
import re
from pathlib import Path
from uuid import uuid4

from flask import current_app, request, session
from itsdangerous import BadSignature, URLSafeTimedSerializer
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

TOKEN_SECONDS = 24 * 60 * 60
DEVELOPMENT_KEY = "for development only: everyone can read it"


def identify(state):
    """Prepares the app that registers the blueprint."""
    app = state.app
    if app.secret_key == DEVELOPMENT_KEY:
        app.logger.warning("SECRET_KEY is not set: using the development key that everyone knows")
    # Browsers send cookies to every port, so steps that run side by side need names of their own.
    app.config["SESSION_COOKIE_NAME"] = re.sub(r"\W", "-", Path(app.root_path).name)
    app.config["SESSION_COOKIE_SAMESITE"] = "Lax"
    logging.getLogger("werkzeug").addFilter(hide_tokens)


def remember_user():
    """Gives this browser a user id, in a signed cookie that the browser sends from now on."""
    session.permanent = True
    session.setdefault("user", uuid4().hex)


def user() -> str:
    """The id of the user. Raises Unauthorized for a bad token, or without a token and a cookie."""
    if token := sent_token():
        try:
            return tokens().loads(token, max_age=TOKEN_SECONDS)
        except BadSignature:
            raise unauthorized() from None
    if "user" not in session:
        raise unauthorized()
    return session["user"]


def new_token() -> dict:
    """A token for this user, or for a new one: {token, expires_in} (seconds)."""
    known = sent_token() or "user" in session
    return {"token": tokens().dumps(user() if known else uuid4().hex), "expires_in": TOKEN_SECONDS}


def sent_token():
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else request.args.get("token")


def unauthorized():
    return Unauthorized(www_authenticate=WWWAuthenticate("bearer"))


def tokens():
    return URLSafeTimedSerializer(current_app.secret_key, salt="token")


def hide_tokens(record):
    record.msg, record.args = re.sub(r"token=[^&\s]+", "token=hidden", record.getMessage()), ()
    return True
