"""Jobs of a trace as columns: ten million of them in memory, in order of submission.

A job takes 51 bytes and one more than its name, a fifth of what a :class:`~tenantry.model.trace.TraceJob` takes.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from tenantry.model.trace import Outcome, TraceJob

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_U32: Final = "I"
_OUTCOMES: Final = tuple(Outcome)
_OUTCOME: Final = {outcome: number for number, outcome in enumerate(Outcome)}
# Bits of a flag: two for the outcome, then these.
_PREEMPTIBLE_KNOWN, _PREEMPTIBLE, _HAS_PRIORITY, _STARTED = 4, 8, 16, 32
# Ends a name: no byte of UTF-8 has this value, not even of half a surrogate pair.
_END: Final = b"\xff"
# Rows sorted at a time: more need more memory for Python's integers, fewer more passes.
_BUCKET: Final = 1 << 17


class JobTable:
    """Jobs by submission, then name. Made by :meth:`build`; the columns are read, never changed.

    Attributes:
        submit: seconds from the first submission.
        duration: seconds.
        pods: pods started together.
        gpus: milli-GPUs of each pod.
        cpus: millicores of each pod.
        memory: MiB of each pod.
        tenant: index into ``tenants``.
        user: index into ``users``.
        gpu: index into ``models``.
        tenants: tenants, sorted.
        users: people, sorted; the empty text stands for nobody known.
        models: GPU models as in :attr:`TraceJob.gpu`, sorted.
    """

    __slots__ = (
        "_flags",
        "_name_at",
        "_names",
        "_priority",
        "_waited",
        "cpus",
        "duration",
        "gpu",
        "gpus",
        "memory",
        "models",
        "pods",
        "submit",
        "tenant",
        "tenants",
        "user",
        "users",
    )

    def __init__(self) -> None:
        self.submit, self.duration, self.pods = array(_U32), array(_U32), array(_U32)
        self.gpus, self.cpus, self.memory = array(_U32), array(_U32), array(_U32)
        self.tenant, self.user, self.gpu = array(_U32), array(_U32), array("H")
        self._waited, self._priority, self._flags = array(_U32), array("i"), array("B")
        self._name_at, self._names = array("Q"), bytearray()
        self.tenants: tuple[str, ...] = ()
        self.users: tuple[str, ...] = ()
        self.models: tuple[str, ...] = ()

    @classmethod
    def build(cls, jobs: Iterable[TraceJob]) -> JobTable:
        """Take every job, in any order.

        Whether names are unique is not checked: readers of traces do that.

        Raises:
            ValueError: if a number is negative or does not fit: 2^32 - 1 for sizes and times, 31 bits and a sign for
                priorities, 65,535 different GPU models; or a job started before it was submitted.
        """
        table = cls()
        if not table._append_all(jobs):
            table._sort()
        return table

    def __len__(self) -> int:
        return len(self.submit)

    def __iter__(self) -> Iterator[TraceJob]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, index: int) -> TraceJob:
        """Return one job; negative indices count from the end."""
        index = range(len(self))[index]
        flag, submit = self._flags[index], self.submit[index]
        return TraceJob(
            self.name(index),
            self.tenants[self.tenant[index]],
            submit,
            self.duration[index],
            self.pods[index],
            self.gpus[index],
            self.cpus[index],
            self.memory[index],
            self.models[self.gpu[index]],
            self._priority[index] if flag & _HAS_PRIORITY else None,
            bool(flag & _PREEMPTIBLE) if flag & _PREEMPTIBLE_KNOWN else None,
            _OUTCOMES[flag & 3],
            submit + self._waited[index] if flag & _STARTED else None,
            self.users[self.user[index]],
        )

    def name(self, index: int) -> str:
        """Return the name of the job at ``index``, which must not be negative."""
        return self._name_bytes(index).decode("utf-8", "surrogatepass")

    def priority(self, index: int) -> int | None:
        """Return the priority of the job at ``index``, None when the trace does not say."""
        return self._priority[index] if self._flags[index] & _HAS_PRIORITY else None

    def preemptible(self, index: int) -> bool | None:
        """Whether the job at ``index`` may be evicted, None when the trace does not say."""
        flag = self._flags[index]
        return bool(flag & _PREEMPTIBLE) if flag & _PREEMPTIBLE_KNOWN else None

    def waited(self, index: int) -> int | None:
        """Return the seconds the job at ``index`` really waited, None when unknown or it never started."""
        return self._waited[index] if self._flags[index] & _STARTED else None

    @property
    def nbytes(self) -> int:
        """Memory of the columns and names in bytes."""
        columns: list[array[int]] = [getattr(self, name) for name in _COLUMNS]
        return len(self._names) + sum(column.itemsize * len(column) for column in columns)

    def _name_bytes(self, index: int) -> bytes:
        start = self._name_at[index]
        return bytes(self._names[start : self._names.index(_END, start)])

    def _append_all(self, jobs: Iterable[TraceJob]) -> bool:
        """Append in the order given; returns whether that is the order wanted."""
        tenants: dict[str, int] = {}
        users: dict[str, int] = {}
        models: dict[str, int] = {}
        ordered, last, last_name = True, -1, b""
        for job in jobs:
            name = job.name.encode("utf-8", "surrogatepass")
            submit = job.submit
            try:
                self._append(job, name)
                self.tenant.append(tenants.setdefault(job.tenant, len(tenants)))
                self.user.append(users.setdefault(job.user, len(users)))
                self.gpu.append(models.setdefault(job.gpu, len(models)))
            except OverflowError as error:
                raise ValueError(f"job {job.name!r} does not fit a table: {error}; {job}") from error
            if submit <= last and (submit < last or name < last_name):
                ordered = False
            last, last_name = submit, name
        self.tenants = _renumber(tenants, self.tenant)
        self.users = _renumber(users, self.user)
        self.models = _renumber(models, self.gpu)
        return ordered

    def _append(self, job: TraceJob, name: bytes) -> None:
        flag = _OUTCOME[job.outcome]
        waited = priority = 0
        if job.priority is not None:
            priority = job.priority
            flag |= _HAS_PRIORITY
        if job.preemptible is not None:
            flag |= _PREEMPTIBLE_KNOWN | (_PREEMPTIBLE if job.preemptible else 0)
        if job.started is not None:
            waited = job.started - job.submit
            flag |= _STARTED
        self.submit.append(job.submit)
        self.duration.append(job.duration)
        self.pods.append(job.pods)
        self.gpus.append(job.gpus)
        self.cpus.append(job.cpus)
        self.memory.append(job.memory)
        self._waited.append(waited)
        self._priority.append(priority)
        self._flags.append(flag)
        self._name_at.append(len(self._names))
        self._names += name
        self._names += _END

    def _sort(self) -> None:
        order = array(_U32)
        for bucket in _buckets(self.submit):
            order.extend(self._sorted(bucket))
        # One column at a time, so that at most one stands twice; names stay where they are.
        for name in _COLUMNS:
            column: array[int] = getattr(self, name)
            setattr(self, name, array(column.typecode, map(column.__getitem__, order)))

    def _sorted(self, rows: array[int] | range) -> list[int]:
        """Return the rows by submission, then name."""
        submit = self.submit
        order = sorted(rows, key=submit.__getitem__)
        first = 0
        # Names are compared only where several jobs were submitted in one second.
        for index, (row, following) in enumerate(pairwise(order), start=1):
            if submit[row] != submit[following]:
                if index - first > 1:
                    order[first:index] = sorted(order[first:index], key=self._name_bytes)
                first = index
        if len(order) - first > 1:
            order[first:] = sorted(order[first:], key=self._name_bytes)
        return order


_COLUMNS: Final = tuple(name for name in JobTable.__slots__ if name not in {"_names", "tenants", "users", "models"})


def _renumber(found: dict[str, int], column: array[int]) -> tuple[str, ...]:
    """Number texts by their order instead of their appearance; returns them sorted."""
    texts = sorted(found)
    if texts != list(found):
        to = [0] * len(texts)
        for number, text in enumerate(texts):
            to[found[text]] = number
        for index, number in enumerate(column):
            column[index] = to[number]
    return tuple(texts)


def _buckets(submit: array[int]) -> Sequence[array[int] | range]:
    """Split the rows by time into parts that can be sorted one by one."""
    count = len(submit)
    if count <= _BUCKET:
        return [range(count)]
    wanted = count // _BUCKET + 1
    sample = sorted(submit[:: max(1, count // (64 * wanted))])
    bounds = sorted({sample[len(sample) * part // wanted] for part in range(1, wanted)})
    buckets: list[array[int]] = [array(_U32) for _ in range(len(bounds) + 1)]
    appends = [bucket.append for bucket in buckets]
    for row, time in enumerate(submit):
        appends[bisect_right(bounds, time)](row)
    return buckets
