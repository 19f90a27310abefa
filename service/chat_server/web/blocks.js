// Whom this person has blocked.

/** Tells `change` when somebody is blocked or no more. */
export class Blocks extends EventTarget {
  list = [];
  #session;

  constructor(session) {
    super();
    this.#session = session;
  }

  has(userId) {
    return this.list.some((block) => block.userId === userId);
  }

  async load() {
    this.list = (await this.#session.call("GET", "user/me/blocks")).blocks;
    this.dispatchEvent(new CustomEvent("change"));
  }

  async set(userId, blocked) {
    await this.#session.call(blocked ? "POST" : "DELETE", `users/${userId}/block`);
    await this.load();
  }
}
