"""`./sellog check`: a shop that did what shops do is clean; whatever is broken by hand is named, and nothing else."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from app import clock
from app.checking import ALWAYS, AT_REST, Breach, check_database, check_ledger
from app.checking.reporting import MOST_LINES, lines_of
from app.database import DB, recorded_statements
from app.orders.tables import Order
from app.payments.asking import ask_refund, refundable_of
from app.payments.states import PaymentStatus, RefundKind
from app.payments.tables import Payment, Refund
from tests.mall import CARDS, Customer, hear_all, move
from tests.shopping import EMAIL, Market, Shopper
from tests.test_all_faults import arm, pass_hours
from tests.test_cli import demo, facts_of, one_sentence, production, run, running

NOW = "'2026-11-22 05:00:00+00:00'"
PAYMENT = 'payments (id, "order", account, provider, way, reference, token, status, amount, currency'
REFUND = "refunds (id, payment, kind, amount, reason, reference, created_at, status"
EVENT = 'payment_events (id, payment, "order", cause, at, subject, from_status, to_status'
JOB = "jobs (id, kind, dedupe_key, run_at"
INBOX = "inbox_events (id, account, delivery_key, reference, body, received_at)"


def event(of: str, subject: str, before: str | None, after: str, at: str = NOW) -> str:
    """One more event of the `paid` or the `open` order."""
    begun = f"'{before}'" if before else "NULL"
    values = f"'{{new}}', '{{{of}_payment}}', '{{{of}}}', 'timer', {at}, '{subject}', {begun}, '{after}'"
    return f"INSERT INTO {EVENT}) VALUES ({values})"


def refund(status: str, *before: str, kind: str = "asked", amount: int = 1_000) -> list[str]:
    """One more refund of the paid order, with its trail."""
    states = [None, *before, status]
    values = f"'{{other}}', '{{paid_payment}}', '{kind}', {amount}, '까닭', 'R', {NOW}, '{status}'"
    moves = pairwise(states)
    return [
        f"INSERT INTO {REFUND}) VALUES ({values})",
        *(event("paid", "refund", before, after) for before, after in moves if after),
    ]


def payment(of: str, status: str, captured: int = 0) -> list[str]:
    """One more payment of an order, closed if money came."""
    names = "captured_amount, created_at, next_check_at, closed_at"
    closed = NOW if captured else "NULL"
    begin = f"'{{other}}', '{{{of}}}', '{{account}}', 'toss', 'card', 'P', 'T', '{status}', 26000, 'KRW'"
    trail = f"INSERT INTO {EVENT}) VALUES ('{{new}}', '{{other}}', '{{{of}}}', 'timer', {NOW}, 'payment', 'created', "
    return [
        f"INSERT INTO {PAYMENT}, {names}) VALUES ({begin}, {captured}, {NOW}, {NOW}, {closed})",
        *([f"{trail}'{status}')"] if captured else []),
    ]


def job(kind: str, key: str, tries: int = 0) -> str:
    return f"INSERT INTO {JOB}, tries) VALUES ('{{new}}', '{kind}', '{key}', {NOW}, {tries})"


# What breaks exactly one invariant of a shop with an order that is paid, and refunded in part, and one that is open.
BROKEN: list[tuple[str, list[str]]] = [
    ("paid_by", ["UPDATE orders SET paid_by = '{paid_payment}' WHERE id = '{open}'"]),
    ("paid_exactly", ["UPDATE payments SET captured_amount = 26001 WHERE id = '{paid_payment}'"]),
    (
        "order_state",
        [
            "UPDATE orders SET status = 'paid' WHERE id = '{paid}'",
            event("paid", "order", "partially_refunded", "paid"),
        ],
    ),
    ("order_refunded", ["UPDATE orders SET refunded_amount = 5999 WHERE id = '{paid}'"]),
    (
        "payment_state",
        [
            "UPDATE orders SET status = 'paid' WHERE id = '{paid}'",
            event("paid", "order", "partially_refunded", "paid"),
            "UPDATE payments SET status = 'paid' WHERE id = '{paid_payment}'",
            event("paid", "payment", "partially_refunded", "paid"),
        ],
    ),
    ("surplus", payment("paid", "paid", captured=26_000)),
    ("mismatch", payment("paid", "mismatch", captured=25_000)),
    (
        "refund_sum",
        [
            "UPDATE payments SET refunded_amount = 6001 WHERE id = '{paid_payment}'",
            "UPDATE orders SET refunded_amount = 6001 WHERE id = '{paid}'",
        ],
    ),
    ("refund_balance", [*refund("requested", amount=20_001), job("refund", "refund:{other}")]),
    ("refund_failed", refund("failed", "requested")),
    ("account_wanted", refund("needs_account", "requested", kind="surplus")),
    ("refund_forgotten", refund("requested")),
    ("trail", ["UPDATE payments SET status = 'expired' WHERE id = '{open_payment}'"]),
    ("trail", ["DELETE FROM payment_events WHERE subject = 'refund'"]),
    ("trail", ["DELETE FROM payment_events WHERE subject = 'order' AND to_status = 'paid'", "DELETE FROM jobs"]),
    ("step", [event("open", "payment", "created", "created")]),
    ("paid_mail", ["DELETE FROM jobs WHERE CAST(payload AS TEXT) LIKE '%\"paid\"%'"]),
    ("paid_mail", ["UPDATE jobs SET dedupe_key = 'mail:again' WHERE CAST(payload AS TEXT) LIKE '%\"paid\"%'"]),
    ("next_look", ["UPDATE payments SET next_check_at = NULL WHERE id = '{open_payment}'"]),
    ("closed_undecided", [f"UPDATE payments SET closed_at = {NOW} WHERE id = '{{open_payment}}'"]),
    (
        "stuck",
        [
            "UPDATE payments SET status = 'confirming', claim = 'sealed' WHERE id = '{open_payment}'",
            event("open", "payment", "created", "confirming", at="'2026-11-22 03:44:00+00:00'"),
        ],
    ),
    (
        "stuck",
        [
            "UPDATE payments SET status = 'confirming' WHERE id = '{open_payment}'",
            event("open", "payment", "created", "confirming", at="'2026-11-19 04:54:00+00:00'"),
        ],
    ),
    ("webhook_forgotten", [f"INSERT INTO {INBOX} VALUES ('{{new}}', '{{account}}', 'D', 'P', '', {NOW})"]),
    ("poison_job", [job("close", "close:{open_payment}", tries=40)]),
    (
        "dispute_untold",
        [
            "INSERT INTO disputes (id, payment, dispute_key, status, is_open, amount, created_at, updated_at) "
            f"VALUES ('{{other}}', '{{paid_payment}}', 'D', 'needs_response', true, 26000, {NOW}, {NOW})",
            event("paid", "dispute", None, "needs_response"),
        ],
    ),
    ("hold_over", ["UPDATE orders SET expires_at = '2026-11-22 03:59:00+00:00' WHERE id = '{open}'"]),
    ("sold_unheld", ["UPDATE orders SET holds_stock = false WHERE id = '{paid}'"]),
    ("restocked", ["UPDATE order_items SET restocked = 1 WHERE \"order\" = '{paid}'"]),
    ("payment_shop", ["UPDATE payments SET account = '{foreign_account}' WHERE id = '{open_payment}'"]),
    ("item_shop", ["UPDATE order_items SET product = '{foreign_product}' WHERE \"order\" = '{paid}'"]),
    (
        "alert_shop",
        [
            'INSERT INTO alerts (id, shop, kind, alert_key, "order", evidence, raised_at) '
            f"VALUES ('{{new}}', '{{foreign_shop}}', 'stuck', 'A', '{{paid}}', '{{{{}}}}', {NOW})"
        ],
    ),
    ("event_order", ["UPDATE payment_events SET \"order\" = '{open}' WHERE subject = 'refund'"]),
    ("order_total", ["UPDATE order_items SET unit_price = 25999 WHERE \"order\" = '{open}'"]),
    ("payment_amount", ["UPDATE payments SET amount = 25999 WHERE id = '{open_payment}'"]),
    ("payment_amount", ["UPDATE payments SET currency = 'USD' WHERE id = '{open_payment}'"]),
    ("one_untouched", payment("open", "created")),
]
# The same for a shop at rest.
UNREST: list[tuple[str, list[str]]] = [
    ("open_payment", [f"UPDATE payments SET closed_at = NULL, next_check_at = {NOW}"]),
    ("open_refund", refund("requested", kind="outside")),
    ("undone_job", ["UPDATE jobs SET done_at = NULL WHERE kind = 'refund'"]),
    (
        "held_over",
        [
            "INSERT INTO orders (id, shop, number, token, customer_email, currency, total_amount, checkout_token, "
            "expires_at, created_at, updated_at) VALUES ('{other}', '{shop}', 'N', 'T', 'a@b.example', 'KRW', 1, 'C', "
            f"'2026-11-22 04:59:00+00:00', {NOW}, {NOW})",
            'INSERT INTO order_items (id, "order", product, product_name, unit_price, quantity) '
            "VALUES ('{new}', '{other}', '{product}', '머그', 1, 1)",
        ],
    ),
]


def names(breaches: list[Breach]) -> set[str]:
    return {breach.invariant for breach in breaches}


class Books:
    """A shop's rows, to be broken by SQL."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.words: dict[str, object] = {
            "shop": market.haru.id,
            "account": market.accounts[0].id,
            "product": market.mug.id,
            "foreign_shop": market.namu.id,
            "foreign_account": market.accounts[1].id,
            "foreign_product": market.spoon.id,
        }

    async def keep(self, name: str) -> None:
        """From now on the newest order goes by this name."""
        known = list(self.words.values())
        [order] = await Order.objects().where(Order.id.not_in(known))
        [payment] = await Payment.objects().where(Payment.order == order.id)
        self.words |= {name: order.id, f"{name}_payment": payment.id}

    async def run(self, statements: list[str]) -> None:
        """`{other}` is the same in all of them, `{new}` another one in each."""
        other = clock.new_id()
        for statement in statements:
            await DB.run_ddl(statement.format(**self.words, other=other, new=clock.new_id()))


@pytest.fixture
async def books(market: Market, shopper: Shopper) -> Books:
    """One order, paid and refunded in part; nothing is left to do."""
    books = Books(market)
    await shopper.buy(market.mug)
    await books.keep("paid")
    await ask_for(await market.only_order(), 6_000)
    while await market.pg.send_due():
        await market.work()
    await market.work()
    assert (await market.only_payment()).status == PaymentStatus.PARTIALLY_REFUNDED
    return books


async def ask_for(order: Order, amount: int, restock: int = 0) -> Refund:
    """An owner's refund."""
    balance = await refundable_of(order)
    return await ask_refund(order.id, amount, "고객 변심", seen_balance=balance, requested_by=EMAIL, restock=restock)


def test_every_invariant_is_broken_once_here() -> None:
    elsewhere = {"stock"}
    assert {name for name, _ in BROKEN} | elsewhere == {invariant.name for invariant in ALWAYS}
    assert {name for name, _ in UNREST} == {invariant.name for invariant in AT_REST}


@pytest.mark.parametrize(("name", "statements"), BROKEN, ids=[f"{name} {n}" for n, (name, _) in enumerate(BROKEN)])
async def test_what_is_broken_is_named_and_nothing_else(
    books: Books, shopper: Shopper, name: str, statements: list[str]
) -> None:
    await shopper.order(books.market.mug)
    await books.keep("open")
    assert await check_database(clock.now()) == []
    await books.run(statements)
    breaches = await check_database(clock.now())
    assert names(breaches) == {name}, breaches
    assert all(breach.detail and " " in breach.row for breach in breaches)


@pytest.mark.parametrize(("name", "statements"), UNREST, ids=[name for name, _ in UNREST])
async def test_at_rest_nothing_is_undecided(books: Books, name: str, statements: list[str]) -> None:
    assert await check_database(clock.now(), settled=True) == []
    await books.run(statements)
    assert await check_database(clock.now()) == []
    assert names(await check_database(clock.now(), settled=True)) == {name}


async def test_more_sold_than_there_was_is_named_where_the_table_has_let_it_in(market: Market) -> None:
    """The table's own CHECK is taken away for it, and put back."""
    is_postgres = DB.engine_type == "postgres"
    lift = "ALTER TABLE products DROP CONSTRAINT products_stock_check"
    await DB.run_ddl(lift if is_postgres else "PRAGMA ignore_check_constraints = ON")
    await DB.run_ddl(f"UPDATE products SET stock = -1 WHERE id = '{market.last.id}'")
    try:
        assert names(await check_database(clock.now())) == {"stock"}
    finally:
        await DB.run_ddl("UPDATE products SET stock = 0 WHERE stock < 0")
        if is_postgres:
            await DB.run_ddl("ALTER TABLE products ADD CONSTRAINT products_stock_check CHECK (stock >= 0)")


async def test_it_takes_one_statement_and_so_sees_one_moment(books: Books) -> None:
    with recorded_statements() as statements:
        await check_database(clock.now(), settled=True)
    assert len(statements) == 1


async def compare(mall: Market) -> list[Breach]:
    return await check_database(clock.now()) + await check_ledger(await mall.ledger())


async def test_a_shop_that_sells_and_gives_back_is_clean_at_each_pg(mall: Market, customer: Customer) -> None:
    """After each step: paid, refunded in parts, wholly with restock, and by hand at the PG."""
    for contract in CARDS:
        assert (await customer.pay(mall.mug, contract)).status_code == 200
        assert await compare(mall) == []
    first, second, third, *_ = orders = await Order.objects().order_by(Order.number)
    assert len(orders) == len(CARDS)
    for order in orders[:-1]:
        await ask_for(order, 6_000)
        assert await compare(mall) == []
    await pass_hours(mall)
    for order in (first, second, third):
        await ask_for(order, 20_000, restock=1)
    [by_hand] = await Payment.objects().where(Payment.order == orders[-1].id)
    await move(mall, f"refunds/{by_hand.reference}", amount=5_000)
    await hear_all(mall)
    await pass_hours(mall)
    assert await check_database(clock.now(), settled=True) == []
    assert await compare(mall) == []
    assert await Refund.count() == 4 + 3 + 1


@pytest.mark.parametrize("pg", ["toss", "portone"])
async def test_a_deposit_is_clean_at_every_step(mall: Market, customer: Customer, pg: str) -> None:
    await customer.pay(mall.mug, pg, "virtual_account")
    assert await compare(mall) == []
    reference = (await mall.only_payment()).reference
    for way in ("", "/reverse", "") if pg == "toss" else ("",):
        await move(mall, f"deposits/{reference}{way}")
        await hear_all(mall)
        assert await compare(mall) == []
    await ask_for(await mall.only_order(), 6_000)
    await mall.work()
    assert await compare(mall) == []
    answer = await customer.name_receiver(await customer.order_page(), number="1002123456789")
    assert answer.status_code == 303, answer.text
    await mall.work()
    assert await compare(mall) == []
    await move(mall, f"refunds/{reference}/complete")
    await hear_all(mall)
    await pass_hours(mall)
    assert await compare(mall) == []


@pytest.mark.parametrize("second", ["stripe", "stripe elements"])
async def test_what_was_paid_twice_and_goes_back_is_clean(mall: Market, customer: Customer, second: str) -> None:
    """Two windows of one order, both approved before the shop hears of either."""
    windows = [await customer.go(mall.mug, "portone")]
    windows.append(await customer.pay_again(await customer.order_page(), second))
    for window in windows:
        await mall.pg.wire.post(window.path, data={"action": "approve"})
    await hear_all(mall)
    assert await compare(mall) == []
    assert await Refund.exists().where(Refund.kind == RefundKind.SURPLUS)
    await pass_hours(mall)
    assert await compare(mall) == []


async def test_another_amount_that_goes_back_is_clean(mall: Market, customer: Customer) -> None:
    payments = []
    for contract in CARDS:
        pay_url = await customer.choose(mall.mug, contract)
        payment = await Payment.objects().get(Payment.token == pay_url.rpartition("payment=")[2])
        fault = {"provider": payment.provider, "call": "begin", "kind": "amount_changed"}
        await arm(mall, {**fault, "reference": payment.reference, "times": 1})
        window = await customer.open(pay_url)
        await customer.come_back(await window.press("approve"))
        payments.append(payment.id)
        assert await compare(mall) == []
    await pass_hours(mall)
    assert await compare(mall) == []
    assert await Refund.exists().where(Refund.kind == RefundKind.MISMATCH)


@pytest.mark.parametrize("kind", ["answer_lost_after", "server_error"])
async def test_a_shop_whose_pgs_fail_is_clean_while_it_waits_and_after(
    mall: Market, customer: Customer, kind: str
) -> None:
    for contract in CARDS:
        window = await customer.go(mall.mug, contract)
        newest = await Payment.objects().order_by(Payment.id, ascending=False).first()
        for call in ("confirm", "lookup"):
            fault = {"provider": newest.provider, "call": call, "kind": kind, "times": 3}
            await arm(mall, {**fault, "reference": newest.reference})
        way_back = await window.press("approve")
        await customer.come_back(way_back)
        assert await compare(mall) == []
    await customer.choose(mall.mug, "toss")
    await pass_hours(mall)
    assert await check_database(clock.now()) == []
    assert await compare(mall) == []


async def tamper(statement: str, market: Market) -> set[str]:
    """What the ledger has to say of rows that were changed by hand."""
    payment = await Payment.objects().order_by(Payment.created_at).first()
    await DB.run_ddl(statement.format(payment=payment.id))
    return names(await check_ledger(await market.ledger()))


@pytest.mark.parametrize(
    ("name", "statement"),
    [
        ("ledger_sums", "UPDATE payments SET captured_amount = 25000 WHERE id = '{payment}'"),
        ("ledger_sums", "UPDATE payments SET refunded_amount = 5999 WHERE id = '{payment}'"),
        ("ledger_currency", "UPDATE payments SET currency = 'USD' WHERE id = '{payment}'"),
    ],
)
async def test_the_ledger_names_what_differs(books: Books, name: str, statement: str) -> None:
    assert await check_ledger(await books.market.ledger()) == []
    assert await tamper(statement, books.market) == {name}


async def test_the_ledger_names_what_only_one_side_knows(books: Books) -> None:
    entries = await books.market.ledger()
    assert names(await check_ledger([])) == {"ledger_missing"}
    stranger = entries[0] | {"reference": "SOMEBODY"}
    assert names(await check_ledger([*entries, stranger])) == {"ledger_unknown"}
    assert await check_ledger([*entries, stranger | {"captured": 0}]) == []


async def test_a_payment_that_is_being_decided_may_differ(books: Books) -> None:
    changed = f"UPDATE payments SET captured_amount = 0, refunded_amount = 0, closed_at = NULL, next_check_at = {NOW}"
    assert await tamper(changed, books.market) == set()


async def test_a_payment_with_a_refund_under_way_may_differ(books: Books) -> None:
    order = await books.market.only_order()
    await ask_for(order, 1_000)
    assert await tamper("UPDATE payments SET refunded_amount = 5999 WHERE id = '{payment}'", books.market) == set()


def test_fifty_of_a_kind_are_told_and_how_many_more_there_are() -> None:
    breaches = [Breach("trail", f"order {number}", "is lost") for number in range(MOST_LINES + 3)]
    lines = list(lines_of([*breaches, Breach("stock", "product 1", "has -1 pieces")]))
    assert len(lines) == MOST_LINES + 2
    assert lines[0] == "trail: order 0 is lost"
    assert lines[MOST_LINES:] == ["trail: and 3 more", "stock: product 1 has -1 pieces"]


def last_line(text: str) -> dict[str, Any]:
    return json.loads(text.splitlines()[-1])


async def test_the_command_tells_the_rows_and_ends_with_one_line_for_tools(books: Books, database_url: str) -> None:
    """It needs no keys."""
    clean = run("check", SELLOG_DATABASE_URL=database_url)
    assert (clean.returncode, clean.stderr) == (0, "")
    assert json.loads(clean.stdout) == {"checkouts": 1, "faults": 0, "broken": 0}
    await books.run(["UPDATE orders SET refunded_amount = 5999 WHERE id = '{paid}'"])
    broken = run("check", SELLOG_DATABASE_URL=database_url)
    assert (broken.returncode, broken.stderr) == (1, "")
    said, end = broken.stdout.splitlines()
    assert said == (
        f"order_refunded: order {books.words['paid']} says that 5999 went back, but of its payment 6000 did"
    )
    assert json.loads(end) == {"checkouts": 1, "faults": 0, "broken": 1}


def test_a_database_that_cannot_be_checked_gets_one_sentence(tmp_path: Path) -> None:
    assert "./sellog migrate" in one_sentence(run("check", SELLOG_DATABASE_URL=f"sqlite:///{tmp_path}/new.sqlite"))
    said = one_sentence(run("check", SELLOG_DATABASE_URL=f"sqlite:///{tmp_path}/no/folder.sqlite"))
    assert "SELLOG_DATABASE_URL" in said


@pytest.mark.parametrize("arguments", [["--ledger"], ["--ledger", "nonsense"], ["--nonsense"], ["nonsense"]])
def test_what_is_not_understood_ends_with_2(arguments: list[str]) -> None:
    answer = run("check", *arguments)
    assert answer.returncode == 2
    assert "usage: ./sellog" in answer.stderr


def test_the_command_compares_with_a_demos_sandbox(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shop.sqlite"
    with running(*demo(tmp_path), until="Sellog is ready at"):
        facts = facts_of(tmp_path)
        for address in (facts["sandbox_url"], f"{facts['sandbox_url']}/control/ledger"):
            answer = run("check", "--ledger", address, SELLOG_DATABASE_URL=url)
            assert (answer.returncode, answer.stderr) == (0, "")
            assert last_line(answer.stdout) == {"checkouts": 0, "faults": 0, "broken": 0}
        said = one_sentence(run("check", "--ledger", facts["shop_url"], SELLOG_DATABASE_URL=url))
        assert "ledger" in said
    said = one_sentence(run("check", "--ledger", facts["sandbox_url"], SELLOG_DATABASE_URL=url))
    assert "ledger" in said


def test_the_command_needs_no_more_than_serve_does(tmp_path: Path) -> None:
    settings = production(f"sqlite:///{tmp_path}/shop.sqlite")
    assert run("migrate", "--sample", **settings).returncode == 0
    assert last_line(run("check", **settings).stdout) == {"checkouts": 0, "faults": 0, "broken": 0}
