// Sends a request, and always returns {status, body}. Without an answer, the status is 0.

import { count } from "./meter.js";

const SILENCE = {
  error: "The server does not answer.",
  hint: "Is it running? Try again in a moment.",
};
const NONSENSE = {
  error: "The server's answer can't be read.",
  hint: "Try again in a moment.",
};

export async function request(url, options = {}) {
  try {
    const response = await fetch(url, { headers: { Accept: "application/json" }, ...options });
    const text = await response.text();
    count({ requests: 1, bytes: sizeOf(response, text) });
    return { status: response.status, body: JSON.parse(text) };
  } catch (error) {
    // A proxy in between may answer in HTML. Whatever its status, that isn't an answer of ours.
    return { status: 0, body: error instanceof SyntaxError ? NONSENSE : SILENCE };
  }
}

// Body and headers, in bytes, as HTTP/1.1 sends them.
function sizeOf(response, text) {
  const lines = [...response.headers].map(([name, value]) => `${name}: ${value}\r\n`);
  return new Blob([text, ...lines]).size;
}
