"""Passwords: what may be one, and argon2id in a thread, so that it never stops the loop."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app import clock
from app.language import Translator
from app.settings import PasswordCost

T = TypeVar("T")

SHORTEST = 10
LONGEST = 200
# Each takes as much memory as its cost says.
AT_ONCE = 2


class Passwords:
    """The hasher of one process."""

    def __init__(self, cost: PasswordCost) -> None:
        self._argon2 = PasswordHasher(cost.rounds, cost.kibibytes, cost.lanes)
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def hash(self, password: str) -> str:
        return await self._in_thread(lambda: self._argon2.hash(_bytes(password), salt=clock.entropy(16)))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether it is the password. Where there is none it never is, and to say so takes as long."""
        if password_hash is None:
            await self.hash(password)
            return False
        return await self._in_thread(lambda: self._is(password_hash, password))

    def _is(self, password_hash: str, password: str) -> bool:
        try:
            return self._argon2.verify(password_hash, _bytes(password))
        except (VerificationError, InvalidHashError):
            return False

    async def _in_thread(self, work: Callable[[], T]) -> T:
        async with self._turns:
            return await asyncio.get_running_loop().run_in_executor(None, work)


@dataclass(frozen=True, slots=True)
class NewPassword:
    """A password to be set, and the same again."""

    text: str
    again: str

    def problems(self, email: str, _: Translator) -> dict[str, str]:
        """What is wrong with it, by field name. Length is what counts (NIST SP 800-63B): no other rule is kept."""
        if len(self.text) < SHORTEST:
            return {"password": _("비밀번호를 %(count)s자 이상으로 적어 주세요.", count=SHORTEST)}
        if len(self.text) > LONGEST:
            return {"password": _("비밀번호를 %(count)s자 안으로 적어 주세요.", count=LONGEST)}
        if self.text.strip().lower() == email:
            return {"password": _("이메일 주소는 비밀번호로 쓸 수 없어요.")}
        if self.text != self.again:
            return {"again": _("두 번 적으신 비밀번호가 서로 달라요.")}
        return {}


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")
