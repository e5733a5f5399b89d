"""Who may ask the provider next, and when: the decisions of the gate, without threads or clock.

Time is an argument and chance is an argument, so that every decision can be repeated. The
thread side is `models.gate`.

**Windows.** In any 60 seconds, at most so many requests begin, and the tokens of those that
begin stay within the limit. A provider's own limiter is usually a token bucket that holds a
minute's worth and is refilled all the time (for the Messages API:
https://platform.claude.com/docs/en/api/rate-limits). Whoever keeps to a sliding window never
finds such a bucket empty: a stretch of x minutes takes at most ceil(x) minutes' worth of it,
and it held one and was refilled with x. A bucket of our own would let two minutes' worth
through in its first minute.

**Order.** Whoever is on the critical path goes first: a request's standing is its task's rank,
where the highest rank seen so far counts as much as `PATIENCE` seconds of waiting, plus the
seconds that it has waited. So nobody is overtaken by a request that came `PATIENCE` seconds or
more after it, whatever the ranks. The first in this order is never passed by a smaller request
that would fit already: it would wait for ever.

**After a refusal** (429, 529) nobody asks for as long as the provider said. Then one asks; the
others follow when it was answered, or when `SILENCE` has passed without a further refusal (a
refusal comes at once, an answer takes up to minutes), and their number doubles with each
further `SILENCE`. Without a hint from the provider the pause is exponential with full jitter
(Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass

MINUTE = 60.0
"""Seconds."""

PATIENCE = 60.0
"""Seconds of waiting that are worth as much as the highest rank."""

SILENCE = 2.0
"""Seconds without a refusal after which the provider counts as willing again."""

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
"""Seconds: the bound of the pause after the first refusal without a hint, doubled after each
further one, and the bound of that."""

SPREAD = 0.1
"""Part of a given pause that chance may add, so that several programs do not return together."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a provider may be asked; None means no limit.

    Attributes:
        concurrent: requests that are under way at the same time.
        requests_per_minute: requests that begin within any 60 seconds.
        tokens_per_minute: model tokens of the requests that begin within any 60 seconds.

    Raises:
        ValueError: a limit below 1, with which nothing could ever be asked.
    """

    concurrent: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None

    def __post_init__(self) -> None:
        for limit in (self.concurrent, self.requests_per_minute, self.tokens_per_minute):
            if limit is not None and limit < 1:
                raise ValueError(f"{limit} is not a limit: it must be at least 1, or None")

    def over(self, other: Pace) -> Pace:
        """Return this pace, with the limits of `other` where this one has none."""
        return Pace(
            other.concurrent if self.concurrent is None else self.concurrent,
            other.requests_per_minute
            if self.requests_per_minute is None
            else self.requests_per_minute,
            other.tokens_per_minute if self.tokens_per_minute is None else self.tokens_per_minute,
        )


UNLIMITED = Pace()


@dataclass(frozen=True, slots=True)
class Applicant:
    """A request that waits.

    Attributes:
        number: rises with each request.
        key: who asks, for people: the task's id.
        rank: seconds of work from here to the end of the run along the longest path.
        tokens: model tokens that it is expected to take.
        at: when it came, in seconds.
    """

    number: int
    key: str
    rank: float
    tokens: int
    at: float


@dataclass(frozen=True, slots=True)
class _Charge:
    at: float
    tokens: int


class Admission:
    """Decides who may ask. All times are seconds of one clock that never goes back.

    Args:
        pace: the limits.
    """

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self._last = 0
        self._scale = 0.0  # highest rank so far
        self._waiting: dict[int, Applicant] = {}
        self._under_way: dict[int, int] = {}  # the round in which each was let through
        self._charges = OrderedDict[int, _Charge]()  # of the last minute, oldest first
        self._charged = 0  # tokens of all charges
        self._round = 0  # refusals so far; a new one begins with each
        self._opens_at = -math.inf
        self._answered = 0  # requests of this round that were answered
        self._probes = 0  # requests of this round that are under way
        self._streak = 0  # rounds in a row that ended without an answer

    @property
    def waiting(self) -> tuple[Applicant, ...]:
        """Who waits, in order of coming."""
        return tuple(self._waiting.values())

    @property
    def under_way(self) -> int:
        """How many requests are under way."""
        return len(self._under_way)

    @property
    def opens_at(self) -> float:
        """When the pause after the last refusal ends; -inf when there was none."""
        return self._opens_at

    def is_waiting(self, number: int) -> bool:
        """Whether this request has not been let through yet."""
        return number in self._waiting

    def arrive(self, now: float, key: str, rank: float, tokens: int) -> int:
        """Take up a request and return its number; `admit` lets it through."""
        self._last += 1
        rank = max(0.0, rank)
        self._scale = max(self._scale, rank)
        self._waiting[self._last] = Applicant(self._last, key, rank, max(0, tokens), now)
        return self._last

    def admit(self, now: float) -> tuple[int, ...]:
        """Let through whoever may ask now; return their numbers, first first."""
        self._forget(now)
        admitted = []
        while (next_one := self.due()) is not None and next_one[1] <= now:
            number = next_one[0]
            applicant = self._waiting.pop(number)
            self._under_way[number] = self._round
            self._probes += 1
            self._charges[number] = _Charge(now, applicant.tokens)
            self._charged += applicant.tokens
            admitted.append(number)
        return tuple(admitted)

    def due(self) -> tuple[int, float] | None:
        """Return who is next and from when on it may ask, in seconds.

        Returns:
            None if nobody waits. The time is infinite if another request must end first.
        """
        if not self._waiting:
            return None
        first = max(self._waiting.values(), key=self._standing)
        concurrent = self.pace.concurrent
        if concurrent is not None and len(self._under_way) >= concurrent:
            return first.number, math.inf
        return first.number, max(
            self._opens_at, self._probe_at(), self._request_at(), self._tokens_at(first.tokens)
        )

    def leave(self, number: int, tokens: int | None = None) -> None:
        """End a request that was answered.

        Args:
            number: the request.
            tokens: model tokens that it took; None: as expected.
        """
        if self._end(number):
            self._answered += 1
            self._streak = 0
        if tokens is not None:
            self._correct(number, tokens)

    def withdraw(self, number: int) -> None:
        """End a request that was never sent."""
        self._waiting.pop(number, None)
        self._end(number)
        charge = self._charges.pop(number, None)
        self._charged -= charge.tokens if charge else 0

    def refuse(self, now: float, number: int, retry_after: float | None, chance: float) -> float:
        """End a request that the provider refused because it has too much to do.

        Args:
            now: the time.
            number: the request.
            retry_after: seconds that the provider asked to wait; None or 0: it said nothing.
            chance: a random number from 0 to 1.

        Returns:
            The seconds for which nobody asks.
        """
        # Requests that were sent before the last refusal only say what is known already.
        if self._end(number) or not self._streak:
            self._streak += 1
        self._correct(number, 0)
        if retry_after is None or retry_after <= 0:
            seconds = chance * min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(self._streak - 1, 30))
        else:
            seconds = retry_after * (1 + SPREAD * chance)
        self.slow(now, seconds)
        return seconds

    def slow(self, now: float, seconds: float) -> None:
        """Let nobody through for `seconds`; a longer pause stays in force."""
        self._opens_at = max(self._opens_at, now + seconds)
        self._round += 1
        self._answered = self._probes = 0

    def _standing(self, applicant: Applicant) -> tuple[float, int]:
        head_start = PATIENCE * applicant.rank / self._scale if self._scale else 0.0
        return head_start - applicant.at, -applicant.number

    def _probe_at(self) -> float:
        """Return when one more request of this round may be under way."""
        # After n times SILENCE, 2**n may be, and one more for each that was answered.
        return self._opens_at + SILENCE * max(0, self._probes - self._answered).bit_length()

    def _request_at(self) -> float:
        limit = self.pace.requests_per_minute
        if limit is None or len(self._charges) < limit:
            return -math.inf
        # There are never more of the last minute than the limit: the oldest makes room.
        return next(iter(self._charges.values())).at + MINUTE

    def _tokens_at(self, tokens: int) -> float:
        limit = self.pace.tokens_per_minute
        if limit is None:
            return -math.inf
        # What is larger than the limit goes alone in its minute.
        excess, room_at = self._charged + min(tokens, limit) - limit, -math.inf
        for charge in self._charges.values():
            if excess <= 0:
                break
            excess, room_at = excess - charge.tokens, charge.at + MINUTE
        return room_at

    def _correct(self, number: int, tokens: int) -> None:
        charge = self._charges.get(number)
        if charge is not None:
            self._charges[number] = _Charge(charge.at, max(0, tokens))
            self._charged += max(0, tokens) - charge.tokens

    def _forget(self, now: float) -> None:
        """Drop what began a minute ago or earlier."""
        old = []
        for number, charge in self._charges.items():
            if charge.at + MINUTE > now:
                break
            old.append(number)
        for number in old:
            self._charged -= self._charges.pop(number).tokens

    def _end(self, number: int) -> bool:
        """End a request; return whether it was let through in the present round."""
        if self._under_way.pop(number, -1) != self._round:
            return False
        self._probes -= 1
        return True
