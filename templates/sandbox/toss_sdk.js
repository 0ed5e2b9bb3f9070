// A stand-in for the Toss Payments SDK v2: the same global name, and only the payment window.
(() => {
  "use strict";

  const origin = new URL(document.currentScript.src).origin;
  const ANONYMOUS = "@@ANONYMOUS";
  const METHODS = ["CARD", "TRANSFER", "VIRTUAL_ACCOUNT"];

  class TossPaymentsError extends Error {
    constructor(code, message) {
      super(message);
      this.name = code;
      this.code = code;
    }
  }

  const isText = (value, longest) => typeof value === "string" && value.length > 0 && value.length <= longest;

  const check = (holds, message) => {
    if (!holds) throw new TossPaymentsError("InvalidParametersError", message);
  };

  const isAbsolute = (value) => {
    try {
      return ["http:", "https:"].includes(new URL(value).protocol);
    } catch {
      return false;
    }
  };

  const checkRequest = (request) => {
    check(request && typeof request === "object", "결제 요청 객체가 필요합니다.");
    check(METHODS.includes(request.method), `method는 ${METHODS.join(", ")} 가운데 하나여야 합니다.`);
    check(request.amount && typeof request.amount === "object", "amount는 { currency, value } 객체여야 합니다.");
    check(request.amount.currency === "KRW", "currency는 KRW여야 합니다.");
    check(Number.isInteger(request.amount.value) && request.amount.value > 0, "amount.value는 양의 정수여야 합니다.");
    check(
      typeof request.orderId === "string" && /^[A-Za-z0-9_-]{6,64}$/.test(request.orderId),
      "orderId는 영문, 숫자, -, _로 이루어진 6~64자의 문자열이어야 합니다.",
    );
    check(isText(request.orderName, 100), "orderName은 필수이며 100자 이하여야 합니다.");
    check(isAbsolute(request.successUrl), "successUrl은 오리진을 포함한 절대 주소여야 합니다.");
    check(isAbsolute(request.failUrl), "failUrl은 오리진을 포함한 절대 주소여야 합니다.");
  };

  const openWindow = async (clientKey, customerKey, request) => {
    const answer = await fetch(`${origin}/sdk/toss/payments`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ clientKey, customerKey, request }),
    });
    const body = await answer.json();
    if (!answer.ok) throw new TossPaymentsError(body.code, body.message);
    location.assign(body.checkout_url);
    // The page is being left: like the real SDK in its redirect form, this never comes to an end.
    return new Promise(() => {});
  };

  const TossPayments = (clientKey) => {
    check(isText(clientKey, 100), "클라이언트 키가 필요합니다.");
    check(!clientKey.startsWith("live_"), "연습용 결제창은 라이브 키로 열리지 않습니다.");
    check(/^test_g?ck_/.test(clientKey), "클라이언트 키는 test_ck_ 또는 test_gck_로 시작합니다.");
    const isWidgetKey = clientKey.startsWith("test_gck_");

    const payment = ({ customerKey } = {}) => {
      if (isWidgetKey) {
        throw new TossPaymentsError("NotSupportedWidgetKeyError", "결제위젯 연동 키는 지원하지 않습니다.");
      }
      check(
        customerKey === ANONYMOUS || (typeof customerKey === "string" && /^[A-Za-z0-9\-_=.@]{2,50}$/.test(customerKey)),
        "customerKey는 영문, 숫자, -, _, =, ., @로 이루어진 2자 이상 50자 이하의 문자열이어야 합니다.",
      );
      const requestPayment = async (request) => {
        checkRequest(request);
        return openWindow(clientKey, customerKey, request);
      };
      return { requestPayment };
    };

    const widgets = () => {
      if (!isWidgetKey) {
        throw new TossPaymentsError("NotSupportedAPIIndividualKeyError", "API 개별 연동 키는 지원하지 않습니다.");
      }
      throw new TossPaymentsError("NotSupportedMethodError", "연습용 SDK에는 결제위젯이 없습니다.");
    };

    return { payment, widgets };
  };

  TossPayments.ANONYMOUS = ANONYMOUS;
  window.TossPayments = TossPayments;
})();
