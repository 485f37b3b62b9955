"""Routes: HTTP in, HTTP out. A Celery worker does the work; the browser asks how far it is."""

import io
from pathlib import Path

from flask import Flask, render_template, request, send_file, url_for
from werkzeug.exceptions import NotFound

import auth
import errors
import jobs
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
    answer = {"task_id": task_id, "status": "queued", "status_url": status_url}
    return answer, 202, {"Location": status_url}


@app.get("/tasks")
def list_tasks():
    return {"tasks": [described(task) for task in store.tasks_of(auth.user())]}


@app.get("/tasks/<task_id>")
def show_task(task_id):
    task = described(my_task(task_id))
    runs = task["state"] in ("PENDING", "PROGRESS")
    return task, {"Retry-After": POLL_SECONDS} if runs else {}


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


def my_task(task_id):
    """Raises NotFound for someone else's task as well, as if it did not exist."""
    user = auth.user()
    task = store.get(task_id)
    if task is None or task["user"] != user:
        raise NotFound
    return task


def described(task):
    status = tasks.status(task)
    files = store.files(task["task_id"])  # read after the state, which is never ahead of them
    result = {"result": files[-1]} if status["state"] == "SUCCESS" else {}
    return {"task_id": task["task_id"], "kind": task["kind"], "files": files} | status | result
