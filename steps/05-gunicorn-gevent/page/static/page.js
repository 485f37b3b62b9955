// The page: sends the forms, and shows a card for each task that the server knows. It remembers
// the ids of the tasks that the user has removed.

import { keepLive } from "./live.js";
import { countUpdate } from "./meter.js";
import { request } from "./request.js";

const STATES = {
  PENDING: "queued",
  PROGRESS: "running",
  SUCCESS: "done",
  FAILURE: "failed",
  CANCELLED: "cancelled",
};
const RUNNING = ["PENDING", "PROGRESS"];
const LIGHTS = {
  connecting: "Opening the event stream.",
  live: "One event stream brings the updates of all tasks.",
  lost: "The event stream is lost. The page tries again in a few seconds.",
  polling: "Streams keep failing. The page polls every 2 seconds, and tries a stream again later.",
  closed: "No task is running, and no stream is open.",
  refused: "The server no longer knows this browser. Reload the page.",
};
const GONE = {
  error: "The server no longer knows this task.",
  hint: "Tasks expire after a day. Start it again.",
};
const ASK_AFTER = 6000; // a task that waits for longer than 5 s has a message that says why
const METRICS = { improvement: "improvement, %", rate: "per second", seconds: "seconds elapsed" };
const MOST_LINES = 50;
const MOST_REMOVED = 500;
const memory = `tasks removed from ${document.body.dataset.step}`;
const cards = document.querySelector("#tasks");
const shown = new Map();
let question;
const formProblem = document.querySelector("#form-problem");
const streamProblem = document.querySelector("#stream-problem");
const live = keepLive({
  onTask: showTask,
  onEvent: (type, data) => log(document.querySelector(".log"), `${type} ${data}`),
  onLight: (light) => showLight(document.querySelector(".light"), light),
  onTrouble: (problem) => showProblem(streamProblem, problem),
  onGone: showGone,
});

function removed() {
  return JSON.parse(localStorage.getItem(memory) ?? "[]");
}

function remove(taskId) {
  localStorage.setItem(memory, JSON.stringify([...removed(), taskId].slice(-MOST_REMOVED)));
  shown.delete(taskId); // otherwise the page would go on asking why it waits
  cardOf(taskId).remove();
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
    const card = cardOf(body.task_id);
    card.querySelector(".kind").textContent = titleOf(fields.get("kind"));
    showCancel(card.querySelector(".cancel"), body.cancel_url);
    card.scrollIntoView({ block: "nearest" });
    live.listen(body.task_id);
  }
}

async function lookAgain() {
  if (!document.hidden && (await live.ask())) live.listen();
}

// No event says that nothing happens. One question serves all tasks that wait.
function askWhyTasksWait() {
  question ??= setTimeout(async () => {
    question = null;
    if (!someTaskWaits()) return;
    await live.ask();
    if (someTaskWaits()) askWhyTasksWait();
  }, ASK_AFTER);
}

function someTaskWaits() {
  return [...shown.values()].some((task) => task.stage === "queued");
}

function cardOf(taskId) {
  return document.getElementById(taskId) ?? addCard(taskId);
}

function addCard(taskId) {
  const card = document.querySelector("#card").content.cloneNode(true).firstElementChild;
  card.id = taskId;
  cards.prepend(card);
  const part = (name) => card.querySelector(name);
  part(".cancel").addEventListener("click", () => cancel(part));
  part(".remove").addEventListener("click", () => remove(taskId));
  askWhyTasksWait();
  return card;
}

function showTask(task) {
  const taskId = task.task_id;
  const before = shown.get(taskId);
  // After polling, the stream sends some older updates again.
  if (removed().includes(taskId) || before?.updated_at > task.updated_at) return;
  // Only an answer says that a task waits for a worker. In events it is queued.
  if (before?.stage === "waiting" && task.stage === "queued") return;
  shown.set(taskId, task);
  countUpdate(taskId, task.updated_at);
  const card = cardOf(taskId);
  const part = (name) => card.querySelector(name);
  part(".kind").textContent = titleOf(task.kind);
  part(".state").textContent = STATES[task.state];
  part("progress").value = task.progress;
  part(".message").textContent = task.message;
  part(".message").hidden = Boolean(task.error); // the problem says it already
  part(".metrics").replaceChildren(...Object.entries(task.metrics).map(metricCard));
  showCancel(part(".cancel"), RUNNING.includes(task.state) ? task.cancel_url : null);
  showProblem(part(".problem"), task.error ? task : null);
  const links = part(".files").childElementCount;
  part(".files").append(...task.files.slice(links).map(fileLine));
}

function showGone(taskId) {
  shown.delete(taskId);
  if (removed().includes(taskId)) return;
  const card = cardOf(taskId);
  card.querySelector(".state").textContent = "gone";
  showCancel(card.querySelector(".cancel"), null);
  showProblem(card.querySelector(".problem"), GONE);
}

function titleOf(kind) {
  const form = document.querySelector(`form:has([name=kind][value="${kind}"])`);
  // It may have been started from a newer page, with a kind that this page doesn't offer.
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
  element.hidden = false;
  element.dataset.light = light;
  element.textContent = light;
  document.querySelector("#transport").textContent = LIGHTS[light];
}

function log(details, text) {
  details.hidden = false;
  const list = details.querySelector("ol");
  const line = document.createElement("li");
  line.textContent = text;
  list.append(line);
  if (list.childElementCount > MOST_LINES) list.firstElementChild.remove();
}

// A step that can't cancel tasks sends no address for it.
function showCancel(button, url) {
  button.hidden = !url;
  button.value = url ?? "";
}

async function cancel(part) {
  const button = part(".cancel");
  button.disabled = true;
  const { status, body } = await request(button.value, { method: "POST" });
  if (status !== 202) showProblem(part(".problem"), body);
  button.disabled = false;
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
document.addEventListener("visibilitychange", lookAgain); // another tab may have started one
lookAgain();
