"""Routes: HTTP in, HTTP out. Here the work happens inside the request."""

import io
from pathlib import Path

from flask import Flask, render_template, request, send_file

import errors
import jobs

STEP = Path(__file__).parent
SAMPLES = STEP / "static" / "samples"

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 5 * 1024 * 1024
app.jinja_env.globals.update(step=STEP.name, kinds=jobs.KINDS)
errors.handle(app)


@app.get("/")
def index():
    return render_template("index.html")


@app.post("/tasks")
def create_task():
    kind = request.form.get("kind", "")
    updates = jobs.start(kind, document(kind), request.form)
    files = [update.file for update in updates if update.file]
    return send_file(io.BytesIO(jobs.zipped(files)), "application/zip", True, "all.zip")


@app.get("/healthz")
def healthz():
    return {"status": "ok"}


def document(kind):
    """What was uploaded, or the sample of this kind if the person asked for it; else None."""
    if "sample" in request.form and kind in jobs.KINDS and jobs.KINDS[kind].SAMPLE:
        return (SAMPLES / jobs.KINDS[kind].SAMPLE).read_bytes()
    upload = request.files.get("document")
    return upload.read() if upload and upload.filename else None
