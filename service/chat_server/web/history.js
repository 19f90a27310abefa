// The messages of conversations: those that are kept in this browser, and those that the server has.

import { query } from "./api.js";

const PAGE = 50;
const MOST_CATCH_UP = 300;

export class History {
  #session;
  #store;
  #changed;
  #missed;

  /**
   * @param {{changed: (conversation: object) => void, missed: (error: Error) => void}} told when a conversation has other
   *   messages at hand, and when the newest could not be fetched
   */
  constructor(session, store, { changed, missed }) {
    this.#session = session;
    this.#store = store;
    this.#changed = changed;
    this.#missed = missed;
  }

  /** Has the newest messages at hand: those that are kept here at once, then what the server has. */
  async open(conversation) {
    conversation.isWanted = true;
    if (!conversation.messages.length) conversation.replace(await this.#store.newest(conversation.id, { limit: PAGE }));
    await this.jumpToNewest(conversation);
  }

  /** Fetches what lies between the messages at hand and the newest, unless older ones are wanted. */
  async catchUp(conversation) {
    try {
      await this.#catchUp(conversation);
    } catch (error) {
      this.#missed(error);
      throw error;
    }
  }

  async #catchUp(conversation) {
    if (conversation.isAway) return;
    if (!conversation.messages.length || conversation.facts.lastSeq - conversation.upTo > MOST_CATCH_UP) {
      conversation.replace(await this.#fetch(conversation));
    }
    while (!conversation.isAway && (!conversation.isAtNewest || conversation.hasGap)) {
      const page = await this.#fetch(conversation, { after: conversation.upTo, limit: 100 });
      if (!page.length) break;
      conversation.append(page);
    }
    this.#changed(conversation);
  }

  /** One page of messages before those at hand, from here where the server is not reached. */
  async loadOlder(conversation) {
    const before = conversation.firstSeq;
    const kept = await this.#store.newest(conversation.id, { before, limit: PAGE });
    const follows = kept.at(-1)?.seq === before - 1;
    conversation.prepend(follows ? kept : await this.#fetch(conversation, { before, limit: PAGE }));
    this.#changed(conversation);
  }

  /** One page of messages after those at hand. */
  async loadNewer(conversation) {
    conversation.append(await this.#fetch(conversation, { after: conversation.upTo, limit: PAGE }));
    this.#changed(conversation);
  }

  /** Has the messages around a seq at hand in place of others. */
  async jump(conversation, seq) {
    conversation.replace(await this.#fetch(conversation, { before: seq + PAGE / 2, limit: PAGE }), { isAway: true });
    this.#changed(conversation);
  }

  /** Has the newest messages at hand again, and no others: those that are kept here, then what the server has. */
  async jumpToNewest(conversation) {
    if (conversation.isAway) conversation.replace(await this.#store.newest(conversation.id, { limit: PAGE }));
    else if (conversation.messages.length > 2 * PAGE) conversation.replace(conversation.messages.slice(-PAGE));
    this.#changed(conversation);
    await this.catchUp(conversation);
  }

  search(conversation, words, { before, signal } = {}) {
    const path = query(`conversations/${conversation.id}/search`, { q: words, ...(before && { before }) });
    return this.#session.call("GET", path, { signal });
  }

  async #fetch(conversation, cursor = { limit: PAGE }) {
    const path = query(`conversations/${conversation.id}/messages`, cursor);
    const { messages } = await this.#session.call("GET", path);
    await this.#store.keepMessages(messages.map((message) => ({ ...message, conversationId: conversation.id })));
    return messages;
  }
}
