// Keeps the page itself, so that it opens without a connection, shows notifications, and opens the conversation of one.

const FILES = new URL("./", self.location).href; // below it everything is of one version, and never changes
const CACHE = `page ${FILES}`;
const PAGE = new URL("./", self.registration.scope).href;

self.addEventListener("install", (event) => event.waitUntil(keep().then(() => self.skipWaiting())));
self.addEventListener("activate", (event) => event.waitUntil(forget().then(() => self.clients.claim())));

self.addEventListener("fetch", (event) => {
  const { url, method, mode } = event.request;
  if (method !== "GET") return;
  if (mode === "navigate" && url.split(/[#?]/u)[0] === PAGE) event.respondWith(fresh(event.request));
  else if (url.startsWith(FILES)) event.respondWith(kept(event.request));
});

self.addEventListener("message", (event) => {
  if (event.data.notify) event.waitUntil(notify(event.data.notify));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data));
});

async function keep() {
  const page = await fetch(PAGE, { cache: "no-cache" });
  const names = [...(await page.clone().text()).matchAll(/(?:href|src)="(page\/[^"]+)"/gu)].map((match) => match[1]);
  const cache = await caches.open(CACHE);
  await cache.put(PAGE, page);
  await cache.addAll(names.map((name) => new URL(name, PAGE).href));
}

async function forget() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith("page ") && name !== CACHE).map((name) => caches.delete(name)));
}

/** The page as the server has it now; the one that is kept where it is not reached, or is not itself. */
async function fresh(request) {
  try {
    const page = await fetch(request, { signal: AbortSignal.timeout(5000) });
    if (page.ok || page.type === "opaqueredirect") return page;
  } catch {
    // offline
  }
  return (await caches.match(PAGE)) ?? Response.error();
}

async function kept(request) {
  return (await caches.match(request)) ?? fetch(request);
}

/** Who looks at one tab sees what has come: another one, behind it, need not tell them. */
async function notify({ title, options }) {
  const tabs = await self.clients.matchAll({ type: "window" });
  if (!tabs.some((tab) => tab.focused)) await self.registration.showNotification(title, options).catch((error) => console.info(error.message));
}

async function open(conversationId) {
  const [tab] = await self.clients.matchAll({ type: "window" });
  if (!tab) return self.clients.openWindow(`${PAGE}#/with/${conversationId}`);
  tab.postMessage({ open: conversationId });
  return tab.focus();
}
