"""Settings: a bad value stops the start, with its name and the remedy."""

import base64

import pytest

from app.main import read_settings
from app.settings import GATEWAYS, BadSetting, Settings

TOSS_API_BASE, TOSS_SDK_URL = GATEWAYS["toss"].api_base[1], GATEWAYS["toss"].sdk_url[1]
KEY = base64.b64encode(bytes(32)).decode()
GOOD = {"SELLOG_SECRET_KEYS": KEY, "SELLOG_BASE_URL": "https://pay.example.com"}
TEST_KEYS = {"TOSS_CLIENT_KEY": "test_ck_1", "TOSS_SECRET_KEY": "test_sk_1"}
PORTONE = {
    "PORTONE_STORE_ID": "store-1",
    "PORTONE_CHANNEL_KEY": "channel-key-1",
    "PORTONE_API_SECRET": "secret-1",
}
STRIPE = {"STRIPE_PUBLISHABLE_KEY": "pk_test_1", "STRIPE_SECRET_KEY": "sk_test_1"}
LIVE_KEYS = {"TOSS_CLIENT_KEY": "live_ck_1", "TOSS_SECRET_KEY": "live_sk_1"}


def test_a_production_shop_needs_keys_and_an_address_only():
    settings = Settings.from_environ(GOOD)
    assert settings.env == "production"
    assert settings.is_secure
    assert settings.secret_keys == (bytes(32),)
    toss = settings.gateways["toss"]
    assert (toss.api_base, toss.sdk_url, toss.credentials) == (TOSS_API_BASE, TOSS_SDK_URL, {})
    assert settings.database_url == "sqlite:///sellog.sqlite"


def test_several_secret_keys_are_a_ring_newest_first():
    newer = base64.b64encode(b"n" * 32).decode()
    settings = Settings.from_environ({**GOOD, "SELLOG_SECRET_KEYS": f" {newer} , {KEY} "})
    assert settings.secret_keys == (b"n" * 32, bytes(32))


def test_an_address_loses_its_last_slash():
    settings = Settings.from_environ({**GOOD, "SELLOG_BASE_URL": "https://pay.example.com/"})
    assert settings.base_url == "https://pay.example.com"


@pytest.mark.parametrize("keys", [TEST_KEYS, LIVE_KEYS])
def test_a_pair_of_toss_keys_is_taken(keys: dict[str, str]):
    settings = read_settings({**GOOD, **keys})
    assert tuple(settings.gateways["toss"].credentials.values()) == tuple(keys.values())


def test_older_names_of_keys_are_read_where_the_newer_are_not_set():
    older = {
        **PORTONE,
        "PORTONE_MODE": "live",
        "PORTONE_STORE_ID": "",
        "PORTONE_IMP_KEY": "store-2",
        "NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY": "pk_test_2",
        "STRIPE_SECRET_KEY": "sk_test_2",
    }
    gateways = read_settings({**GOOD, **older}).gateways
    assert (gateways["portone"].credentials["store_id"], gateways["portone"].merchant) == ("store-2", "store-2")
    assert gateways["stripe"].credentials["publishable_key"] == "pk_test_2"


@pytest.mark.parametrize("address", ["http://127.0.0.1:8000", "http://localhost", "http://[::1]:8000"])
def test_production_may_be_tried_on_this_machine_without_tls(address: str):
    assert not Settings.from_environ({**GOOD, "SELLOG_BASE_URL": address}).is_secure


def test_development_may_use_the_sandbox():
    sandbox = {"TOSS_API_BASE": "http://127.0.0.1:9000", "TOSS_SDK_URL": "http://127.0.0.1:9000/sdk"}
    settings = read_settings({"SELLOG_ENV": "development", "SELLOG_SECRET_KEYS": KEY, **TEST_KEYS, **sandbox})
    assert settings.gateways["toss"].api_base == "http://127.0.0.1:9000"


@pytest.mark.parametrize(
    ("changes", "name", "remedy"),
    [
        ({"SELLOG_ENV": "prod"}, "SELLOG_ENV", "write production, development or demo"),
        ({"SELLOG_SECRET_KEYS": None}, "SELLOG_SECRET_KEYS is missing", "openssl rand -base64 32"),
        ({"SELLOG_SECRET_KEYS": "  "}, "SELLOG_SECRET_KEYS is missing", "openssl rand -base64 32"),
        ({"SELLOG_SECRET_KEYS": "not base64!"}, "SELLOG_SECRET_KEYS is not base64", "openssl rand -base64 32"),
        ({"SELLOG_SECRET_KEYS": "열쇠"}, "SELLOG_SECRET_KEYS is not base64", "openssl rand -base64 32"),
        ({"SELLOG_SECRET_KEYS": "c2hvcnQ="}, "SELLOG_SECRET_KEYS", "32 bytes"),
        ({"SELLOG_SECRET_KEYS": f"{KEY},c2hvcnQ="}, "SELLOG_SECRET_KEYS", "32 bytes"),
        ({"SELLOG_SECRET_KEYS": f"{KEY},"}, "SELLOG_SECRET_KEYS", "32 bytes"),
        ({"SELLOG_BASE_URL": None}, "SELLOG_BASE_URL is missing", "https://pay.example.com"),
        ({"SELLOG_BASE_URL": "http://pay.example.com"}, "SELLOG_BASE_URL", "https://"),
        ({"SELLOG_BASE_URL": "pay.example.com"}, "SELLOG_BASE_URL", "write something like"),
        ({"SELLOG_BASE_URL": "ftp://pay.example.com"}, "SELLOG_BASE_URL", "write something like"),
        ({"SELLOG_BASE_URL": "https://pay.example.com?x=1"}, "SELLOG_BASE_URL", "write something like"),
        ({"SELLOG_BASE_URL": "https://["}, "SELLOG_BASE_URL", "write something like"),
        ({"TOSS_API_BASE": "http://127.0.0.1:9000"}, "TOSS_API_BASE", "Unset it"),
        ({"TOSS_SDK_URL": "http://localhost:9000/sdk"}, "TOSS_SDK_URL", "Unset it"),
        ({"TOSS_API_BASE": "tosspayments"}, "TOSS_API_BASE", TOSS_API_BASE),
        ({"TOSS_CLIENT_KEY": "test_ck_1"}, "TOSS_SECRET_KEY", "set both, or neither"),
        ({"TOSS_SECRET_KEY": "test_sk_1"}, "TOSS_CLIENT_KEY", "set both, or neither"),
        ({"TOSS_CLIENT_KEY": "test_ck_1", "TOSS_SECRET_KEY": "live_sk_1"}, "TOSS_SECRET_KEY", "one pair"),
        ({"TOSS_CLIENT_KEY": "test_sk_1", "TOSS_SECRET_KEY": "test_ck_1"}, "TOSS_CLIENT_KEY", "one pair"),
        ({"TOSS_CLIENT_KEY": "test_gck_1", "TOSS_SECRET_KEY": "test_gsk_1"}, "TOSS_CLIENT_KEY", "not the widget's"),
        ({**LIVE_KEYS, "SELLOG_ENV": "demo"}, "the demo", "never move real money"),
        ({**TEST_KEYS, "TOSS_WAYS": "card, bitcoin"}, "TOSS_WAYS", "virtual_account"),
        ({"PORTONE_STORE_ID": "store-1"}, "PORTONE_CHANNEL_KEY", "all of them, or none"),
        (PORTONE, "PORTONE_MODE", "write test or live"),
        ({**PORTONE, "PORTONE_MODE": "real"}, "PORTONE_STORE_ID", "test or live"),
        ({**STRIPE, "STRIPE_SECRET_KEY": "sk_live_1"}, "STRIPE_SECRET_KEY", "test payments"),
        ({**STRIPE, "STRIPE_HANDOFF": "popup"}, "STRIPE_HANDOFF", "redirect"),
        ({"STRIPE_API_BASE": "http://127.0.0.1:9000"}, "STRIPE_API_BASE", "Unset it"),
        ({**LIVE_KEYS, "TOSS_API_BASE": "https://toss.example.com"}, "TOSS_API_BASE", "unset"),
        ({**LIVE_KEYS, "TOSS_SDK_URL": "https://toss.example.com"}, "TOSS_SDK_URL", "unset"),
    ],
)
def test_a_bad_setting_stops_the_start(changes: dict[str, str | None], name: str, remedy: str):
    environ = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    with pytest.raises(BadSetting) as refused:
        read_settings(environ)
    assert name in str(refused.value)
    assert remedy in str(refused.value)


@pytest.mark.parametrize("secret", ["SELLOG_SECRET_KEYS", "TOSS_SECRET_KEY"])
def test_the_message_does_not_repeat_a_secret(secret: str):
    with pytest.raises(BadSetting) as refused:
        read_settings({**GOOD, **TEST_KEYS, secret: "hush-hush"})
    assert "hush" not in str(refused.value)
