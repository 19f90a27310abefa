// The WebSocket (docs/protocol.md): opened, checked, and opened again.

import { RefusedError } from "./api.js";
import { Backoff } from "./backoff.js";
import { SignedOutError } from "./session.js";

const READY_MS = 15_000;
const ANSWER_MS = 5_000;
const HELD_MS = 10_000;
const GOING_AWAY = new Set([1001, 1012]);
const NEVER_OPENED = 0;
/** After these the server may want another token, or nobody of this name. */
const REFUSED = new Set([NEVER_OPENED, 1000, 1008]);

const BLOCKED =
  "The server is there, but something keeps the WebSocket from opening: it has too many, or a proxy on the way does not let it through.";

/**
 * Tells `frame` with what the server sent, and `state`: "connecting", "open", "waiting" (`retryAt` says until when),
 * "closed".
 */
export class Connection extends EventTarget {
  state = "closed";
  retryAt = 0;
  /** What a person should know of why there is no connection. */
  trouble = "";
  #session;
  #backoff;
  #socket = null;
  #wake = () => {};
  #check = () => {};

  constructor(session, backoff = new Backoff()) {
    super();
    this.#session = session;
    this.#backoff = backoff;
    session.addEventListener("token", ({ detail }) => this.send("auth", { token: detail }));
  }

  /** Stays connected until `stop`. */
  async run() {
    addEventListener("online", this.#hurry);
    addEventListener("offline", this.#doubt);
    document.addEventListener("visibilitychange", this.#hurry);
    this.#become("connecting");
    while (this.state !== "closed") {
      const code = await this.#connect();
      if (this.state === "closed") return;
      this.trouble = GOING_AWAY.has(code) ? "The server is restarting." : "The server does not answer.";
      this.#become("connecting");
      if (REFUSED.has(code) && !(await this.#mayReturn(code))) return this.stop();
      this.retryAt = Date.now() + this.#backoff.next();
      this.#become("waiting");
      await this.#pause(this.retryAt - Date.now());
      if (this.state !== "closed") this.#become("connecting");
    }
  }

  stop() {
    removeEventListener("online", this.#hurry);
    removeEventListener("offline", this.#doubt);
    document.removeEventListener("visibilitychange", this.#hurry);
    this.#become("closed");
    this.#socket?.close();
    this.#wake();
  }

  /** Sends a frame, if there is a connection; tells whether there is. */
  send(type, data = {}, id = undefined) {
    if (this.state !== "open" || this.#socket.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify({ id, type, data }));
    return true;
  }

  /** Tries at once where it would wait, and asks for a sign of life where it is connected. */
  hurry() {
    this.#wake();
    this.#check();
  }

  #hurry = () => {
    if (!document.hidden && navigator.onLine) this.hurry();
  };

  #doubt = () => this.#check();

  /** One connection, from its beginning to its end; gives the code that it was closed with. */
  async #connect() {
    let token;
    try {
      token = await this.#session.token();
    } catch (error) {
      return error instanceof SignedOutError ? 1000 : NEVER_OPENED;
    }
    if (this.state === "closed") return 1000;
    const address = new URL("socket", document.baseURI);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = new WebSocket(address, ["chat-v1", `bearer.${token}`]);
    this.#socket = socket;
    return new Promise((resolve) => {
      const watch = new Watch(socket, { held: () => this.#backoff.held(), lost: () => resolve(1006) });
      this.#check = () => watch.ask();
      let ready = false;
      socket.onmessage = ({ data }) => {
        watch.heard();
        const frame = JSON.parse(data);
        if (frame.type === "ready") {
          ready = true;
          watch.every(frame.data.heartbeatSeconds * 1000);
          this.trouble = "";
          this.#become("open");
        }
        this.dispatchEvent(new CustomEvent("frame", { detail: frame }));
      };
      socket.onclose = ({ code }) => resolve(ready ? code : NEVER_OPENED);
      watch.expect(READY_MS);
    }).finally(() => {
      this.#check = () => {};
      socket.onmessage = socket.onclose = null;
      socket.close();
    });
  }

  /** Whether to come back. A browser does not say why an upgrade was refused: the API does. */
  async #mayReturn(code) {
    try {
      if (code === 1008) await this.#session.renew();
      await this.#session.call("GET", "user/me");
      if (code === NEVER_OPENED) this.trouble = BLOCKED;
      return true;
    } catch (error) {
      if (error instanceof RefusedError) this.trouble = error.message;
      return !(error instanceof SignedOutError);
    }
  }

  #pause(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #become(state) {
    if (this.state === "closed" && state !== "connecting") return;
    this.state = state;
    this.dispatchEvent(new CustomEvent("state"));
  }
}

/** Whether a socket still works. A browser shows no PINGs, so it sends heartbeats, and wants anything at all back. */
class Watch {
  #socket;
  #held;
  #lost;
  #timer = 0;
  #every = 0;
  #since = 0;
  #due = false;

  constructor(socket, { held, lost }) {
    this.#socket = socket;
    this.#held = held;
    this.#lost = lost;
    socket.addEventListener("close", () => {
      clearTimeout(this.#timer);
      clearInterval(this.#every);
    });
  }

  every(ms) {
    this.#since = Date.now();
    this.#every = setInterval(() => this.ask(), ms);
  }

  ask() {
    if (this.#socket.readyState !== WebSocket.OPEN || this.#due) return;
    this.#socket.send(JSON.stringify({ type: "heartbeat" }));
    this.#due = true;
    this.expect(ANSWER_MS);
  }

  heard() {
    clearTimeout(this.#timer);
    if (this.#due && Date.now() - this.#since >= HELD_MS) this.#held();
    this.#due = false;
  }

  expect(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      clearInterval(this.#every);
      this.#lost();
    }, ms);
  }
}
