"""What is left of jobs, removed when nobody needs it any more or it quotes what is deleted."""

from __future__ import annotations

import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cogagent.api.jobs.uploads import Uploads
from cogagent.api.jobs.withdrawing import scrub
from cogagent.indexes.job_claims import Claims

FOLDER = "jobs"
"""Where in the home each job has a folder, if it has files."""
_ABANDONED = 3600.0
"""Seconds after which questions that were never queued are removed."""
_LATELY = timedelta(minutes=10)
"""For which a job that is over can be asked after, however few are remembered."""


def tidy(claims: Claims, uploads: Uploads, home: Path, keep: int, retry_hours: float) -> None:
    """Forget old jobs, and remove files that none needs.

    Args:
        claims: The queue.
        uploads: The uploaded files.
        home: Of the jobs.
        keep: Finished jobs that are remembered; others for some minutes.
        retry_hours: How long what failed may be retried.
    """
    folder = home / FOLDER
    scrub(claims, folder)
    for job in claims.forget(keep, (datetime.now(UTC) - _LATELY).isoformat()):
        shutil.rmtree(folder / job, ignore_errors=True)
    since = (datetime.now(UTC) - timedelta(hours=retry_hours)).isoformat()
    uploads.prune(lambda names: claims.needed_uploads(names, since))
    claims.release(since)
    for entry in folder.iterdir() if folder.is_dir() else ():
        if not claims.exists(entry.name) and time.time() - entry.stat().st_mtime > _ABANDONED:
            shutil.rmtree(entry, ignore_errors=True)
