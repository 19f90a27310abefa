// Messages on their way: kept until the server has acknowledged them, sent one after the other so that their order
// stays, and again with the same id after every interruption.

import { Backoff } from "./backoff.js";

/** What trying again does not change. */
const FINAL = new Set(["INVALID_MESSAGE", "INVALID_MESSAGE_LENGTH", "RECIPIENT_NOT_FOUND", "RECIPIENT_DELETED", "ID_CONFLICT", "BLOCKED"]);

/** A fresh id for a message. `crypto.randomUUID` is for pages that came by https. */
export function freshId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Tells `change` with an entry that was added, or has failed, or is tried again. */
export class Outbox extends EventTarget {
  #store;
  #connection;
  #entries = [];
  /** The ids of those that this browser did not keep. */
  #unkept = new Set();
  #underWay = "";
  #pause = new Backoff();
  #timer = 0;

  constructor(store, connection) {
    super();
    this.#store = store;
    this.#connection = connection;
  }

  /** How many are not acknowledged, those of other tabs among them: what is kept for all is gone where one signs out. */
  async count() {
    const all = [...(await this.#store.outbox()), ...this.#entries];
    return new Set(all.map((entry) => entry.id)).size;
  }

  /** Whether something would be lost with the page. */
  get isAtRisk() {
    return this.#entries.some((entry) => this.#unkept.has(entry.id));
  }

  /** What is kept from before, or by another tab. Gives the entries that were not known. */
  async load() {
    const known = new Set(this.#entries.map((entry) => entry.id));
    const found = (await this.#store.outbox()).filter((entry) => !known.has(entry.id));
    this.#entries = [...found, ...this.#entries].sort((one, other) => one.writtenAt - other.writtenAt);
    return found;
  }

  /** Sends a message as soon as there is a connection. It is kept first: what is shown as sent is never lost. */
  async add(conversationId, recipientId, content) {
    // Clocks are set back, and the order stays.
    const writtenAt = Math.max(Date.now(), (this.#entries.at(-1)?.writtenAt ?? 0) + 1);
    const entry = { id: freshId(), conversationId, recipientId, content, writtenAt, failure: null };
    this.#entries.push(entry);
    await this.#keep(entry);
    this.#tell(entry);
    this.flush();
    return entry;
  }

  /** Begins again with what is not acknowledged: what was under way may have got lost with its connection. */
  restart() {
    this.#underWay = "";
    this.flush();
  }

  flush() {
    const next = this.#entries.find((entry) => !entry.failure);
    if (this.#underWay || this.#timer || !next) return;
    const { id, recipientId, content } = next;
    if (this.#connection.send("message", { recipientId, content }, id)) this.#underWay = id;
  }

  /** The server has it, whoever sent it. */
  async stored(id) {
    this.#entries = this.#entries.filter((entry) => entry.id !== id);
    this.#settle(id);
    this.#pause.held();
    await this.#store.dropUnsent(id);
  }

  /** The server did not take it: some refusals are final, after others it is tried again. */
  async refused(id, { code, message, details }) {
    const entry = this.#entries.find((each) => each.id === id);
    if (!entry) return;
    if (FINAL.has(code)) {
      entry.failure = { code, message };
      await this.#store.keepUnsent(entry);
    } else {
      const ms = details?.retryAfterMs ?? this.#pause.next() + 1000;
      this.#timer = setTimeout(() => {
        this.#timer = 0;
        this.flush();
      }, ms);
    }
    this.#settle(id);
    this.#tell(entry);
  }

  /** Tries a failed one once more; under a fresh id where its own belongs to another message. */
  async retry(entry) {
    const old = entry.id;
    if (entry.failure?.code === "ID_CONFLICT") entry.id = freshId();
    entry.failure = null;
    await this.#keep(entry);
    if (entry.id !== old) await this.#store.dropUnsent(old);
    this.#tell(entry);
    this.flush();
  }

  /** Gives a failed one up. */
  async discard(entry) {
    this.#entries = this.#entries.filter((each) => each !== entry);
    await this.#store.dropUnsent(entry.id);
    this.#tell(entry);
  }

  /** What is on its way under an id. */
  entry(id) {
    return this.#entries.find((entry) => entry.id === id);
  }

  /** What is on its way to a conversation. */
  of(conversationId) {
    return this.#entries.filter((entry) => entry.conversationId === conversationId);
  }

  async #keep(entry) {
    if (await this.#store.keepUnsent(entry)) this.#unkept.delete(entry.id);
    else this.#unkept.add(entry.id);
  }

  #settle(id) {
    if (this.#underWay === id) this.#underWay = "";
    this.flush();
  }

  #tell(entry) {
    this.dispatchEvent(new CustomEvent("change", { detail: entry }));
  }
}
