// What this browser keeps of a person's chat, so that it can be read without a connection and nothing unsent is lost.

const VERSION = 1;
const name = (userId) => `chat-${userId}`;

/**
 * An IndexedDB for each person who signs in here. Where it does not work (no room, or gone: another tab has signed out),
 * nothing is kept and nothing found but drafts, as long as the page is open: chatting goes on without.
 */
export class Store {
  #database;
  #underWay = {};
  #waiting = {};
  /** Drafts that are not in the database, because it has no room or is not there, or not yet. */
  #drafts = new Map();

  constructor(database) {
    this.#database = database;
  }

  /** Opens what is kept for a person. */
  static async open(userId) {
    try {
      return new Store(await Store.#opened(userId));
    } catch (error) {
      return new Store(failed(error, null));
    }
  }

  static async #opened(userId) {
    const request = indexedDB.open(name(userId), VERSION);
    request.onupgradeneeded = () => {
      const database = request.result;
      database.createObjectStore("conversations", { keyPath: "conversationId" });
      database.createObjectStore("messages", { keyPath: ["conversationId", "seq"] });
      database.createObjectStore("outbox", { keyPath: "id" });
      database.createObjectStore("drafts");
    };
    const database = await settled(request);
    database.onversionchange = () => database.close(); // another tab removes it
    return database;
  }

  /** Removes all that is kept for a person. */
  static async remove(userId) {
    await attempt(() => settled(indexedDB.deleteDatabase(name(userId))));
  }

  close() {
    this.#database?.close();
  }

  conversations() {
    return this.#read("conversations", (store) => settled(store.getAll()), []);
  }

  keepConversations(conversations) {
    return this.#together("conversations", conversations);
  }

  /** The newest messages of a conversation below a seq that follow on one another, the oldest first. */
  newest(conversationId, { before = Infinity, limit = 50 } = {}) {
    const range = IDBKeyRange.bound([conversationId, 0], [conversationId, before], false, true);
    return this.#read("messages", (store) => following(store.openCursor(range, "prev"), limit), []);
  }

  keepMessages(messages) {
    return this.#together("messages", messages);
  }

  /** Forgets the messages of a conversation. */
  dropMessages(conversationId) {
    return this.#write("messages", (store) => store.delete(IDBKeyRange.bound([conversationId, 0], [conversationId, Infinity])));
  }

  /** Forgets what there is to read, and keeps what was written and not sent. */
  async dropRead() {
    for (const kind of ["conversations", "messages"]) await this.#write(kind, (store) => store.clear());
  }

  /** What was not acknowledged, in the order it was written in. */
  async outbox() {
    const entries = await this.#read("outbox", (store) => settled(store.getAll()), []);
    return entries.sort((one, other) => one.writtenAt - other.writtenAt);
  }

  keepUnsent(entry) {
    return this.#write("outbox", (store) => store.put(entry));
  }

  dropUnsent(id) {
    return this.#write("outbox", (store) => store.delete(id));
  }

  async draft(conversationId) {
    if (this.#drafts.has(conversationId)) return this.#drafts.get(conversationId);
    return (await this.#read("drafts", (store) => settled(store.get(conversationId)), "")) ?? "";
  }

  async keepDraft(conversationId, text) {
    this.#drafts.set(conversationId, text);
    const isKept = await this.#write("drafts", (store) => (text ? store.put(text, conversationId) : store.delete(conversationId)));
    // What is in the database is left to it: another tab may write a newer one.
    if (isKept && this.#drafts.get(conversationId) === text) this.#drafts.delete(conversationId);
  }

  /** What comes while something is being written is written at once: thousands come after a long absence. */
  #together(kind, values) {
    this.#waiting[kind] ??= { values: [], done: Promise.resolve(this.#underWay[kind]).then(() => this.#writeWaiting(kind)) };
    this.#waiting[kind].values.push(...values);
    return this.#waiting[kind].done;
  }

  #writeWaiting(kind) {
    const { values } = this.#waiting[kind];
    delete this.#waiting[kind];
    this.#underWay[kind] = this.#write(kind, (store) => values.forEach((each) => store.put(each)));
    return this.#underWay[kind];
  }

  async #read(kind, ask, otherwise) {
    return attempt(() => ask(this.#database.transaction(kind).objectStore(kind)), otherwise);
  }

  /** Gives whether it is kept. */
  async #write(kind, change) {
    return attempt(() => {
      const transaction = this.#database.transaction(kind, "readwrite");
      change(transaction.objectStore(kind));
      transaction.commit?.(); // a page that is being left is not there any more when it would be done by itself
      return new Promise((resolve, reject) => {
        transaction.oncomplete = () => resolve(true);
        transaction.onabort = () => reject(transaction.error);
      });
    }, false);
  }
}

async function attempt(work, otherwise) {
  try {
    return await work();
  } catch (error) {
    return failed(error, otherwise);
  }
}

function failed(error, otherwise) {
  console.info(`Not kept in this browser: ${error?.message}`);
  return otherwise;
}

/** The messages of a cursor that goes back, as long as they follow on one another; the oldest first. */
function following(request, limit) {
  const found = [];
  return new Promise((resolve, reject) => {
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      const cursor = request.result;
      const follows = cursor && (!found.length || cursor.value.seq === found.at(-1).seq - 1);
      if (!follows || found.length === limit) return resolve(found.reverse());
      found.push(cursor.value);
      cursor.continue();
    };
  });
}

function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("blocked"));
  });
}
