"""The form of a shop's settings: from raw text to what is to be saved, or to every field's message at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from zoneinfo import available_timezones

from app.language import LANGUAGES, Translator
from app.money import CURRENCIES
from app.owners.team import BadAddress, check_address
from app.owners.typed import is_https, lines, one_line, read_whole
from app.shops.tables import LateDeposit, Shop

LONGEST_TEXT = 2_000
# Shorter, and nobody could pay in time; longer, and paying again would not make it longer (`starting.LONGEST_HOLD`).
LEAST_HOLD, MOST_HOLD = 5, 360

TEXTS = ("description", "legal")
FIELDS = (
    "name",
    "tagline",
    *TEXTS,
    "accent",
    "logo_url",
    "locale",
    "time_zone",
    "currency",
    "hold_minutes",
    "late_deposit",
    "alert_email",
)
LONGEST = {
    "name": Shop.name.length,
    "tagline": Shop.tagline.length,
    "description": LONGEST_TEXT,
    "legal": LONGEST_TEXT,
    "logo_url": Shop.logo_url.length,
    "alert_email": Shop.alert_email.length,
}


@cache
def time_zones() -> list[str]:
    return sorted(zone for zone in available_timezones() if len(zone) <= Shop.time_zone.length)


@dataclass(slots=True)
class SettingsForm:
    """Raw values and `errors` by field name, and `now`: what those fields say that somebody else has changed."""

    values: dict[str, str]
    errors: dict[str, str] = field(default_factory=dict)
    now: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of_shop(cls, shop: Shop) -> "SettingsForm":
        return cls({name: str(getattr(shop, name)) for name in (*FIELDS, "version")})

    @classmethod
    def of(cls, raw: Mapping[str, str]) -> "SettingsForm":
        """What was sent."""
        return cls({name: lines(text) if name in TEXTS else one_line(text) for name, text in raw.items()})

    @property
    def version(self) -> int:
        """What they saw; 0 where the form does not say."""
        return read_whole(self.values["version"]) or 0

    def check(self, _: Translator) -> dict[str, object]:
        """The values by column; they mean nothing where `errors` got what is wrong with them."""
        values = self.values
        for name, longest in LONGEST.items():
            if len(values[name]) > longest:
                self.errors[name] = _("%(count)s자 안으로 줄여 주세요.", count=f"{longest:,}")
        if not values["name"]:
            self.errors["name"] = _("가게 이름을 적어 주세요.")
        if values["logo_url"] and not is_https(values["logo_url"]):
            self.errors["logo_url"] = _("https://로 시작하는 주소를 적어 주세요.")
        if values["time_zone"] not in time_zones():
            self.errors["time_zone"] = _("목록에 있는 시간대를 골라 주세요. 예: Asia/Seoul")
        choices = (("locale", LANGUAGES), ("currency", CURRENCIES), ("late_deposit", list(LateDeposit)))
        for name, allowed in choices:
            if values[name] not in allowed:
                self.errors[name] = _("목록에서 하나 골라 주세요.")
        return {
            **{name: values[name] for name in FIELDS},
            "accent": self._check_number("accent", 0, 359, _),
            "hold_minutes": self._check_number("hold_minutes", LEAST_HOLD, MOST_HOLD, _),
            "alert_email": self._check_email(_),
        }

    def compare(self, shop: Shop) -> None:
        """Somebody else was faster: what the shop is now goes beside what was typed. Sent again, the form is meant."""
        current = self.of_shop(shop).values
        self.now = {name: current[name] for name in FIELDS if current[name] != self.values[name]}
        self.values["version"] = current["version"]

    def refuse_currency(self, _: Translator) -> None:
        self.errors["currency"] = _(
            "이 통화로 값을 매긴 상품이 있어 통화를 바꿀 수 없어요. 다른 통화로는 새 가게를 열어 주세요."
        )

    def _check_number(self, name: str, least: int, most: int, _: Translator) -> int:
        number = read_whole(self.values[name])
        if number is None or not least <= number <= most:
            self.errors[name] = _("%(least)s부터 %(most)s까지의 숫자로 적어 주세요.", least=least, most=most)
        return number or 0

    def _check_email(self, _: Translator) -> str:
        text = self.values["alert_email"]
        try:
            return check_address(text) if text else ""
        except BadAddress:
            self.errors["alert_email"] = _("이메일 주소를 다시 확인해 주세요. 예: minji.kim@example.com")
            return ""
