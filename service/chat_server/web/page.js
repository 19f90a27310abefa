// Says whether chatting can work from here, for as long as the page is open: what the browser lacks, or how the server is.

const SECONDS = 5;
const state = document.getElementById("state");

async function judge() {
  if (!("WebSocket" in window)) {
    return "This browser has no WebSocket, so no message can reach it. Another or a newer one has.";
  }
  try {
    const answer = await fetch("health", { cache: "no-store" });
    const { status, message } = await answer.json();
    if (status === "healthy") return "The server is well.";
    if (status === "unhealthy") return "The server answers, but cannot store messages. Its admin should look.";
    return message; // of the proxy's, or of a limit's
  } catch {
    return "The server does not answer.";
  }
}

for (;;) {
  const said = await judge();
  if (state.textContent !== said) state.textContent = said; // read aloud where it changes, and only there
  await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000));
}
