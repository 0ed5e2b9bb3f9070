"""The doctor: how a shop's contracts with PGs are, asked of the PGs themselves; in plain words, with the next step.

Nothing of it runs inside a transaction. It writes nothing but that a PG refused the keys.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import httpx

from app import clock
from app.language import N_
from app.payments.accounts import Gateways, list_accounts, note_health
from app.payments.inbox import WEBHOOK_SECRET, count_unhandled, last_heard
from app.payments.provider import Account, Misconfigured, Unreachable
from app.payments.providers import PROVIDERS
from app.payments.refusals import refusal_of
from app.payments.tables import ProviderAccount
from app.sealing import Unsealable
from app.settings import Settings
from app.shops.tables import Shop

# Seconds: somebody waits for the page.
PATIENCE = 10.0
A_MINUTE = timedelta(minutes=1)
# Signatures of webhooks are good for five minutes; a clock that is off by more than this goes on drifting.
MOST_OFF = timedelta(seconds=60)
UNHANDLED = timedelta(minutes=10)

# How a PG is told our address.
CONSOLES = {
    "toss": N_(
        "토스페이먼츠 개발자센터의 웹훅에 이 계약의 웹훅 주소를 등록하고 PAYMENT_STATUS_CHANGED와 "
        "DEPOSIT_CALLBACK 이벤트를 골라 주세요."
    ),
    "portone": N_(
        "포트원 콘솔의 웹훅 설정에 이 계약의 웹훅 주소를 등록하고 버전을 2024-04-25로 골라 주세요. "
        "콘솔의 호출 테스트로는 여기에 나타나지 않으니 시험 결제를 한 번 해 보세요."
    ),
    "stripe": N_(
        "Stripe 대시보드의 웹훅에 이 계약의 웹훅 주소를 더하고 checkout.session, payment_intent, charge, refund로 "
        "시작하는 이벤트를 골라 주세요."
    ),
}


class Tone(StrEnum):
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, what was found, and where it is not good, what to do. To be translated, then filled in."""

    tone: Tone
    check: str
    said: str
    step: str = ""
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Checkup:
    """The findings about one contract, or about the shop itself."""

    account: ProviderAccount | None
    findings: Sequence[Finding]


async def examine_shop(gateways: Gateways, shop: Shop) -> list[Checkup]:
    """The shop itself, then its contracts in the owner's order. The PGs are asked at the same time."""
    accounts = await list_accounts(shop)
    about_shop = [_look_at_address(gateways.settings), _look_at_offers(accounts)]
    checked = await asyncio.gather(*(_examine_account(gateways, shop, account, accounts) for account in accounts))
    return [Checkup(None, about_shop), *checked]


def is_bad(checkups: Sequence[Checkup]) -> bool:
    return any(finding.tone is Tone.BAD for checkup in checkups for finding in checkup.findings)


async def _examine_account(
    gateways: Gateways, shop: Shop, account: ProviderAccount, all_of: Sequence[ProviderAccount]
) -> Checkup:
    findings = await _look_at_keys(gateways, account)
    findings.append(_look_at_mode(gateways.settings, account, all_of))
    findings.append(await _look_at_clock(gateways, account))
    findings += await _look_at_webhooks(shop, account)
    if not account.is_enabled:
        # It sells nothing: what ails it keeps nobody from paying.
        findings = [replace(each, tone=Tone.WARN) if each.tone is Tone.BAD else each for each in findings]
    return Checkup(account, findings)


async def _look_at_keys(gateways: Gateways, account: ProviderAccount) -> list[Finding]:
    """Whether they open, whether the PG takes them, what it refused last, and whether its webhooks can be proved."""
    try:
        opened = gateways.open(account)
    except Unsealable:
        return [
            Finding(
                Tone.BAD,
                N_("저장된 키"),
                N_("저장해 둔 키를 열 수 없습니다."),
                N_("키를 다시 넣어 주세요. 여러 계약이 그렇다면 서버의 SELLOG_SECRET_KEYS가 바뀌었는지 확인해 주세요."),
            )
        ]
    refusal = await _ask(gateways, opened)
    findings = [_tell_keys(refusal)]
    if isinstance(refusal, Misconfigured):
        await note_health(account.id, refusal)
    elif account.last_error:
        what, step = refusal_of(account.last_error)
        values = {"code": account.last_error}
        findings.append(Finding(Tone.WARN, N_("마지막으로 거절된 이유 (%(code)s)"), what, step, values))
    if WEBHOOK_SECRET in PROVIDERS[account.provider].traits.secrets:
        findings.append(_tell_secret(bool(opened.credentials.get(WEBHOOK_SECRET))))
    return findings


async def _ask(gateways: Gateways, opened: Account) -> Exception | None:
    """Why the PG does not answer a question that changes nothing; None when it does."""
    now = clock.now()
    rows = gateways.provider(opened).transactions(now - A_MINUTE, now)
    try:
        async with asyncio.timeout(PATIENCE), aclosing(rows):
            await anext(rows, None)
    except (Unreachable, Misconfigured) as error:
        return error
    except TimeoutError:
        return Unreachable("TimeoutError")
    return None


def _tell_keys(refusal: Exception | None) -> Finding:
    check = N_("키로 조회하기")
    if refusal is None:
        return Finding(Tone.GOOD, check, N_("결제사가 키를 받고 대답했습니다."))
    if isinstance(refusal, Misconfigured):
        what, step = refusal_of(str(refusal))
        return Finding(Tone.BAD, check, what, step)
    return Finding(
        Tone.WARN,
        check,
        N_("결제사에게서 쓸 만한 대답을 듣지 못했습니다 (%(code)s)."),
        N_("잠시 뒤에 다시 점검해 주세요. 오래 그러면 결제사의 공지와 서버의 인터넷 연결을 확인해 주세요."),
        {"code": str(refusal)},
    )


def _tell_secret(is_there: bool) -> Finding:
    check = N_("웹훅 시크릿")
    if is_there:
        return Finding(Tone.GOOD, check, N_("들어 있습니다."))
    return Finding(
        Tone.BAD,
        check,
        N_("없어서 결제사의 알림을 받지 않고 있습니다. 결제는 정기 확인으로 놓치지 않습니다."),
        N_("결제사 콘솔에서 웹훅 시크릿을 복사해 이 계약에 넣어 주세요."),
    )


def _look_at_mode(settings: Settings, account: ProviderAccount, all_of: Sequence[ProviderAccount]) -> Finding:
    check = N_("테스트와 라이브")
    if account.mode == "live":
        if not settings.is_secure:
            return Finding(
                Tone.BAD,
                check,
                N_("라이브 키인데 가게 주소가 https가 아닙니다."),
                N_("서버의 SELLOG_BASE_URL을 https:// 주소로 바꿔 주세요."),
            )
        return Finding(Tone.GOOD, check, N_("라이브 계약입니다. 진짜 돈을 받습니다."))
    if any(other.is_enabled and other.mode == "live" for other in all_of):
        return Finding(
            Tone.WARN,
            check,
            N_("라이브 계약이 켜져 있어서 이 테스트 계약은 주문서에 나오지 않습니다."),
            N_("이제 쓰지 않는다면 꺼 주세요. 시험해 보려면 라이브 계약을 잠시 꺼 주세요."),
        )
    return Finding(Tone.GOOD, check, N_("테스트 계약입니다. 진짜 돈은 움직이지 않습니다."))


async def _look_at_clock(gateways: Gateways, account: ProviderAccount) -> Finding:
    check = N_("서버의 시계")
    off = await _time_off(gateways, gateways.settings.gateways[account.provider].api_base)
    if off is None:
        return Finding(
            Tone.WARN,
            check,
            N_("결제사의 시각을 듣지 못해 견주지 못했습니다."),
            N_("잠시 뒤에 다시 점검해 주세요."),
        )
    if off > MOST_OFF:
        return Finding(
            Tone.BAD,
            check,
            N_("결제사의 시계와 %(seconds)s초 다릅니다. 이러면 진짜 알림도 믿지 못합니다."),
            N_("서버의 시각을 인터넷 시각에 맞추도록 (NTP) 서버를 맡은 분께 말씀해 주세요."),
            {"seconds": f"{off.total_seconds():,.0f}"},
        )
    return Finding(Tone.GOOD, check, N_("결제사의 시계와 맞습니다."))


async def _time_off(gateways: Gateways, address: str) -> timedelta | None:
    """How far our clock is from the one at this address, which any answer tells; None where none did."""
    try:
        answer = await gateways.http.head(address, timeout=PATIENCE)
        # HTTP's dates are in GMT, whatever a server calls it.
        told = parsedate_to_datetime(answer.headers["date"]).replace(tzinfo=UTC)
    except (httpx.HTTPError, KeyError, ValueError):
        return None
    return abs(told - clock.now())


async def _look_at_webhooks(shop: Shop, account: ProviderAccount) -> list[Finding]:
    check, findings = N_("결제사의 알림"), []
    if last := await last_heard(account):
        values = {"at": f"{last.astimezone(ZoneInfo(shop.time_zone)):%Y-%m-%d %H:%M}"}
        findings.append(Finding(Tone.GOOD, check, N_("%(at)s에 마지막으로 받았습니다."), "", values))
    elif account.is_enabled:
        findings.append(Finding(Tone.WARN, check, N_("아직 받은 알림이 없습니다."), CONSOLES[account.provider]))
    if waiting := await count_unhandled(account, clock.now() - UNHANDLED):
        findings.append(
            Finding(
                Tone.BAD,
                N_("받은 알림의 처리"),
                N_("10분이 넘도록 처리하지 못한 알림이 %(count)s건 있습니다."),
                N_("서버에서 ./sellog worker가 돌고 있는지 확인해 주세요."),
                {"count": waiting},
            )
        )
    return findings


def _look_at_address(settings: Settings) -> Finding:
    check, values = N_("가게 주소"), {"address": settings.base_url}
    if urlsplit(settings.base_url).hostname in ("127.0.0.1", "localhost", "::1") or not settings.is_secure:
        return Finding(
            Tone.WARN,
            check,
            N_("%(address)s은(는) 밖에서 안전하게 열 수 있는 주소가 아니라서 결제사의 알림이 오지 못합니다."),
            N_("진짜로 팔기 전에 서버의 SELLOG_BASE_URL을 밖에서 열리는 https:// 주소로 바꿔 주세요."),
            values,
        )
    return Finding(Tone.GOOD, check, N_("%(address)s은(는) https 주소입니다."), "", values)


def _look_at_offers(accounts: Sequence[ProviderAccount]) -> Finding:
    check = N_("결제 계약")
    on = sum(account.is_enabled for account in accounts)
    if on:
        return Finding(Tone.GOOD, check, N_("켜진 계약이 %(count)s개 있습니다."), "", {"count": on})
    return Finding(
        Tone.WARN,
        check,
        N_("켜진 계약이 없어서 손님이 결제할 수 없습니다."),
        N_("결제사의 키를 넣거나, 꺼 둔 계약을 켜 주세요."),
    )
