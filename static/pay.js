// The pay page: opens the payment company's window, once by itself and then whenever the button is pressed.
// The company's own script stands after this one in the page, so its load and error events are never missed.
"use strict";

const handoff = JSON.parse(document.getElementById("handoff").textContent);
const button = document.getElementById("open-window");
const sdk = document.getElementById("sdk");
const notices = document.querySelectorAll("[data-when]");

const windows = {
  toss: ({ clientKey, customerKey, request }) =>
    window.TossPayments(clientKey).payment({ customerKey }).requestPayment(request),
};

// What the companies' scripts say when the shopper closed the window.
const CLOSED = new Set(["USER_CANCEL", "PAY_PROCESS_CANCELED"]);

let sdkState = "loading";
let wanted = false;
let opening = false;

function say(when) {
  for (const notice of notices) notice.hidden = notice.dataset.when !== when;
}

async function openWindow() {
  if (sdkState === "loading") {
    wanted = true;
    return;
  }
  if (sdkState === "missing") return say("unreachable");
  if (opening) return;
  opening = true;
  // A double click opens one window; a window that never answers does not leave a dead button.
  setTimeout(() => { opening = false; }, 3000);
  try {
    await windows[handoff.provider](handoff);
  } catch (error) {
    opening = false;
    say(CLOSED.has(error?.code) ? "closed" : "refused");
  }
}

// Whether this tab has not opened this payment's window yet: going Back to the page must not send the shopper away again.
function firstTime() {
  try {
    const key = `opened:${button.dataset.payment}`;
    const before = sessionStorage.getItem(key);
    sessionStorage.setItem(key, "yes");
    return !before;
  } catch {
    return true; // storage is switched off
  }
}

sdk.addEventListener("load", () => {
  sdkState = "ready";
  if (wanted) openWindow();
});
sdk.addEventListener("error", () => {
  sdkState = "missing";
  say("unreachable");
});
button.addEventListener("click", openWindow);

// A page out of the browser's memory may show a payment that has ended since: the server knows.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

if (firstTime()) openWindow();
else say("again");
