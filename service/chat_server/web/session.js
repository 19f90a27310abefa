// Being signed in: the token, kept fresh, one for all tabs of this browser.

import { RefusedError, UnreachableError, call, exchange } from "./api.js";

const KEY = "chat-session";
const EARLY_MS = 10 * 60_000;
const AGAIN_MS = 30_000;
const GOODBYE_MS = 5_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** This device is signed out; the message says why. */
export class SignedOutError extends Error {}

/**
 * A person signed in on this device. Tells `token` when there is a fresh one, and `ended` when it is over: `why`, and what
 * this browser is to `forget`: "all"; "read", where nobody here wished to go and so what is unsent stays; or "nothing",
 * where another tab sees to that.
 */
export class Session extends EventTarget {
  #kept;
  #renewing = null;
  #timer = 0;
  #isOver = false;

  constructor(kept) {
    super();
    this.#kept = kept;
    addEventListener("storage", this.#seen);
    this.#plan();
  }

  /** Who is signed in in this browser; null for nobody. */
  static restore() {
    const kept = read();
    return kept && new Session(kept);
  }

  /** Signs in, or up where there is a path for it; `body` has username and password. */
  static async begin(path, body) {
    const { userId, username, token, expiresIn } = await call("POST", path, { body });
    const kept = lasting({ userId, username, token }, expiresIn);
    localStorage.setItem(KEY, JSON.stringify(kept));
    return new Session(kept);
  }

  get userId() {
    return this.#kept.userId;
  }

  get username() {
    return this.#kept.username;
  }

  /** A token that has not expired. @throws {SignedOutError | UnreachableError} */
  async token() {
    if (this.#kept.expiresAt <= Date.now()) await this.renew();
    return this.#kept.token;
  }

  /** Calls the API as this person, with another token where the server does not take this one. */
  call(method, path, options = {}) {
    return this.#signed((token) => call(method, path, { ...options, token }));
  }

  /** The answer as it is. */
  exchange(method, path, options = {}) {
    return this.#signed((token) => exchange(method, path, { ...options, token }));
  }

  /** Gets a fresh token; of several tabs that want one, one asks. @throws {SignedOutError | UnreachableError} */
  renew() {
    if (this.#renewing) return this.#renewing;
    const old = this.#kept.token;
    this.#renewing = this.#alone(() => this.#renew(old)).finally(() => {
      this.#renewing = null;
      if (!this.#isOver) this.#plan();
    });
    return this.#renewing;
  }

  /** Signs this device out, or all of the person's; what is not reached is signed out here all the same. */
  async signOut({ everywhere = false } = {}) {
    const signal = everywhere ? undefined : AbortSignal.timeout(GOODBYE_MS);
    const leave = async (token) => {
      await call("POST", everywhere ? "auth/logout?everywhere=true" : "auth/logout", { token, signal });
      this.end("");
    };
    // Other tabs, whose sockets close before the answer is here, have to wait with asking what became of them. A renewal
    // of one's own that hangs must not keep anybody from leaving.
    const inTurn = (work) => (this.#renewing ? work() : this.#alone(work, signal));
    try {
      await this.#signed((token) => inTurn(() => leave(token)));
    } catch (error) {
      if (everywhere && !(error instanceof SignedOutError)) throw error;
      this.end("");
    }
  }

  /** Forgets the session, here and in other tabs. */
  end(why, forget = "all") {
    if (read()?.userId === this.userId) localStorage.removeItem(KEY);
    this.#over(why, forget);
  }

  async #signed(ask) {
    const token = await this.token();
    try {
      return await ask(token);
    } catch (error) {
      if (!(error instanceof RefusedError && error.code === "UNAUTHORIZED")) throw error;
    }
    if (token === this.#kept.token) await this.renew();
    return ask(this.#kept.token);
  }

  async #renew(old) {
    const kept = this.#mine();
    if (kept.token !== old) return this.#adopt(kept); // another tab was quicker
    try {
      const { token, expiresIn } = await call("POST", "auth/refresh", { token: old });
      const fresh = lasting({ ...this.#mine(), token }, expiresIn);
      localStorage.setItem(KEY, JSON.stringify(fresh));
      return this.#adopt(fresh);
    } catch (error) {
      if (!(error instanceof RefusedError) || error.status !== 401) throw error;
      const now = this.#mine(); // where tabs can't wait for each other, one may have been quicker meanwhile
      if (now.token !== old) return this.#adopt(now);
      this.end("This device was signed out: its session has ended.", "read");
      throw new SignedOutError(error.message);
    }
  }

  /** What is kept, as long as this person is signed in here. */
  #mine() {
    const kept = read();
    if (kept?.userId !== this.userId) throw this.#over(kept ? "" : "You signed out in another tab.");
    return kept;
  }

  #adopt(kept) {
    const fresh = kept.token !== this.#kept.token;
    this.#kept = kept;
    if (fresh) this.dispatchEvent(new CustomEvent("token", { detail: kept.token }));
  }

  #alone(work, signal) {
    // Locks are for pages that came by https, or from this machine.
    return navigator.locks ? navigator.locks.request(KEY, { signal }, work) : work();
  }

  #plan(ms = this.#kept.expiresAt - Date.now() - Math.min(EARLY_MS, this.#kept.lifeMs / 2)) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.renew().catch(() => this.#later()), clamp(ms));
  }

  #later() {
    if (!this.#isOver) this.#plan(Math.min(AGAIN_MS, this.#kept.lifeMs / 4));
  }

  #over(why, forget = "nothing") {
    this.#isOver = true;
    clearTimeout(this.#timer);
    removeEventListener("storage", this.#seen);
    this.dispatchEvent(new CustomEvent("ended", { detail: { why, forget } }));
    return new SignedOutError(why);
  }

  #seen = ({ key }) => {
    if (key !== KEY && key !== null) return;
    const kept = read();
    if (kept?.userId !== this.userId) return this.#over(kept ? "" : "You signed out in another tab.");
    this.#adopt(kept);
    this.#plan();
  };
}

function lasting(kept, expiresIn) {
  return { ...kept, lifeMs: expiresIn * 1000, expiresAt: Date.now() + expiresIn * 1000 };
}

function read() {
  try {
    return JSON.parse(localStorage.getItem(KEY));
  } catch {
    return null;
  }
}

const clamp = (ms) => Math.max(0, Math.min(ms, LONGEST_TIMER_MS));

export { UnreachableError };
