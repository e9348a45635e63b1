"""The leases on steps: taken with a fencing token, kept by heartbeats, handed back, or left to run out."""

import logging
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from graphs.checkpoint import Step, handler_step

from .ailments import ailment_of
from .checkpoints import StoredCheckpoint
from .claim import Claim, Handed
from .connection import Connection
from .dialogue import Dialogue
from .dispatch import StepOrder, StepRef, frame_of
from .errors import StoreUnavailable
from .failure import parked
from .keys import LimitKeys
from .limit_scripts import LimitScripts
from .log import Log, LogEntry
from .mistrust import KeyMissing, SealBroken
from .moves import hand_out
from .run import Run
from .runs import RunStore
from .scripts import TRAVELS_BYTES, Leased, Place

logger = logging.getLogger(__name__)


class Leases:
    """One worker's leases.

    Args:
        connection: the store.
        runs: the store's runs.
        worker: the worker's name, as the log, Celery and Flower know it.
    """

    def __init__(self, connection: Connection, runs: RunStore, worker: str) -> None:
        self._connection = connection
        self._runs = runs
        self._worker = worker
        self._limits = LimitScripts(connection.client)

    def claim(self, ref: StepRef, delivery: str) -> Claim | None:
        """Take the lease on a step; None when there is nothing to do: the message was stale, or somebody has it.

        Raises:
            RunNotFound: the run's record is gone.
            KeyMissing, SealBroken: what the step needs cannot be read here.
        """
        place = self._connection.place(ref.thread_id, ref.run_id, ref.ns)
        leased = self._lease(place, ref, delivery)
        if leased.step:
            self._let_go(place, ref, leased.step)
            return self._claim(place, ref, delivery, leased)
        why = {"thread_id": ref.thread_id, "step_id": ref.step_id, "why": leased.verdict}
        logger.debug("step not claimed", extra=why)
        return None

    def renew(self, held: Mapping[StepRef, str]) -> dict[StepRef, bool]:
        """Keep leases, in one round trip for all; return of each whether it is still ours.

        One that cannot be read counts as lost, and stands in the way of no other. Nothing is said of those whose part
        of the store ails.

        Args:
            held: the steps, and the delivery under which each was claimed.
        """
        answers = self._connection.scripts.renew_step(self._renewal(*step) for step in held.items())
        for ref, error in zip(held, answers, strict=True):
            if isinstance(error, Exception):
                ids = {"thread_id": ref.thread_id, "run_id": ref.run_id, "step_id": ref.step_id}
                logger.error("lease not renewed", extra={**ids, "error": str(error)})
        renewed = dict(zip(held, answers, strict=True))
        slots = {ref: answer.decode() for ref, answer in renewed.items() if isinstance(answer, bytes)}
        if slots:
            self._limits.renew_slot(self._slot(ref, held[ref], graph) for ref, graph in slots.items())
        return {ref: ref in slots or answer == 1 for ref, answer in renewed.items() if not ailment_of(answer)}

    def put_off(self, claim: Claim) -> bool:
        """Hand a lease back that this worker takes again in a moment; until then nobody is to blame for the step."""
        wait_ms = self._connection.settings.queue_wait_ms
        return self.release(claim.ref, claim.delivery, "released", "it is to run alone", wait_ms)

    def release(self, ref: StepRef, delivery: str, kind: str, why: str = "", wait_ms: int = 0) -> bool:
        """Hand a lease back at once: ``released``, ``lost worker`` or ``timed out``; return whether it was ours."""
        place = self._connection.place(ref.thread_id)
        return self._connection.scripts.release_step(
            place,
            step=ref.step_id,
            member=self._member(place, ref.step_id),
            worker=self._worker,
            delivery=delivery,
            kind=kind,
            why=why,
            wait_ms=wait_ms,
        )

    def park(self, ref: StepRef, error: KeyMissing | SealBroken) -> None:
        """End the run of a step that nobody here can read: it is taken up again where that is mended."""
        ids = {"thread_id": ref.thread_id, "run_id": ref.run_id, "step_id": ref.step_id}
        logger.error("step not readable", extra={**ids, "error": str(error)})
        reason = f"{error} Worker {self._worker} cannot go on: mend that, then use invoke(None, config)."
        self._runs.end(ref.thread_id, ref.run_id, parked(reason))

    def pass_on(self, claim: Claim) -> None:
        """Give a step back, which workers with the version of its run are to run: at once where those are newer."""
        place, run = self._place(claim), self._runs.get(claim.ref.thread_id, claim.run.id)
        self._connection.scripts.pass_on_step(
            place,
            step=claim.ref.step_id,
            member=place.member(claim.ref.step_id),
            worker=self._worker,
            delivery=claim.delivery,
            version=run.version or "",
            delay_ms=0 if run.versioning == "auto_upgrade" else self._connection.settings.queue_wait_ms,
        )

    def upgrade(self, claim: Claim, fingerprint: str) -> Claim | None:
        """Let the step's run go on with a newer version of its graph; None where it does not."""
        run, place = claim.run, self._place(claim)
        done = self._connection.scripts.upgrade_run(
            place, run=run.id, before=run.fingerprint, after=fingerprint, worker=self._worker
        )
        return replace(claim, run=replace(run, fingerprint=fingerprint)) if done else None

    def cut_short(self, claim: Claim) -> LogEntry | None:
        """Return how the attempt before a claim ended, where its worker did not write that down itself."""
        return Log(self._connection).cut_short(claim) if claim.started_ms != claim.first_ms else None

    def publish(self, claim: Claim, event: bytes) -> None:
        """Publish what a node writes while it runs."""
        place = self._place(claim)
        self._connection.scripts.publish_event(
            place,
            run=claim.run.id,
            max_events=self._connection.settings.max_events,
            event=self._connection.sealing.seal(event, place.keys.events),
        )

    def _renewal(self, ref: StepRef, delivery: str) -> tuple[Place, dict[str, str | int]]:
        place = self._connection.place(ref.thread_id)
        args: dict[str, str | int] = {
            "step": ref.step_id,
            "member": self._member(place, ref.step_id),
            "worker": self._worker,
            "delivery": delivery,
            "lease_ms": self._connection.settings.lease_ms,
        }
        return place, args

    def _slot(self, ref: StepRef, delivery: str, graph: str) -> tuple[LimitKeys, dict[str, str | int]]:
        member, lease_ms = self._connection.place(ref.thread_id).member(ref.step_id), self._connection.settings.lease_ms
        return self._connection.keys.of_limits(graph), {"member": member, "delivery": delivery, "lease_ms": lease_ms}

    def _lease(self, place: Place, ref: StepRef, delivery: str) -> Leased:
        knows_run = self._runs.knows(ref.thread_id, ref.run_id)
        holds = self._connection.checkpoints.holds(place.keys, ref.ns, ref.checkpoint_id)
        return self._connection.scripts.lease_step(
            place,
            step=ref.step_id,
            run=ref.run_id,
            member=self._member(place, ref.step_id),
            worker=self._worker,
            delivery=delivery,
            nonce=secrets.token_hex(8),
            lease_ms=self._connection.settings.lease_ms,
            max_attempts=self._connection.settings.max_attempts,
            knows_run="1" if knows_run else "",
            checkpoint=ref.checkpoint_id if holds else "",
            max_bytes=TRAVELS_BYTES,
            slot=ref.slot,
        )

    def _let_go(self, place: Place, ref: StepRef, step: Mapping[str, Any]) -> None:
        """Let half a share of the steps go that are held, where one leads them that waits no more."""
        if not step.get("leads"):
            return
        ids = {"step": ref.step_id, "token": place.keys.token, "fence": step.get("fence", 0)}
        try:
            gone = self._connection.scripts.let_go_held(place, **ids, wait_ms=self._connection.settings.queue_wait_ms)
            hand_out(self._connection, *(StepOrder.from_record(ref.thread_id, one) for one in gone))
        except StoreUnavailable as error:  # those that end will make up for it, and the step runs all the same
            logger.warning("held steps not let go", extra={"thread_id": ref.thread_id, "error": str(error)})

    def _claim(self, place: Place, ref: StepRef, delivery: str, leased: Leased) -> Claim:
        record, caller, frame = leased.step, leased.caller, frame_of(leased.step)
        run, stored = self._run(ref, leased), self._stored(ref, frame.ns, place, leased)
        step, handed = self._step(place, record, stored.steps_by_id)
        return Claim(
            ref,
            leased.verdict,
            run,
            stored,
            step,
            frame,
            record.get("fence", 0),
            record["attempt"],
            record.get("first", 0),
            self._worker,
            delivery,
            record["losses"],
            record.get("lost_by", ""),
            record.get("soft_ms"),
            self._dialogue(place, frame.ns, step) if record.get("resumed") else Dialogue(),
            bool(record.get("returned")),
            bool(record.get("calls") or frame.ns) or stored.origin.run_id != ref.run_id,
            StepOrder.from_record(ref.thread_id, caller) if caller.get("state") == "called" else None,
            handed,
            record.get("since", 0),
            record.get("started", 0),
        )

    def _run(self, ref: StepRef, leased: Leased) -> Run:
        if leased.run is not None:
            self._runs.take(ref.thread_id, ref.run_id, leased.run)
        return self._runs.load(ref.thread_id, ref.run_id)

    def _stored(self, ref: StepRef, ns: str, place: Place, leased: Leased) -> StoredCheckpoint:
        """Return the checkpoint of a step: it came along, or is remembered, or is loaded."""
        checkpoints, id_ = self._connection.checkpoints, leased.step["checkpoint"]
        if leased.state is not None:
            return checkpoints.take(place.keys, ns, id_, *leased.state)
        return checkpoints.load(place.keys, ns, id_, ref.thread_id)

    def _step(self, place: Place, record: Mapping[str, Any], by_id: Mapping[str, Step]) -> tuple[Step, Handed | None]:
        """Return a step of a checkpoint; or that of an error handler, and what it takes over."""
        if "handles" not in record:
            return by_id[record["id"]], None
        failed = by_id[record["handles"]]
        known = self._connection.checkpoints.results(place.keys, record["ns"], [failed])
        return handler_step(failed, record["node"]), Handed(failed, known[failed.id]["error"])

    def _dialogue(self, place: Place, ns: str, step: Step) -> Dialogue:
        known = self._connection.checkpoints.results(place.keys, ns, [step])
        return Dialogue.of(known.get(step.id, {}))

    def _place(self, claim: Claim) -> Place:
        return self._connection.place(claim.ref.thread_id, claim.ref.run_id, claim.ns)

    def _member(self, place: Place, step_id: str) -> str:
        """Return the step's name in the due set; inline steps have none, their process answers for the run."""
        return "" if self._connection.dispatcher.inline else place.member(step_id)
