// Asks the server. Always ends in {status, body}; where there is no answer, in status 0.

const SILENCE = {
  error: "The server does not answer.",
  hint: "Is it running? The page goes on trying.",
};

export async function request(url, options = {}) {
  try {
    const response = await fetch(url, { headers: { Accept: "application/json" }, ...options });
    return { status: response.status, body: await response.json() };
  } catch {
    return { status: 0, body: SILENCE };
  }
}
