// Calls of the server's API (docs/api.md).

const LONGEST_MS = 30_000;

/** The server said no: `code` for programs, the message for people. */
export class RefusedError extends Error {
  constructor(status, { error, message, details }) {
    super(message);
    this.status = status;
    this.code = error;
    this.details = details ?? {};
  }
}

/** Nobody answered, or something on the way did in the server's place. */
export class UnreachableError extends Error {
  constructor(cause) {
    super("The server does not answer.", { cause });
  }
}

/**
 * Calls the server; gives what it answered, null where there is nothing to say.
 * @param {string} method
 * @param {string} path without a slash before it: the page may lie below a path of the proxy's
 * @param {{token?: string, body?: object, signal?: AbortSignal}} options
 * @throws {RefusedError | UnreachableError} and an AbortError where the signal says so
 */
export async function call(method, path, { token, body, signal } = {}) {
  const limit = AbortSignal.timeout(LONGEST_MS);
  const answer = await exchange(method, path, { token, body, signal: signal ? AbortSignal.any([signal, limit]) : limit });
  if (answer.status === 204) return null;
  try {
    return await answer.json();
  } catch (error) {
    throw unreachable(error);
  }
}

/** What the server answered as it is, for a download, which may take its time. */
export async function exchange(method, path, { token, body, signal } = {}) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  if (body) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers,
      body: body && JSON.stringify(body),
      signal,
      cache: "no-store",
      credentials: "omit",
    });
  } catch (error) {
    throw unreachable(error);
  }
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => ({}));
  if (typeof said.error !== "string") throw new UnreachableError(`status ${answer.status}`);
  throw new RefusedError(answer.status, said);
}

/** One who called it off knows that they did. */
const unreachable = (error) => (error.name === "AbortError" ? error : new UnreachableError(error));

/** A path with a query. */
export const query = (path, values) => `${path}?${new URLSearchParams(values)}`;
