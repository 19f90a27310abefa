// The first of the page's files, a plain script: if one of the others does not come, it says so and loads the page anew.
// What has come by then is kept by the browser, so each try needs less than the one before.

{
  const KEY = "chat-tries";
  const PAUSES_MS = [500, 2_000, 8_000, 30_000];

  const again = ({ target }) => {
    if (!(target instanceof HTMLScriptElement)) return;
    const tries = Number(sessionStorage.getItem(KEY));
    sessionStorage.setItem(KEY, tries + 1);
    document.getElementById("state").textContent = "A file of this page did not come. It is loaded anew in a moment.";
    setTimeout(() => location.reload(), PAUSES_MS[Math.min(tries, PAUSES_MS.length - 1)]);
  };
  // It does not bubble.
  addEventListener("error", again, { capture: true });
}
