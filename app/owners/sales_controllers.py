"""The desk's sales: sums by day, week or month, the ways to pay, and what became of orders."""

from zoneinfo import ZoneInfo

from litestar import Controller, Request, Response, get
from litestar.di import NamedDependency

from app import clock
from app.language import N_, translator
from app.owners.admission import Member, needs
from app.owners.frame import desk_page
from app.owners.roles import Role
from app.owners.sales import sales_of
from app.owners.sales_period import By, SalesPeriod, Span
from app.owners.sales_view import currency_view, days_text, rest_of, steps_of, way_view
from app.owners.sales_ways import funnel_of, ways_of
from app.pages import language_of

PIECES = {By.DAY: N_("날마다"), By.WEEK: N_("주마다"), By.MONTH: N_("달마다")}


class SalesController(Controller):
    path = "/{domain:str}/owner/sales"

    @get("/", name="owner_sales", guards=[needs(Role.VIEWER)])
    async def show(self, request: Request, member: NamedDependency[Member]) -> Response:
        """Everything about the same days, whole in the shop's time zone."""
        lang, shop = language_of(request, member.shop), member.shop
        _, today = translator(lang), clock.now().astimezone(ZoneInfo(shop.time_zone)).date()
        period = SalesPeriod.of(request.query_params)
        spans = period.spans(shop.time_zone, today, _)
        context = {
            "period": period,
            "pills": [(period.query(by=by), words, by == period.by) for by, words in PIECES.items()],
        }
        if not spans:
            return desk_page(request, member, "owner/sales.html", 422, days=None, **context)
        days = Span(spans[0].first, spans[-1].last, spans[0].since, spans[-1].until)
        ways = await ways_of(shop, days)
        funnel = await funnel_of(shop, days)
        return desk_page(
            request,
            member,
            "owner/sales.html",
            days=days,
            days_text=days_text(days.first, days.last, today, lang),
            currencies=[currency_view(each, By(period.by), today, lang) for each in await sales_of(shop, spans)],
            ways=[way_view(way, _) for way in ways],
            attempts=sum(way.attempts for way in ways),
            steps=steps_of(funnel, _),
            rest=rest_of(funnel, _),
            **context,
        )
