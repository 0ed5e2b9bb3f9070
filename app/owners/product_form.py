"""The form of a product: from raw text to what is to be saved, or to every field's message at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.language import N_, Translator
from app.money import Money
from app.owners.typed import is_https, lines, one_line, read_price, read_whole, write_price
from app.shops.catalogue import MOST_STOCK, Details, StockChange
from app.shops.tables import Product

MOST_PRICE = 1_000_000_000
MOST_PER_ORDER = 9_999
LONGEST_TEXT = 5_000

PICTURES = {
    "board": N_("도마"),
    "candle": N_("초"),
    "mug": N_("머그"),
    "notebook": N_("공책"),
    "plant": N_("화분"),
    "soap": N_("비누"),
    "spoon": N_("숟가락"),
    "stool": N_("의자"),
    "tea": N_("차"),
    "tray": N_("쟁반"),
    "vase": N_("화병"),
}
"""The shop's own set, by the names of its files."""

TEXTS = ("description", "facts")
LINES = ("name", "price", "stock", "max_per_order", "picture", "image_url", "image_alt")
SEEN = ("version", "stock_seen")
FIELDS = LINES + TEXTS


def address_of(picture: str) -> str:
    return f"/static/pictures/{picture}.svg"


@dataclass(slots=True)
class ProductForm:
    """Raw values and `errors` by field name, and `now`: what those fields say that somebody else has changed."""

    values: dict[str, str]
    currency: str
    errors: dict[str, str] = field(default_factory=dict)
    now: dict[str, str] = field(default_factory=dict)

    @classmethod
    def empty(cls, currency: str) -> "ProductForm":
        return cls(dict.fromkeys(FIELDS + SEEN, ""), currency)

    @classmethod
    def of_product(cls, product: Product) -> "ProductForm":
        picture = next((name for name in PICTURES if address_of(name) == product.image_url), "")
        values = {
            "name": product.name,
            "price": write_price(product.price, product.currency),
            "stock": _number(product.stock),
            "max_per_order": _number(product.max_per_order),
            "description": product.description,
            "facts": product.facts,
            "picture": picture,
            "image_url": "" if picture else product.image_url,
            "image_alt": product.image_alt,
            "version": str(product.version),
            "stock_seen": _number(product.stock),
        }
        return cls(values, product.currency)

    @classmethod
    def of(cls, raw: Mapping[str, str], currency: str) -> "ProductForm":
        """What was sent."""
        values = {name: lines(raw[name]) if name in TEXTS else one_line(raw[name]) for name in FIELDS + SEEN}
        return cls(values, currency)

    @property
    def version(self) -> int:
        """What they saw; 0 where the form does not say."""
        return read_whole(self.values["version"]) or 0

    def check(self, _: Translator) -> tuple[Details, StockChange]:
        """They mean nothing where `errors` got what is wrong with them."""
        details = Details(
            name=self._check_text("name", Product.name.length, _),
            price=self._check_price(_),
            description=self._check_text("description", LONGEST_TEXT, _),
            facts=self._check_text("facts", LONGEST_TEXT, _),
            image_url=self._check_picture(_),
            image_alt=self._check_text("image_alt", Product.image_alt.length, _),
            max_per_order=self._check_number("max_per_order", 1, MOST_PER_ORDER, _),
        )
        if not self.values["name"]:
            self.errors["name"] = _("상품 이름을 적어 주세요.")
        wanted = self._check_number("stock", 0, MOST_STOCK, _)
        return details, StockChange(read_whole(self.values["stock_seen"]), wanted)

    def compare(self, product: Product) -> None:
        """Somebody else was faster: what the product is now goes beside what was typed. Sent again, the form is meant.

        A stock that was left as it stood follows what was sold meanwhile.
        """
        current = self.of_product(product).values
        if read_whole(self.values["stock"]) == read_whole(self.values["stock_seen"]):
            self.values["stock"] = current["stock"]
        self.now = {name: current[name] for name in FIELDS if current[name] != self.values[name]}
        self._see(product)

    def refuse_stock(self, product: Product, _: Translator) -> None:
        """More were sold meanwhile than the new stock leaves."""
        left = f"{product.stock or 0:,}"
        self.errors["stock"] = _("그사이 더 팔려서 지금은 %(left)s개 남았어요. 재고를 다시 적어 주세요.", left=left)
        self._see(product)

    def _see(self, product: Product) -> None:
        self.values |= {"version": str(product.version), "stock_seen": _number(product.stock)}

    def _check_text(self, name: str, longest: int, _: Translator) -> str:
        if len(self.values[name]) > longest:
            self.errors[name] = _("%(count)s자 안으로 줄여 주세요.", count=f"{longest:,}")
        return self.values[name]

    def _check_price(self, _: Translator) -> int:
        price = read_price(self.values["price"], self.currency)
        if price is None:
            example = write_price(26_000 if Money.units(self.currency) == 1 else 2_600, self.currency)
            self.errors["price"] = _("가격을 숫자로 적어 주세요. 예: %(example)s", example=example)
        elif price < 1:
            self.errors["price"] = _("가격은 0보다 커야 해요.")
        elif price > MOST_PRICE:
            self.errors["price"] = _("가격은 %(most)s까지 적을 수 있어요.", most=write_price(MOST_PRICE, self.currency))
        return price or 0

    def _check_number(self, name: str, least: int, most: int, _: Translator) -> int | None:
        text = self.values[name]
        number = read_whole(text)
        if text and (number is None or not least <= number <= most):
            sentence = _("%(least)s부터 %(most)s까지의 숫자로 적거나, 비워 두세요.", least=least, most=f"{most:,}")
            self.errors[name] = sentence
        return number

    def _check_picture(self, _: Translator) -> str:
        url, picture = self.values["image_url"], self.values["picture"]
        if url and (not is_https(url) or len(url) > Product.image_url.length):
            self.errors["image_url"] = _("https://로 시작하는 그림 주소를 %(count)s자 안으로 적어 주세요.", count=300)
        if url:
            return url
        if picture and picture not in PICTURES:
            self.errors["picture"] = _("그림을 하나 골라 주세요.")
        return address_of(picture) if picture in PICTURES else ""


def _number(number: int | None) -> str:
    return "" if number is None else str(number)
