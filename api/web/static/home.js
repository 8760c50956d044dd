// Fetches the page again while it is looked at, and puts in what has changed.
"use strict";

const EVERY_MS = 2000;
let known = "";

function putIn(text) {
  const fresh = new DOMParser().parseFromString(text, "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const counterpart = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
    if (counterpart && counterpart.innerHTML !== part.innerHTML) {
      part.replaceChildren(...counterpart.childNodes);
    }
  }
}

async function refresh() {
  try {
    const response = await fetch(location.pathname, { cache: "no-cache" });
    const tag = response.headers.get("ETag");
    if (response.ok && tag !== known) {
      putIn(await response.text());
      known = tag;
    }
  } catch {
    // away for a moment: what is shown says as of when it is
  }
}

setInterval(() => document.visibilityState === "visible" && refresh(), EVERY_MS);
