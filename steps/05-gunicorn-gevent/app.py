"""Routes: HTTP in, HTTP out. A Celery worker does the work, and Redis carries the news here."""

import io
from pathlib import Path

from flask import Flask, render_template, request, send_file, url_for
from werkzeug.exceptions import NotFound

import auth
import errors
import events
import jobs
import sse
import store
import tasks

STEP = Path(__file__).parent
SAMPLES = STEP / "static" / "samples"
POLL_SECONDS = 2

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 5 * 1024 * 1024
app.jinja_env.globals.update(step=STEP.name, kinds=jobs.KINDS)
auth.protect(app)
errors.handle(app)


@app.get("/")
def index():
    auth.remember()
    return render_template("index.html")


@app.post("/tokens")
def create_token():
    return auth.new_token(), 201


@app.post("/tasks")
def create_task():
    user = auth.user()
    kind = request.form.get("kind", "")
    content = document(kind)
    options = jobs.check(kind, content, request.form)
    task_id = store.create(user, kind, options, content)
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
    return {"tasks": [tasks.status(task) for task in store.tasks_of(auth.user())]}


@app.get("/tasks/<task_id>")
def show_task(task_id):
    task = tasks.status(my_task(task_id))
    runs = task["state"] in ("PENDING", "PROGRESS")
    return task, {"Retry-After": POLL_SECONDS} if runs else {}


@app.get("/tasks/stream")
def stream():
    user, task_ids = auth.user(), asked_for()
    # A browser that reconnects sends the header, with an id newer than that in its old address.
    last_id = request.headers.get("Last-Event-ID") or request.args.get("last_event_id")
    if events.all_told(user, task_ids, last_id):
        return "", 204  # to a browser: do not come back
    if request.method == "HEAD":
        return "", sse.HEADERS  # a body that nobody asks for is never closed
    return sse.response(events.follow(user, task_ids, last_id))


@app.post("/tasks/<task_id>/cancel")
def cancel(task_id):
    my_task(task_id)
    tasks.cancel(task_id)
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


def document(kind):
    """What was uploaded, or the sample of this kind if the person asked for it; else None."""
    if "sample" in request.form and kind in jobs.KINDS and jobs.KINDS[kind].SAMPLE:
        return (SAMPLES / jobs.KINDS[kind].SAMPLE).read_bytes()
    upload = request.files.get("document")
    return upload.read() if upload and upload.filename else None


def asked_for():
    """The ids of the tasks to follow, all of them mine; None for ?all=true, or for nothing."""
    if "task_ids" not in request.args:
        return None
    task_ids = {task_id for task_id in request.args["task_ids"].split(",") if task_id}
    if not task_ids:
        raise jobs.BadInput("No task is named.", "Say which: /tasks/stream?task_ids=a,b")
    for task_id in task_ids:
        my_task(task_id)
    return task_ids


def my_task(task_id):
    """Raises NotFound for someone else's task as well, as if it did not exist."""
    user = auth.user()
    task = store.get(task_id)
    if task is None or task["user"] != user:
        raise NotFound
    return task
