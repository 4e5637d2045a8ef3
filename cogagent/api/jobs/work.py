"""What it takes to do a job."""

from __future__ import annotations

from typing import NamedTuple

from cogagent.agent import CogAgent
from cogagent.api.callers import Caller
from cogagent.api.jobs.holding import Hold
from cogagent.indexes.job_claims import Claim, Claims


class Work(NamedTuple):
    """A job on its way.

    Attributes:
        agent: The home.
        claims: The queue.
        claim: The job.
        caller: Who submitted it.
        hold: Keeps it meanwhile.
    """

    agent: CogAgent
    claims: Claims
    claim: Claim
    caller: Caller
    hold: Hold
