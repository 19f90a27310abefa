// Says whether chatting can work from here: what the browser lacks, or how the server is.

const state = document.getElementById("state");

async function judge() {
  if (!("WebSocket" in window)) {
    return "This browser has no WebSocket, so no message can reach it. Another or a newer one has.";
  }
  try {
    const answer = await fetch("health", { cache: "no-store" });
    return answer.ok ? "The server is well." : "The server answers, but cannot store messages. Its admin should look.";
  } catch {
    return "The server does not answer.";
  }
}

state.textContent = await judge();
