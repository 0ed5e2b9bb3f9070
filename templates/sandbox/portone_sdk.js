// A stand-in for the PortOne browser SDK v2: the same global name, and only the payment window in its redirect form.
(() => {
  "use strict";

  const origin = new URL(document.currentScript.src).origin;
  const PAY_METHODS = ["CARD", "EASY_PAY", "TRANSFER", "VIRTUAL_ACCOUNT"];
  const CURRENCIES = ["KRW", "JPY", "USD", "EUR"];

  const isText = (value) => typeof value === "string" && value.length > 0;

  const isAbsolute = (value) => {
    try {
      return ["http:", "https:"].includes(new URL(value).protocol);
    } catch {
      return false;
    }
  };

  // What is wrong with the request, or nothing.
  const fault = (request) => {
    for (const name of ["storeId", "paymentId", "orderName"]) {
      if (!isText(request[name])) return `${name}는 필수 파라미터입니다.`;
    }
    if (!isText(request.channelKey) && !isText(request.channelGroupId)) {
      return "channelKey 또는 channelGroupId가 필요합니다.";
    }
    if (!Number.isInteger(request.totalAmount) || request.totalAmount <= 0) {
      return "totalAmount는 양의 정수여야 합니다.";
    }
    if (!CURRENCIES.includes(String(request.currency).replace(/^CURRENCY_/, ""))) {
      return `currency는 ${CURRENCIES.join(", ")} 가운데 하나여야 합니다.`;
    }
    if (!PAY_METHODS.includes(request.payMethod)) return `payMethod는 ${PAY_METHODS.join(", ")} 가운데 하나여야 합니다.`;
    if (!isAbsolute(request.redirectUrl)) return "redirectUrl은 오리진을 포함한 절대 주소여야 합니다.";
    if (request.forceRedirect !== true) return "연습용 SDK는 forceRedirect: true로만 결제창을 엽니다.";
    return undefined;
  };

  const failed = (request, code, message) => ({
    transactionType: "PAYMENT",
    txId: "",
    paymentId: isText(request.paymentId) ? request.paymentId : "",
    code,
    message,
  });

  // Whatever goes wrong before the window opens is the result of the promise: it has a code, and is not thrown.
  const requestPayment = async (asked) => {
    const request = asked ?? {};
    const wrong = fault(request);
    if (wrong) return failed(request, "BadRequest", wrong);
    let answer, body;
    try {
      answer = await fetch(`${origin}/sdk/portone/payments`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ request }),
      });
      body = await answer.json();
    } catch (error) {
      return failed(request, "Unavailable", String(error));
    }
    if (!answer.ok) return failed(request, body.code ?? "UnknownError", body.message ?? "");
    location.assign(body.url);
    // The page is being left: like the real SDK in its redirect form, this never comes to an end.
    return new Promise(() => {});
  };

  window.PortOne = { requestPayment };
})();
