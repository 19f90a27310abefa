// How long to wait before trying again: exponential, with full jitter, so that those whom a restart has thrown off
// don't all come back at once.

const LEAST_MS = 500;
const MOST_MS = 30_000;

export class Backoff {
  #failures = 0;
  #random;

  constructor(random = Math.random) {
    this.#random = random;
  }

  /** The next pause, in ms: anything up to a bound that doubles from half a second to 30. */
  next() {
    const bound = Math.min(MOST_MS, LEAST_MS * 2 ** this.#failures);
    this.#failures += 1;
    return this.#random() * bound;
  }

  /** Begins anew: it works, and has done so for a while. */
  held() {
    this.#failures = 0;
  }
}
