// What tells a person of a message while they look elsewhere: the page's title, and notifications if they want them.

const NAME = document.title;

/** Shows in the title how many messages are unread. */
export function showUnread(count) {
  document.title = count ? `(${count}) ${NAME}` : NAME;
  if (count) navigator.setAppBadge?.(count)?.catch(() => {});
  else navigator.clearAppBadge?.()?.catch(() => {});
}

/** "granted", "denied", "default" if nobody has asked yet, "missing" where the browser has none here. */
export function permission() {
  return "Notification" in window && window.isSecureContext ? Notification.permission : "missing";
}

export const ask = () => Notification.requestPermission();

/** A notification of a message, in place of an earlier one of the same conversation. */
export async function notify({ conversation, message }, open) {
  if (permission() !== "granted" || (!document.hidden && document.hasFocus())) return;
  const options = { body: message.content.slice(0, 200), tag: conversation.id, icon: icon(), data: conversation.id };
  const worker = await navigator.serviceWorker?.getRegistration();
  // Phones have notifications of the worker's only; it opens the conversation.
  if (worker?.active) return worker.showNotification(conversation.name, options).catch((error) => console.info(error.message));
  new Notification(conversation.name, options).onclick = () => {
    window.focus();
    open(conversation);
  };
}

const icon = () => document.querySelector("link[rel=icon]").href;
