"""The form of a contract with a PG: keys that are written and never shown, and what the contract covers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.language import N_, Translator
from app.owners.typed import one_line
from app.payments.contracts import ContractRefused, Terms, Why, fixed_part, merchant_key, public_part
from app.payments.providers import PROVIDERS
from app.payments.tables import ProviderAccount
from app.settings import GATEWAYS, GatewayNames

LABELS = {
    "client_key": N_("클라이언트 키"),
    "secret_key": N_("시크릿 키"),
    "store_id": N_("상점 아이디"),
    "channel_key": N_("채널 키"),
    "api_secret": N_("V2 API 시크릿"),
    "webhook_secret": N_("웹훅 시크릿"),
    "mode": N_("채널 모드"),
    "publishable_key": N_("게시 가능한 키"),
    "merchant": N_("상점 아이디"),
}
MODES = (("test", N_("테스트")), ("live", N_("라이브")))
HANDOFFS = (("redirect", N_("결제사의 결제 페이지로 보내기")), ("widget", N_("우리 페이지 안에서 결제하기")))

# What keys must look like, by PG.
KEYS = {
    "toss": N_(
        "클라이언트 키는 test_ck_나 live_ck_, 시크릿 키는 같은 모드의 test_sk_나 live_sk_로 시작해야 해요. "
        "결제위젯 키(gck, gsk)가 아니라 API 개별 연동 키를 넣어 주세요."
    ),
    "portone": N_(
        "상점 아이디는 store-, 채널 키는 channel-key-로 시작하고, API 시크릿은 V2의 것이어야 해요. "
        "웹훅 시크릿은 whsec_까지 그대로 넣어 주세요."
    ),
    "stripe": N_(
        "게시 가능한 키는 pk_test_나 pk_live_, 시크릿 키는 같은 모드의 sk_나 rk_로 시작해야 해요. "
        "웹훅 시크릿은 whsec_로 시작합니다."
    ),
}
WORDS = {
    Why.LIVE_IN_DEMO: N_(
        "데모에는 라이브 키를 넣을 수 없어요. 진짜 돈이 움직이면 안 되니까요. 테스트 키를 넣어 주세요."
    ),
    Why.LIVE_ELSEWHERE: N_(
        "이 서버는 결제사의 진짜 주소를 쓰지 않아서 라이브 키를 받지 않아요. "
        "서버를 맡은 분께 주소 설정을 지워 달라고 해 주세요."
    ),
    Why.OTHER_MODE: N_("한 계약 안에서 테스트와 라이브를 바꿀 수는 없어요. 다른 모드의 키는 새 계약으로 넣어 주세요."),
    Why.TAKEN: N_("이 가게에 이미 있는 계약의 키예요. 그 계약을 켜거나 고쳐 주세요."),
    Why.REPLACED: N_("가게의 계약이 따로 있어서 서버 설정에서 온 계약은 켤 수 없어요."),
}

WAY = "way-"
LONGEST_KEY = 200
# Of a PG that replaces a secret two are good: they stand in one field with a space or comma between.
_KEY = re.compile(r"[!-~]+( [!-~]+)*")


def names_of(provider: str) -> list[str]:
    """Every field that the form of this PG may send."""
    gateway = GATEWAYS[provider]
    ways = [f"{WAY}{way}" for way in PROVIDERS[provider].traits.ways]
    return [*gateway.required, *gateway.optional, "merchant", "handoff", *ways]


@dataclass(slots=True)
class AccountForm:
    """`values` by field name may be shown, `secrets` never. `account` is the contract that is edited."""

    provider: str
    values: dict[str, str]
    secrets: dict[str, str] = field(repr=False)
    account: ProviderAccount | None = None
    # Whether anybody has ever begun to pay with it.
    is_used: bool = False
    errors: dict[str, str] = field(default_factory=dict)
    # The fields' macros ask for it: nobody else's edit is compared here.
    now: dict[str, str] = field(default_factory=dict)

    @classmethod
    def empty(cls, provider: str) -> "AccountForm":
        values = dict.fromkeys(names_of(provider), "")
        first = next(iter(PROVIDERS[provider].traits.ways))
        return cls(provider, values | {f"{WAY}{first}": "1", "handoff": GATEWAYS[provider].handoff[1]}, {})

    @classmethod
    def of_account(cls, account: ProviderAccount, is_used: bool) -> "AccountForm":
        known = {"merchant": account.merchant, "handoff": account.handoff, **public_part(account)}
        ways = {f"{WAY}{way}": "1" for way in account.ways.split(",")}
        return cls(account.provider, dict.fromkeys(names_of(account.provider), "") | known | ways, {}, account, is_used)

    @classmethod
    def of(
        cls, raw: Mapping[str, str], provider: str, account: ProviderAccount | None = None, is_used: bool = False
    ) -> "AccountForm":
        """What was sent; of a contract that is there already, what cannot change stays."""
        hidden = PROVIDERS[provider].traits.secrets
        sent = {name: one_line(raw[name]) for name in names_of(provider)}
        secrets = {name: sent[name] for name in sent if name in hidden}
        values = sent | dict.fromkeys(secrets, "") | (fixed_part(account, is_used) if account else {})
        return cls(provider, values, secrets, account, is_used)

    @property
    def gateway(self) -> GatewayNames:
        return GATEWAYS[self.provider]

    @property
    def fixed(self) -> list[str]:
        """The fields that a contract is known by, which are shown and cannot change."""
        known = fixed_part(self.account, self.is_used) if self.account else {}
        return [name for name in self.credentials_asked if name in known]

    @property
    def hidden(self) -> tuple[str, ...]:
        return PROVIDERS[self.provider].traits.secrets

    @property
    def credentials_asked(self) -> list[str]:
        return [*self.gateway.required, *self.gateway.optional]

    @property
    def asks_merchant(self) -> bool:
        return merchant_key(self.provider) is None

    @property
    def ways(self) -> list[tuple[str, str]]:
        """Field names and words of the ways to choose from; none where there is but one."""
        known = PROVIDERS[self.provider].traits.ways
        return [(f"{WAY}{name}", way.label) for name, way in known.items()] if len(known) > 1 else []

    def check(self, _: Translator) -> tuple[dict[str, str], Terms]:
        """The credentials that were written, and the terms. They mean nothing where `errors` got what is wrong."""
        credentials = {name: value for name in self.credentials_asked if (value := self._check_key(name, _))}
        merchant = self._check_merchant(_)
        handoff = self.values["handoff"] if self.gateway.handoff[0] else self.gateway.handoff[1]
        if handoff not in dict(HANDOFFS):
            self.errors["handoff"] = _("하나를 골라 주세요.")
        return credentials, Terms(self._check_ways(_), handoff, merchant)

    def refuse(self, refusal: ContractRefused, _: Translator) -> None:
        """What the keys are not, beside the first field that can be written."""
        name = self.hidden[0] if self.account else next(iter(self.gateway.required))
        if refusal.why is not Why.NO_KEYS:
            self.errors[name] = _(WORDS[refusal.why])
        elif self.account:
            self.errors[name] = f"{_(KEYS[self.provider])} {_(WORDS[Why.OTHER_MODE])}"
        else:
            self.errors[name] = _(KEYS[self.provider])

    def _check_key(self, name: str, _: Translator) -> str:
        value = self.secrets.get(name) or self.values[name]
        is_needed = name in self.gateway.required or name == "mode"
        if not value and is_needed and not (self.account and name in self.hidden):
            self.errors[name] = _("하나를 골라 주세요.") if name == "mode" else _("적어 주세요.")
        elif value and (not _KEY.fullmatch(value) or (" " in value and name != "webhook_secret")):
            self.errors[name] = _("결제사에서 준 글자 그대로 넣어 주세요. 빈칸이나 한글은 들어가지 않아요.")
        elif len(value) > LONGEST_KEY:
            self.errors[name] = _("%(count)s자 안으로 줄여 주세요.", count=LONGEST_KEY)
        return value

    def _check_merchant(self, _: Translator) -> str:
        name = merchant_key(self.provider) or "merchant"
        longest = ProviderAccount.merchant.length
        if len(self.values[name]) > longest:
            self.errors[name] = _("%(count)s자 안으로 줄여 주세요.", count=longest)
        return self.values[name]

    def _check_ways(self, _: Translator) -> tuple[str, ...]:
        known = tuple(PROVIDERS[self.provider].traits.ways)
        chosen = tuple(way for way in known if self.values[f"{WAY}{way}"] == "1")
        if len(known) == 1:
            return known
        if not chosen:
            self.errors["ways"] = _("결제 방법을 하나 이상 골라 주세요.")
        return chosen
