# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When an object is what it is meant to be, and what keeps it from that.

Private to the collection: may change at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

Object = Mapping[str, Any]


class Verdict(NamedTuple):
    """An empty lack means: done. A final one will not mend by waiting."""

    lack: str = ""
    final: bool = False


DONE = Verdict()

# Events that only repeat what the state of a container says.
KNOWN_FROM_STATE = ("BackOff", "Failed")


def condition(body: Object, kind: str) -> Object:
    for entry in body.get("status", {}).get("conditions") or []:
        if entry.get("type") == kind:
            return entry
    return {}


def _seen(body: Object) -> bool:
    """Whether its controller has looked at what is wanted now."""
    return body.get("status", {}).get("observedGeneration", 0) >= body["metadata"].get("generation", 0)


def _counted(body: Object, wanted: int, counts: Iterable[tuple[str, str]]) -> Verdict:
    if not _seen(body):
        return Verdict("its controller has not looked at it yet")
    status = body.get("status", {})
    for field, word in counts:
        if status.get(field, 0) < wanted:
            return Verdict(f"{status.get(field, 0)} of {wanted} {word}")
    return DONE


def deployment(body: Object) -> Verdict:
    wanted = body["spec"].get("replicas", 1)
    verdict = _counted(
        body, wanted, [("updatedReplicas", "replicas updated"), ("availableReplicas", "replicas available")]
    )
    old = body.get("status", {}).get("replicas", 0) - body.get("status", {}).get("updatedReplicas", 0)
    return Verdict(f"{old} old replicas still run") if verdict == DONE and old > 0 else verdict


def daemon_set(body: Object) -> Verdict:
    wanted = body.get("status", {}).get("desiredNumberScheduled", 0)
    available = ("numberAvailable", "pods available")
    if body["spec"].get("updateStrategy", {}).get("type") == "OnDelete":
        return _counted(body, wanted, [available])
    return _counted(body, wanted, [("updatedNumberScheduled", "pods updated"), available])


def stateful_set(body: Object) -> Verdict:
    wanted = body["spec"].get("replicas", 1)
    strategy = body["spec"].get("updateStrategy", {})
    ready = _counted(body, wanted, [("readyReplicas", "replicas ready")])
    if ready.lack or strategy.get("type") == "OnDelete":
        return ready
    updated = wanted - strategy.get("rollingUpdate", {}).get("partition", 0)
    return _counted(body, updated, [("updatedReplicas", "replicas updated")])


def job(body: Object) -> Verdict:
    failed = condition(body, "Failed")
    if failed.get("status") == "True":
        return Verdict(f"failed: {failed.get('reason', '')}: {failed.get('message', '')}", final=True)
    if condition(body, "Complete").get("status") == "True" or body["spec"].get("suspend"):
        return DONE
    status = body.get("status", {})
    return Verdict(f"{status.get('succeeded', 0)} of {body['spec'].get('completions', 1)} completions")


def pod(body: Object) -> Verdict:
    phase = body.get("status", {}).get("phase", "Pending")
    if phase == "Failed":
        return Verdict("failed", final=True)
    well = phase == "Succeeded" or condition(body, "Ready").get("status") == "True"
    return DONE if well else Verdict(f"is {phase}, not ready")


def _conditional(*kinds: str) -> Callable[[Object], Verdict]:
    def predicate(body: Object) -> Verdict:
        for kind in kinds:
            entry = condition(body, kind)
            if entry.get("status") != "True":
                reason = f": {entry['reason']}: {entry.get('message', '')}" if entry.get("reason") else ""
                return Verdict(f"is not {kind}{reason}")
        return DONE

    return predicate


def namespace(body: Object) -> Verdict:
    phase = body.get("status", {}).get("phase", "")
    return DONE if phase == "Active" else Verdict(f"is {phase}")


PREDICATES: Mapping[tuple[str, str], Callable[[Object], Verdict]] = {
    ("apps", "Deployment"): deployment,
    ("apps", "DaemonSet"): daemon_set,
    ("apps", "StatefulSet"): stateful_set,
    ("batch", "Job"): job,
    ("", "Pod"): pod,
    ("", "Namespace"): namespace,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _conditional("NamesAccepted", "Established"),
    ("apiregistration.k8s.io", "APIService"): _conditional("Available"),
}


def verdict(group: str, body: Object) -> Verdict:
    """Kinds that roll nothing out are done as soon as they are there."""
    predicate = PREDICATES.get((group, body["kind"]))
    return predicate(body) if predicate else DONE


def is_awaited(group: str, kind: str) -> bool:
    return (group, kind) in PREDICATES


# --- why it does not come ------------------------------------------------------------------------------------------


def selector_text(selector: Object) -> str:
    """A label selector as the API takes it in a query."""
    parts = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for entry in selector.get("matchExpressions") or []:
        key, values = entry["key"], ",".join(entry.get("values") or [])
        shapes = {
            "In": f"{key} in ({values})",
            "NotIn": f"{key} notin ({values})",
            "Exists": key,
            "DoesNotExist": f"!{key}",
        }
        parts.append(shapes[entry["operator"]])
    return ",".join(parts)


def container_trouble(status: Object) -> str:
    """What a container waits for or died of; empty when it runs and is ready."""
    name = f"container {status['name']}"
    state = status.get("state") or {}
    last = (status.get("lastState") or {}).get("terminated") or {}
    died = f"; it ended {status.get('restartCount', 0)} times, last with {_ending(last)}" if last else ""
    if "waiting" in state:
        return f"{name} waits: {_reason(state['waiting'])}{died}"
    if "terminated" in state and state["terminated"].get("exitCode"):
        return f"{name} ended with {_ending(state['terminated'])}"
    if "running" in state and not status.get("ready", True):
        return f"{name} runs but is not ready{died}"
    return ""


def _ending(terminated: Object) -> str:
    message = (terminated.get("message") or "").strip().splitlines()
    reason = ": ".join([terminated.get("reason", ""), *message[-1:]])
    return f"exit code {terminated.get('exitCode')} ({reason})"


def _reason(entry: Object) -> str:
    return ": ".join(text for text in (entry.get("reason"), entry.get("message")) if text) or "no reason given"


def pod_trouble(body: Object) -> list[str]:
    """What keeps a pod from being ready; empty when nothing does."""
    if pod(body) == DONE:
        return []
    scheduled = condition(body, "PodScheduled")
    if scheduled.get("status") == "False":
        return [f"cannot be scheduled: {scheduled.get('message', scheduled.get('reason', ''))}"]
    if not body["spec"].get("nodeName"):
        return ["waits for the scheduler"]
    status = body.get("status", {})
    containers = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    troubles = [trouble for trouble in map(container_trouble, containers) if trouble]
    if not containers:
        troubles.append(f"the kubelet of {body['spec']['nodeName']} has not started it")
    return troubles or [_reason(status) if status.get("reason") else "is not ready"]


def last_events(events: Iterable[Object], limit: int = 2) -> list[str]:
    """The newest warnings, each once."""
    warnings = sorted((e for e in events if e.get("type") == "Warning"), key=_event_time, reverse=True)
    texts = dict.fromkeys(f"{e.get('reason')}: {' '.join((e.get('message') or '').split())}" for e in warnings)
    return list(texts)[:limit]


def _event_time(event: Object) -> str:
    series = event.get("series") or {}
    times = [series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime")]
    return next((str(time) for time in times if time), event["metadata"].get("creationTimestamp") or "")


def holders(body: Object) -> list[str]:
    """What keeps an object from going: finalizers, and what its conditions say."""
    conditions = body.get("status", {}).get("conditions") or []
    told = [entry["message"] for entry in conditions if entry.get("status") == "True" and entry.get("message")]
    return [f"finalizer {name}" for name in body["metadata"].get("finalizers") or []] + told


def pod_report(body: Object, events: Iterable[Object]) -> str:
    """One line on one pod: where it is, what it lacks, what was last said about it; empty when it is well."""
    troubles = pod_trouble(body)
    if not troubles:
        return ""
    node = body["spec"].get("nodeName")
    known = (*KNOWN_FROM_STATE, *(("FailedScheduling",) if not node else ()))
    said = [f"event {text}" for text in last_events(e for e in events if e.get("reason") not in known)]
    return f"pod {body['metadata']['name']}{f' on {node}' if node else ''} " + "; ".join([*troubles, *said])
