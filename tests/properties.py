"""How properties are tried: the same examples on every machine, however slow it is."""

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

repeatable = settings(derandomize=True, deadline=None, max_examples=150)

# With a database each example costs as much as a small test. The fixture is one market for all of them.
on_a_database = settings(repeatable, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])

# Whatever JSON can say.
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
