// Elements made and kept. Whatever a person wrote gets into the page as text, and in no other way.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element with attributes, handlers (`onclick: …`) and children; what is null or false among them is left out.
 * @param {string} tag
 * @param {Record<string, unknown>} attributes
 * @param {...(Node | string | null | false | undefined)} children
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== false && child !== undefined));
  return made;
}

/** Words for those who listen to the page instead of looking at it. */
export const heard = (words) => element("span", { class: "heard" }, words);

/** A drawing of 24 by 24 from the outline of its lines, in the colour of the text around it. */
export function icon(outline) {
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("viewBox", "0 0 24 24");
  drawing.setAttribute("aria-hidden", "true");
  drawing.classList.add("icon");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", outline);
  drawing.append(path);
  return drawing;
}

export const ICONS = {
  back: "M15 5l-7 7 7 7",
  close: "M6 6l12 12M18 6L6 18",
  down: "M12 5v14M6 13l6 6 6-6",
  person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8M4 20c1-4 4-6 8-6s7 2 8 6",
  search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13M15.5 15.5L20 20",
  send: "M4 12l16-8-5 16-3.500-6.500zM11.500 13.500L20 4",
  block: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18M5.600 5.600l12.800 12.800",
};

/** A button of an icon, with its name for those who don't see it, shown where a pointer rests. */
export function iconButton(outline, name, attributes = {}) {
  return element("button", { type: "button", class: "icon-button", "aria-label": name, title: name, ...attributes }, icon(outline));
}

/** Puts the text there if it is another one: what is the same is not read aloud again. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** A handler of a button that does nothing while it is at work. A button that were disabled would lose the focus. */
export function busyWhile(button, work) {
  return async () => {
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true");
    await work();
    button.setAttribute("aria-disabled", "false");
  };
}

/** Takes who works by keyboard, or listens to the page, to the heading of what is new on it or has changed. */
export function focusHeading(node) {
  const heading = node.querySelector("h2, h3");
  if (!heading) return;
  heading.tabIndex = -1;
  heading.focus();
}

/**
 * Makes the children of a node those that are wanted, in their order. One that is there under its key is kept, with
 * its focus and its selection, and brought up to date.
 * @param {Element} parent
 * @param {{key: string, make: () => Element, update?: (node: Element) => void}[]} wanted
 */
export function reconcile(parent, wanted) {
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  const focused = parent.contains(document.activeElement) && document.activeElement;
  let place = parent.firstElementChild;
  for (const { key, make, update } of wanted) {
    let node = known.get(key);
    known.delete(key);
    if (!node) {
      node = make();
      node.dataset.key = key;
    }
    update?.(node);
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
  }
  for (const gone of known.values()) gone.remove();
  // A node that is put elsewhere has lost it.
  if (focused && focused.isConnected && document.activeElement !== focused) focused.focus({ preventScroll: true });
}

/** A function that does the work once before the browser next paints, however often it is called. */
export function oncePerFrame(work) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    // A hidden page is not painted, and must be right all the same when it is looked at.
    const soon = document.hidden ? queueMicrotask : requestAnimationFrame;
    soon(() => {
      asked = false;
      work();
    });
  };
}
