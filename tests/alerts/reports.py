"""Reports of doctor's, as a test wishes them."""

from __future__ import annotations

from chat_server.operations.doctor.report import Check, Report, Status, report


def check(name: str, status: Status) -> Check:
    return Check(
        id=name,
        entries=["1.6"],
        status=status,
        seen=f"{name} was seen to be {status}",
        remedy=f"sudo mend {name}\nsudo look again" if status == "failure" else "",
        chapter="1.6 The disk is full",
    )


def host_with(**statuses: Status) -> Report:
    """`host_with(disk="failure", port="ok")`."""
    return report([check(name, status) for name, status in statuses.items()])
