"""Routes: HTTP in, HTTP out. The work happens inside the request."""

import io
import os

from flask import Flask, render_template, send_file

import jobs
import page

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 5 * 1024 * 1024
app.secret_key = os.environ.get("SECRET_KEY") or page.DEVELOPMENT_KEY
app.register_blueprint(page.blueprint)


@app.get("/")
def index():
    page.remember_user()
    return render_template("index.html")


@app.post("/tasks")
def create_task():
    kind, document, options = page.submitted()
    updates = jobs.start(kind, document, options)
    files = [update.file for update in updates if update.file]
    return send_file(io.BytesIO(jobs.zipped(files)), as_attachment=True, download_name="all.zip")


@app.get("/healthz")
def healthz():
    return {"status": "ok"}
