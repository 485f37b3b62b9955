"""Routes: HTTP in, HTTP out. A thread does the work, and the server sends each update."""

import io
import os

from flask import Flask, render_template, request, send_file, url_for
from werkzeug.exceptions import NotFound

import events
import jobs
import page
import sse
import store
import tasks

POLL_SECONDS = 2

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 5 * 1024 * 1024
app.secret_key = os.environ.get("SECRET_KEY") or page.DEVELOPMENT_KEY
app.register_blueprint(page.blueprint)
for error in store.UNAVAILABLE:
    app.register_error_handler(error, store.unavailable)


@app.get("/")
def index():
    page.remember_user()
    return render_template("index.html")


@app.post("/tasks")
def create_task():
    user = page.user()
    kind, document, options = page.submitted()
    task_id = store.create(user, kind, options, document)
    try:
        tasks.start(task_id)
    except Exception:
        store.forget(user, task_id)
        raise
    status_url = url_for("show_task", task_id=task_id)
    answer = {
        "task_id": task_id,
        "status": "queued",
        "status_url": status_url,
        "stream_url": url_for("stream", task_ids=task_id),
        "cancel_url": url_for("cancel", task_id=task_id),
    }
    return answer, 202, {"Location": status_url}


@app.get("/tasks")
def list_tasks():
    return {"tasks": [tasks.status(task) for task in store.tasks_of(page.user())]}


@app.get("/tasks/<task_id>")
def show_task(task_id):
    task = tasks.status(my_task(task_id))
    return task, {"Retry-After": POLL_SECONDS} if task["state"] in store.RUNNING else {}


@app.get("/tasks/stream")
def stream():
    user, task_ids = page.user(), requested_tasks()
    if not store.tasks_of(user, task_ids):
        return "", 204  # to a browser: do not come back
    if request.method == "HEAD":
        return "", sse.HEADERS
    return sse.response(events.Stream(user, task_ids))


@app.post("/tasks/<task_id>/cancel")
def cancel(task_id):
    tasks.cancel(my_task(task_id))
    return {"task_id": task_id, "status": "cancelling"}, 202


@app.get("/tasks/<task_id>/files/<name>")
def download(task_id, name):
    my_task(task_id)
    content = store.file(task_id, name)
    if content is None:
        raise NotFound
    return send_file(io.BytesIO(content), as_attachment=True, download_name=name)


@app.get("/healthz")
def healthz():
    store.redis.ping()
    return {"status": "ok"}


def my_task(task_id):
    """Raises NotFound for another user's task too, as if it didn't exist."""
    user = page.user()
    task = store.get(task_id)
    if task is None or task["user"] != user:
        raise NotFound
    return task


def requested_tasks():
    """The ids in ?task_ids=a,b, all of them this user's. None for ?all=true, or for no query."""
    if "task_ids" not in request.args:
        return None
    task_ids = set(",".join(request.args.getlist("task_ids")).split(",")) - {""}
    if not task_ids:
        raise jobs.BadInput("No task is named.", "Say which: /tasks/stream?task_ids=a,b")
    for task_id in task_ids:
        my_task(task_id)
    return task_ids
