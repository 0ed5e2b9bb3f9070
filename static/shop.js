// What the shop's pages gain where scripting is on. Every one of them works without it.
"use strict";

// − and + beside a quantity. htmx listens to the field's own events.
for (const stepper of document.querySelectorAll(".stepper")) {
  const field = stepper.querySelector("input");
  const [fewer, more] = stepper.querySelectorAll("button");
  const most = Number(field.dataset.max ?? Infinity);
  const quantity = () => Number.parseInt(field.value, 10) || 0;

  const step = (by) => {
    const next = Math.min(Math.max(quantity() + by, 1), most);
    if (String(next) === field.value) return;
    field.value = next;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const mark = () => {
    fewer.ariaDisabled = quantity() <= 1;
    more.ariaDisabled = quantity() >= most;
  };

  fewer.addEventListener("click", () => step(-1));
  more.addEventListener("click", () => step(1));
  field.addEventListener("input", () => {
    mark();
    // What the last answer said about another quantity; the totals speak about this one.
    field.removeAttribute("aria-invalid");
    document.getElementById("quantity-error")?.remove();
  });
  field.addEventListener("keydown", (event) => {
    const by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    step(by);
  });
  mark();
  // A page that comes back from the browser's memory keeps the field's new value beside the old total.
  addEventListener("pageshow", () => {
    if (field.value === field.defaultValue) return;
    mark();
    field.dispatchEvent(new Event("change", { bubbles: true }));
  });
}

// Copies the text of the element that data-copy names; without a name, the address of this page.
for (const button of document.querySelectorAll(".copy")) {
  button.hidden = !navigator.clipboard; // absent where the page did not come over TLS
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    await navigator.clipboard.writeText(source ? source.textContent.trim() : location.href);
    button.textContent = button.dataset.copied;
  });
}

// htmx would keep a link that it listens to from being followed; what begins with one listens to the document instead.
document.addEventListener("click", ({ target }) => {
  const link = target.closest?.("[data-begins]");
  if (link) document.body.dispatchEvent(new Event(link.dataset.begins, { bubbles: true }));
});

// An answer that changes nothing is not swapped in: the seal would start turning anew, and a screen reader would speak again.
let lastStatus = "";
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.isError || detail.target.id !== "status") return;
  if (detail.serverResponse === lastStatus) detail.shouldSwap = false;
  lastStatus = detail.serverResponse;
});

// What could not be fetched without a connection is fetched when there is one again.
addEventListener("online", () => {
  document.querySelector("[hx-trigger*=change]")?.dispatchEvent(new Event("change", { bubbles: true }));
});

// What went wrong stands in #problem until the next answer that is fine.
const problem = document.getElementById("problem");
const offline = document.getElementById("offline");
for (const name of ["htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, () => {
    offline.hidden = false;
    problem.replaceChildren(offline);
  });
}
document.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (detail.successful) problem.replaceChildren();
});
