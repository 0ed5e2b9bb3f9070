// The inside of the frame: the card form, which the shop's page can neither read nor fill in.
(() => {
  "use strict";

  const form = document.querySelector("#payment");

  const tell = (message) => parent.postMessage({ from: "stripe-element", ...message }, "*");

  const tellHeight = () => tell({ type: "height", height: document.documentElement.scrollHeight });

  const confirm = async ({ id, key, clientSecret, returnUrl }) => {
    const chosen = new FormData(form);
    const answer = await fetch("/sdk/stripe/confirm", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        key,
        clientSecret,
        returnUrl,
        way: chosen.get("way"),
        number: chosen.get("number"),
        faults: chosen.getAll("fault"),
      }),
    });
    tell({ type: "confirmed", id, body: await answer.json() });
  };

  const unreachable = (id) =>
    tell({ type: "confirmed", id, body: { error: { type: "api_connection_error", message: "Stripe에 연결할 수 없습니다." } } });

  if (!form) {
    tell({ type: "loaderror", message: document.body.dataset.error });
    return;
  }

  document.querySelector("#card").addEventListener("change", (event) => {
    document.querySelector("#number").value = event.target.value;
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => tell({ type: "change", way: new FormData(form).get("way") }));
  new ResizeObserver(tellHeight).observe(document.body);
  addEventListener("message", (event) => {
    if (event.source !== parent || event.data?.type !== "confirm") return;
    confirm(event.data).catch(() => unreachable(event.data.id));
  });
  // The frame takes its size first: a page that is ready moves no more.
  tellHeight();
  tell({ type: "ready" });
})();
