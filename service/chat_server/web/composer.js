// Writing a message: several lines, a draft that is kept, and who sees that one is typing.

import { ICONS, element, icon, say } from "./dom.js";
import { characters } from "./text.js";

const MOST = 5_000;
/** So many left are read aloud; what is counted on at each letter would be too much of that. */
const TOLD_LEFT = [20, 100, 500];
const NEAR = MOST - 500;
const TOLD_EACH_MS = 3_000;
const DRAFT_PAUSE_MS = 300;
const TAKEN_BY_INPUT_METHOD = 229;

/** On a phone Enter begins a line: there is no other way to, and the button sends. */
const hasNoShift = () => matchMedia("(pointer: coarse)").matches;

/**
 * While a word is being composed (Chinese, Japanese), Enter chooses it. In Safari it is over before that Enter is told,
 * and only the code says that an input method has taken the key.
 */
const composes = (event) => event.isComposing || event.keyCode === TAKEN_BY_INPUT_METHOD;

/**
 * @param {{store: object, conversation: object, send: (text: string) => void, typing: (isTyping: boolean) => void}} options
 */
export function composer({ store, conversation, send, typing }) {
  const text = element("textarea", { id: "compose", rows: 1, dir: "auto", placeholder: "Write a message", "aria-describedby": "compose-count" });
  const count = element("span", { id: "compose-count", class: "count" });
  const told = element("span", { class: "heard", role: "status" });
  const button = element("button", { type: "submit", class: "icon-button primary", "aria-label": "Send", title: "Send" }, icon(ICONS.send));
  const form = element("form", { class: "composer" }, element("label", { class: "heard", for: "compose" }, `Message to ${conversation.name}`), text, count, told, button);
  let isTouched = false;
  let toldAt = 0;
  let keeping = 0;
  let level = Infinity;
  const gone = new AbortController();

  const length = () => characters(text.value);
  const isGood = () => text.value.trim() !== "" && length() <= MOST;

  function changed() {
    const over = length() - MOST;
    say(count, length() < NEAR ? "" : over > 0 ? `${over.toLocaleString()} ${over === 1 ? "character" : "characters"} too many` : `${(-over).toLocaleString()} characters left`);
    const before = level;
    level = over > 0 ? 0 : (TOLD_LEFT.find((left) => -over <= left) ?? Infinity);
    if (level !== before) say(told, count.textContent);
    count.classList.toggle("complaint", over > 0);
    text.setAttribute("aria-invalid", over > 0);
    button.disabled = !isGood();
    text.style.height = "auto";
    text.style.height = `${text.scrollHeight}px`;
  }

  function keepDraft() {
    clearTimeout(keeping);
    keeping = 0;
    // What was written in another tab, or is not loaded yet, stays.
    if (isTouched) store.keepDraft(conversation.id, text.value);
  }

  /** A page that is left or put away may never come to the end of the pause. */
  function hidden() {
    if (keeping) keepDraft();
  }

  function leave() {
    gone.abort();
    keepDraft();
  }

  function tell(isTyping) {
    if (isTyping ? Date.now() - toldAt < TOLD_EACH_MS : !toldAt) return;
    toldAt = isTyping ? Date.now() : 0;
    typing(isTyping);
  }

  text.oninput = () => {
    isTouched = true;
    changed();
    clearTimeout(keeping);
    keeping = setTimeout(keepDraft, DRAFT_PAUSE_MS);
    tell(text.value.trim() !== "");
  };
  text.onblur = () => tell(false);
  text.onkeydown = (event) => {
    if (event.key !== "Enter" || event.shiftKey || composes(event) || hasNoShift()) return;
    event.preventDefault();
    form.requestSubmit();
  };
  form.onsubmit = (event) => {
    event.preventDefault();
    if (!isGood()) return;
    send(text.value);
    text.value = "";
    isTouched = true;
    tell(false);
    changed();
    keepDraft();
    text.focus();
  };

  addEventListener("pagehide", hidden, { signal: gone.signal });
  document.addEventListener("visibilitychange", () => document.hidden && hidden(), { signal: gone.signal });
  store.draft(conversation.id).then((draft) => {
    if (!isTouched) text.value = draft;
    changed();
  });
  button.disabled = true;
  return { form, focus: () => text.focus(), keepDraft: leave };
}
