// What this browser keeps of a person's chat, so that it can be read without a connection and nothing unsent is lost.

const VERSION = 1;
const name = (userId) => `chat-${userId}`;

/** An IndexedDB for each person who signs in here. */
export class Store {
  #database;

  constructor(database) {
    this.#database = database;
  }

  /** Opens what is kept for a person. */
  static async open(userId) {
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
    return new Store(database);
  }

  /** Removes all that is kept for a person. */
  static async remove(userId) {
    await settled(indexedDB.deleteDatabase(name(userId))).catch(() => {});
  }

  close() {
    this.#database.close();
  }

  conversations() {
    return this.#read("conversations", (store) => store.getAll());
  }

  keepConversations(conversations) {
    return this.#write("conversations", (store) => conversations.forEach((each) => store.put(each)));
  }

  /** The newest messages of a conversation below a seq that follow on one another, the oldest first. */
  async newest(conversationId, { before = Infinity, limit = 50 } = {}) {
    const range = IDBKeyRange.bound([conversationId, 0], [conversationId, before], false, true);
    const found = [];
    const transaction = this.#database.transaction("messages");
    const request = transaction.objectStore("messages").openCursor(range, "prev");
    await new Promise((resolve, reject) => {
      request.onerror = () => reject(request.error);
      request.onsuccess = () => {
        const cursor = request.result;
        const follows = cursor && (!found.length || cursor.value.seq === found.at(-1).seq - 1);
        if (!follows || found.length === limit) return resolve();
        found.push(cursor.value);
        cursor.continue();
      };
    });
    return found.reverse();
  }

  keepMessages(messages) {
    return this.#write("messages", (store) => messages.forEach((each) => store.put(each)));
  }

  /** What was not acknowledged, in the order it was written in. */
  async outbox() {
    const entries = await this.#read("outbox", (store) => store.getAll());
    return entries.sort((one, other) => one.writtenAt - other.writtenAt);
  }

  keepUnsent(entry) {
    return this.#write("outbox", (store) => store.put(entry));
  }

  dropUnsent(id) {
    return this.#write("outbox", (store) => store.delete(id));
  }

  async draft(conversationId) {
    return (await this.#read("drafts", (store) => store.get(conversationId))) ?? "";
  }

  keepDraft(conversationId, text) {
    return this.#write("drafts", (store) => (text ? store.put(text, conversationId) : store.delete(conversationId)));
  }

  #read(kind, ask) {
    return settled(ask(this.#database.transaction(kind).objectStore(kind)));
  }

  #write(kind, change) {
    const transaction = this.#database.transaction(kind, "readwrite");
    change(transaction.objectStore(kind));
    return new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error);
    });
  }
}

function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("blocked"));
  });
}
