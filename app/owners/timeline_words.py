"""What the timeline says: doors, states and reasons in plain words."""

from app.checkout.order_controllers import REFUSALS
from app.language import N_
from app.payments.states import Cause, PaymentStatus, RefundKind, RefundStatus

P, R = PaymentStatus, RefundStatus

DOORS = {
    Cause.SHOPPER: N_("손님"),
    Cause.RETURN: N_("결제창에서 돌아옴"),
    Cause.WEBHOOK: N_("결제사의 알림"),
    Cause.RECONCILE: N_("정기 확인"),
    Cause.OWNER: N_("가게"),
    Cause.TIMER: N_("기한"),
}
ORDER_CAME = N_("주문이 들어옴")
PAYMENT_BEGAN = N_("결제를 시작함")
ORDER_MOVED = N_("주문 상태가 바뀜")
DISPUTED = N_("카드사나 은행이 이의를 알려 옴")
REFUSED = N_("믿지 않은 답")

PAYMENT_WORDS = {
    P.CREATED: N_("결제 전"),
    P.CONFIRMING: N_("확인 중"),
    P.AWAITING_DEPOSIT: N_("입금 대기"),
    P.PAID: N_("결제 완료"),
    P.PARTIALLY_REFUNDED: N_("부분 환불"),
    P.REFUNDED: N_("환불 완료"),
    P.FAILED: N_("결제 실패"),
    P.CANCELLED: N_("결제 취소"),
    P.EXPIRED: N_("기한 지남"),
    P.MISMATCH: N_("금액이 다름"),
}
PAYMENT_MOVED = {
    P.CONFIRMING: N_("승인을 요청함"),
    P.AWAITING_DEPOSIT: N_("입금을 기다림"),
    P.PAID: N_("결제사가 돈을 받음"),
    P.PARTIALLY_REFUNDED: N_("일부가 돌아감"),
    P.REFUNDED: N_("모두 돌아감"),
    P.FAILED: N_("결제되지 않음"),
    P.CANCELLED: N_("결제를 그만둠"),
    P.EXPIRED: N_("결제할 시간이 지남"),
    P.MISMATCH: N_("주문과 다른 돈이 들어옴"),
}
# What had gone back, and did not arrive.
CAME_BACK = N_("돌려준 돈이 되돌아옴")
REFUND_WORDS = {
    R.REQUESTED: N_("요청함"),
    R.NEEDS_ACCOUNT: N_("돌려줄 계좌를 기다림"),
    R.PENDING: N_("보내는 중"),
    R.SUCCEEDED: N_("돌려드림"),
    R.FAILED: N_("실패"),
}
REFUND_MOVED = {
    R.REQUESTED: N_("환불을 요청함"),
    R.NEEDS_ACCOUNT: N_("돌려줄 계좌를 손님께 여쭘"),
    R.PENDING: N_("결제사가 환불을 보내는 중"),
    R.SUCCEEDED: N_("환불이 끝남"),
    R.FAILED: N_("환불하지 못함"),
}
KINDS = {
    RefundKind.ASKED: N_("가게가 요청"),
    RefundKind.SURPLUS: N_("쓸 수 없는 돈"),
    RefundKind.LATE: N_("기한 뒤에 들어온 돈"),
    RefundKind.MISMATCH: N_("금액이 다른 돈"),
    RefundKind.OUTSIDE: N_("결제사 화면에서"),
}
BAD = frozenset({P.FAILED, P.MISMATCH})
GONE_BACK = frozenset({P.PARTIALLY_REFUNDED, P.REFUNDED})

# Why an answer or a return was not believed: our own names for it.
WHY = {
    "foreign": N_("다른 가게나 다른 결제의 답이라 믿지 않음"),
    "mismatch": N_("금액, 통화나 실제 여부가 우리 것과 다름"),
    "reversed_after_refund": N_("일부를 환불한 입금을 은행이 도로 가져감"),
    "unreadable_answer": N_("결제사의 답을 읽지 못함"),
    "balance_changed": N_("남은 금액이 요청보다 적어 줄여서 돌려드림"),
    "processing": N_("결제사가 처리하는 중"),
    **{why: title for why, (title, lead) in REFUSALS.items()},
}

# The evidence in the order in which it is shown; what is not named here is not shown.
FACTS = {
    "why": N_("까닭"),
    "pg_status": N_("결제사의 상태"),
    "reference": N_("주문 이름"),
    "merchant": N_("가맹점"),
    "live": N_("실제 결제"),
    "amount": N_("금액"),
    "asked": N_("요청한 금액"),
    "claimed": N_("돌아온 값"),
    "currency": N_("통화"),
    "captured": N_("받은 돈"),
    "refunded": N_("돌려준 돈"),
    "pg_payment_id": N_("결제사의 결제번호"),
    "dispute": N_("이의 번호"),
    "reason": N_("이의의 까닭"),
    "failure": N_("실패 코드"),
    "code": N_("결제사의 코드"),
    "error": N_("오류"),
    "restock": N_("다시 내놓을 수량"),
    "closed": N_("더는 결제할 수 없음"),
}
AMOUNTS = frozenset({"amount", "asked", "captured", "refunded", "claimed"})
YES, NO = N_("예"), N_("아니요")
