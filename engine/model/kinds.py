"""What facts can be: roles, kinds, states, and what is so where nothing is set."""

from enum import StrEnum


class Role(StrEnum):
    """What a person is to a project."""

    OWNER = "owner"
    COLLABORATOR = "collaborator"


class Verdict(StrEnum):
    """What access decided."""

    ALLOWED = "allowed"
    REFUSED = "refused"


class ProjectState(StrEnum):
    """Whether a project is in use; only an active project costs money."""

    CREATING = "creating"  # a restore is under way; never shown as a project
    ACTIVE = "active"
    STOPPED = "stopped"
    ABSENT = "absent"  # known from its backups only, until its folder is adopted again


class Origin(StrEnum):
    """Where a project came from; only a restored one may be deleted."""

    ADOPTED = "adopted"
    RESTORED = "restored"


class BackupKind(StrEnum):
    """Who asked for a backup."""

    SCHEDULED = "scheduled"
    MANUAL = "manual"


class BackupState(StrEnum):
    """A backup exists wholly or not at all; damage that was found is named."""

    COMPLETE = "complete"
    DAMAGED = "damaged"


class Encryption(StrEnum):
    """How a repository is sealed."""

    AES_256_GCM = "aes-256-gcm"
    NONE = "none"


class LeaveOut(StrEnum):
    """Which indexes of a device's database a backup leaves out, to be rebuilt by a restore."""

    PRIMARY_KEY = "primary-key"
    NONE = "none"
    ALL = "all"


ENCRYPTION = Encryption.AES_256_GCM  # how a repository is sealed, if not set
PATIENCE = 10.0  # seconds that a backup waits for a writer that holds a database, if not set


class JobKind(StrEnum):
    """What a job does."""

    BACKUP = "backup"
    RESTORE = "restore"
    CLEAN_UP = "clean-up"
    TRANSFER = "transfer"
    VERIFY = "verify"

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages of `Progress` in their order; one with nothing to do is passed over."""
        match self:
            case JobKind.BACKUP:
                return ("looking for changes", "reading the databases", "finishing")
            case JobKind.RESTORE:
                return ("new ids and indexes", "making it available")
            case JobKind.CLEAN_UP:
                return (
                    "looking for what is still needed",
                    "moving what is still needed",
                    "removing",
                )
            case JobKind.TRANSFER:
                return ("looking at the devices", "moving the rows")
            case JobKind.VERIFY:
                return ("rebuilding and checking",)


class JobState(StrEnum):
    """Where a job is; cancelled is not a failure, and lost means that its worker died."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"

    @property
    def ended(self) -> bool:
        """Whether a job in this state never changes again."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


class ExportFormat(StrEnum):
    """What an export is made of."""

    DATABASES = "tar"  # the databases as a restore makes them, and the settings
    PARQUET = "parquet"  # one Parquet file for each device, and lists of the rest
