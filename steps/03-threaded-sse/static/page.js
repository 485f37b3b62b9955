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
  CANCELLED: "cancelled",
};
const LOST = {
  error: "The connection is lost.",
  hint: "The page tries again every few seconds.",
};
const METRICS = { improvement: "improvement, %", rate: "per second", seconds: "seconds elapsed" };
const MOST_LINES = 50;
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
    onEvent: (type, data) => log(part(".log ol"), `${type} ${data}`),
    onLight: (light) => showLight(part(".light"), light),
    onTrouble: () => showProblem(part(".problem"), LOST),
    onGone: (problem) => {
      forget(taskId);
      part(".state").textContent = "lost";
      part(".cancel").hidden = true;
      showProblem(part(".problem"), problem);
    },
  });
  part(".cancel").addEventListener("click", () => cancel(taskId, part));
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
  part(".metrics").replaceChildren(...Object.entries(task.metrics).map(metricCard));
  part(".cancel").hidden = !["PENDING", "PROGRESS"].includes(task.state);
  showProblem(part(".problem"), task.error ? task : null);
  const links = part(".files").childElementCount;
  part(".files").append(...task.files.slice(links).map(fileLine));
}

function titleOf(kind) {
  const form = document.querySelector(`form:has([name=kind][value="${kind}"])`);
  // It may have been started from a newer page, with a kind that this one does not offer.
  return form?.closest("details").querySelector("summary").textContent ?? kind;
}

function metricCard([name, value]) {
  const card = document.createElement("div");
  const title = document.createElement("dt");
  title.textContent = METRICS[name] ?? name;
  const number = document.createElement("dd");
  number.textContent = value.toLocaleString("en");
  card.append(title, number);
  return card;
}

function showLight(element, light) {
  element.dataset.light = light;
  element.textContent = light;
}

function log(list, text) {
  const line = document.createElement("li");
  line.textContent = text;
  list.append(line);
  if (list.childElementCount > MOST_LINES) list.firstElementChild.remove();
}

async function cancel(taskId, part) {
  part(".cancel").disabled = true;
  const { status, body } = await request(`/tasks/${taskId}/cancel`, { method: "POST" });
  if (status !== 202) showProblem(part(".problem"), body);
  part(".cancel").disabled = false;
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
