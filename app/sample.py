"""Two sample shops, so that a new installation has something to show and to try."""

from app.shops.catalogue import add_product, add_shop
from app.shops.tables import Shop


def _picture(name: str) -> str:
    return f"/static/pictures/{name}.svg"


HARU = {
    "name": "하루상점",
    "tagline": "오래 곁에 둘 물건만, 천천히 고릅니다.",
    "description": "만든 사람의 이름을 아는 살림 도구 몇 가지.",
    "legal": "하루상점 · 대표 한소라 · 사업자등록번호 000-00-00000\n"
    "통신판매업 신고 제2026-서울마포-0000호 · 02-000-0000",
    "accent": 162,
}
NAMU = {
    "name": "나무상점",
    "tagline": "나무로 만든 것들.",
    "description": "한 사람이 한 자리에서 깎고 다듬습니다.",
    "legal": "나무상점 · 대표 윤재목 · 사업자등록번호 000-00-00001\n"
    "통신판매업 신고 제2026-강원춘천-0000호 · 033-000-0000",
    "accent": 48,
}

# Domain, the shop, and its goods: name, price in won, picture, and what else there is to say.
SHOPS = {
    "haru": (
        HARU,
        [
            (
                "백자 유약 머그",
                26_000,
                "mug",
                {
                    "description": "초록 유약을 붓지 않고 흘려서 만듭니다. 흐른 자국이 하나하나 달라 "
                    "같은 머그는 두 번 나오지 않습니다. 손잡이에는 손가락 세 개가 편하게 들어갑니다.",
                    "facts": "크기: 지름 8.5cm, 높이 9cm\n용량: 320ml\n만든 이: 이천 물레방 정다운",
                    "image_alt": "초록 유약이 흘러내린 흰 머그",
                    "stock": 12,
                },
            ),
            (
                "하동 첫물 녹차 60g",
                18_000,
                "tea",
                {
                    "description": "곡우 전에 딴 첫 잎만 무쇠솥에서 덖었습니다. 두 번째 우릴 때 가장 답니다.",
                    "facts": "무게: 60g\n만든 이: 하동 화개 박순례",
                    "image_alt": "잎 그림이 붙은 초록 차통",
                    "max_per_order": 10,
                },
            ),
            (
                "밀랍 기둥초",
                21_000,
                "candle",
                {
                    "description": "양봉장에서 남은 밀랍을 굳혔습니다. 그을음이 적고 마흔 시간쯤 탑니다.",
                    "facts": "크기: 지름 7cm, 높이 10cm\n만든 이: 양평 벌터 이문기",
                    "image_alt": "불이 켜진 노란 밀랍초",
                    "stock": 3,
                },
            ),
            (
                "오침 제본 공책",
                14_000,
                "notebook",
                {
                    "description": "한지 마흔 장을 다섯 구멍으로 꿰맸습니다. 펼치면 끝까지 납작해집니다.",
                    "facts": "크기: 14 × 21cm\n장수: 40장\n만든 이: 전주 종이집 서하늘",
                    "image_alt": "붉은 실로 꿰맨 남색 공책과 연필",
                    "stock": 40,
                },
            ),
            (
                "쌀겨 비누 두 개 묶음",
                9_000,
                "soap",
                {
                    "description": "쌀겨와 들기름으로 만들어 석 달을 말렸습니다. 향은 넣지 않았습니다.",
                    "facts": "무게: 90g × 2\n만든 이: 담양 비누방 최보리",
                    "image_alt": "포개 놓은 비누 두 장과 거품",
                },
            ),
            (
                "올리브나무 화분",
                38_000,
                "plant",
                {
                    "description": "세 해 키운 올리브나무입니다. 볕이 드는 창가에 두고 열흘에 한 번 물을 줍니다.",
                    "facts": "높이: 45cm 안팎\n키운 이: 용인 볕뜰 오정원",
                    "image_alt": "토분에 심은 어린 올리브나무",
                    "stock": 0,
                },
            ),
            (
                "유리 화병",
                33_000,
                "vase",
                {
                    "description": "다음 달에 다시 내놓을 화병입니다.",
                    "image_alt": "한 송이를 꽂은 유리 화병",
                    "stock": 4,
                    "is_active": False,
                },
            ),
        ],
    ),
    "namu": (
        NAMU,
        [
            (
                "느티나무 도마",
                48_000,
                "board",
                {"image_alt": "손잡이가 있는 나무 도마", "stock": 6, "facts": "크기: 22 × 38cm"},
            ),
            (
                "벚나무 숟가락",
                16_000,
                "spoon",
                {"image_alt": "깎은 자국이 남은 나무 숟가락", "stock": 30, "max_per_order": 8},
            ),
            (
                "참나무 스툴",
                128_000,
                "stool",
                {"image_alt": "다리 셋 달린 나무 의자", "stock": 2, "facts": "높이: 45cm"},
            ),
            ("물푸레 쟁반", 54_000, "tray", {"image_alt": "둥근 나무 쟁반", "stock": 9}),
        ],
    ),
}


async def add_sample_shops() -> list[Shop]:
    """The sample shops; those that are there already are left as they are."""
    shops = []
    for domain, (details, goods) in SHOPS.items():
        shop = await Shop.objects().where(Shop.domain == domain).first()
        if shop is None:
            shop = await add_shop(domain, **details)
            for position, (name, price, picture, more) in enumerate(goods):
                await add_product(shop, name, price, image_url=_picture(picture), position=position, **more)
        shops.append(shop)
    return shops
