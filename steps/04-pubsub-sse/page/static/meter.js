// Counts what this page costs on the wire, and how old the updates are when they arrive.

const OPENED = Date.now();
const counted = { requests: 0, bytes: 0, updates: 0, age: 0 };
const lastUpdate = new Map();

export function count({ requests = 0, bytes = 0 }) {
  counted.requests += requests;
  counted.bytes += bytes;
  show();
}

// An update is counted once, however often the page receives it. Updates from before the page was
// opened don't count.
export function countUpdate(taskId, updatedAt) {
  const happened = Date.parse(updatedAt);
  if (!(happened > OPENED) || lastUpdate.get(taskId) === updatedAt) return;
  lastUpdate.set(taskId, updatedAt);
  counted.updates += 1;
  counted.age += Math.max(0, Date.now() - happened) / 1000;
  show();
}

function show() {
  const { requests, bytes, updates, age } = counted;
  write("requests", requests);
  write("bytes", bytes.toLocaleString("en"));
  write("updates", updates);
  write("age", updates ? `${(age / updates).toFixed(2)} s` : "–");
}

function write(name, value) {
  document.querySelector(`#meter-${name}`).textContent = value;
}
