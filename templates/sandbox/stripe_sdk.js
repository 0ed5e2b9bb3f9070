// A stand-in for Stripe.js: the same global name, and only the Payment Element with confirmPayment.
(() => {
  "use strict";

  const origin = new URL(document.currentScript.src).origin;
  const NEVER = new Promise(() => {});

  class IntegrationError extends Error {
    constructor(message) {
      super(message);
      this.name = "IntegrationError";
    }
  }

  const check = (holds, message) => {
    if (!holds) throw new IntegrationError(message);
  };

  const isAbsolute = (value) => {
    try {
      return ["http:", "https:"].includes(new URL(value).protocol);
    } catch {
      return false;
    }
  };

  const createElement = (key, clientSecret, locale) => {
    const listeners = {};
    const waiting = new Map();
    let frame = null;
    let isReady = false;

    const emit = (name, event = {}) => (listeners[name] || []).forEach((listener) => listener({ elementType: "payment", ...event }));

    const hear = (event) => {
      if (!frame || event.source !== frame.contentWindow || event.origin !== origin) return;
      const message = event.data;
      if (message.type === "height") frame.style.height = `${message.height}px`;
      if (message.type === "ready") {
        isReady = true;
        emit("ready");
      }
      if (message.type === "change") emit("change", { complete: true, empty: false, value: { type: message.way } });
      if (message.type === "loaderror") emit("loaderror", { error: { type: "invalid_request_error", message: message.message } });
      if (message.type === "confirmed") {
        waiting.get(message.id)?.(message.body);
        waiting.delete(message.id);
      }
    };

    const element = {
      mount(place) {
        const home = typeof place === "string" ? document.querySelector(place) : place;
        check(home, `The selector you specified (${place}) applies to no DOM elements that are currently on the page.`);
        frame = document.createElement("iframe");
        frame.title = "카드 입력";
        frame.width = "100%";
        frame.height = "790";
        frame.style.border = "0";
        frame.src = `${origin}/sdk/stripe/element?${new URLSearchParams({ key, client_secret: clientSecret, locale })}`;
        addEventListener("message", hear);
        home.replaceChildren(frame);
      },
      unmount() {
        removeEventListener("message", hear);
        frame?.remove();
        frame = null;
        isReady = false;
      },
      destroy() {
        element.unmount();
      },
      on(name, listener) {
        (listeners[name] ||= []).push(listener);
        return element;
      },
      update() {},
    };

    const confirm = (returnUrl) => {
      check(isReady, "The Element must be mounted and ready before confirmPayment is called.");
      const id = String(waiting.size + 1);
      const answered = new Promise((resolve) => waiting.set(id, resolve));
      frame.contentWindow.postMessage({ type: "confirm", id, key, clientSecret, returnUrl }, origin);
      return answered;
    };

    return { element, confirm };
  };

  const Stripe = (key) => {
    check(typeof key === "string" && key.length > 0, "Please call Stripe() with your publishable key. You used an empty string.");
    check(!key.startsWith("pk_live_"), "The sandbox takes no live keys.");
    check(key.startsWith("pk_test_"), "Please call Stripe() with a publishable key, which starts with pk_test_.");

    const elements = ({ clientSecret, locale = "auto" } = {}) => {
      check(/^pi_\w+_secret_\w+$/.test(clientSecret || ""), "In order to create a payment element, you must pass a valid clientSecret.");
      let payment = null;
      return {
        confirm: (returnUrl) => {
          check(payment, "The Payment Element has not been created.");
          return payment.confirm(returnUrl);
        },
        create(type) {
          check(type === "payment", "The sandbox has only the element 'payment'.");
          check(!payment, "Can only create one Element of type payment.");
          payment = createElement(key, clientSecret, locale);
          return payment.element;
        },
        getElement: (type) => (type === "payment" && payment ? payment.element : null),
        submit: async () => ({}),
        update() {},
      };
    };

    const confirmPayment = async ({ elements: chosen, confirmParams = {}, redirect = "always" } = {}) => {
      check(chosen?.confirm, "elements should have a mounted Payment Element.");
      const returnUrl = confirmParams.return_url;
      check(isAbsolute(returnUrl) || (redirect === "if_required" && returnUrl === undefined), "confirmParams.return_url must be an absolute URL.");
      const answer = await chosen.confirm(returnUrl);
      if (answer.error) return { error: answer.error };
      if (answer.authenticate) {
        location.assign(answer.authenticate);
        // The page is being left: like the real one, this never comes to an end.
        return NEVER;
      }
      if (redirect === "if_required") return { paymentIntent: answer.paymentIntent };
      location.assign(answer.return);
      return NEVER;
    };

    return { elements, confirmPayment };
  };

  window.Stripe = Stripe;
})();
