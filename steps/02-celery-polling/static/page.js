// The page: sends the forms, and shows a card for each task. It remembers the ids of its tasks,
// so that a person may leave and come back.

import { follow } from "./follow.js";
import { countUpdate } from "./meter.js";
import { request } from "./request.js";

const STATES = {
  PENDING: "queued",
  PROGRESS: "running",
  SUCCESS: "done",
  FAILURE: "failed",
};
const memory = `tasks of ${document.body.dataset.step}`;
const cards = document.querySelector("#tasks");
const formProblem = document.querySelector("#form-problem");

function remembered() {
  return JSON.parse(localStorage.getItem(memory) ?? "[]");
}

function remember(taskIds) {
  localStorage.setItem(memory, JSON.stringify(taskIds));
}

function forget(taskId) {
  remember(remembered().filter((id) => id !== taskId));
}

async function start(event) {
  event.preventDefault();
  const { target: form, submitter } = event;
  const fields = new FormData(form, submitter);
  submitter.disabled = true;
  const { status, body } = await request("/tasks", { method: "POST", body: fields });
  submitter.disabled = false;
  showProblem(formProblem, status === 202 ? null : body);
  if (status === 202) {
    remember([...remembered(), body.task_id]);
    addCard(body.task_id).scrollIntoView({ block: "nearest" });
  }
}

function addCard(taskId) {
  const card = document.querySelector("#card").content.cloneNode(true).firstElementChild;
  cards.prepend(card);
  const part = (name) => card.querySelector(name);
  const stop = follow(taskId, {
    onTask: (task) => {
      countUpdate(taskId, task.updated_at);
      showTask(part, task);
    },
    onTrouble: (problem) => showProblem(part(".problem"), problem),
    onGone: (problem) => {
      forget(taskId);
      part(".state").textContent = "gone";
      showProblem(part(".problem"), problem);
    },
  });
  part(".remove").addEventListener("click", () => {
    stop();
    forget(taskId);
    card.remove();
  });
  return card;
}

function showTask(part, task) {
  part(".kind").textContent = titleOf(task.kind);
  part(".state").textContent = STATES[task.state];
  part("progress").value = task.progress;
  part(".message").textContent = task.message;
  showProblem(part(".problem"), task.error ? task : null);
  const links = part(".files").childElementCount;
  part(".files").append(...task.files.slice(links).map(fileLine));
}

function titleOf(kind) {
  const form = document.querySelector(`form:has([name=kind][value="${kind}"])`);
  // It may have been started from a newer page, with a kind that this one does not offer.
  return form?.closest("details").querySelector("summary").textContent ?? kind;
}

function fileLine(file) {
  const line = document.createElement("li");
  const link = document.createElement("a");
  link.href = file.url;
  link.textContent = file.topic;
  const about = document.createElement("span");
  about.className = "soft";
  about.textContent = `${file.name}, ${Math.ceil(file.size / 1024)} KB`;
  line.append(link, about);
  return line;
}

function showProblem(element, problem) {
  element.hidden = !problem;
  element.querySelector(".error").textContent = problem?.error ?? "";
  element.querySelector(".hint").textContent = problem?.hint ?? "";
}

for (const form of document.forms) form.addEventListener("submit", start);
remembered().forEach(addCard);
