"""What is left of jobs, removed when nobody needs it any more."""

from __future__ import annotations

import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cogagent.api.jobs.uploads import Uploads
from cogagent.indexes.job_claims import Claims

FOLDER = "jobs"
"""Where in the home each job has a folder, if it has files."""
_ABANDONED = 3600.0
"""Seconds after which questions that were never queued are removed."""


def tidy(claims: Claims, uploads: Uploads, home: Path, keep: int, retry_hours: float) -> None:
    """Forget old jobs, and remove files that none needs.

    Args:
        claims: The queue.
        uploads: The uploaded files.
        home: Of the jobs.
        keep: Finished jobs that are remembered.
        retry_hours: How long what failed may be retried.
    """
    folder = home / FOLDER
    for job in claims.forget(keep):
        shutil.rmtree(folder / job, ignore_errors=True)
    since = (datetime.now(UTC) - timedelta(hours=retry_hours)).isoformat()
    uploads.prune(lambda names: claims.needed_uploads(names, since))
    for entry in folder.iterdir() if folder.is_dir() else ():
        if not claims.exists(entry.name) and time.time() - entry.stat().st_mtime > _ABANDONED:
            shutil.rmtree(entry, ignore_errors=True)
