"""The question before a job is cancelled: what it is, and what becomes of what it has done."""

from __future__ import annotations

from engine import Job, JobKind
from tui.dialogs.confirm import Confirm


class CancelJob(Confirm):
    """Asks whether a job is to stop. It begins at letting it go on."""

    def __init__(self, job: Job) -> None:
        question, meaning = _question(job)
        super().__init__(question, meaning, "Cancel the job", "Keep it running")


def _question(job: Job) -> tuple[str, str]:
    name = job.project_name
    match job.kind:
        case JobKind.BACKUP:
            meaning = "What is half-made is removed. Earlier backups are safe."
            return f"Cancel the backup of {name}?", meaning
        case JobKind.RESTORE:
            made = job.new_project or f"a project from {name}"
            meaning = "What is half-made is removed, and nothing is charged."
            return f"Cancel the creation of {made}?", f"{meaning}\n{name} is not touched."
        case JobKind.CLEAN_UP:
            meaning = "All backups that are listed are safe. The next clean-up does what is left."
            return f"Cancel the clean-up after {name}?", meaning
        case JobKind.TRANSFER:
            meaning = "What was brought stays. Run it again to bring the rest: none comes twice."
            return f"Cancel the transfer into {name}?", meaning
        case JobKind.VERIFY:
            return f"Cancel the proof of a backup of {name}?", "The backup is not touched by that."
