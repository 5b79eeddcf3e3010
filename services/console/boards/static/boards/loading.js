// Fetching panels' data: a few at a time, the page's own first.

const AT_ONCE = 6;
const TIMEOUT_MS = 30_000;

let running = 0;
const waiting = [];

function next() {
  while (running < AT_ONCE && waiting.length) {
    const job = waiting.shift();
    running += 1;
    job().finally(() => {
      running -= 1;
      next();
    });
  }
}

// The JSON at `url`, when its turn comes. What can't be had is { error: { backend, reason, rejected } } too.
export function load(url) {
  return new Promise((resolve) => {
    waiting.push(async () => resolve(await get(url)));
    next();
  });
}

async function get(url) {
  const failed = (reason) => ({ error: { backend: "console", reason, rejected: false } });
  try {
    const response = await fetch(url, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (response.status === 401) {
      location.reload();
      return failed("You are logged out.");
    }
    const isJson = response.headers.get("Content-Type")?.startsWith("application/json");
    return isJson ? await response.json() : failed(`HTTP ${response.status}`);
  } catch (error) {
    return failed(error.name === "TimeoutError" ? "no answer within 30 s" : "no connection");
  }
}
