"""A simulator of the payment gateways for development and tests. It reads their protocols on its own: nothing
of the rest of the application is imported here, and nothing here ever moves money.

In comments, [U] marks what a gateway does not document, where we had to guess.
"""
