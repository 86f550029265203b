"""Which checks are made of whom, as steps for threads of their own."""

import checks
import legacy
import refusals


def plan(ends, s3, keys):
    """Lists of steps, each a function with what it takes. Nothing is planned for clients that are not there."""
    current = [ends[name] for name in ("java", "python", "go") if name in ends]
    old = [ends[f"{name} {mode}"] for name, mode in legacy.OLD_MODES if f"{name} {mode}" in ends]
    ours = ends.get("waxseal")
    if ours is None:
        java = ends.get("java")
        links = [[(writer, reader) for reader in current] for writer in current]
        plans = [[step for link in group for step in steps(*link, keys, s3)] for group in links]
        plans.append([step for writer in old for reader in current for step in from_old(writer, reader, keys, s3)])
        plans.append([(legacy.old_readers, java, reader, keys) for reader in old if java])
        plans.append([(step, java, java, java, keys) for step in (checks.rewrapped, checks.shared) if java])
        return plans
    plans = [[*steps(ours, one, keys, s3), *steps(one, ours, keys, s3)] for one in current]
    plans.append(steps(ours, ours, keys, s3))
    plans.append([step for writer in old for step in from_old(writer, ours, keys, s3)])
    plans.append([(legacy.old_readers, ours, reader, keys) for reader in old])
    if "java" in ends:
        java = ends["java"]
        ways = [(ours, java, ours), (java, ours, java), (ours, ours, java), (java, java, ours)]
        plans.append([(step, *way, keys) for way in ways for step in (checks.rewrapped, checks.shared)])
    return plans


def steps(writer, reader, keys, s3):
    link = (writer, reader, keys)
    return [
        (checks.matrix, *link),
        (checks.multipart, *link),
        (checks.instruction_files, *link, s3),
        (checks.descriptions, *link),
        (checks.ranges, *link),
        (checks.unicode_contexts, *link, s3),
        (refusals.contexts, *link),
        (refusals.wrong_keys, *link),
        (refusals.policies, *link),
        (refusals.spoiled, *link, s3),
    ]


def from_old(writer, reader, keys, s3):
    link = (writer, reader, keys)
    return [
        (legacy.opened, *link, s3),
        (legacy.contexts, *link),
        (legacy.in_ranges, *link),
        (legacy.refused, *link),
    ]
