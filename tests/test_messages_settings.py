"""The mail server's settings: a bad value stops the start, with its name and the remedy, and without the password."""

import base64

import pytest

from app.settings import BadSetting, MailServer, Settings

GOOD = {"SELLOG_ENV": "development", "SELLOG_SECRET_KEYS": base64.b64encode(bytes(32)).decode()}
FROM = {"SELLOG_MAIL_FROM": "orders@shop.example"}


def read(**changes: str) -> Settings:
    return Settings.from_environ({**GOOD, **changes})


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example.com", MailServer("mail.example.com", 25)),
        ("smtp://127.0.0.1:2525/", MailServer("127.0.0.1", 2525)),
        ("smtp://[::1]:2525", MailServer("::1", 2525)),
        ("smtp://haru:a%2Fb%40c@mail.example.com", MailServer("mail.example.com", 587, False, "haru", "a/b@c")),
        (
            "smtp://haru%40shop.example:p@mail.example.com:25",
            MailServer("mail.example.com", 25, False, "haru@shop.example", "p"),
        ),
        ("smtps://haru:p@mail.example.com", MailServer("mail.example.com", 465, True, "haru", "p")),
    ],
)
def test_a_mail_server_is_read_from_its_url(url: str, server: MailServer) -> None:
    assert read(SELLOG_SMTP_URL=url, **FROM).mail_server == server


def test_mail_is_optional() -> None:
    assert read().mail_server is None
    assert read(SELLOG_SMTP_URL="  ").mail_server is None


@pytest.mark.parametrize(
    "url",
    [
        "mail.example.com",
        "http://mail.example.com",
        "smtp://",
        "smtp://:25",
        "smtp://mail.example.com:hush",
        "smtp://mail.example.com:99999",
        "smtp://haru:hush/hush@mail.example.com",
        "smtp://haru:hush@mail.example.com/path",
        "smtp://haru:hush@mail.example.com?tls=1",
        "smtp://haru:hush@mail.example.com#tls",
        "smtp://[hush",
    ],
)
def test_a_url_that_names_no_mail_server_stops_the_start(url: str) -> None:
    with pytest.raises(BadSetting, match=r"SELLOG_SMTP_URL.*write something like smtp://") as refused:
        read(SELLOG_SMTP_URL=url, **FROM)
    assert "hush" not in str(refused.value)


def test_a_mail_server_needs_an_address_to_send_from() -> None:
    with pytest.raises(BadSetting, match="SELLOG_MAIL_FROM is missing: write the address"):
        read(SELLOG_SMTP_URL="smtp://mail.example.com")


@pytest.mark.parametrize(
    "address", ["orders", "@shop.example", "Sellog <orders@shop.example>", "a@b@c", "a@b\r\nX: y", "주문@shop.example"]
)
def test_an_address_that_is_none_stops_the_start(address: str) -> None:
    with pytest.raises(BadSetting, match="SELLOG_MAIL_FROM is not an address: write one alone, such as orders@"):
        read(SELLOG_MAIL_FROM=address)


def test_the_settings_show_no_password() -> None:
    settings = read(SELLOG_SMTP_URL="smtp://haru:hush@mail.example.com", **FROM)
    assert "hush" not in repr(settings) + repr(settings.mail_server)


def test_message_ids_end_in_the_senders_domain_or_in_the_shops() -> None:
    assert read(**FROM).mail_host == "shop.example"
    assert read(SELLOG_BASE_URL="https://pay.example.com:8443").mail_host == "pay.example.com"
