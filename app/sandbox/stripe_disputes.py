"""A buyer's bank that takes a charge back, and how it ends."""

from app.sandbox.stripe_cases import Case
from app.sandbox.stripe_objects import new_dispute, new_movement, seconds
from app.sandbox.world import World

ANSWER_WITHIN = 7 * 24 * 60 * 60
IS_OVER = ("won", "lost")


def open_dispute(case: Case, world: World) -> None:
    """The buyer calls the captured charge fraudulent, and the bank takes the money back."""
    charge = case.charge
    assert charge is not None
    dispute = case.add(new_dispute(world, charge, seconds(world) + ANSWER_WITHIN))
    charge["disputed"] = True
    case.tell("charge.dispute.created", dispute)
    movement = case.add(new_movement(world, "adjustment", -dispute["amount"], 0, dispute))
    dispute["balance_transactions"].append(movement)
    case.tell("charge.dispute.funds_withdrawn", dispute)


def end_dispute(case: Case, world: World, is_won: bool) -> None:
    """The bank decides; a dispute that is won brings the money back."""
    dispute = case.dispute
    assert dispute is not None
    before = dispute["status"]
    dispute["status"] = "won" if is_won else "lost"
    dispute["is_charge_refundable"] = is_won
    if is_won:
        movement = case.add(new_movement(world, "adjustment", dispute["amount"], 0, dispute))
        dispute["balance_transactions"].append(movement)
    case.tell("charge.dispute.closed", dispute)
    case.tell("charge.dispute.updated", dispute, {"status": before})
    if is_won:
        case.tell("charge.dispute.funds_reinstated", dispute)


def may_be_disputed(case: Case) -> bool:
    charge = case.charge
    return case.dispute is None and charge is not None and charge["captured"] and not charge["refunded"]


def has_open_dispute(case: Case) -> bool:
    return case.dispute is not None and case.dispute["status"] not in IS_OVER
