// The pay page: opens the payment company's window, once by itself and then whenever the button is pressed.
// The company's own script stands after this one in the page, so its load and error events are never missed.
"use strict";

const handoff = JSON.parse(document.getElementById("handoff").textContent);
const button = document.getElementById("open-window");
const sdk = document.getElementById("sdk");
const notices = document.querySelectorAll("[data-when]");

// How each company's window is opened. `prepare` draws its form into this page, which then waits for the button.
const windows = {
  toss: {
    takesNothingAlone: true,
    open: ({ clientKey, customerKey, request }) =>
      window.TossPayments(clientKey).payment({ customerKey }).requestPayment(request),
  },
  portone: {
    open: async ({ request }) => {
      const answer = await window.PortOne.requestPayment(request);
      // Without a redirect it was not even begun: the answer says why.
      if (answer?.code) throw answer;
    },
  },
  stripe: {
    prepare: ({ publishableKey, clientSecret, locale }) => {
      stripe = window.Stripe(publishableKey);
      elements = stripe.elements({ clientSecret, locale });
      const form = elements.create("payment");
      const ready = new Promise((resolve, reject) => {
        form.on("ready", resolve);
        form.on("loaderror", reject);
      });
      form.mount("#payment-form");
      return ready;
    },
    open: async ({ returnUrl }) => {
      const { error } = await stripe.confirmPayment({ elements, confirmParams: { return_url: returnUrl } });
      // The form itself says what is missing in it.
      if (error && error.type !== "validation_error") throw error;
    },
  },
  // Method A: the company's own page.
  redirect: { open: ({ redirectUrl }) => location.assign(redirectUrl) },
};
const company = windows[handoff.provider ?? "redirect"];

// What the companies' scripts say when the shopper closed the window.
const CLOSED = new Set(["USER_CANCEL", "PAY_PROCESS_CANCELED"]);

let stripe;
let elements;
let sdkState = sdk ? "loading" : "ready";
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
    await company.open(handoff);
    // A form in this page that misses something is still here.
    if (company.prepare) opening = false;
  } catch (error) {
    opening = false;
    const isClosed = [error?.code, error?.pgCode].some((code) => CLOSED.has(code));
    if (error?.type === "card_error") say("declined");
    else if (isClosed || company.takesNothingAlone) say(isClosed ? "closed" : "refused");
    // It may have been paid all the same, in another tab or without an answer: the order's page asks.
    else location.assign(button.dataset.order);
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

sdk?.addEventListener("load", async () => {
  try {
    await company.prepare?.(handoff);
  } catch {
    sdkState = "missing";
    return say("unreachable");
  }
  sdkState = "ready";
  button.disabled = false;
  if (wanted) openWindow();
});
sdk?.addEventListener("error", () => {
  sdkState = "missing";
  say("unreachable");
});
button.addEventListener("click", (event) => {
  event.preventDefault();
  openWindow();
});

// A page out of the browser's memory may show a payment that has ended since: the server knows.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

if (company.prepare) button.disabled = true; // until the form stands
else if (firstTime()) openWindow();
else say("again");
